// The errors that cross module borders. gateway/dimse/status.ts maps them to DIMSE statuses, gateway/http/errors.ts to HTTP.

/** Why an instance was not taken. */
export type RefusalKind =
  | 'out-of-room' // disk, journal or database bound reached: try again later
  | 'too-large' // longer than limits.instanceBytes
  | 'mismatch' // the dataset is not of the SOP class or instance that the command announced
  | 'sop-class' // a SOP class that is not stored: of no Storage service, or one that nobody knows
  | 'not-understood' // not a DICOM dataset that we can index: truncated, wrong lengths, UIDs missing
  | 'changed'; // another dataset under a known SOP Instance UID, where the settings refuse that

/** An instance that intake did not take; nothing of it is kept. */
export class IntakeRefusal extends Error {
  readonly kind: RefusalKind;
  /** @param message what was wrong and where, in words a PACS administrator can act on */
  constructor(kind: RefusalKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'IntakeRefusal';
    this.kind = kind;
  }
}

/** Bytes or text that are not the DICOM that they should be; `offset` is in bytes from the start of the file, where it is known. */
export class DicomFormatError extends Error {
  readonly offset: number | undefined;
  constructor(message: string, offset?: number, options?: ErrorOptions) {
    super(offset === undefined ? message : `${message} (at byte ${offset})`, options);
    this.name = 'DicomFormatError';
    this.offset = offset;
  }
}

/** An image that a model cannot or must not judge; the message is the reason shown to people. */
export class NotAnalyzableError extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = 'NotAnalyzableError';
  }
}

/** A destination that did not answer as a whole: every result waiting for it is tried again later. */
export class DestinationUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DestinationUnavailable';
  }
}

/** A source that did not answer, or not as it should: what is wanted from it is tried again later. */
export class SourceUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SourceUnavailable';
  }
}
