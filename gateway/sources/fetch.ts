// The job `fetch`: everything that is due of one source, one study after the other. Each study is listed first, and only what is
// not here is fetched, so that a repetition, a study that grew, and our own results at the source cost next to nothing.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Settings, Source } from '../../config/settings.ts';
import { isDatabaseAway } from '../../storage/database.ts';
import { SourceUnavailable } from '../../storage/errors.ts';
import { isOwnRequest, type Retrieval, type RetrievalCounts, type RetrievalsRepository } from '../../storage/retrievals.repository.ts';
import { nextAttempt } from '../delivery/delivery.ts';
import type { InstanceReceiver } from '../dimse/storage-scp.ts';
import type { JobQueue } from '../pipeline/queue.ts';
import { Arrivals } from './arrivals.ts';
import { openSource } from './open.ts';
import { findPriors, type PriorsOptions } from './priors.ts';
import type { FetchPart, ListedInstance, SourceClient } from './source-client.ts';

export type FetchOutcome = 'completed' | 'grown' | 'retry' | 'failed';

export interface FetchOptions extends Pick<PriorsOptions, 'patientOf'> {
  settings: () => Settings;
  retrievals: RetrievalsRepository;
  receiver: InstanceReceiver;
  queue: JobQueue;
  /** A study that was here as a prior is now wanted for itself. */
  promote: (studyInstanceUid: string) => Promise<void>;
  log: Logger;
  onFetch?: (source: string, outcome: FetchOutcome, instances: number) => void;
}

/** How long what was sent may take to be in the index before it counts as missing; with Postgres away nothing is fetched anyway. */
const INDEX_LIMIT_MS = 15_000;
const INDEX_POLL_MS = 100;

/** It would be the same the next time. */
class HopelessError extends Error {}

export async function fetchDue(sourceName: string, options: FetchOptions, signal: AbortSignal): Promise<void> {
  const { settings, retrievals, queue, log } = options;
  const sourceNow = (): Source | undefined => settings().sources.find(({ name }) => name === sourceName);
  if (!sourceNow()) return; // removed from the settings: what waits is fetched when it is back
  await queue.takeOverSource(sourceName);
  for (let source = sourceNow(); source && !signal.aborted; source = sourceNow()) {
    const retrieval = await retrievals.begin(sourceName);
    if (!retrieval) break;
    const lines = log.child({ source: sourceName, study: retrieval.studyInstanceUid, purpose: retrieval.purpose, retrieval: retrieval.id });
    const client = openSource(source, settings(), lines);
    try {
      await perform(retrieval, source, client, { ...options, log: lines }, signal);
    } catch (error) {
      if (signal.aborted) return await retrievals.putBack(retrieval.id); // shutting down: it stays due
      if (isDatabaseAway(error)) throw error; // the whole job is tried again
      // Whatever it is about this study, it must not hold back the others.
      if (!(error instanceof SourceUnavailable || error instanceof HopelessError)) lines.error({ err: error }, 'a retrieval failed unexpectedly');
      await tryLater(retrieval, source, error as Error, { ...options, log: lines });
    } finally {
      await client.close();
    }
  }
  await retrievals.forget();
  const next = await retrievals.nextDue(sourceName);
  if (next && !signal.aborted) await queue.send('fetch', { source: sourceName }, { startAfter: next });
}

async function perform(retrieval: Retrieval, source: Source, client: SourceClient, options: FetchOptions, signal: AbortSignal): Promise<void> {
  const { retrievals, log } = options;
  if (retrieval.purpose === 'find-priors') {
    const found = await findPriors(retrieval, source, client, options, signal);
    await retrievals.completed(retrieval.id, { instances: found, fetched: 0, refused: 0, detail: null });
    options.onFetch?.(source.name, 'completed', 0);
    log.info({ priors: found }, 'priors asked for');
    return;
  }
  const counts = await fetchStudy(retrieval, client, options, signal);
  // Before it counts as done, so that a crash in between repeats it.
  if (retrieval.purpose === 'study') await options.promote(retrieval.studyInstanceUid);
  const state = await retrievals.completed(retrieval.id, counts);
  options.onFetch?.(source.name, state === 'completed' ? 'completed' : 'grown', counts.fetched);
  log[counts.detail === null ? 'info' : 'warn']({ ...counts }, state === 'completed' ? 'study fetched' : 'study fetched; it has grown since, and is fetched once more');
}

/** @throws {SourceUnavailable} where not all has come */
async function fetchStudy({ studyInstanceUid, purpose, requestedBy }: Retrieval, client: SourceClient, { retrievals, receiver, log }: FetchOptions, signal: AbortSignal): Promise<RetrievalCounts> {
  const listed = await client.list(studyInstanceUid, signal);
  if (listed.length === 0) throw new HopelessError('the source has no such study');
  const known = (): Promise<Set<string>> => retrievals.known(studyInstanceUid, isOwnRequest(requestedBy));
  const here = await known();
  const missing = listed.filter(({ sopInstanceUid }) => !here.has(sopInstanceUid));
  const arrivals = new Arrivals(receiver, purpose === 'prior' ? 'prior' : undefined);
  if (missing.length === 0) return { instances: listed.length, fetched: 0, refused: 0, detail: null };
  const parts = partsOf(listed, missing);
  log.debug({ instances: listed.length, missing: missing.length, requests: parts.length }, 'fetching');
  const sent = await client.fetch({ studyInstanceUid, parts, listed: missing }, arrivals, signal);
  const { reason } = arrivals.full;
  const left = await waitForIndex(missing, Math.min(missing.length, client.arrival === 'here' ? arrivals.taken : sent), known, signal);
  const fetched = missing.length - left;
  if (arrivals.full.aborted) throw new SourceUnavailable(`fetched ${fetched} of ${missing.length} instances: ${(reason as Error).message}`);
  if (left > arrivals.refused) throw new SourceUnavailable(`${fetched} of ${missing.length} instances have come${whyNot(client, fetched, sent, arrivals)}`);
  return { instances: listed.length, fetched, refused: arrivals.refused, detail: arrivals.reasons };
}

function whyNot({ arrival }: SourceClient, fetched: number, sent: number, { reasons }: Arrivals): string {
  if (arrival === 'gateway' && sent > fetched) return `; the source says that it sent ${sent}: does it know host and port of this gateway?`;
  return reasons === null ? '; the source sent no more' : `: ${reasons}`;
}

/** A series at a time where all of it is missing, the study at once where all of that is. */
export function partsOf(listed: readonly ListedInstance[], missing: readonly ListedInstance[]): FetchPart[] {
  if (missing.length === listed.length) return [{}];
  const sizes = Map.groupBy(listed, ({ seriesInstanceUid }) => seriesInstanceUid);
  return [...Map.groupBy(missing, ({ seriesInstanceUid }) => seriesInstanceUid)].map(([seriesInstanceUid, instances]) =>
    instances.length === sizes.get(seriesInstanceUid)?.length ? { seriesInstanceUid } : { seriesInstanceUid, sopInstanceUids: instances.map(({ sopInstanceUid }) => sopInstanceUid) },
  );
}

/** @param expected how many of them should come @returns how many of them are not in the index in the end */
async function waitForIndex(missing: readonly ListedInstance[], expected: number, known: () => Promise<Set<string>>, signal: AbortSignal): Promise<number> {
  for (const deadline = Date.now() + INDEX_LIMIT_MS; ; await sleep(INDEX_POLL_MS, undefined, { signal })) {
    const here = await known();
    const left = missing.filter(({ sopInstanceUid }) => !here.has(sopInstanceUid)).length;
    if (missing.length - left >= expected || Date.now() > deadline) return left;
  }
}

async function tryLater(retrieval: Retrieval, { name, retry }: Source, error: Error, { retrievals, onFetch, log }: FetchOptions): Promise<void> {
  const next = nextAttempt(retrieval.attempts, retry, Date.now(), Math.random());
  const final = error instanceof HopelessError || next > retrieval.deadlineAt.getTime();
  await retrievals.failed(retrieval.id, error.message, final ? null : new Date(next));
  onFetch?.(name, final ? 'failed' : 'retry', 0);
  const fields = { attempts: retrieval.attempts + 1, reason: error.message };
  if (final) log.error(fields, 'retrieval given up; ask for it again with `hilum retrieve`');
  else log.warn({ ...fields, next: new Date(next).toISOString() }, 'retrieval failed and will be tried again');
}
