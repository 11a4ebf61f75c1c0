// Blobs against index, in full and both ways: every row's file is there with its very bytes, every file has a row or stands in
// the journal.
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pino } from 'pino';
import type { DataSource } from 'typeorm';
import type { LoadedSettings } from '../../config/load.ts';
import { BlobStore } from '../../storage/blobs.ts';
import { digestOf } from '../../storage/digest.ts';
import { IntakeRepository } from '../../storage/intake.repository.ts';
import { Journal } from '../../storage/journal.ts';
import { PurgeRepository } from '../../storage/purge.repository.ts';
import type { Finding } from './doctor.ts';

const PAGE = 500;

export async function* checkStorage(dataSource: DataSource, settings: LoadedSettings): AsyncIterable<Finding> {
  const log = pino({ level: 'silent' });
  const blobs = new BlobStore(settings.home, log);
  const repository = new IntakeRepository(dataSource);
  // Files first, then the journal, then the index: what comes in meanwhile is found in the later ones.
  const files = await filesBelow(join(settings.home, 'blobs'));
  const waiting = new Set((await Journal.open(settings.home, log)).ids());
  const purged = await new PurgeRepository(dataSource).waitingFiles();
  const known = new Set<string>();
  let damaged = 0;
  for (let after: string | undefined; ; ) {
    const rows = await repository.blobs(after, PAGE);
    for (const { id, digest, kind } of rows) {
      known.add(id);
      const problem = await compare(blobs.path(id), digest, kind);
      if (problem === undefined) continue;
      damaged++;
      yield { ok: false, what: `${kind} ${id}: ${problem}`, advice: 'bring the file back from a backup, or send the study again' };
    }
    process.stderr.write(`\rcompared ${known.size} files `);
    if (rows.length < PAGE) break;
    after = rows.at(-1)?.id;
  }
  process.stderr.write('\r');
  let strays = 0;
  const expected = new Set([...known, ...waiting, ...purged].map((id) => resolve(blobs.path(id))));
  for (const file of files) {
    if (expected.has(file)) continue;
    strays++;
    yield { ok: false, what: `file ${file} is not in the index`, advice: 'send it to the gateway again; then it may be removed' };
  }
  yield { ok: damaged + strays === 0, what: `storage: ${known.size} files in the index, ${damaged} damaged or missing, ${strays} not in the index, ${waiting.size} in the journal` };
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => resolve(entry.parentPath, entry.name));
}

async function compare(path: string, digest: string, kind: 'instance' | 'result'): Promise<string | undefined> {
  try {
    const found = await digestOf(path, kind === 'result' ? 'file' : 'dataset');
    return found === digest ? undefined : 'the bytes changed since they were stored';
  } catch (error) {
    return (error as Error).message;
  }
}
