// The sources of the settings, served: retrievals are worked off and watches run where there is an intake; anybody may ask.
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { DataSource } from 'typeorm';
import type { Settings, Source } from '../../config/settings.ts';
import type { IntakeRepository } from '../../storage/intake.repository.ts';
import type { DurableInstance } from '../../storage/receive.ts';
import { RetrievalsRepository, type Retrieval, type RetrievalRequest } from '../../storage/retrievals.repository.ts';
import { WatchesRepository, type WatchState } from '../../storage/watches.repository.ts';
import type { InstanceReceiver } from '../dimse/storage-scp.ts';
import { promoteStudy } from '../pipeline/promote.ts';
import type { JobQueue } from '../pipeline/queue.ts';
import { fetchDue } from './fetch.ts';
import type { RetrievalSource } from './http.ts';
import { sourceMetrics } from './metrics.ts';
import { startWatches } from './watch.ts';

export interface SourcesOptions {
  settings: () => Settings;
  dataSource: DataSource;
  queue: JobQueue;
  repository: IntakeRepository;
  log: Logger;
}

export class Sources implements RetrievalSource {
  readonly #options: SourcesOptions;
  readonly #retrievals: RetrievalsRepository;
  readonly #watches: WatchesRepository;
  readonly #served = new Set<string>();

  constructor(options: SourcesOptions) {
    this.#options = { ...options, log: options.log.child({ module: 'sources' }) };
    this.#retrievals = new RetrievalsRepository(options.dataSource);
    this.#watches = new WatchesRepository(options.dataSource);
  }

  sources(): readonly Source[] {
    return this.#options.settings().sources;
  }

  async request(request: RetrievalRequest): Promise<Retrieval> {
    const { queue } = this.#options;
    await queue.addSource(request.source);
    return this.#retrievals.request(request, (transaction) => queue.send('fetch', { source: request.source }, { transaction }));
  }

  get(id: string): Promise<Retrieval | undefined> {
    return this.#retrievals.get(id);
  }

  watches(): Promise<WatchState[]> {
    return this.#watches.states();
  }

  /**
   * Fetches and watches from now on.
   * @returns `changed` is to be called when the settings were; `stop` breaks off the rounds of the watches
   */
  async serve(receiver: InstanceReceiver, registry: Registry): Promise<{ changed(): Promise<void>; stop(): Promise<void> }> {
    const { settings, queue, log } = this.#options;
    const { onFetch, onRound } = sourceMetrics(registry, this.#retrievals, this.#watches, () => settings().sources.filter(({ watch }) => watch).map(({ name }) => name));
    const options = {
      settings, queue, retrievals: this.#retrievals, receiver, onFetch,
      promote: (study: string) => promoteStudy(study, this.#options),
      patientOf: (study: string) => this.#retrievals.anyHeader(study),
    };
    const changed = async (): Promise<void> => {
      for (const { name } of settings().sources) {
        if (!this.#served.has(name)) {
          await queue.addSource(name);
          await queue.work('fetch', { source: name }, (_jobs, run) => fetchDue(name, { ...options, log: run.log }, run.signal));
        }
        this.#served.add(name);
        // What was due while nobody served this source, or while the settings did not know it.
        await queue.send('fetch', { source: name });
      }
    };
    await changed();
    return { changed, stop: startWatches({ settings, queue, watches: this.#watches, log, onRound }) };
  }

  /** Where the settings want it, the priors of a study that a route took are asked for, once. */
  async wantPriors(studyInstanceUid: string): Promise<void> {
    const { settings, queue } = this.#options;
    for (const { name, priors, retry } of settings().sources) {
      if (!priors.automatic) continue;
      await queue.addSource(name);
      const request = { source: name, studyInstanceUid, purpose: 'find-priors' as const, requestedBy: 'route' as const, hours: retry.hours };
      await this.#retrievals.requestForRouted(request, (transaction) => queue.send('fetch', { source: name }, { transaction }));
    }
  }

  /**
   * Whether an instance came because it was fetched as a prior. What C-MOVE brings says whose it is by its originator (PS3.7 9.1.1.1);
   * of a peer that leaves that out, by who sends it.
   */
  async isPrior({ context, studyInstanceUid }: DurableInstance): Promise<boolean> {
    if (context.purpose === 'prior') return true;
    const { dimse, sources, peers } = this.#options.settings();
    if (context.transport !== 'dimse') return false;
    const movers = sources.filter((source) => source.type === 'dimse' && source.retrieve === 'move');
    const callers = peers.filter(({ name }) => movers.some((source) => source.type === 'dimse' && source.peer === name)).map(({ aeTitle }) => aeTitle);
    const moved = context.moveOriginator ? context.moveOriginator.aeTitle === dimse.aeTitle : callers.includes(context.callingAe ?? '');
    return moved && movers.length > 0 && (await this.#retrievals.isMovedAsPrior(studyInstanceUid));
  }
}
