// hilum recycle: what was deleted; `restore` brings it back, `purge` removes it for good.
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import type { LoadedSettings } from '../../config/load.ts';
import { BlobStore } from '../../storage/blobs.ts';
import { PurgeRepository } from '../../storage/purge.repository.ts';
import { RecycleRepository } from '../../storage/recycle.repository.ts';
import { JobQueue } from '../pipeline/queue.ts';
import { RecycleBin } from '../recycle/bin.ts';
import { withDatabase } from './database.ts';

const USAGE = 'usage: recycle [list] | recycle restore UID | recycle purge [STUDY_UID | --all]';
/** More are not read by a person; the newest come first. */
const LISTED = 200;
const REQUESTER = { requestedBy: 'hilum recycle' };

export async function recycleCommand(args: string[], settings: LoadedSettings): Promise<number> {
  const { values, positionals } = parseArgs({ args, options: { all: { type: 'boolean' } }, allowPositionals: true });
  const [action = 'list', uid] = positionals;
  const isKnown = action === 'list' || (action === 'restore' && uid !== undefined) || action === 'purge';
  if (!isKnown || positionals.length > 2 || (values.all && uid !== undefined)) throw new Error(USAGE);
  return withDatabase(settings, async (dataSource, url) => {
    const log = pino({ level: 'silent' });
    const queue = new JobQueue(url, log);
    const bin = new RecycleBin({
      settings: () => settings, recycle: new RecycleRepository(dataSource), purge: new PurgeRepository(dataSource), queue, blobs: new BlobStore(settings.home, log), log,
    });
    if (action === 'list') return list(bin);
    if (action === 'purge') return purge(bin, uid, values.all === true);
    await queue.start([], false);
    try {
      return await restore(bin, uid!);
    } finally {
      await queue.stop();
    }
  });
}

async function list(bin: RecycleBin): Promise<number> {
  const studies = await bin.list(LISTED);
  if (studies.length === 0) console.log('the recycle bin is empty');
  for (const { studyInstanceUid, instances, results, wholeStudy, deletedAt, purgeAt, requestedBy } of studies)
    console.log(
      `${studyInstanceUid}  ${wholeStudy ? 'whole study' : 'part of it'}: ${instances} instances, ${results} results; deleted ${deletedAt.toISOString()} by ${requestedBy ?? 'nobody known'}, purged ${purgeAt.toISOString()}`,
    );
  return 0;
}

async function restore(bin: RecycleBin, uid: string): Promise<number> {
  const restored = await bin.restore(uid, REQUESTER);
  if (restored.length === 0) throw new Error(`nothing of ${uid} is in the recycle bin`);
  for (const { studyInstanceUid, instances, results } of restored) console.log(`${studyInstanceUid}: ${instances} instances and ${results} results are back`);
  return 0;
}

/** Without a study only what is due: a slip of the hand must not empty the bin. */
async function purge(bin: RecycleBin, study: string | undefined, all: boolean): Promise<number> {
  const { instances, results } = study !== undefined || all ? await bin.purge(new Date(), REQUESTER, study) : await bin.purgeDue();
  console.log(`${instances} instances and ${results} results are purged`);
  return 0;
}
