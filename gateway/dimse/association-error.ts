// How an association ends other than by release: one error class, with what to tell the peer (PS3.8 7.1 to 7.4).

export type AssociationFailure =
  | 'unreachable' // no transport connection
  | 'rejected' // A-ASSOCIATE-RJ
  | 'aborted' // A-ABORT from the peer
  | 'closed' // the transport connection ended without a release
  | 'timeout' // nothing on the wire for as long as we wait
  | 'protocol' // the peer sent what PS3.8 or PS3.7 does not allow
  | 'cancelled'; // we were told to stop

/** Reason/Diag. of an A-ABORT from the service provider (PS3.8 table 9-26). */
export const ABORT_REASON = {
  notSpecified: 0,
  unrecognizedPdu: 1,
  unexpectedPdu: 2,
  unrecognizedParameter: 4,
  unexpectedParameter: 5,
  invalidParameter: 6,
} as const;
export type AbortReason = (typeof ABORT_REASON)[keyof typeof ABORT_REASON];

export class AssociationError extends Error {
  readonly failure: AssociationFailure;
  /** What our A-ABORT gives as its reason; of meaning for 'protocol' only. */
  readonly abortReason: AbortReason;

  /** @param message what happened, in words a PACS administrator can act on */
  constructor(failure: AssociationFailure, message: string, abortReason: AbortReason = ABORT_REASON.notSpecified, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AssociationError';
    this.failure = failure;
    this.abortReason = abortReason;
  }
}

/** A field, item or PDU that is not what the standard says; answered by an A-ABORT. */
export function protocolError(message: string, reason: AbortReason = ABORT_REASON.invalidParameter): AssociationError {
  return new AssociationError('protocol', message, reason);
}
