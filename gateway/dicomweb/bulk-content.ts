// The bytes behind a BulkDataURI (PS3.18 8.7.3.3): stretches of a kept file, streamed; words in little endian whatever the file has.
import type { Archive, ArchivedInstance } from '../../storage/archive.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { inflatedChunks } from '../../storage/dicom/source.ts';
import { transferSyntax } from '../../storage/dicom/uids.ts';
import { NUMBER_SIZES, WORD_SIZES, swapWords } from '../../storage/dicom/vr.ts';
import { FileBytes, type Chunk } from '../../storage/file-bytes.ts';
import type { ByteRange } from '../http/conditional.ts';
import { openKept } from './instance-file.ts';

/** In bytes from the start of the file; of a deflated one, of its inflated dataset. */
export interface Stretch {
  start: number;
  length: number;
}

export interface BulkContent {
  /** Undefined where it is made while it is sent: then no range of it can be asked for. */
  length: number | undefined;
  open(range?: ByteRange): AsyncIterable<Chunk>;
}

/** What stands in memory already. */
export function inlineContent(bytes: Uint8Array): BulkContent {
  return {
    length: bytes.length,
    open: async function* (range) {
      yield bytes.subarray(range?.start ?? 0, range?.end ?? bytes.length);
    },
  };
}

/** What can be read from its beginning as often as it is asked for. */
export function readableContent({ length, read }: { readonly length: number; read(): AsyncIterable<Uint8Array> }): BulkContent {
  return { length, open: (range) => (range ? trimmed(read(), range.start, range.end) : read()) };
}

/** One stretch after the other. @param vr of the value, whose words may have to be turned */
export function keptContent(instance: ArchivedInstance, stretches: readonly Stretch[], vr: string, archive: Archive): BulkContent {
  const length = stretches.reduce((sum, stretch) => sum + stretch.length, 0);
  const { deflated, bigEndian } = transferSyntax(instance.transferSyntaxUid);
  const word = bigEndian ? (WORD_SIZES[vr] ?? NUMBER_SIZES[vr] ?? 1) : 1;
  return {
    length,
    open: async function* ({ start, end } = { start: 0, end: length }) {
      const file = await openKept(instance, archive);
      try {
        const whole = { start: start - (start % word), end: Math.min(length, Math.ceil(end / word) * word) };
        for (const part of within(stretches, whole)) {
          if (deflated) yield* inflatedBytes(instance.path, part);
          else {
            const bytes = new FileBytes(file, part.start, part.start + part.length);
            if (word === 1) yield bytes;
            else yield* trimmed(swapped(bytes, word), start - whole.start, end - whole.start);
          }
        }
      } finally {
        await file.close();
      }
    },
  };
}

/** The stretches of a range of what they are together. */
function* within(stretches: readonly Stretch[], { start, end }: ByteRange): Generator<Stretch> {
  let at = 0;
  for (const stretch of stretches) {
    const from = Math.max(start, at);
    const to = Math.min(end, at + stretch.length);
    if (from < to) yield { start: stretch.start + from - at, length: to - from };
    at += stretch.length;
  }
}

async function* inflatedBytes(path: string, { start, length }: Stretch): AsyncGenerator<Uint8Array, void, undefined> {
  const { datasetOffset } = await readPart10(path);
  let at = 0;
  for await (const chunk of inflatedChunks(path, datasetOffset)) {
    const from = Math.max(start, at);
    const to = Math.min(start + length, at + chunk.length);
    if (from < to) yield chunk.subarray(from - at, to - at);
    at += chunk.length;
    if (at >= start + length) return;
  }
}

async function* swapped(chunks: AsyncIterable<Uint8Array>, word: number): AsyncGenerator<Uint8Array, void, undefined> {
  let rest: Uint8Array = new Uint8Array();
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const whole = bytes.length - (bytes.length % word);
    rest = Buffer.from(bytes.subarray(whole));
    if (whole > 0) yield swapWords(bytes.subarray(0, whole), word);
  }
  if (rest.length > 0) yield rest;
}

async function* trimmed(chunks: AsyncIterable<Uint8Array>, start: number, end: number): AsyncGenerator<Uint8Array, void, undefined> {
  let at = 0;
  for await (const chunk of chunks) {
    const from = Math.max(start, at);
    const to = Math.min(end, at + chunk.length);
    if (from < to) yield chunk.subarray(from - at, to - at);
    at += chunk.length;
  }
}
