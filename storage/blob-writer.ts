// One blob being received: bytes are gathered into long writes, and one buffer is written while the next is filled, so that the
// disk works while the network does and memory stays two buffers whatever comes.
import { writeAll } from './file-system.ts';
import type { WritableFile } from './file-system.ts';

/** Network chunks are gathered to this size: written in pieces of 16 KiB, an instance takes three times the CPU. */
export const WRITE_BYTES = 256 * 1024;
/** While a long instance comes in, what has come is already sent to the disk, so that the last sync is short. */
const SYNC_AHEAD_BYTES = 4 * 1024 * 1024;

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
