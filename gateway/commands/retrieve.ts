// hilum retrieve SOURCE STUDY_UID…|KEY=VALUE… [--prior] [--priors] [--detach] [--to FOLDER]: studies of a source, into the gateway,
// which fetches them itself, or as files into a folder, without a gateway.
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import type { LoadedSettings } from '../../config/load.ts';
import type { Source } from '../../config/settings.ts';
import { text } from '../../storage/dicom/dataset.ts';
import { isUid } from '../../storage/dicom/uids.ts';
import { IntakeRepository } from '../../storage/intake.repository.ts';
import { RetrievalsRepository, type Retrieval } from '../../storage/retrievals.repository.ts';
import { JobQueue } from '../pipeline/queue.ts';
import { Arrivals } from '../sources/arrivals.ts';
import { FolderIntake } from '../sources/folder-intake.ts';
import { dayIn, parseKeys } from '../sources/keys.ts';
import { openSource } from '../sources/open.ts';
import type { SourceClient } from '../sources/source-client.ts';
import { Sources } from '../sources/sources.ts';
import { withDatabase } from './database.ts';
import { sourceNamed } from './source-named.ts';

const USAGE = `usage: hilum retrieve SOURCE STUDY_UID…|KEY=VALUE… [--prior] [--priors] [--detach] [--to FOLDER]
  SOURCE        a source of the settings
  STUDY_UID     studies, or KEY=VALUE as in hilum query: all studies that match
  --prior       as priors: neither analysed nor in the worklist
  --priors      their priors as well
  --detach      do not wait for the gateway to fetch them
  --to FOLDER   as files, without the gateway`;

/** Exit status, as docs/operations.md has it. */
const DONE = 0;
const SOME_FAILED = 1;

/** Whoever means more than so many studies can say so by several commands. */
const MAX_STUDIES = 1000;
const POLL_MS = 300;
/** After so long without a beginning, it is said that no gateway has begun. */
const PATIENCE_MS = 10_000;

/** @returns 0 where all is fetched, or asked for; 1 where something could not be; 2 is the caller's, where it could not begin */
export async function retrieveCommand(args: string[], settings: LoadedSettings): Promise<number> {
  const flag = { type: 'boolean', default: false } as const;
  const { values, positionals: [name, ...words] } = parseArgs({ args, allowPositionals: true, options: { prior: flag, priors: flag, detach: flag, to: { type: 'string' } } });
  if (name === undefined || words.length === 0) throw new Error(USAGE);
  if (values.to !== undefined && (values.prior || values.priors || values.detach)) throw new Error('--to writes files without the gateway: --prior, --priors and --detach are for it');
  const source = sourceNamed(name, settings);
  const client = openSource(source, settings, pino({ level: 'silent' }));
  try {
    const studies = await studiesOf(words, client, settings);
    if (studies.length === 0) {
      console.error(`${name} has no study that matches`);
      return SOME_FAILED;
    }
    return values.to === undefined ? await ask(studies, source, settings, values) : await write(studies, client, values.to);
  } finally {
    await client.close();
  }
}

async function studiesOf(words: string[], client: SourceClient, settings: LoadedSettings): Promise<string[]> {
  const uids = words.filter((word) => isUid(word));
  if (uids.length === words.length) return [...new Set(uids)];
  if (uids.length > 0) throw new Error('give Study Instance UIDs, or keys that studies must match, not both');
  const keys = parseKeys(words, 'study', dayIn(settings.timezone, new Date()));
  if (Object.values(keys).every((value) => value === '')) throw new Error('every study would match: give a key with a value');
  const found: string[] = [];
  for await (const match of client.find('study', keys, new AbortController().signal, MAX_STUDIES + 1)) found.push(text(match, 'StudyInstanceUID') ?? '');
  if (found.length > MAX_STUDIES) throw new Error(`more than ${MAX_STUDIES} studies match; ask more narrowly`);
  return [...new Set(found)].filter((uid) => uid !== '');
}

/** Leaves the work to the gateway, and waits for it. */
async function ask(studies: string[], source: Source, settings: LoadedSettings, { prior, priors, detach }: { prior: boolean; priors: boolean; detach: boolean }): Promise<number> {
  return withDatabase(settings, async (dataSource, url) => {
    const log = pino({ level: 'silent' });
    const queue = new JobQueue(url, log);
    await queue.start([], false);
    try {
      const sources = new Sources({ settings: () => settings, dataSource, queue, repository: new IntakeRepository(dataSource), log });
      const asked: string[] = [];
      for (const studyInstanceUid of studies) {
        const common = { source: source.name, studyInstanceUid, requestedBy: 'command' as const, hours: source.retry.hours };
        asked.push((await sources.request({ ...common, purpose: prior ? 'prior' : 'study' })).id);
        if (priors) asked.push((await sources.request({ ...common, purpose: 'find-priors' })).id);
      }
      const nobodyThere = settings.databaseUrl === undefined && !(await gatewayRuns(settings));
      if (!detach && !nobodyThere) return await wait(asked, new RetrievalsRepository(dataSource));
      console.log(`asked for: ${studies.length} ${studies.length === 1 ? 'study' : 'studies'}${nobodyThere ? '; no gateway runs here, and the next one fetches them' : ''}`);
      return DONE;
    } finally {
      await queue.stop();
    }
  });
}

/** On the embedded Postgres: on another, it may run anywhere. */
async function gatewayRuns({ home }: LoadedSettings): Promise<boolean> {
  return access(join(home, 'ports.json')).then(() => true, () => false);
}

/** Says how each ends. A source that does not answer is waited for, as long as its retry lasts. */
async function wait(asked: string[], retrievals: RetrievalsRepository): Promise<number> {
  const open = new Set(asked);
  const told = new Map<string, string>();
  let failed = 0;
  for (const begun = Date.now(); open.size > 0; await sleep(POLL_MS)) {
    let anyBegun = false;
    for (const id of open) {
      const retrieval = await retrievals.get(id);
      anyBegun ||= retrieval === undefined || retrieval.state !== 'waiting' || retrieval.attempts > 0;
      if (retrieval?.state === 'waiting' && retrieval.lastError !== null && told.get(id) !== retrieval.lastError) {
        console.error(`${retrieval.studyInstanceUid}: ${retrieval.lastError}; it is tried again`);
        told.set(id, retrieval.lastError);
      }
      if (retrieval && !['completed', 'failed'].includes(retrieval.state)) continue;
      open.delete(id);
      if (retrieval?.state !== 'completed') failed += 1;
      if (retrieval) console.log(inWords(retrieval));
    }
    if (!anyBegun && !told.has('') && Date.now() - begun > PATIENCE_MS) {
      console.error('no gateway has begun; what was asked for stays so when this command is ended');
      told.set('', '');
    }
  }
  return failed > 0 ? SOME_FAILED : DONE;
}

function inWords({ studyInstanceUid, purpose, state, instances, fetched, refused, lastError }: Retrieval): string {
  if (state === 'failed') return `${studyInstanceUid}: given up: ${lastError}`;
  if (purpose === 'find-priors') return `${studyInstanceUid}: ${instances ?? 0} priors asked for`;
  const left = refused > 0 ? `, ${refused} refused: ${lastError}` : '';
  return `${studyInstanceUid}: ${fetched} of ${instances ?? 0} instances fetched${fetched < (instances ?? 0) - refused ? ', the others were here' : ''}${left}`;
}

/** @throws {Error} for a source that sends to the gateway only */
async function write(studies: string[], client: SourceClient, folder: string): Promise<number> {
  if (client.arrival === 'gateway') throw new Error('this source sends to the gateway (retrieve: move): --to FOLDER needs retrieve: get, or DICOMweb');
  let failed = 0;
  for (const studyInstanceUid of studies) {
    const intake = new FolderIntake(folder);
    const arrivals = new Arrivals(intake);
    const signal = new AbortController().signal;
    const listed = await client.list(studyInstanceUid, signal);
    if (listed.length > 0) await client.fetch({ studyInstanceUid, parts: [{}], listed }, arrivals, signal);
    const isWhole = listed.length > 0 && new Set(intake.written).size >= listed.length;
    if (!isWhole) failed += 1;
    console.log(listed.length === 0 ? `${studyInstanceUid}: the source has no such study` : `${studyInstanceUid}: ${intake.written.length} of ${listed.length} instances written${arrivals.reasons === null ? '' : `: ${arrivals.reasons}`}`);
  }
  return failed > 0 ? SOME_FAILED : DONE;
}
