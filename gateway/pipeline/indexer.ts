// From durable to indexed: what intake has acknowledged becomes rows in Postgres, now or when Postgres is back. The journal
// holds each instance until its rows are committed, so a crash in between loses nothing.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Settings } from '../../config/settings.ts';
import { resultOrigin } from '../../ai/results/recognise.ts';
import { num, text } from '../../storage/dicom/dataset.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { IndexedInstance, IndexOutcome, IntakeRepository } from '../../storage/intake.repository.ts';
import type { Journal } from '../../storage/journal.ts';
import type { DurableInstance } from '../../storage/receive.ts';
import { sameContentAs } from '../../storage/same-content.ts';
import type { JobQueue } from './queue.ts';
import { promoteStudy } from './promote.ts';
import { explainNoRoute, matchRoute } from './routes.ts';

/** A transaction takes some milliseconds, most of them waiting for Postgres' disk: a few at a time share its syncs. */
const CONCURRENCY = 4;
/** Between tries while Postgres is away. */
const RETRY_MS = 500;
/** An instance whose rows Postgres refuses so often, while it takes others, is left in the journal for a person. */
const MAX_REFUSALS = 5;
const PRIOR_REASON = 'it was fetched as a prior, and priors are not analysed';
/** Headers of some ten kilobytes each that wait in memory; of those beyond, only the name, and the journal has the rest. */
const HEADERS_IN_MEMORY = 200;

export interface IndexerOptions {
  settings: () => Settings;
  repository: IntakeRepository;
  queue: JobQueue;
  journal: Journal;
  blobs: BlobStore;
  log: Logger;
  onIndexed?: (indexed: IndexedInstance) => void;
  /** Whether it came because it was fetched as an earlier study of a patient. */
  isPrior?: (instance: DurableInstance) => Promise<boolean>;
}

export class Indexer {
  readonly #options: IndexerOptions;
  readonly #log: Logger;
  /** Oldest first; a name where the journal is to be asked. */
  readonly #waiting: (DurableInstance | string)[] = [];
  readonly #listeners = new Map<string, ((outcome: IndexOutcome) => void)[]>();
  readonly #pending = new Set<string>();
  #running = new Set<Promise<void>>();
  #stopped = false;
  #databaseAway = false;

  constructor(options: IndexerOptions) {
    this.#options = options;
    this.#log = options.log.child({ module: 'indexer' });
  }

  /** Instances that are durable and not yet in the index. */
  get backlog(): number {
    return this.#pending.size;
  }

  add(instance: DurableInstance): void {
    this.#enqueue(instance.blobId, this.#waiting.length < HEADERS_IN_MEMORY ? instance : instance.blobId);
  }

  /** Takes up again what an earlier run of the gateway left in the journal. @returns how many */
  replay(): number {
    const ids = this.#options.journal.ids();
    for (const blobId of ids) this.#enqueue(blobId, blobId);
    if (ids.length > 0) this.#log.info({ instances: ids.length }, 'indexing what the journal holds');
    return ids.length;
  }

  /** Resolves once an instance is in the index, with what became of it; at once, and with nothing, when it is not waiting. */
  indexed(blobId: string): Promise<IndexOutcome | undefined> {
    if (!this.#pending.has(blobId)) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#listeners.set(blobId, [...(this.#listeners.get(blobId) ?? []), resolve]));
  }

  /** Lets the transactions under way end; the rest stays in the journal. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  #enqueue(blobId: string, waiting: DurableInstance | string): void {
    this.#pending.add(blobId);
    this.#waiting.push(waiting);
    if (!this.#stopped && this.#running.size < CONCURRENCY) this.#startLane();
  }

  #startLane(): void {
    const lane = this.#runLane().finally(() => this.#running.delete(lane));
    this.#running.add(lane);
  }

  async #runLane(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const instance = typeof next === 'string' ? await this.#options.journal.read(next) : next;
      if (instance) await this.#indexUntilDone(instance);
      else this.#pending.delete(next as string);
      if (this.#stopped) return;
    }
  }

  async #indexUntilDone(instance: DurableInstance): Promise<void> {
    for (let refusals = 0; !this.#stopped; ) {
      try {
        await this.#index(instance);
        this.#databaseAway = false;
        return;
      } catch (error) {
        if (isRefusal(error) && ++refusals >= MAX_REFUSALS) {
          this.#log.error({ err: error, blob: instance.blobId, sopInstanceUid: instance.sopInstanceUid }, 'cannot be indexed; it stays in the journal');
          return;
        }
        if (!this.#databaseAway) this.#log.warn({ err: error }, 'the index cannot be written; intake goes on into the journal');
        this.#databaseAway = true;
        await sleep(RETRY_MS);
      }
    }
  }

  async #index(instance: DurableInstance): Promise<void> {
    const { settings, repository, queue, journal, blobs } = this.#options;
    const { dataset } = instance.header;
    const { routes, timezone } = settings();
    const frames = frameCountOf(instance);
    const prior = (await this.#options.isPrior?.(instance)) ?? false;
    const route = frames > 0 && !prior ? matchRoute(routes, dataset) : undefined;
    const indexed = await repository.index(
      {
        instance,
        origin: resultOrigin(dataset) === undefined ? 'source' : resultOrigin(dataset) === 'own' ? 'own-result' : 'other-ai',
        frames,
        route,
        noRouteReason: prior ? PRIOR_REASON : frames > 0 && !route ? explainNoRoute(routes, dataset) : null,
        prior,
        hasSameContent: sameContentAs(instance.header, blobs),
        completeAfterSeconds: route?.completeAfterSeconds ?? Math.max(0, ...routes.map((candidate) => candidate.completeAfterSeconds)),
        sourceTimezone: text(dataset, 'TimezoneOffsetFromUTC') ?? timezone,
      },
      async (transaction, { analyze, dueAt, instanceId, studyInstanceUid }) => {
        if (analyze) await queue.send('analyze', { instanceId }, { transaction });
        if (dueAt) await queue.send('close', { studyInstanceUid }, { transaction, startAfter: dueAt });
      },
    );
    if (indexed.promotes) await promoteStudy(indexed.studyInstanceUid, this.#options);
    // In this order a crash in between leaves an entry without blob, which start-up removes.
    if (indexed.outcome === 'duplicate' || indexed.outcome === 'revived') await blobs.remove(instance.blobId);
    await journal.remove(instance.blobId);
    this.#log.info(
      { study: indexed.studyInstanceUid, instance: instance.sopInstanceUid, outcome: indexed.outcome, route: route?.name, association: instance.context.associationId },
      'indexed',
    );
    this.#options.onIndexed?.(indexed);
    this.#pending.delete(instance.blobId);
    this.#listeners.get(instance.blobId)?.forEach((resolve) => resolve(indexed.outcome));
    this.#listeners.delete(instance.blobId);
  }
}

/** 0 where there is nothing to look at: reports, presentation states, waveforms. An image without its pixels counts as one frame. */
function frameCountOf({ header }: DurableInstance): number {
  const isImage = header.pixelData !== undefined || num(header.dataset, 'Rows') !== undefined;
  return isImage ? Math.max(1, num(header.dataset, 'NumberOfFrames') ?? 1) : 0;
}

/** SQLSTATE classes 22, 23 and 54: Postgres is there, and what it was given does not fit; or we cannot make rows of it at all. */
function isRefusal(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return true;
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && /^(2[23]|54)...$/.test(code);
}
