// One gateway a data folder: two would replay one journal twice, and stop each other's Postgres.
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export class HomeInUseError extends Error {
  constructor(home: string, pid: number) {
    super(`the data folder ${home} is in use by another gateway (process ${pid})`);
    this.name = 'HomeInUseError';
  }
}

/** @returns gives the folder back @throws {HomeInUseError} */
export async function lockHome(home: string): Promise<() => Promise<void>> {
  await mkdir(home, { recursive: true });
  const file = join(home, 'gateway.lock');
  const draft = `${file}.${randomUUID()}`;
  // Linked when whole: whoever finds the lock can read whose it is.
  await writeFile(draft, `${process.pid} ${await startOf(process.pid)}`);
  try {
    while (!(await linked(draft, file))) {
      const found = await readFile(file, 'utf8').catch(() => '');
      const [pid, ...start] = found.split(' ');
      if (Number(pid) !== process.pid && start.join(' ') !== '' && (await startOf(Number(pid))) === start.join(' ')) throw new HomeInUseError(home, Number(pid));
      await removeStale(file, found);
    }
  } finally {
    await rm(draft, { force: true });
  }
  return () => rm(file, { force: true });
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** A lock left by a gateway that was killed. Of two that find it at once, the slower one must not take away the quicker one's new lock. */
async function removeStale(file: string, content: string): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  await rename(file, aside).catch(() => {}); // somebody else was quicker
  if ((await readFile(aside, 'utf8').catch(() => content)) !== content) await linked(aside, file);
  await rm(aside, { force: true });
}

/** When a process started, in clock ticks since boot, with the boot's id: a number that is used again is another process. */
async function startOf(pid: number): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[19] === undefined ? '' : `${fields[19]} ${boot.trim()}`;
}
