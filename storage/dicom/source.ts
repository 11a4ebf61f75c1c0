// Where a dataset is read from: a file by pread, the inflated bytes of a deflated file, or memory. The reader is a generator that
// asks for the bytes it needs next, always forward, so that one reader serves all three and none holds more than a window.
import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { createInflateRaw, inflateRawSync } from 'node:zlib';
import { DicomFormatError } from '../errors.ts';

/** Bytes that the reader needs to be in the window; `ahead` is how many it can use after them. */
export interface Need {
  offset: number;
  length: number;
  ahead: number;
}
export type Reading<T> = Generator<Need, T, void>;

/** The part of the source that is at hand. */
export class Window {
  bytes: Uint8Array = new Uint8Array();
  view: DataView = new DataView(new ArrayBuffer(0));
  /** Offset of the first byte in the source. */
  start = 0;
  /** Offset after the last byte of the source; not known of inflated bytes until they end. */
  size: number;

  constructor(size: number) {
    this.size = size;
  }

  fill(start: number, bytes: Uint8Array): void {
    this.start = start;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  has(offset: number, length: number): boolean {
    return offset >= this.start && offset + length <= this.start + this.bytes.length;
  }

  slice(offset: number, length: number): Uint8Array {
    return this.bytes.subarray(offset - this.start, offset - this.start + length);
  }
}

/** Most bytes are read with the first pread: the header of a radiograph is a few KiB. */
export const READ_AHEAD = 32 * 1024;

/**
 * Longest dataset that a deflated file may unfold to; a page of zeros deflates a thousand times, so without a bound a small file
 * could keep us busy for hours.
 */
const MAX_INFLATED_BYTES = 2 ** 31;
/** In memory, where all of it is held at once. */
const MAX_INFLATED_IN_MEMORY = 2 ** 29;

/** @throws {DicomFormatError} of the reader; what the file system throws */
export function readFromFile<T>(file: FileHandle, window: Window, reading: Reading<T>): Promise<T> {
  return toTheEnd(fileSteps(file, window, reading));
}

/** The same in steps, each before the window moves on: what the reader has seen so far is still in it. */
export async function* fileSteps<T>(file: FileHandle, window: Window, reading: Reading<T>): AsyncGenerator<void, T> {
  for (;;) {
    const step = reading.next();
    if (step.done) return step.value;
    yield;
    const { offset, length, ahead } = step.value;
    const wanted = Math.min(Math.max(length, ahead), window.size - offset);
    const buffer = Buffer.allocUnsafe(wanted);
    let filled = 0;
    while (filled < wanted) {
      const { bytesRead } = await file.read(buffer, filled, wanted - filled, offset + filled);
      if (bytesRead === 0) throw new DicomFormatError('the file became shorter while it was read', offset + filled);
      filled += bytesRead;
    }
    window.fill(offset, buffer);
  }
}

/** The dataset after `datasetOffset` is inflated as it is needed; offsets of the reader are those of the inflated dataset. */
export function readInflated<T>(path: string, datasetOffset: number, window: Window, reading: Reading<T>): Promise<T> {
  return toTheEnd(inflatedSteps(path, datasetOffset, window, reading));
}

/** The same in steps, as `fileSteps`. */
export async function* inflatedSteps<T>(path: string, datasetOffset: number, window: Window, reading: Reading<T>): AsyncGenerator<void, T> {
  const chunks = inflatedChunks(path, datasetOffset);
  window.size = MAX_INFLATED_BYTES;
  let available = 0;
  try {
    for (;;) {
      const step = reading.next();
      if (step.done) return step.value;
      yield;
      const { offset, length } = step.value;
      const parts: Uint8Array[] = window.has(offset, 0) ? [window.slice(offset, available - offset)] : [];
      while (available < offset + length) {
        const { value: chunk, done } = await chunks.next();
        if (done) {
          window.size = available;
          break;
        }
        if (available + chunk.length > offset) parts.push(chunk.subarray(Math.max(0, offset - available)));
        available += chunk.length;
        if (available > MAX_INFLATED_BYTES)
          throw new DicomFormatError(`the deflated dataset unfolds to more than ${MAX_INFLATED_BYTES} bytes`, datasetOffset);
      }
      window.fill(Math.min(offset, available), parts.length === 1 ? parts[0]! : Buffer.concat(parts));
    }
  } finally {
    await chunks.return(undefined);
  }
}

async function toTheEnd<T>(steps: AsyncGenerator<void, T>): Promise<T> {
  for (;;) {
    const step = await steps.next();
    if (step.done) return step.value;
  }
}

/** @throws {DicomFormatError} where the deflated bytes are broken or cut off */
export async function* inflatedChunks(path: string, datasetOffset: number): AsyncGenerator<Uint8Array, void, undefined> {
  const source = createReadStream(path, { start: datasetOffset });
  const inflate = createInflateRaw({ chunkSize: 64 * 1024 });
  source.on('error', (error) => inflate.destroy(error));
  source.pipe(inflate);
  try {
    for await (const chunk of inflate) yield chunk as Uint8Array;
  } catch (error) {
    throw notInflatable(error, datasetOffset);
  } finally {
    source.destroy();
    inflate.destroy();
  }
}

export function inflateInMemory(bytes: Uint8Array, datasetOffset: number): Uint8Array {
  try {
    return inflateRawSync(bytes.subarray(datasetOffset), { maxOutputLength: MAX_INFLATED_IN_MEMORY });
  } catch (error) {
    throw notInflatable(error, datasetOffset);
  }
}

function notInflatable(error: unknown, offset: number): unknown {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (!code.startsWith('Z_') && code !== 'ERR_BUFFER_TOO_LARGE') return error;
  return new DicomFormatError(`the deflated dataset cannot be inflated: ${(error as Error).message}`, offset, { cause: error });
}

/** Everything is in the window already: the reader never asks. */
export function readFromMemory<T>(reading: Reading<T>): T {
  const step = reading.next();
  if (!step.done) throw new DicomFormatError('the bytes end too early', step.value.offset);
  return step.value;
}
