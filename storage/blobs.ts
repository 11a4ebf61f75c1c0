// Blobs: one file for each instance and result, under home/blobs/ab/cd/, never changed once it is there. What is being received
// stands in home/incoming until it is whole.
import { randomUUID } from 'node:crypto';
import { opendir, readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { BlobWriter, WRITE_BYTES } from './blob-writer.ts';
import { FolderSync, fileSystem, writeAll } from './file-system.ts';
import type { FileSystem } from './file-system.ts';

/** Buffers kept for the next instances; more than this many at once are allocated and let go. */
const SPARE_BUFFERS = 16;
/** New blobs go to one sub-folder for a while: a new folder costs two syncs. */
const BLOBS_IN_A_ROW = 256;

const BLOB_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Where a blob is, whether or not it is there. @throws {TypeError} for what is no blob's id */
export function blobPath(home: string, id: string): string {
  if (!BLOB_ID.test(id)) throw new TypeError(`"${id}" is not the id of a blob`);
  return join(home, 'blobs', id.slice(0, 2), id.slice(2, 4), `${id}.dcm`);
}

export class BlobStore {
  readonly #home: string;
  readonly #blobs: string;
  readonly #incoming: string;
  readonly #log: Pick<Logger, 'info' | 'warn'>;
  readonly #files: FileSystem;
  readonly #folders: FolderSync;
  readonly #madeFolders = new Set<string>();
  readonly #spareBuffers: Buffer[] = [];
  #prefix = '';
  #prefixUses = 0;

  /** @param home the data folder; made when something is written */
  constructor(home: string, log: Pick<Logger, 'info' | 'warn'>, files: FileSystem = fileSystem) {
    this.#home = resolve(home);
    this.#blobs = join(this.#home, 'blobs');
    this.#incoming = join(this.#home, 'incoming');
    this.#log = log;
    this.#files = files;
    this.#folders = new FolderSync(files);
  }

  /** As blobPath. */
  path(id: string): string {
    return blobPath(this.#home, id);
  }

  /** A new blob, to be written, then committed or aborted. */
  async create(): Promise<BlobWriter> {
    const id = this.#nextId();
    await this.#ensureFolder(this.#incoming);
    const path = join(this.#incoming, `${id}.part`);
    const file = await this.#files.create(path);
    const commit = (): Promise<void> => this.#commit(path, id, 'rename');
    const abort = async (): Promise<void> => {
      await this.#files.remove(path);
      await this.#files.remove(this.path(id));
    };
    const buffers = {
      take: (): Buffer => this.#spareBuffers.pop() ?? Buffer.allocUnsafeSlow(WRITE_BYTES),
      give: (buffer: Buffer): void => void (this.#spareBuffers.length < SPARE_BUFFERS && this.#spareBuffers.push(buffer)),
    };
    return new BlobWriter({ id, path, file, commit, abort, buffers });
  }

  /**
   * Keeps a result under an id that was derived from it; durable when it resolves. What is there already stays: a result is never
   * written twice.
   * @returns the bytes that are kept under the id
   */
  async writeResult(id: string, bytes: Uint8Array): Promise<Uint8Array> {
    const kept = await this.#readIfThere(this.path(id));
    if (kept) return this.#syncedFolder(id, kept);
    await this.#ensureFolder(this.#incoming);
    const path = join(this.#incoming, `${randomUUID()}.part`);
    try {
      const file = await this.#files.create(path);
      try {
        await writeAll(file, bytes);
        await file.datasync();
      } finally {
        await file.close();
      }
      await this.#commit(path, id, 'link');
      return bytes;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      return this.#syncedFolder(id, await this.#files.read(this.path(id)));
    } finally {
      await this.#files.remove(path);
    }
  }

  /** No error when it is not there. */
  async remove(id: string): Promise<void> {
    await this.#files.remove(this.path(id));
  }

  /** Removes what a crash left half received; only while nothing is being received. @returns how many files */
  async sweepIncoming(): Promise<number> {
    await this.#ensureFolder(this.#incoming);
    const names = await readdir(this.#incoming);
    for (const name of names) await this.#files.remove(join(this.#incoming, name));
    if (names.length > 0) this.#log.info({ files: names.length }, 'removed what was half received and never acknowledged');
    return names.length;
  }

  /** Bytes that we may still write on the disk of the data folder. */
  async freeBytes(): Promise<number> {
    await this.#ensureFolder(this.#incoming);
    return this.#files.freeBytes(this.#incoming);
  }

  /** The ids of all blobs, in the order of their ids. */
  async *list(): AsyncGenerator<string, void, undefined> {
    for (const first of await foldersIn(this.#blobs)) {
      for (const second of await foldersIn(join(this.#blobs, first))) {
        const ids: string[] = [];
        for await (const entry of await opendir(join(this.#blobs, first, second))) {
          const id = entry.name.replace(/\.dcm$/, '');
          if (entry.isFile() && BLOB_ID.test(id)) ids.push(id);
        }
        yield* ids.sort();
      }
    }
  }

  /** Random as UUIDs are, but for the four digits that choose the sub-folder. */
  #nextId(): string {
    if (this.#prefixUses++ % BLOBS_IN_A_ROW === 0) this.#prefix = randomUUID().slice(0, 4);
    return this.#prefix + randomUUID().slice(4);
  }

  async #commit(from: string, id: string, how: 'rename' | 'link'): Promise<void> {
    const to = this.path(id);
    const folder = dirname(to);
    await this.#ensureFolder(folder);
    try {
      await this.#files[how](from, to);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      // The sub-folder was removed while it was empty, by a person or a tool.
      this.#madeFolders.delete(folder);
      await this.#ensureFolder(folder);
      await this.#files[how](from, to);
    }
    await this.#folders.sync(folder);
  }

  /** The name of a blob that was found may not be durable yet, when the process that wrote it was killed. */
  async #syncedFolder(id: string, bytes: Uint8Array): Promise<Uint8Array> {
    await this.#folders.sync(dirname(this.path(id)));
    return bytes;
  }

  async #readIfThere(path: string): Promise<Uint8Array | undefined> {
    try {
      return await this.#files.read(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** A new folder is durable only when the folders above it are synced. */
  async #ensureFolder(folder: string): Promise<void> {
    if (this.#madeFolders.has(folder)) return;
    // Synced even if it was there: another process, or one that was killed, may have made it a moment ago.
    await this.#files.makeFolder(folder);
    for (let above = dirname(folder); ; above = dirname(above)) {
      await this.#folders.sync(above);
      if (above === this.#home || above === dirname(above)) break;
    }
    this.#madeFolders.add(folder);
  }
}

async function foldersIn(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory() && /^[0-9a-f]{2}$/.test(entry.name)).map(({ name }) => name).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
