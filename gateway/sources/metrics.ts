// What /metrics tells of sources. Labels are names from the settings, never patients or studies.
import { Counter, Gauge, type Registry } from 'prom-client';
import type { RetrievalsRepository } from '../../storage/retrievals.repository.ts';
import type { WatchesRepository, WatchState } from '../../storage/watches.repository.ts';
import type { FetchOptions } from './fetch.ts';
import type { WatchOptions } from './watch.ts';

export interface SourceMetrics {
  onFetch: NonNullable<FetchOptions['onFetch']>;
  onRound: NonNullable<WatchOptions['onRound']>;
}

/**
 * While Postgres is away, what needs it is left out.
 * @param watched the names of the sources that the settings watch now
 */
export function sourceMetrics(registry: Registry, retrievals: RetrievalsRepository, watches: WatchesRepository, watched: () => readonly string[]): SourceMetrics {
  const states = async (): Promise<WatchState[]> => (await watches.states().catch(() => [])).filter(({ source }) => watched().includes(source));
  const registers = [registry];
  const tries = new Counter({ name: 'hilum_fetch_tries_total', help: 'Tries to fetch a study from a source, by outcome', labelNames: ['source', 'outcome'], registers });
  const instances = new Counter({ name: 'hilum_fetched_instances_total', help: 'Instances fetched from a source', labelNames: ['source'], registers });
  const rounds = new Counter({ name: 'hilum_watch_rounds_total', help: 'Rounds of the watch on a source, by outcome', labelNames: ['source', 'outcome'], registers });
  const found = new Counter({ name: 'hilum_watch_studies_total', help: 'Studies that a watch found new or grown', labelNames: ['source'], registers });
  new Gauge({
    name: 'hilum_retrievals', help: 'Studies to be fetched, by source, purpose and state; failed: given up', labelNames: ['source', 'purpose', 'state'], registers,
    async collect() {
      this.reset();
      for (const { source, purpose, state, count } of await retrievals.summary().catch(() => [])) this.set({ source, purpose, state }, count);
    },
  });
  new Gauge({
    name: 'hilum_watch_failures', help: 'Rounds of a watch in a row that failed; 0: the source answers', labelNames: ['source'], registers,
    async collect() {
      this.reset();
      for (const { source, failures } of await states()) this.set({ source }, failures);
    },
  });
  new Gauge({
    name: 'hilum_watch_last_answer_timestamp_seconds', help: 'When a watched source last answered a whole round', labelNames: ['source'], registers,
    async collect() {
      this.reset();
      for (const { source, lastAnswerAt } of await states()) if (lastAnswerAt) this.set({ source }, lastAnswerAt.getTime() / 1000);
    },
  });
  return {
    onFetch(source, outcome, count) {
      tries.inc({ source, outcome });
      if (count > 0) instances.inc({ source }, count);
    },
    onRound(source, outcome, count) {
      rounds.inc({ source, outcome });
      if (count > 0) found.inc({ source }, count);
    },
  };
}
