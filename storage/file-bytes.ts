// The bytes of a file, chunk by chunk, through two buffers: a thousand readers at once take a bounded amount of memory, and the
// garbage collector has nothing to do with it.
import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { DicomFormatError } from './errors.ts';

/** Small enough for many readers at once, large enough to keep a disk busy. */
const READ_BYTES = 256 * 1024;

/** What a body is made of: bytes, or a stretch of a file that need not be read to be sent. */
export type Chunk = Uint8Array | FileBytes;

/** The bytes of an open file from `start` to before `end`. */
export class FileBytes implements AsyncIterable<Uint8Array> {
  readonly file: FileHandle;
  readonly start: number;
  readonly end: number;

  constructor(file: FileHandle, start: number, end: number) {
    this.file = file;
    this.start = start;
    this.end = end;
  }

  /**
   * A chunk stays as it is until the one after the next is asked for: the reader may pass it on while it asks for the next.
   * @throws {DicomFormatError} where the file is shorter
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    const length = this.end - this.start;
    const size = Math.min(READ_BYTES, length);
    let [buffer, other] = [Buffer.allocUnsafeSlow(size), length > size ? Buffer.allocUnsafeSlow(size) : Buffer.alloc(0)];
    for (let at = this.start; at < this.end; ) {
      const chunk = await this.read(buffer, at);
      at += chunk.length;
      yield chunk;
      [buffer, other] = [other, buffer];
    }
  }

  /** What stands at `at`, as far as it fits into `buffer`. @throws {DicomFormatError} where the file is shorter */
  async read(buffer: Uint8Array, at: number): Promise<Uint8Array> {
    const { bytesRead } = await this.file.read(buffer, 0, Math.min(buffer.length, this.end - at), at);
    if (bytesRead === 0) throw new DicomFormatError('the file is shorter than it was', at);
    return buffer.subarray(0, bytesRead);
  }
}

/** A body that is one stretch of a file. */
export async function* inFile(file: FileHandle, start: number, end: number): AsyncGenerator<Chunk, void, undefined> {
  yield new FileBytes(file, start, end);
}

/** For who needs the bytes themselves. */
export async function* bytesOf(chunks: AsyncIterable<Chunk>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    if (chunk instanceof FileBytes) yield* chunk;
    else yield chunk;
  }
}

/**
 * A file from `start` to its end, opened when it is read: a stream that nobody reads yet has nobody to tell of its error, or that it was
 * aborted, and would end the process.
 */
export async function* bytesFrom(path: string, start: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  yield* createReadStream(path, { start, highWaterMark: READ_BYTES, ...(signal && { signal }) });
}
