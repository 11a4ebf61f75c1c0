// The Store Instances Response Module (PS3.18 I.2): what was stored, what was not and why, and the HTTP status that follows
// (PS3.18 table 10.5.3-1).
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { DicomFormatError, IntakeRefusal, type RefusalKind } from '../../storage/errors.ts';
import { MultipartError } from './multipart.ts';
import type { InstanceName } from './part-head.ts';

/** Failure Reason (0008,1197), PS3.18 table I.2-2; Duplicate SOP Instance is PS3.7's, for which the table leaves room. */
export const FAILURE_REASON = {
  processingFailure: 0x0110,
  sopClassNotSupported: 0x0122,
  duplicateInstance: 0x0111,
  outOfResources: 0xa700,
  /** Of another SOP class than it says, or of another study than the request's address. */
  doesNotMatch: 0xa900,
  cannotUnderstand: 0xc000,
} as const;

/** Warning Reason (0008,1196), PS3.18 table I.2-1; what is of neither kind has a number of its own, which the table leaves room for. */
export const WARNING_REASON = {
  coerced: 0xb000,
  /** Another dataset was known under this UID: both are kept, and this one is the current one. */
  changedVersion: 0xb111,
} as const;

const REASON_OF_REFUSAL: Record<RefusalKind, number> = {
  'out-of-room': FAILURE_REASON.outOfResources,
  'too-large': FAILURE_REASON.outOfResources,
  mismatch: FAILURE_REASON.doesNotMatch,
  'not-understood': FAILURE_REASON.cannotUnderstand,
  'sop-class': FAILURE_REASON.sopClassNotSupported,
  changed: FAILURE_REASON.duplicateInstance,
};

export interface StoredInstance extends InstanceName {
  seriesInstanceUid: string;
  studyInstanceUid: string;
}

interface Remark {
  reason: number;
  comment: string;
}

interface Stored {
  instance: StoredInstance;
  /** The first counts: there is room for one. */
  warning: Remark | undefined;
}

interface Failure extends Remark {
  name: InstanceName | undefined;
  /** What the whole is answered with when every part failed in this way. */
  status: number;
}

export class StoreResponse {
  readonly #root: string;
  readonly #stored: Stored[] = [];
  readonly #failures: Failure[] = [];
  #malformed = false;

  /** @param root URL of the DICOMweb services: https://host/dicomweb */
  constructor(root: string) {
    this.#root = root;
  }

  get storedCount(): number {
    return this.#stored.length;
  }

  get partCount(): number {
    return this.#stored.length + this.#failures.length;
  }

  /** @returns by which a warning can be added once there is one */
  store({ sopClassUid, sopInstanceUid, seriesInstanceUid, studyInstanceUid }: StoredInstance): (reason: number, comment: string) => void {
    // No more is kept than these: there may be thousands.
    const stored: Stored = { instance: { sopClassUid, sopInstanceUid, seriesInstanceUid, studyInstanceUid }, warning: undefined };
    this.#stored.push(stored);
    return (reason, comment) => void (stored.warning ??= { reason, comment });
  }

  /** A part that was not stored. @param name undefined when the part does not say which instance it is */
  fail(name: InstanceName | undefined, error: unknown): void {
    const comment = error instanceof Error ? error.message : String(error);
    if (error instanceof IntakeRefusal) {
      const status = error.kind === 'out-of-room' ? 503 : error.kind === 'too-large' ? 413 : 409;
      this.#failures.push({ name, reason: REASON_OF_REFUSAL[error.kind], comment, status });
    } else if (error instanceof DicomFormatError || error instanceof WrongPartError)
      this.#failures.push({ name, reason: FAILURE_REASON.cannotUnderstand, comment, status: 409 });
    else this.#failures.push({ name, reason: FAILURE_REASON.processingFailure, comment: 'storing failed; the log has the reason', status: 500 });
  }

  /** The body broke off or went wrong here; what was stored before stays. */
  breakOff(error: MultipartError): void {
    this.#malformed = true;
    this.#failures.push({ name: undefined, reason: FAILURE_REASON.cannotUnderstand, comment: error.message, status: 400 });
  }

  /** 200 when all was stored without a warning, 202 when something was stored, and otherwise what all failures have in common, or 409. */
  status(): number {
    if (this.#stored.length > 0) return this.#failures.length === 0 && this.#stored.every(({ warning }) => !warning) ? 200 : 202;
    if (this.#malformed) return 400;
    const statuses = new Set(this.#failures.map((failure) => failure.status));
    return statuses.size === 1 ? [...statuses][0]! : 409;
  }

  /** Why the first failed, for a log line. */
  firstFailure(): string | undefined {
    return this.#failures[0]?.comment;
  }

  /** The module as DICOM JSON. */
  dataset(): Dataset {
    const studies = new Set(this.#stored.map(({ instance }) => instance.studyInstanceUid));
    const named = this.#failures.filter((failure) => failure.name !== undefined);
    const unnamed = this.#failures.filter((failure) => failure.name === undefined);
    return {
      ...(studies.size === 1 && { '00081190': { vr: 'UR', Value: [`${this.#root}/studies/${[...studies][0]}`] } }),
      ...(named.length > 0 && { '00081198': { vr: 'SQ', Value: named.map((failure) => ({ ...reference(failure.name!), ...remark('00081197', failure) })) } }),
      ...(this.#stored.length > 0 && { '00081199': { vr: 'SQ', Value: this.#stored.map((stored) => this.#referenced(stored)) } }),
      ...(unnamed.length > 0 && { '0008119A': { vr: 'SQ', Value: unnamed.map((failure) => remark('00081197', failure)) } }),
    };
  }

  #referenced({ instance, warning }: Stored): Dataset {
    const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = instance;
    const url = `${this.#root}/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`;
    return { ...reference(instance), '00081190': { vr: 'UR', Value: [url] }, ...(warning && remark('00081196', warning)) };
  }
}

/** A part that is not an instance: metadata, bulk data, a picture. */
export class WrongPartError extends Error {}

function reference(name: InstanceName): Dataset {
  return { '00081150': { vr: 'UI', Value: [name.sopClassUid] }, '00081155': { vr: 'UI', Value: [name.sopInstanceUid] } };
}

/** Error Comment (0000,0902) has no place in the module, but is where clients look for words; it is an LO, 64 characters. */
function remark(tag: '00081196' | '00081197', { reason, comment }: Remark): Dataset {
  return { [tag]: { vr: 'US', Value: [reason] }, '00000902': { vr: 'LO', Value: [comment.slice(0, 64)] } };
}
