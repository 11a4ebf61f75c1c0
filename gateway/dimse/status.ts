// The one place where an error becomes a DIMSE status (PS3.7 9.1.1.1.9 and annex C, PS3.4 B.2.3), and a status becomes words.
import type { RefusalKind } from '../../storage/errors.ts';
import { IntakeRefusal } from '../../storage/errors.ts';
import { hex4 } from './command.ts';

export const STATUS = {
  success: 0x0000,
  processingFailure: 0x0110,
  invalidSopInstance: 0x0117,
  sopClassNotSupported: 0x0122,
  /** The settings do not let this peer ask for that. */
  notAuthorized: 0x0124,
  unrecognizedOperation: 0x0211,
  outOfResources: 0xa700,
  dataSetDoesNotMatchSopClass: 0xa900,
  cannotUnderstand: 0xc000,
  /** Of our own choosing within "cannot understand" (Cxxx): PS3.4 B.2.3 knows no duplicate, and C-STORE has no 0111. */
  anotherDatasetIsKnown: 0xc010,
} as const;

const STATUS_OF_REFUSAL: Record<RefusalKind, number> = {
  'out-of-room': STATUS.outOfResources,
  'too-large': STATUS.outOfResources,
  mismatch: STATUS.dataSetDoesNotMatchSopClass,
  'not-understood': STATUS.cannotUnderstand,
  'sop-class': STATUS.sopClassNotSupported,
  changed: STATUS.anotherDatasetIsKnown,
};

export interface StoreStatus {
  status: number;
  /** For Error Comment (0000,0902), LO: 64 characters of ASCII. */
  errorComment?: string;
}

/** What a C-STORE response says of an error that intake threw. Only refusals carry their words: others may hold paths or names. */
export function statusOfError(error: unknown): StoreStatus {
  if (error instanceof IntakeRefusal) return refused(STATUS_OF_REFUSAL[error.kind], error.message);
  return refused(STATUS.processingFailure, 'internal error, see the log of the gateway');
}

export function refused(status: number, comment: string): StoreStatus {
  const ascii = comment.replaceAll(/[^\x20-\x5b\x5d-\x7e]/g, '?');
  return { status, errorComment: ascii.length <= 64 ? ascii : `${ascii.slice(0, 61)}...` };
}

/** C-STORE statuses that mean that the peer has the instance: success, and the warnings of PS3.4 table B.2-1. */
const STORED = new Set([0x0000, 0xb000, 0xb006, 0xb007]);

export function meansStored(status: number): boolean {
  return STORED.has(status);
}

/** More responses to the same request follow (PS3.7 annex C). */
export function isPending(status: number): boolean {
  return status === 0xff00 || status === 0xff01;
}

const WORDS: Record<number, string> = {
  0x0000: 'success',
  0x0105: 'no such attribute',
  0x0106: 'invalid attribute value',
  0x0110: 'processing failure',
  0x0111: 'duplicate SOP instance',
  0x0112: 'no such SOP instance',
  0x0117: 'invalid SOP instance',
  0x0118: 'no such SOP class',
  0x0120: 'missing attribute',
  0x0122: 'SOP class not supported',
  0x0124: 'not authorized',
  0x0210: 'duplicate invocation',
  0x0211: 'unrecognized operation',
  0x0212: 'mistyped argument',
  0xb000: 'coercion of data elements',
  0xb006: 'elements discarded',
  0xb007: 'dataset does not match SOP class',
};
const RANGES: readonly (readonly [mask: number, value: number, words: string])[] = [
  [0xff00, 0xa700, 'out of resources'],
  [0xff00, 0xa900, 'dataset does not match SOP class'],
  [0xf000, 0xc000, 'cannot understand'],
  [0xf000, 0xb000, 'warning'],
];

/** E.g. "A700 out of resources". Failure Reason (0008,1197) of DICOMweb has the same values. */
export function describeStatus(status: number): string {
  const words = WORDS[status] ?? RANGES.find(([mask, value]) => (status & mask) === value)?.[2] ?? 'unknown status';
  return `${hex4(status)} ${words}`;
}
