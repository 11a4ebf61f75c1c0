// The few calls on the disk that durability rests on, behind one interface, so that tests can make each of them fail.
import { link, mkdir, open, readFile, rename, rm, statfs } from 'node:fs/promises';

export interface WritableFile {
  write(bytes: Uint8Array, offset: number, length: number): Promise<{ bytesWritten: number }>;
  /** fdatasync */
  datasync(): Promise<void>;
  /** fsync */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface FileSystem {
  /** A new file for writing, for nobody else to read: it holds patients' data. */
  create(path: string): Promise<WritableFile>;
  openFolder(path: string): Promise<Pick<WritableFile, 'sync' | 'close'>>;
  /** @returns whether the folder or one above it was new */
  makeFolder(path: string): Promise<boolean>;
  rename(from: string, to: string): Promise<void>;
  /** Fails with EEXIST where rename would overwrite. */
  link(from: string, to: string): Promise<void>;
  read(path: string): Promise<Buffer>;
  /** No error when it is not there. */
  remove(path: string): Promise<void>;
  freeBytes(path: string): Promise<number>;
}

export const fileSystem: FileSystem = {
  create: (path) => open(path, 'wx', 0o600),
  openFolder: (path) => open(path, 'r'),
  makeFolder: async (path) => (await mkdir(path, { recursive: true, mode: 0o700 })) !== undefined,
  rename,
  link,
  read: (path) => readFile(path),
  remove: (path) => rm(path, { force: true }),
  async freeBytes(path) {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  },
};

/** Writes all of it: one call may write less. */
export async function writeAll(file: WritableFile, bytes: Uint8Array, length = bytes.length): Promise<void> {
  for (let offset = 0; offset < length; ) {
    const { bytesWritten } = await file.write(bytes, offset, length - offset);
    offset += bytesWritten;
  }
}

/** fsync of folders; those who ask while one is under way share the next, so that many at once cost little more than one. */
export class FolderSync {
  readonly #files: FileSystem;
  readonly #running = new Map<string, Promise<void>>();
  readonly #next = new Map<string, Promise<void>>();

  constructor(files: FileSystem) {
    this.#files = files;
  }

  /** Resolves once everything that was in the folder when this was called is durable as a name. */
  sync(folder: string): Promise<void> {
    const running = this.#running.get(folder);
    if (!running) return this.#start(folder);
    let next = this.#next.get(folder);
    if (!next) {
      // What is under way may have begun before the caller's rename; its failure is not the caller's.
      next = running.catch(() => {}).then(() => {
        this.#next.delete(folder);
        return this.#start(folder);
      });
      this.#next.set(folder, next);
    }
    return next;
  }

  #start(folder: string): Promise<void> {
    const run = this.#syncNow(folder).finally(() => this.#running.delete(folder));
    this.#running.set(folder, run);
    return run;
  }

  async #syncNow(folder: string): Promise<void> {
    const handle = await this.#files.openFolder(folder);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}
