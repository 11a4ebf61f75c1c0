// The bytes of a file, chunk by chunk, through two buffers: a thousand readers at once take a bounded amount of memory, and the
// garbage collector has nothing to do with it.
import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { DicomFormatError } from './errors.ts';

/** Small enough for many readers at once, large enough to keep a disk busy. */
const READ_BYTES = 256 * 1024;

/**
 * Bytes from `start` to before `end`. A chunk stays as it is until the one after the next is asked for: the reader may pass it on
 * while it asks for the next.
 * @throws {DicomFormatError} where the file is shorter
 */
export async function* fileBytes(file: FileHandle, start: number, end: number): AsyncGenerator<Uint8Array, void, undefined> {
  const size = Math.min(READ_BYTES, end - start);
  let [buffer, other] = [Buffer.allocUnsafeSlow(size), end - start > size ? Buffer.allocUnsafeSlow(size) : Buffer.alloc(0)];
  for (let at = start; at < end; ) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(size, end - at), at);
    if (bytesRead === 0) throw new DicomFormatError('the file is shorter than it was', at);
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
    [buffer, other] = [other, buffer];
  }
}

/**
 * A file from `start` to its end, opened when it is read: a stream that nobody reads yet has nobody to tell of its error, or that it was
 * aborted, and would end the process.
 */
export async function* bytesFrom(path: string, start: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  yield* createReadStream(path, { start, highWaterMark: READ_BYTES, ...(signal && { signal }) });
}
