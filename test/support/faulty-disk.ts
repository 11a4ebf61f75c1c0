// A disk that fails when it is told to: the one thing about storage that tests cannot bring about for real.
import { fileSystem } from '../../storage/file-system.ts';
import type { FileSystem, WritableFile } from '../../storage/file-system.ts';

/** 'create journal', 'write incoming', 'datasync incoming', 'rename blobs', 'sync blobs' … */
export type Step = `${string} ${'incoming' | 'journal' | 'blobs' | 'home'}`;

export class FaultyDisk implements FileSystem {
  /** Every step so far, in the order in which they ended. */
  readonly steps: Step[] = [];
  /** Called before each step; what it throws is what the disk says. */
  before: (step: Step, count: number) => void = () => {};
  #count = 0;

  async create(path: string): Promise<WritableFile> {
    await this.#step('create', path, async () => {});
    const file = await fileSystem.create(path);
    return {
      write: (bytes, offset, length) => this.#step('write', path, () => file.write(bytes, offset, length)),
      datasync: () => this.#step('datasync', path, () => file.datasync()),
      sync: () => this.#step('sync', path, () => file.sync()),
      // A file that cannot be closed is closed all the same: a process that died has none open.
      close: () => file.close(),
    };
  }

  async openFolder(path: string): Promise<Pick<WritableFile, 'sync' | 'close'>> {
    const folder = await fileSystem.openFolder(path);
    return { sync: () => this.#step('sync', path, () => folder.sync()), close: () => folder.close() };
  }

  makeFolder = (path: string): Promise<boolean> => this.#step('makeFolder', path, () => fileSystem.makeFolder(path));
  rename = (from: string, to: string): Promise<void> => this.#step('rename', to, () => fileSystem.rename(from, to));
  link = (from: string, to: string): Promise<void> => this.#step('link', to, () => fileSystem.link(from, to));
  read = (path: string): Promise<Buffer> => this.#step('read', path, () => fileSystem.read(path));
  remove = (path: string): Promise<void> => this.#step('remove', path, () => fileSystem.remove(path));
  freeBytes = (path: string): Promise<number> => this.#step('freeBytes', path, () => fileSystem.freeBytes(path));

  async #step<T>(name: string, path: string, run: () => Promise<T>): Promise<T> {
    const place = /\/(incoming|journal|blobs)(\/|$)/.exec(path)?.[1] ?? 'home';
    const step = `${name} ${place}` as Step;
    this.before(step, ++this.#count);
    const result = await run();
    this.steps.push(step);
    return result;
  }
}

export function diskError(code: 'ENOSPC' | 'EIO'): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}
