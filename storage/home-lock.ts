// One gateway a data folder: two would replay one journal twice, and stop each other's Postgres.
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export class HomeInUseError extends Error {
  constructor(home: string, pid: number) {
    super(`the data folder ${home} is in use by another gateway (process ${pid})`);
    this.name = 'HomeInUseError';
  }
}

/** Removing a stale lock takes milliseconds: whoever holds that turn for longer was killed in it. */
const TURN_LIMIT_MS = 10_000;

/** @returns gives the folder back @throws {HomeInUseError} */
export async function lockHome(home: string): Promise<() => Promise<void>> {
  await mkdir(home, { recursive: true });
  const file = join(home, 'gateway.lock');
  const draft = `${file}.${randomUUID()}`;
  // Linked when whole: whoever finds the lock can read whose it is.
  await writeFile(draft, `${process.pid} ${await startOf(process.pid)}`);
  try {
    while (!(await succeeds('EEXIST', link(draft, file)))) {
      const holder = await holderOf(file);
      if (typeof holder === 'number') throw new HomeInUseError(home, holder);
      if (holder === 'dead') await removeStale(file);
    }
  } finally {
    await rm(draft, { force: true });
  }
  return () => rm(file, { force: true });
}

/** @returns the process that holds the lock; `dead` where it was left by one that was killed, `nobody` where there is none (any more) */
async function holderOf(file: string): Promise<number | 'dead' | 'nobody'> {
  const content = await readFile(file, 'utf8').catch(() => undefined);
  if (content === undefined) return 'nobody';
  const [pid, ...start] = content.split(' ');
  const lives = Number(pid) !== process.pid && start.join(' ') !== '' && (await startOf(Number(pid))) === start.join(' ');
  return lives ? Number(pid) : 'dead';
}

/** One at a time, or the slower of two that find a stale lock would take away the new lock of the quicker. */
async function removeStale(file: string): Promise<void> {
  const turn = `${file}.turn`;
  if (await succeeds('EEXIST', mkdir(turn))) {
    if ((await holderOf(file)) === 'dead') await rm(file, { force: true });
    await rmdir(turn);
    return;
  }
  await sleep(20);
  const { mtimeMs } = await stat(turn).catch(() => ({ mtimeMs: Infinity }));
  if (Date.now() - mtimeMs > TURN_LIMIT_MS) await succeeds('ENOENT', rmdir(turn));
}

/** @returns false where it fails with that code */
async function succeeds(code: string, step: Promise<unknown>): Promise<boolean> {
  try {
    await step;
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === code) return false;
    throw error;
  }
}

/** When a process started, in clock ticks since boot, with the boot's id: a number that is used again is another process. */
async function startOf(pid: number): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[19] === undefined ? '' : `${fields[19]} ${boot.trim()}`;
}
