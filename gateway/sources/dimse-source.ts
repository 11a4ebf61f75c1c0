// A source that is asked by C-FIND and gives its instances by C-GET, or by C-MOVE to the gateway's own AE.
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { QueryLevel } from '../../storage/archive.ts';
import { dataset, text, type Dataset } from '../../storage/dicom/dataset.ts';
import { DicomFormatError, SourceUnavailable } from '../../storage/errors.ts';
import { AssociationError } from '../dimse/association-error.ts';
import type { Association } from '../dimse/association.ts';
import { echo } from '../dimse/echo-scu.ts';
import { COMPRESSED_SYNTAXES, get, getContexts } from '../dimse/get-scu.ts';
import { move, type RetrieveCounts } from '../dimse/move-scu.ts';
import { contextOf, find, IDENTIFIER_SYNTAXES, OperationRefused } from '../dimse/query-scu.ts';
import { RETRIEVE_STATUS } from '../dimse/query-status.ts';
import type { RemoteAe } from '../dimse/requestor.ts';
import { requestAssociation } from '../dimse/requestor.ts';
import { handleStore } from '../dimse/storage-scp.ts';
import { identifierOf, RETURNED, type Keys } from './keys.ts';
import type { FetchIntake, FetchPart, FetchRequest, ListedInstance, SourceClient } from './source-client.ts';

export interface DimseSourceOptions {
  remote: RemoteAe;
  retrieve: 'get' | 'move';
  maxPduBytes: number;
  /** Of silence on the wire. */
  timeoutMs: number;
  log: Logger;
}

/** PS3.4 tables C.6.1-1 and C.6.2-1: patient root, study root. */
const FIND = ['1.2.840.10008.5.1.4.1.2.2.1', '1.2.840.10008.5.1.4.1.2.1.1'];
const MOVE = ['1.2.840.10008.5.1.4.1.2.2.2', '1.2.840.10008.5.1.4.1.2.1.2'];
const GET = ['1.2.840.10008.5.1.4.1.2.2.3', '1.2.840.10008.5.1.4.1.2.1.3'];
const LEVEL: Record<QueryLevel, string> = { patient: 'PATIENT', study: 'STUDY', series: 'SERIES', instance: 'IMAGE' };
/** UIDs of one C-MOVE or C-GET: some archives read no more than an element of 64 KB, some no more than a few. */
const UIDS_A_REQUEST = 100;
/** SOP classes of one association: with fewer, more transfer syntaxes of each have room. */
const CLASSES_AN_ASSOCIATION = 8;
/** Of a study whose instances are listed without their SOP class: what studies of the chest consist of. */
const LIKELY_CLASSES = [
  '1.2.840.10008.5.1.4.1.1.1', // Computed Radiography
  '1.2.840.10008.5.1.4.1.1.1.1', // Digital X-Ray for presentation
  '1.2.840.10008.5.1.4.1.1.1.1.1', // and for processing
  '1.2.840.10008.5.1.4.1.1.2', // CT
  '1.2.840.10008.5.1.4.1.1.7', // Secondary Capture
  '1.2.840.10008.5.1.4.1.1.11.1', // Grayscale Softcopy Presentation State
  '1.2.840.10008.5.1.4.1.1.88.22', // Enhanced SR
  '1.2.840.10008.5.1.4.1.1.88.33', // Comprehensive SR
];
/** Instances that a C-GET left behind and that are asked for one by one; of more, the next try asks for all again. */
const MAX_ONE_BY_ONE = 200;
/** How long a peer that is told to stop may take to say that it has. */
const CANCEL_GRACE_MS = 2000;

/** How a retrieve ended. */
interface RetrieveEnd {
  sent: number;
  /** Whether the peer could not send something. */
  failed: boolean;
  /** Of the first C-GET or C-MOVE that was refused as a whole. */
  refusal?: OperationRefused;
}

export class DimseSource implements SourceClient {
  readonly arrival: SourceClient['arrival'];
  readonly #options: DimseSourceOptions;
  #query: Association | undefined;
  #lastMessageId = 0;

  constructor(options: DimseSourceOptions) {
    this.#options = options;
    this.arrival = options.retrieve === 'get' ? 'here' : 'gateway';
  }

  async *find(level: QueryLevel, keys: Keys, signal: AbortSignal, limit = Infinity): AsyncGenerator<Dataset> {
    const returned = Object.fromEntries(RETURNED[level].map((keyword) => [keyword, '']));
    const identifier = { ...identifierOf({ ...returned, ...keys }), ...dataset({ QueryRetrieveLevel: LEVEL[level] }) };
    let given = 0;
    try {
      const association = (this.#query ??= await this.#associate({ contexts: FIND.map((abstractSyntax) => ({ abstractSyntax, transferSyntaxes: IDENTIFIER_SYNTAXES })) }, signal));
      // Only the patient root has patients (PS3.4 C.6.2.1).
      const context = contextOf(association, ...(level === 'patient' ? FIND.toReversed() : FIND));
      for await (const match of find(association, context, identifier, this.#nextMessageId(), signal)) {
        yield match;
        if (++given >= limit) return;
      }
    } catch (error) {
      await this.#drop(error);
      throw this.#unavailable(error, signal);
    }
    signal.throwIfAborted();
  }

  async list(studyInstanceUid: string, signal: AbortSignal): Promise<ListedInstance[]> {
    const series: string[] = [];
    for await (const match of this.find('series', { StudyInstanceUID: studyInstanceUid }, signal)) series.push(text(match, 'SeriesInstanceUID') ?? '');
    const listed: ListedInstance[] = [];
    for (const seriesInstanceUid of new Set(series.filter((uid) => uid !== '')))
      for await (const match of this.find('instance', { StudyInstanceUID: studyInstanceUid, SeriesInstanceUID: seriesInstanceUid }, signal)) {
        const sopInstanceUid = text(match, 'SOPInstanceUID');
        const sopClassUid = text(match, 'SOPClassUID');
        if (sopInstanceUid) listed.push({ seriesInstanceUid, sopInstanceUid, ...(sopClassUid && { sopClassUid }) });
      }
    return listed;
  }

  async fetch(request: FetchRequest, intake: FetchIntake, signal: AbortSignal): Promise<number> {
    // Idle while instances come, it would be closed by many a peer; and some take one association at a time.
    await this.close();
    try {
      return await (this.#options.retrieve === 'get' ? this.#get(request, intake, signal) : this.#move(request, signal));
    } catch (error) {
      throw this.#unavailable(error, signal);
    }
  }

  async probe(): Promise<void> {
    const { remote, timeoutMs } = this.#options;
    await echo(remote, timeoutMs).catch((error: unknown) => {
      throw this.#unavailable(error);
    });
  }

  async close(): Promise<void> {
    const association = this.#query;
    this.#query = undefined;
    await association?.release().catch(() => association.abort());
  }

  async #move(request: FetchRequest, signal: AbortSignal): Promise<number> {
    const { remote } = this.#options;
    const association = await this.#associate({ contexts: MOVE.map((abstractSyntax) => ({ abstractSyntax, transferSyntaxes: IDENTIFIER_SYNTAXES })) }, signal);
    const { sent, refusal } = await this.#retrieve(association, request, (identifier) =>
      move(association, contextOf(association, ...MOVE), { identifier, messageId: this.#nextMessageId() }, remote.callingAe, signal),
    );
    if (sent === 0 && refusal) throw refusal;
    return sent;
  }

  /**
   * First all at once, each transfer syntax on a context of its own. A peer that takes the first context of a SOP class for
   * whatever it has of it (dcmqrscp) cannot send compressed images so, and stops at the first: what is left is asked for on
   * compressed contexts alone, and then on all again, one by one, so that one that cannot be sent does not hold back the others.
   */
  async #get(request: FetchRequest, intake: FetchIntake, signal: AbortSignal): Promise<number> {
    const cancel = AbortSignal.any([signal, intake.full]);
    const answered = new Set<string>();
    const first = await this.#getOver(request, intake, answered, cancel, signal);
    for (const syntaxes of [COMPRESSED_SYNTAXES, undefined]) {
      const left = request.listed.filter(({ sopInstanceUid }) => !answered.has(sopInstanceUid));
      if (!first.failed || left.length === 0 || left.length > MAX_ONE_BY_ONE || cancel.aborted) break;
      const parts = left.map(({ seriesInstanceUid, sopInstanceUid }) => ({ seriesInstanceUid, sopInstanceUids: [sopInstanceUid] }));
      await this.#getOver({ ...request, parts, listed: left }, intake, answered, cancel, signal, syntaxes);
    }
    if (answered.size === 0 && first.refusal) throw first.refusal;
    return answered.size;
  }

  /** The SOP classes that are to come decide what is proposed; more than fit are fetched over several associations. */
  async #getOver(request: FetchRequest, intake: FetchIntake, answered: Set<string>, cancel: AbortSignal, signal: AbortSignal, syntaxes?: readonly string[]): Promise<RetrieveEnd> {
    const { remote, log } = this.#options;
    const caller = { transport: 'dimse' as const, callingAe: remote.calledAe, calledAe: remote.callingAe, address: remote.host, associationId: randomUUID() };
    const found = [...new Set(request.listed.map(({ sopClassUid }) => sopClassUid ?? ''))];
    const sopClassUids = found.includes('') ? [...new Set([...found, ...LIKELY_CLASSES])].filter((uid) => uid !== '') : found;
    let end: RetrieveEnd = { sent: 0, failed: false };
    for (let from = 0; from < sopClassUids.length && !cancel.aborted; from += CLASSES_AN_ASSOCIATION) {
      const association = await this.#associate(getContexts(GET, sopClassUids.slice(from, from + CLASSES_AN_ASSOCIATION), syntaxes), signal);
      const next = await this.#retrieve(association, request, (identifier) =>
        get(association, contextOf(association, ...GET), { identifier, messageId: this.#nextMessageId() }, async (message) => {
          await handleStore(association, message, intake, caller, log);
          answered.add(message.command.affectedSopInstanceUid ?? '');
        }, cancel),
      );
      end = { ...end, ...next, sent: end.sent + next.sent, failed: end.failed || next.failed };
    }
    return end;
  }

  /** @param each one C-MOVE or C-GET; the first that is refused is kept, and the others go on */
  async #retrieve(association: Association, { studyInstanceUid, parts }: FetchRequest, each: (identifier: Dataset) => Promise<RetrieveCounts & { refusal?: OperationRefused }>): Promise<RetrieveEnd> {
    const end: RetrieveEnd = { sent: 0, failed: false };
    try {
      for (const identifier of parts.flatMap((part) => identifiersOf(studyInstanceUid, part))) {
        const { completed, warning, failed, refusal } = await each(identifier).catch((error: unknown) => {
          if (!(error instanceof OperationRefused)) throw error;
          return { completed: 0, warning: 0, failed: 1, refusal: error };
        });
        end.sent += completed + warning;
        end.failed ||= failed > 0;
        if (refusal) end.refusal ??= refusal;
        if (failed > 0) this.#options.log.debug({ study: studyInstanceUid, completed, warning, failed, reason: refusal?.message }, 'the source could not send all instances');
      }
      await association.release();
      return end;
    } catch (error) {
      await association.abort(error);
      throw error;
    }
  }

  /** Ended hard only when a peer that was told to stop has not done so after a while. */
  async #associate(wanted: Pick<Parameters<typeof requestAssociation>[0], 'contexts' | 'roles'>, signal: AbortSignal): Promise<Association> {
    signal.throwIfAborted();
    const { remote, maxPduBytes, timeoutMs } = this.#options;
    const hard = new AbortController();
    signal.addEventListener('abort', () => setTimeout(() => hard.abort(signal.reason), CANCEL_GRACE_MS).unref(), { once: true });
    return requestAssociation({ remote, ...wanted, maxPduBytes, timeoutMs, signal: hard.signal });
  }

  async #drop(error: unknown): Promise<void> {
    const association = this.#query;
    this.#query = undefined;
    await association?.abort(error);
  }

  #nextMessageId(): number {
    return (this.#lastMessageId = (this.#lastMessageId % 0xffff) + 1);
  }

  #unavailable(error: unknown, signal?: AbortSignal): unknown {
    if (signal?.aborted) return signal.reason;
    if (!(error instanceof AssociationError || error instanceof OperationRefused || error instanceof DicomFormatError)) return error;
    const { calledAe, callingAe, host, port } = this.#options.remote;
    const advice = error instanceof OperationRefused && error.status === RETRIEVE_STATUS.moveDestinationUnknown ? `; it must know ${callingAe} with the host and port of this gateway` : '';
    return new SourceUnavailable(`${calledAe} at ${host}:${port}: ${error.message}${advice}`, { cause: error });
  }
}

function identifiersOf(studyInstanceUid: string, { seriesInstanceUid, sopInstanceUids }: FetchPart): Dataset[] {
  const study = { StudyInstanceUID: studyInstanceUid };
  if (seriesInstanceUid === undefined) return [dataset({ QueryRetrieveLevel: 'STUDY', ...study })];
  const series = { ...study, SeriesInstanceUID: seriesInstanceUid };
  if (!sopInstanceUids) return [dataset({ QueryRetrieveLevel: 'SERIES', ...series })];
  const requests = Math.ceil(sopInstanceUids.length / UIDS_A_REQUEST);
  return Array.from({ length: requests }, (_, index) =>
    dataset({ QueryRetrieveLevel: 'IMAGE', ...series, SOPInstanceUID: sopInstanceUids.slice(index * UIDS_A_REQUEST, (index + 1) * UIDS_A_REQUEST) }),
  );
}
