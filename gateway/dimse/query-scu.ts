// Query as SCU: C-FIND of Query/Retrieve and of the Modality Worklist (PS3.4 C.4.1, K.4.1; PS3.7 9.1.2).
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { writeDataset } from '../../storage/dicom/write.ts';
import { AssociationError } from './association-error.ts';
import type { Association, PresentationContext } from './association.ts';
import { COMMAND } from './command.ts';
import { exchangeMany } from './exchange.ts';
import { QUERY_STATUS } from './query-status.ts';
import { describeStatus } from './status.ts';

/** PS3.4 table K.6-1. */
export const MODALITY_WORKLIST_FIND = '1.2.840.10008.5.1.4.31';

/** What a query or a retrieve can be sent in. */
export const IDENTIFIER_SYNTAXES = [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN];

/** The peer answered, with a status that is neither success nor ours to cause. */
export class OperationRefused extends Error {
  readonly status: number;
  /** @param operation C-FIND, C-MOVE, C-GET */
  constructor(operation: string, status: number, comment: string | undefined) {
    super(`${operation} answered with ${describeStatus(status)}${comment ? `: ${comment}` : ''}`);
    this.name = 'OperationRefused';
    this.status = status;
  }
}

/** @throws {AssociationError} where the peer took none of these SOP classes */
export function contextOf(association: Association, ...sopClassUids: string[]): PresentationContext {
  const contexts = [...association.contexts.values()];
  const found = sopClassUids.flatMap((uid) => contexts.find(({ abstractSyntax }) => abstractSyntax === uid) ?? [])[0];
  if (!found) throw new AssociationError('rejected', `the peer does not accept ${sopClassUids.join(' or ')}`);
  return found;
}

/** In the default repertoire wherever that can hold it: some peers know no other in a query. */
export async function* identifierBytes(identifier: Dataset, transferSyntaxUid: string): AsyncGenerator<Uint8Array> {
  yield writeDataset(identifier, transferSyntaxUid, []);
}

/**
 * Matches one after the other; leaving the loop cancels the query (C-CANCEL).
 * @param messageId 1 to 65535, another one for each message of the association
 * @param signal cancels the query; the matches that have come until then stay
 * @throws {OperationRefused} @throws {AssociationError} @throws {DicomFormatError} for a match that is no dataset
 */
export async function* find(association: Association, context: PresentationContext, identifier: Dataset, messageId: number, signal?: AbortSignal): AsyncGenerator<Dataset> {
  const request = { commandField: COMMAND.findRq, affectedSopClassUid: context.abstractSyntax, messageId, priority: 0, hasDataset: true };
  const responses = exchangeMany(association, context.id, request, identifierBytes(identifier, context.transferSyntax), signal ? { signal } : {});
  for await (const { status, errorComment, dataset } of responses) {
    // Whether optional keys were matched or not: whoever needs them looks at what came back.
    if (status === QUERY_STATUS.pending || status === QUERY_STATUS.pendingWithUnsupportedKeys) {
      if (dataset) yield dataset;
    } else if (status !== QUERY_STATUS.success && status !== QUERY_STATUS.cancelled) throw new OperationRefused('C-FIND', status, errorComment);
  }
}
