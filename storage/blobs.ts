// Blobs: one file for each instance and result, under home/blobs/ab/cd/, never changed once it is there. What is being received
// stands in home/incoming until it is whole.
import { randomUUID } from 'node:crypto';
import { opendir, readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { FolderSync, fileSystem, writeAll } from './file-system.ts';
import type { FileSystem, WritableFile } from './file-system.ts';

/** Network chunks are gathered to this size: written in pieces of 16 KiB, an instance takes three times the CPU. */
const WRITE_BYTES = 256 * 1024;
/** Buffers kept for the next instances; more than this many at once are allocated and let go. */
const SPARE_BUFFERS = 16;
/** While a long instance comes in, what has come is already sent to the disk, so that the last sync is short. */
const SYNC_AHEAD_BYTES = 4 * 1024 * 1024;
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

interface WriterParts {
  id: string;
  path: string;
  file: WritableFile;
  commit(): Promise<void>;
  abort(): Promise<void>;
  buffers: Buffers;
}

interface Buffers {
  take(): Buffer;
  give(buffer: Buffer): void;
}

/** One blob being received. Writes one buffer while the next is filled; memory is two buffers whatever comes. */
export class BlobWriter {
  readonly id: string;
  /** Where it stands until it is committed. */
  readonly path: string;
  /** Bytes written so far, with those still in the buffer. */
  bytes = 0;
  readonly #file: WritableFile;
  readonly #commit: () => Promise<void>;
  readonly #abort: () => Promise<void>;
  readonly #buffers: Buffers;
  #buffer: Buffer;
  #filled = 0;
  #writing: Promise<void> = Promise.resolve();
  #syncing: Promise<void> = Promise.resolve();
  #unsynced = 0;
  #open = true;

  constructor(parts: WriterParts) {
    this.id = parts.id;
    this.path = parts.path;
    this.#file = parts.file;
    this.#commit = parts.commit;
    this.#abort = parts.abort;
    this.#buffers = parts.buffers;
    this.#buffer = this.#buffers.take();
  }

  /** Resolves when there is room for more; the bytes are copied. @throws what the file system threw for earlier bytes */
  async write(bytes: Uint8Array): Promise<void> {
    this.bytes += bytes.length;
    for (let offset = 0; offset < bytes.length; ) {
      const count = Math.min(bytes.length - offset, this.#buffer.length - this.#filled);
      this.#buffer.set(offset === 0 && count === bytes.length ? bytes : bytes.subarray(offset, offset + count), this.#filled);
      this.#filled += count;
      offset += count;
      if (this.#filled === this.#buffer.length) await this.#flush();
    }
  }

  /** All bytes are in the file (not yet durable), readable by others. */
  async flushed(): Promise<void> {
    await this.#flush();
    await this.#writing;
  }

  /** Resolves once the bytes are durable. */
  async sync(): Promise<void> {
    await this.flushed();
    await this.#syncing;
    await this.#file.datasync();
  }

  /** Gives the blob its place; durable when it resolves. */
  async commit(): Promise<void> {
    await this.#close();
    await this.#commit();
  }

  /** Nothing of it stays; also after a commit. */
  async abort(): Promise<void> {
    await this.#writing.catch(() => {});
    await this.#syncing.catch(() => {});
    await this.#close().catch(() => {});
    await this.#abort();
  }

  async #flush(): Promise<void> {
    await this.#writing;
    if (this.#filled === 0) return;
    const buffer = this.#buffer;
    const length = this.#filled;
    this.#buffer = this.#buffers.take();
    this.#filled = 0;
    this.#writing = writeAll(this.#file, buffer, length).finally(() => this.#buffers.give(buffer));
    // Its failure is thrown by whoever waits for it next.
    this.#writing.catch(() => {});
    this.#unsynced += length;
    if (this.#unsynced < SYNC_AHEAD_BYTES) return;
    this.#unsynced = 0;
    this.#syncing = Promise.all([this.#syncing, this.#file.datasync()]).then(() => {});
    this.#syncing.catch(() => {});
  }

  async #close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#buffers.give(this.#buffer);
    await this.#file.close();
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
