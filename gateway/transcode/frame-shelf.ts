// Transcoded frames that wait for their taker: in memory as far as a bound goes, beyond it on disk, so that fifty slow readers of
// large images take no more memory than one.
import { randomUUID } from 'node:crypto';
import { mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileBytes } from '../../storage/file-bytes.ts';

export interface HeldFrame {
  readonly length: number;
  /** All of it, as often as it is asked for until it is released. */
  read(): AsyncIterable<Uint8Array>;
  whole(): Promise<Uint8Array>;
  release(): Promise<void>;
}

/** A radiograph or two, for callers that take them at once; the others' lie in the system's page cache. */
const MEMORY_BYTES = 16 * 1024 * 1024;
/** A reader gives its part of the memory back as it goes on. */
const CHUNK_BYTES = 1024 * 1024;

export class FrameShelf {
  readonly #folder: string;
  #left: number;

  /** @param folder for what does not fit into memory; nothing stays in it */
  constructor(folder = tmpdir(), memoryBytes = MEMORY_BYTES) {
    this.#folder = folder;
    this.#left = memoryBytes;
  }

  /** @throws what the file system throws where the disk is full */
  async hold(bytes: Uint8Array): Promise<HeldFrame> {
    const { length } = bytes;
    if (length <= this.#left) return this.#inMemory(bytes);
    const file = await this.#temporaryFile();
    try {
      await file.writeFile(bytes);
    } catch (error) {
      await file.close();
      throw error;
    }
    const whole = async (): Promise<Uint8Array> => {
      const copy = new Uint8Array(length);
      let filled = 0;
      for await (const chunk of new FileBytes(file, 0, length)) {
        copy.set(chunk, filled);
        filled += chunk.length;
      }
      return copy;
    };
    return { length, read: () => new FileBytes(file, 0, length), whole, release: () => file.close() };
  }

  #inMemory(bytes: Uint8Array): HeldFrame {
    const { length } = bytes;
    this.#left -= length;
    let held: Uint8Array | undefined = bytes;
    const release = async (): Promise<void> => {
      if (held) this.#left += length;
      held = undefined;
    };
    return { length, read: () => chunksOf(bytes), whole: async () => bytes, release };
  }

  /** Without a name: it is gone with its handle, whatever happens. */
  async #temporaryFile(): Promise<FileHandle> {
    await mkdir(this.#folder, { recursive: true });
    const path = join(this.#folder, `${randomUUID()}.frame`);
    const file = await open(path, 'wx+', 0o600);
    await rm(path, { force: true });
    return file;
  }
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}
