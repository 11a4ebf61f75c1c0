// The watch on a source: a query on a schedule (C-FIND, QIDO-RS), and a retrieval for each study that is new there or has grown.
// What was seen stands in the database, so that a restart forgets nothing; the days asked for overlap from round to round, so
// that neither midnight nor a clock that is wrong hides a study.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Settings, Source } from '../../config/settings.ts';
import { num, text, texts, type Dataset } from '../../storage/dicom/dataset.ts';
import { SourceUnavailable } from '../../storage/errors.ts';
import type { SeenStudy, WatchesRepository } from '../../storage/watches.repository.ts';
import type { JobQueue } from '../pipeline/queue.ts';
import { combinations, dayIn, daysFrom, type Keys } from './keys.ts';
import { openSource } from './open.ts';
import type { SourceClient } from './source-client.ts';

export interface WatchOptions {
  settings: () => Settings;
  watches: WatchesRepository;
  queue: JobQueue;
  log: Logger;
  onRound?: (source: string, outcome: 'answered' | 'failed', newStudies: number) => void;
}

/** How often it is asked whose turn it is; a round comes at most so much late. */
const TICK_SECONDS = 5;
/** A round ends in seconds; a process that died in one has lost its turn after so long. */
const LEASE_SECONDS = 900;
/** A source that fails is asked less and less often, down to this. */
const MAX_PAUSE_SECONDS = 900;
/** Rows of one transaction. */
const BATCH = 100;
/** No hospital makes so many in the days that a watch asks for: such an answer is to a question that the source did not understand. */
const MAX_STUDIES = 20_000;

/** @returns ends it, after breaking off the rounds that run */
export function startWatches(options: WatchOptions): () => Promise<void> {
  const stopped = new AbortController();
  const running = new Map<string, Promise<void>>();
  const begin = (source: Source): void => {
    if (running.has(source.name)) return;
    const round = watchOnce(source, options, stopped.signal)
      .catch((error: unknown) => {
        if (!stopped.signal.aborted) options.log.warn({ err: error, source: source.name }, 'a round of the watch failed');
      })
      .finally(() => running.delete(source.name));
    running.set(source.name, round);
  };
  const loop = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      const watched = options.settings().sources.filter(({ watch }) => watch !== undefined);
      watched.forEach(begin);
      const tick = Math.min(TICK_SECONDS, ...watched.map(({ watch }) => watch?.everySeconds ?? TICK_SECONDS));
      await sleep(tick * 1000, undefined, { signal: stopped.signal }).catch(() => {});
    }
  };
  const looping = loop();
  return async () => {
    stopped.abort(new Error('the gateway is stopping'));
    await looping;
    await Promise.all(running.values());
  };
}

/** A round, where it is this process's turn. */
export async function watchOnce(source: Source, options: WatchOptions, signal: AbortSignal): Promise<void> {
  const { watches, settings, onRound } = options;
  const log = options.log.child({ source: source.name });
  const everySeconds = source.watch?.everySeconds ?? 0;
  const failures = await watches.claim(source.name, LEASE_SECONDS);
  if (failures === undefined) return;
  const client = openSource(source, settings(), log);
  try {
    const found = await look(source, client, options, signal);
    await watches.answered(source.name, everySeconds);
    onRound?.(source.name, 'answered', found);
    if (failures > 0) log.info({ failures }, 'the watched source answers again');
  } catch (error) {
    // The turn is given back: another process, or the next start, need not wait for it.
    if (signal.aborted) return await watches.giveBack(source.name);
    await watches.failed(source.name, (error as Error).message, Math.min(everySeconds * 2 ** Math.min(failures + 1, 20), MAX_PAUSE_SECONDS));
    onRound?.(source.name, 'failed', 0);
    if (!(error instanceof SourceUnavailable)) throw error;
    // Said at the first failure, and then at the second, fourth, eighth …
    if (Math.log2(failures + 1) % 1 === 0) log.warn({ reason: error.message, failures: failures + 1 }, 'the watched source does not answer');
  } finally {
    await client.close();
  }
}

/** @returns how many studies are new, or have grown */
async function look(source: Source, client: SourceClient, { settings, watches, queue, log }: WatchOptions, signal: AbortSignal): Promise<number> {
  const query = source.watch?.query ?? {};
  const seen = new Set<string>();
  let batch: SeenStudy[] = [];
  let found = 0;
  const flush = async (): Promise<void> => {
    const studies = await watches.seen(source.name, batch, source.retry.hours, (transaction) => queue.send('fetch', { source: source.name }, { transaction }));
    for (const study of studies) log.info({ source: source.name, study }, 'a study is new at the source, or has grown');
    found += studies.length;
    batch = [];
  };
  for (const keys of questionsOf(source, settings().timezone, new Date())) {
    const matches: Dataset[] = [];
    for await (const match of client.find('study', keys, signal)) {
      const uid = text(match, 'StudyInstanceUID') ?? '';
      if (uid === '' || seen.has(uid)) continue;
      seen.add(uid);
      matches.push(match);
      if (seen.size > MAX_STUDIES) throw new SourceUnavailable(`more than ${MAX_STUDIES} studies match the watch: its query must be narrower`);
    }
    for (const match of matches) {
      const study = await countOf(match, query['ModalitiesInStudy'] ?? query['Modality'], client, signal);
      if (study) batch.push(study);
      if (batch.length >= BATCH) await flush();
    }
  }
  if (batch.length > 0) await flush();
  return found;
}

/** @param now a day more than today is asked for: the clock of a modality may be ahead, or its zone another */
export function questionsOf({ watch }: Source, timezone: string, now: Date): Keys[] {
  const today = dayIn(timezone, now);
  const { Modality: modality, ...query } = watch?.query ?? {};
  const dates = `${daysFrom(today, -(watch?.days ?? 0))}-${daysFrom(today, 1)}`;
  return combinations({ ...query, ...(modality && { ModalitiesInStudy: modality }) }).map((keys) => ({ ...keys, StudyDate: dates }));
}

/** An archive need not know modalities and numbers of a study (PS3.4 C.3.4: optional keys); then its series tell. */
async function countOf(match: Dataset, modalities: readonly string[] | undefined, client: SourceClient, signal: AbortSignal): Promise<SeenStudy | undefined> {
  const studyInstanceUid = text(match, 'StudyInstanceUID') ?? '';
  const told = texts(match, 'ModalitiesInStudy').filter((modality) => modality !== '');
  const isWanted = (found: readonly string[]): boolean => modalities === undefined || found.some((modality) => modalities.includes(modality));
  if (told.length > 0 && !isWanted(told)) return undefined;
  const number = num(match, 'NumberOfStudyRelatedInstances');
  if (number !== undefined && (told.length > 0 || modalities === undefined)) return { studyInstanceUid, instances: number };
  const series: Dataset[] = [];
  for await (const each of client.find('series', { StudyInstanceUID: studyInstanceUid }, signal)) series.push(each);
  if (told.length === 0 && !isWanted(series.map((each) => text(each, 'Modality') ?? ''))) return undefined;
  const numbers = series.map((each) => num(each, 'NumberOfSeriesRelatedInstances'));
  const counted = number ?? (numbers.every((each) => each !== undefined) ? numbers.reduce((sum, each) => sum + each, 0) : (await client.list(studyInstanceUid, signal)).length);
  return { studyInstanceUid, instances: counted };
}
