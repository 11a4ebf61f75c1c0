// One gateway a data folder: two would replay one journal twice, and stop each other's Postgres.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
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
  const mine = `${process.pid} ${await startOf(process.pid)}`;
  for (;;) {
    try {
      await writeFile(file, mine, { flag: 'wx' });
      return () => rm(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const [pid, ...start] = (await readFile(file, 'utf8').catch(() => '')).split(' ');
    if (Number(pid) !== process.pid && start.join(' ') !== '' && (await startOf(Number(pid))) === start.join(' ')) throw new HomeInUseError(home, Number(pid));
    await rm(file, { force: true }); // left by a gateway that was killed
  }
}

/** When a process started, in clock ticks since boot, with the boot's id: a number that is used again is another process. */
async function startOf(pid: number): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[19] === undefined ? '' : `${fields[19]} ${boot.trim()}`;
}
