// Storage Commitment Push Model (PS3.4 annex J): its datasets, the same in both roles.
import { dataset, items, text, texts, type Dataset } from '../../storage/dicom/dataset.ts';
import { isUid } from '../../storage/dicom/uids.ts';
import type { InstanceReference } from '../../storage/commitments.repository.ts';

export const STORAGE_COMMITMENT = '1.2.840.10008.1.20.1';
/** Well-known: every N-ACTION and N-EVENT-REPORT speaks of this one. */
export const STORAGE_COMMITMENT_INSTANCE = '1.2.840.10008.1.20.1.1';
/** Action Type ID of Request Storage Commitment (PS3.4 table J.3-1). */
export const REQUEST_COMMITMENT = 1;
/** Event Type ID (PS3.4 J.3.3.1). */
export const COMMITMENT_EVENT = { successful: 1, failuresExist: 2 } as const;

/** Failure Reason (0008,1197), PS3.3 C.14.1.1. */
export const COMMITMENT_FAILURE = {
  processingFailure: 0x0110,
  noSuchObjectInstance: 0x0112,
  classInstanceConflict: 0x0119,
  duplicateTransactionUid: 0x0131,
} as const;

export interface CommitmentAnswer {
  transactionUid: string;
  committed: InstanceReference[];
  failed: (InstanceReference & { reason: number })[];
}

export function commitmentAction(transactionUid: string, instances: readonly InstanceReference[]): Dataset {
  return dataset({ TransactionUID: transactionUid, ReferencedSOPSequence: instances.map(reference) });
}

/** What is asked of us. @throws {RangeError} naming what is missing, or no UID */
export function parseCommitmentAction(ds: Dataset): { transactionUid: string; instances: InstanceReference[] } {
  const instances = references(ds, 'ReferencedSOPSequence').map(({ sopClassUid, sopInstanceUid }) => ({ sopClassUid, sopInstanceUid }));
  if (instances.length === 0) throw new RangeError('Referenced SOP Sequence has no item');
  return { transactionUid: uid(ds, 'TransactionUID'), instances };
}

export function commitmentEvent({ transactionUid, committed, failed }: CommitmentAnswer, retrieveAe: string): Dataset {
  return dataset({
    TransactionUID: transactionUid,
    RetrieveAETitle: retrieveAe,
    ...(committed.length > 0 && { ReferencedSOPSequence: committed.map(reference) }),
    ...(failed.length > 0 && { FailedSOPSequence: failed.map(({ reason, ...instance }) => ({ ...reference(instance), FailureReason: reason })) }),
  });
}

/** What a destination answers. @throws {RangeError} naming what is missing, or no UID */
export function parseCommitmentEvent(ds: Dataset): CommitmentAnswer {
  return {
    transactionUid: uid(ds, 'TransactionUID'),
    committed: references(ds, 'ReferencedSOPSequence').map(({ sopClassUid, sopInstanceUid }) => ({ sopClassUid, sopInstanceUid })),
    failed: references(ds, 'FailedSOPSequence').map(({ item, ...instance }) => ({ ...instance, reason: Number(texts(item, 'FailureReason')[0] ?? COMMITMENT_FAILURE.processingFailure) })),
  };
}

function reference({ sopClassUid, sopInstanceUid }: InstanceReference): Record<string, unknown> {
  return { ReferencedSOPClassUID: sopClassUid, ReferencedSOPInstanceUID: sopInstanceUid };
}

function references(ds: Dataset, sequence: string): (InstanceReference & { item: Dataset })[] {
  return items(ds, sequence).map((item) => ({ sopClassUid: uid(item, 'ReferencedSOPClassUID'), sopInstanceUid: uid(item, 'ReferencedSOPInstanceUID'), item }));
}

function uid(ds: Dataset, keyword: string): string {
  const value = text(ds, keyword);
  if (value === undefined || !isUid(value)) throw new RangeError(`${keyword} is ${value === undefined ? 'missing' : 'not a UID'}`);
  return value;
}

const FAILURES: Readonly<Record<number, string>> = {
  0x0110: 'processing failure',
  0x0112: 'no such object instance',
  0x0119: 'class and instance conflict',
  0x0122: 'SOP class not supported',
  0x0131: 'duplicate transaction UID',
  0x0213: 'resource limitation',
};

/** E.g. "0112 no such object instance". */
export function describeFailure(reason: number): string {
  return `${reason.toString(16).toUpperCase().padStart(4, '0')} ${FAILURES[reason] ?? 'unknown reason'}`;
}
