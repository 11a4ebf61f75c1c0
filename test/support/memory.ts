// How much memory a process takes, as the kernel counts it (proc(5)).
import { readFile, writeFile } from 'node:fs/promises';

/** Resident now and at most since `watch`, in bytes. */
export class ResidentMemory {
  readonly #pid: number;
  readonly #before: number;

  private constructor(pid: number, before: number) {
    this.#pid = pid;
    this.#before = before;
  }

  static async watch(pid: number): Promise<ResidentMemory> {
    await writeFile(`/proc/${pid}/clear_refs`, '5'); // the peak begins anew
    return new ResidentMemory(pid, await read(pid, 'VmRSS'));
  }

  /** The peak since `watch` over what was resident then. */
  async growth(): Promise<number> {
    return (await read(this.#pid, 'VmHWM')) - this.#before;
  }
}

async function read(pid: number, field: string): Promise<number> {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(await readFile(`/proc/${pid}/status`, 'utf8'));
  if (!found) throw new Error(`/proc/${pid}/status has no ${field}`);
  return Number(found[1]) * 1024;
}
