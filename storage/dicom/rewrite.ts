// The same dataset in another encoding (PS3.5 7, annex A): Implicit or Explicit VR, little or big endian. Values keep their bytes,
// but for the order of words; it is written while it is read, whatever its size.
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { num } from './dataset.ts';
import type { DicomElement } from './dataset.ts';
import { DatasetReader } from './dataset-reader.ts';
import type { DatasetObserver, Encoding, ObservedValue } from './dataset-reader.ts';
import type { Part10 } from './part10.ts';
import { Window, fileSteps, inflatedChunks, inflatedSteps } from './source.ts';
import { EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, transferSyntax } from './uids.ts';
import { vrOfTag } from './dictionary.ts';
import { LONG_VRS, NUMBER_SIZES, WORD_SIZES, swapWords } from './vr.ts';
import { elementHeader, writeDataset } from './write.ts';

export interface Changes {
  /** Elements of the dataset itself: what stands there instead, or undefined for nothing. One that was not there is added. */
  elements: ReadonlyMap<string, DicomElement | undefined>;
  /** The pixel data as a whole, its header included, in the new encoding; without it, native pixel data as it is. */
  pixelData?: AsyncIterable<Uint8Array>;
}
const NO_CHANGES: Changes = { elements: new Map() };

type Piece = Uint8Array | { offset: number; length: number; swap: number } | 'pixel data';

const UNDEFINED_LENGTH = 0xffffffff;
const PIXEL_DATA = '7FE00010';
const READ_BYTES = 256 * 1024;

/**
 * Sequences and items come out with undefined length, since the lengths of their headers change; group lengths are left out.
 * @param file on disk, with the header that `readPart10` gave
 * @throws {DicomFormatError} where the file has changed since
 */
export async function* rewriteDataset(file: Part10, target: Encoding, changes = NO_CHANGES, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const { deflated } = transferSyntax(file.transferSyntaxUid);
  const window = new Window(file.size);
  const rewriter = new Rewriter(window, target, changes, num(file.dataset, 'BitsAllocated') ?? 8);
  const reader = new DatasetReader(window, deflated ? 0 : file.datasetOffset, rewriter);
  const reading = reader.readDataset(file.encoding);
  await using handle = await open(file.path, 'r');
  const steps = deflated ? inflatedSteps(file.path, file.datasetOffset, window, reading) : fileSteps(handle, window, reading);
  const inflated = deflated ? new InflatedRanges(file) : undefined;
  try {
    for (let ended = false; !ended;) {
      ended = (await steps.next()).done === true;
      if (ended) rewriter.end();
      signal?.throwIfAborted();
      for (const piece of rewriter.take()) {
        if (piece instanceof Uint8Array) yield piece;
        else if (piece === 'pixel data') yield* changes.pixelData!;
        else {
          const { offset, length, swap } = piece;
          if (length === 0) continue;
          const range = inflated
            ? inflated.read(offset, length)
            : createReadStream(file.path, { start: offset, end: offset + length - 1, highWaterMark: READ_BYTES, ...(signal && { signal }) });
          yield* swap > 1 ? inOtherOrder(range, swap) : range;
        }
      }
    }
  } finally {
    await steps.return(undefined as never);
    await inflated?.close();
  }
}

/** Item and delimiter tags have no VR in any syntax (PS3.5 7.5). */
export function itemHeader(tag: 'FFFEE000' | 'FFFEE00D' | 'FFFEE0DD', length: number, { bigEndian }: Encoding): Uint8Array {
  return elementHeader(tag, '', length, { explicitVr: false, bigEndian });
}

class Rewriter implements DatasetObserver {
  readonly #window: Window;
  readonly #target: Encoding;
  readonly #changes: Changes;
  /** Of native pixel data, whose words are swapped in another byte order. */
  readonly #bitsAllocated: number;
  readonly #added: [string, DicomElement][];
  #pieces: Piece[] = [];
  #literals: Uint8Array[] = [];
  /** Open sequences. */
  #depth = 0;
  /** Within a sequence that is left out. */
  #muted = false;

  constructor(window: Window, target: Encoding, changes: Changes, bitsAllocated: number) {
    this.#window = window;
    this.#bitsAllocated = bitsAllocated;
    this.#target = target;
    this.#changes = changes;
    this.#added = [...changes.elements].filter((entry): entry is [string, DicomElement] => entry[1] !== undefined);
    this.#added.sort(([a], [b]) => (a < b ? 1 : -1));
  }

  /** What is to be written so far. */
  take(): Piece[] {
    this.#closeLiterals();
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  end(): void {
    this.#addUpTo('FFFFFFFF');
  }

  value({ tag, vr: said, start, length, bigEndian, depth }: ObservedValue): void {
    if (depth === 0 && this.#isChanged(tag)) return;
    if (this.#muted) return;
    if (depth === 0 && tag === PIXEL_DATA && this.#changes.pixelData) {
      this.#closeLiterals();
      this.#pieces.push('pixel data');
      return;
    }
    const pixels = tag === PIXEL_DATA;
    // Nobody could tell the words of UN in big endian.
    const vr = said === 'UN' && this.#target.bigEndian ? vrOfTag(tag) : said;
    const written = pixels ? this.#pixelVr(vr, depth) : !LONG_VRS.has(vr) && length > 0xfffe ? 'UN' : vr;
    this.#literals.push(elementHeader(tag, written, length + (length % 2), this.#target));
    const swap = bigEndian === this.#target.bigEndian ? 1 : pixels ? this.#pixelWord(written, depth) : wordOf(vr);
    if (this.#window.has(start, length)) {
      const bytes = this.#window.slice(start, length);
      this.#literals.push(swap > 1 ? swapWords(bytes, swap) : bytes);
    } else {
      this.#closeLiterals();
      this.#pieces.push({ offset: start, length, swap });
    }
    // Odd lengths are an error of the writer (PS3.5 7.1.1) that other readers may not forgive.
    if (length % 2 !== 0) this.#literals.push(Uint8Array.of(/^(O.|UN|UI)$/.test(vr) ? 0 : 0x20));
  }

  sequence(tag: string): void {
    if (this.#depth === 0) this.#muted = this.#isChanged(tag);
    this.#depth++;
    if (!this.#muted) this.#literals.push(elementHeader(tag, 'SQ', UNDEFINED_LENGTH, this.#target));
  }

  item(): void {
    if (!this.#muted) this.#literals.push(itemHeader('FFFEE000', UNDEFINED_LENGTH, this.#target));
  }

  itemEnd(): void {
    if (!this.#muted) this.#literals.push(itemHeader('FFFEE00D', 0, this.#target));
  }

  sequenceEnd(): void {
    this.#depth--;
    if (!this.#muted) this.#literals.push(itemHeader('FFFEE0DD', 0, this.#target));
    if (this.#depth === 0) this.#muted = false;
  }

  fragments(tag: string, start: number, length: number, depth: number): void {
    if (depth === 0 && this.#isChanged(tag)) return;
    if (this.#muted) return;
    this.#closeLiterals();
    if (depth === 0 && tag === PIXEL_DATA && this.#changes.pixelData) this.#pieces.push('pixel data');
    else if (this.#target.explicitVr && !this.#target.bigEndian) {
      this.#literals.push(elementHeader(tag, 'OB', UNDEFINED_LENGTH, this.#target));
      this.#closeLiterals();
      this.#pieces.push({ offset: start, length, swap: 1 });
    }
    // There are no fragments in the other encodings (PS3.5 A.1, A.3).
  }

  /** Adds what stands before an element of the dataset itself, and says whether the element is written otherwise, or not at all. */
  #isChanged(tag: string): boolean {
    this.#addUpTo(tag);
    return this.#changes.elements.has(tag);
  }

  #addUpTo(tag: string): void {
    for (let next = this.#added.at(-1); next && next[0] <= tag; next = this.#added.at(-1)) {
      this.#added.pop();
      this.#literals.push(writeDataset({ [next[0]]: next[1] }, syntaxOf(this.#target), []));
    }
  }

  #pixelVr(vr: string, depth: number): string {
    const words = depth === 0 && this.#bitsAllocated > 8;
    // In big endian OB is not swapped and OW is (PS3.5 A.3): with samples of a byte in OB, no reader can go wrong.
    if (this.#target.bigEndian && depth === 0) return words ? 'OW' : 'OB';
    return vr === 'OB' || vr === 'OW' ? vr : words ? 'OW' : 'OB';
  }

  #pixelWord(vr: string, depth: number): number {
    if (depth === 0 && this.#bitsAllocated > 16) return this.#bitsAllocated / 8;
    return (depth === 0 && this.#bitsAllocated > 8) || vr === 'OW' ? 2 : 1;
  }

  #closeLiterals(): void {
    if (this.#literals.length > 0) this.#pieces.push(Buffer.concat(this.#literals));
    this.#literals = [];
  }
}

/** Bytes of the words in a value, 1 where their order does not matter. */
function wordOf(vr: string): number {
  if (vr === 'AT') return 2;
  return WORD_SIZES[vr] ?? NUMBER_SIZES[vr] ?? 1;
}

function syntaxOf({ explicitVr, bigEndian }: Encoding): string {
  if (!explicitVr) return IMPLICIT_VR_LITTLE_ENDIAN;
  return bigEndian ? EXPLICIT_VR_BIG_ENDIAN : EXPLICIT_VR_LITTLE_ENDIAN;
}

/** The same bytes in whole words, each in the other order. */
export async function* inOtherOrder(chunks: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array();
  for await (const chunk of chunks) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const whole = bytes.length - (bytes.length % size);
    if (whole > 0) yield swapWords(bytes.subarray(0, whole), size);
    rest = bytes.subarray(whole);
  }
  if (rest.length > 0) yield rest;
}

/** Ranges of the inflated dataset, in the order in which they stand there. */
class InflatedRanges {
  readonly #chunks: AsyncGenerator<Uint8Array, void, undefined>;
  #chunk: Uint8Array = new Uint8Array();
  /** Of the chunk's first byte. */
  #position = 0;

  constructor(file: Part10) {
    this.#chunks = inflatedChunks(file.path, file.datasetOffset);
  }

  async *read(offset: number, length: number): AsyncGenerator<Uint8Array> {
    for (let at = offset; at < offset + length;) {
      const end = this.#position + this.#chunk.length;
      if (at < end) {
        const piece = this.#chunk.subarray(at - this.#position, Math.min(end, offset + length) - this.#position);
        yield piece;
        at += piece.length;
        continue;
      }
      this.#position = end;
      const { value, done } = await this.#chunks.next();
      if (done) return;
      this.#chunk = value;
    }
  }

  async close(): Promise<void> {
    await this.#chunks.return(undefined);
  }
}
