// What C-MOVE and C-GET have in common: which instances, in which transfer syntax, and how many sub-operations came to what (PS3.4 C.4.2, C.4.3).
import type { Archive, ArchivedInstance, Selection } from '../../storage/archive.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { tagOf } from '../../storage/dicom/dataset.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, TRANSFER_SYNTAXES, transferSyntax } from '../../storage/dicom/uids.ts';
import type { Transcoder } from '../transcode/transcoder.ts';
import type { PresentationContext } from './association.ts';
import type { Command } from './command.ts';
import { writeIdentifier } from './identifier.ts';
import { parseRetrieve } from './query-identifier.ts';
import type { QueryModel } from './query-models.ts';
import { agreedOptions, RETRIEVE_OPTIONS } from './query-models.ts';
import { QueryProblem, RETRIEVE_STATUS } from './query-status.ts';
import { readIdentifier } from './identifier.ts';
import type { ServiceCall } from './service.ts';
import { describeStatus, meansStored, refused, STATUS } from './status.ts';

/** Held in memory as a list, some 50 MB at most: no study comes near. */
const MAX_INSTANCES = 100_000;
/** Failed SOP Instance UID List is of VR UI, whose length has 16 bits. */
const MAX_FAILED_LIST_BYTES = 65_000;
/** Between two pending responses, so that thousands of small instances do not bring as many. */
export const REPORT_INTERVAL_MS = 500;

/** Compressed without loss: an image in a lossy syntax that it was not stored in would be another image than the one asked for. */
const LOSSLESS: ReadonlySet<string> = new Set([
  ...Object.keys(TRANSFER_SYNTAXES).filter((uid) => !transferSyntax(uid).encapsulated),
  '1.2.840.10008.1.2.1.98',
  '1.2.840.10008.1.2.4.57',
  '1.2.840.10008.1.2.4.70',
  '1.2.840.10008.1.2.4.80',
  '1.2.840.10008.1.2.4.90',
  '1.2.840.10008.1.2.4.110',
  '1.2.840.10008.1.2.4.201',
  '1.2.840.10008.1.2.4.202',
  '1.2.840.10008.1.2.5',
  '1.2.840.10008.1.2.8.1',
]);

/** Whether an instance may be sent so: as it is stored, or changed without loss. */
export function canSend(transcoder: Pick<Transcoder, 'canTranscode'>, from: string, to: string): boolean {
  return from === to || (LOSSLESS.has(to) && transcoder.canTranscode(from, to));
}

/** The context on which an instance goes: as it is stored before all, then uncompressed, then as the peer takes it. */
export function contextOf(contexts: readonly PresentationContext[], instance: ArchivedInstance, transcoder: Pick<Transcoder, 'canTranscode'>): PresentationContext | undefined {
  const preferred = [instance.transferSyntaxUid, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN];
  const rank = ({ transferSyntax: syntax }: PresentationContext): number => (preferred.includes(syntax) ? preferred.indexOf(syntax) : preferred.length);
  return contexts
    .filter(({ abstractSyntax, transferSyntax: to }) => abstractSyntax === instance.sopClassUid && canSend(transcoder, instance.transferSyntaxUid, to))
    .toSorted((one, other) => rank(one) - rank(other))[0];
}

/** The request, read and understood. @throws {QueryProblem | DicomFormatError | AssociationError} */
export async function readSelection({ association, message: { context, dataset } }: ServiceCall, models: Readonly<Record<string, QueryModel>>): Promise<Selection> {
  if (!dataset) throw new QueryProblem(RETRIEVE_STATUS.identifierDoesNotMatchSopClass, 'a retrieve without an identifier');
  const identifier = await readIdentifier(dataset, context.transferSyntax);
  const agreed = agreedOptions(RETRIEVE_OPTIONS, association.agreement.extended.get(context.abstractSyntax));
  return parseRetrieve(identifier, models[context.abstractSyntax]!, agreed);
}

/** @throws {QueryProblem} where they are too many; what the archive throws */
export async function instancesOf(archive: Pick<Archive, 'select'>, selection: Selection, signal: AbortSignal): Promise<ArchivedInstance[]> {
  const instances: ArchivedInstance[] = [];
  for await (const instance of archive.select(selection)) {
    signal.throwIfAborted();
    instances.push(instance);
    if (instances.length > MAX_INSTANCES) throw new QueryProblem(RETRIEVE_STATUS.outOfResourcesForMatches, `more than ${MAX_INSTANCES} instances match: retrieve fewer at a time`);
  }
  return instances;
}

export class SubOperations {
  remaining: number;
  completed = 0;
  failed = 0;
  warnings = 0;
  readonly #failedUids: string[] = [];
  #firstReason: string | undefined;
  #reportedAt = -Infinity;

  constructor(total: number) {
    this.remaining = total;
  }

  /** @param answer of the C-STORE */
  answered(sopInstanceUid: string, { status, errorComment }: { status: number; errorComment?: string }): void {
    if (!meansStored(status)) return this.fail(sopInstanceUid, `${describeStatus(status)}${errorComment ? `: ${errorComment}` : ''}`);
    this.remaining -= 1;
    if (status === STATUS.success) this.completed += 1;
    else this.warnings += 1;
  }

  fail(sopInstanceUid: string, reason: string): void {
    this.remaining -= 1;
    this.failed += 1;
    this.#failedUids.push(sopInstanceUid);
    this.#firstReason ??= reason;
  }

  /** Whether it is time to say how far it has come; once true, not again for a while. */
  isReportDue(): boolean {
    const now = performance.now();
    if (now - this.#reportedAt < REPORT_INTERVAL_MS) return false;
    this.#reportedAt = now;
    return true;
  }

  pending(): { status: number } & Partial<Command> {
    return { status: RETRIEVE_STATUS.pending, remainingSuboperations: short(this.remaining), ...this.#counts() };
  }

  /** What the last response says (PS3.4 tables C.4-2 and C.4-3); what remains is told of a cancelled one alone. */
  final(isCancelled: boolean): { status: number } & Partial<Command> {
    if (isCancelled) return { status: RETRIEVE_STATUS.cancelled, remainingSuboperations: short(this.remaining), ...this.#counts() };
    if (this.failed === 0) return { status: this.warnings > 0 ? RETRIEVE_STATUS.someFailed : RETRIEVE_STATUS.success, ...this.#counts() };
    const status = this.completed + this.warnings > 0 ? RETRIEVE_STATUS.someFailed : RETRIEVE_STATUS.outOfResourcesForSuboperations;
    return { ...refused(status, this.#firstReason ?? ''), ...this.#counts() };
  }

  /** Failed SOP Instance UID List (0008,0058), where any failed. */
  failedList(transferSyntaxUid: string): AsyncIterable<Uint8Array> | undefined {
    if (this.failed === 0) return undefined;
    const uids: string[] = [];
    let bytes = 0;
    for (const uid of this.#failedUids) {
      bytes += uid.length + 1;
      if (bytes > MAX_FAILED_LIST_BYTES) break;
      uids.push(uid);
    }
    const identifier: Dataset = { [tagOf('FailedSOPInstanceUIDList')]: { vr: 'UI', Value: uids } };
    return writeIdentifier(identifier, transferSyntaxUid, []);
  }

  #counts(): Partial<Command> {
    return { completedSuboperations: short(this.completed), failedSuboperations: short(this.failed), warningSuboperations: short(this.warnings) };
  }

  toJSON(): object {
    return { remaining: this.remaining, completed: this.completed, failed: this.failed, warnings: this.warnings, reason: this.#firstReason };
  }
}

/** The counts are of VR US. */
function short(count: number): number {
  return Math.min(count, 0xffff);
}
