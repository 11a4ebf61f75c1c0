// One frame of the pixel data as it is stored: a slice of native data (PS3.5 8.1), or the fragments of an encapsulated frame
// found by the Extended or Basic Offset Table, or by the codestreams themselves (PS3.5 A.4).
import { open } from 'node:fs/promises';
import { DicomFormatError } from '../errors.ts';
import { bytesOf, get, num, text } from './dataset.ts';
import type { Dataset } from './dataset.ts';
import type { PixelData } from './dataset-reader.ts';
import { readBulk, readRange } from './part10.ts';
import type { Part10 } from './part10.ts';
import { transferSyntax } from './uids.ts';
import { swapWords } from './vr.ts';

/** No frame of a radiograph comes near; more would not fit into memory beside its decoded form. */
const MAX_FRAME_BYTES = 2 ** 30;

export interface Fragment {
  /** Of the item's tag from the start of the file. */
  offset: number;
  /** Of the value. */
  start: number;
  length: number;
}

/** Frames by instance, each a list of fragments; kept so that reading all frames walks the fragments once. */
const frameIndexes = new WeakMap<Part10, Promise<Fragment[][]>>();

/** Number of Frames, 1 when absent or not valid. */
export function frameCount(dataset: Dataset): number {
  const frames = num(dataset, 'NumberOfFrames') ?? 1;
  return Number.isInteger(frames) && frames > 0 ? frames : 1;
}

/**
 * The bytes of one frame as stored, native words in little endian whatever the file's byte order.
 * @param frame from 1
 * @throws {DicomFormatError} when there is no such frame, or the pixel data is shorter than its attributes say
 */
export async function readFrame(file: Part10, frame: number): Promise<Uint8Array> {
  const { pixelData } = file;
  if (!pixelData) throw new DicomFormatError('the instance has no pixel data', file.size);
  const frames = frameCount(file.dataset);
  if (!(Number.isInteger(frame) && frame >= 1 && frame <= frames))
    throw new DicomFormatError(`there is no frame ${frame}, only ${frames}`, pixelData.offset);
  return pixelData.encapsulated ? readEncapsulated(file, pixelData, frame, frames) : readNative(file, pixelData, frame);
}

async function readNative(file: Part10, pixelData: PixelData, frame: number): Promise<Uint8Array> {
  const { start, length } = nativeFrame(file, frame);
  expectSize(length, frame, pixelData);
  if (!transferSyntax(file.transferSyntaxUid).bigEndian) return readRange(file, pixelData.offset + start, length);
  // Big endian: samples of 8 bits in OW are swapped in pairs, across the end of a frame of odd length as well.
  const bits = bitsAllocated(file.dataset, pixelData);
  const word = bits > 16 ? bits / 8 : bits > 8 || pixelData.vr === 'OW' ? 2 : 1;
  const from = start - (start % word);
  const to = Math.min(Math.ceil((start + length) / word) * word, pixelData.length);
  const words = await readRange(file, pixelData.offset + from, to - from);
  return swapWords(words, word).subarray(start - from, start - from + length);
}

/**
 * Where a frame of native pixel data stands, in bytes from the start of the pixel data.
 * @throws {DicomFormatError} when it is not whole bytes, or the pixel data is shorter than its attributes say
 */
export function nativeFrame(file: Part10, frame: number): { start: number; length: number } {
  const pixelData = file.pixelData!;
  const frameBits = samplesOfFrame(file.dataset) * bitsAllocated(file.dataset, pixelData);
  if (frameBits === 0) throw new DicomFormatError('Rows or Columns is missing or zero', pixelData.offset);
  if (frameBits % 8 !== 0 && frame > 1) throw new DicomFormatError('frames do not begin at whole bytes', pixelData.offset);
  const length = Math.ceil(frameBits / 8);
  const start = (frame - 1) * length;
  if (start + length > pixelData.length)
    throw new DicomFormatError(`frame ${frame} needs ${start + length} bytes, there are ${pixelData.length}`, pixelData.offset);
  return { start, length };
}

function bitsAllocated(dataset: Dataset, pixelData: PixelData): number {
  if (pixelData.tag === '7FE00008') return 32;
  if (pixelData.tag === '7FE00009') return 64;
  return num(dataset, 'BitsAllocated') ?? 0;
}

/** Chrominance of 4:2:2 is stored for every second column, so that a pixel takes two samples (PS3.3 C.7.6.3.1.2). */
function samplesOfFrame(dataset: Dataset): number {
  const pixels = (num(dataset, 'Rows') ?? 0) * (num(dataset, 'Columns') ?? 0);
  const samples = num(dataset, 'SamplesPerPixel') ?? 1;
  const photometric = text(dataset, 'PhotometricInterpretation') ?? '';
  return samples === 3 && photometric.endsWith('_422') ? pixels * 2 : pixels * samples;
}

function expectSize(length: number, frame: number, pixelData: PixelData): void {
  if (length > MAX_FRAME_BYTES)
    throw new DicomFormatError(`frame ${frame} is ${length} bytes long, more than can be read`, pixelData.offset);
}

async function readEncapsulated(file: Part10, pixelData: PixelData, frame: number, frames: number): Promise<Uint8Array> {
  let index = frameIndexes.get(file);
  if (!index) {
    index = indexFrames(file, pixelData, frames);
    frameIndexes.set(file, index);
  }
  const fragments = (await index)[frame - 1] ?? [];
  const length = fragments.reduce((sum, fragment) => sum + fragment.length, 0);
  expectSize(length, frame, pixelData);
  const parts = await Promise.all(fragments.map((fragment) => readRange(file, fragment.start, fragment.length)));
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

async function indexFrames(file: Part10, pixelData: PixelData, frames: number): Promise<Fragment[][]> {
  const [table, ...fragments] = await listFragments(file, pixelData);
  if (!table || fragments.length === 0) throw new DicomFormatError('the pixel data has no fragment', pixelData.offset);
  if (frames === 1) return [fragments];
  if (fragments.length === frames) return fragments.map((fragment) => [fragment]);
  const offsets = (await extendedOffsets(file)) ?? (await basicOffsets(file, table));
  const starts = (offsets && startsByOffset(fragments, offsets, frames)) ?? (await startsByCodestream(file, fragments, frames));
  if (starts) return starts.map((start, place) => fragments.slice(start, starts[place + 1]));
  throw new DicomFormatError(`${frames} frames cannot be found in ${fragments.length} fragments`, pixelData.offset);
}

async function extendedOffsets(file: Part10): Promise<number[] | undefined> {
  const element = get(file.dataset, 'ExtendedOffsetTable');
  if (!element) return undefined;
  const bytes = bytesOf(element) ?? (element.BulkDataURI === undefined ? undefined : await readBulk(file, element));
  if (!bytes || bytes.length === 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: Math.floor(bytes.length / 8) }, (_, index) => Number(view.getBigUint64(8 * index, true)));
}

async function basicOffsets(file: Part10, table: Fragment): Promise<number[] | undefined> {
  if (table.length === 0) return undefined;
  const bytes = await readRange(file, table.start, table.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, index) => view.getUint32(4 * index, true));
}

/** Which fragment each frame begins with; undefined when the table does not fit the fragments, as some writers have it. */
function startsByOffset(fragments: Fragment[], offsets: number[], frames: number): number[] | undefined {
  if (offsets.length !== frames) return undefined;
  const origin = fragments[0]!.offset;
  const byOffset = new Map(fragments.map((fragment, index) => [fragment.offset - origin, index]));
  const starts = offsets.map((offset) => byOffset.get(offset) ?? -1);
  return starts[0] === 0 && starts.every((start, index) => index === 0 || start > starts[index - 1]!) ? starts : undefined;
}

/** Without a table: a frame begins with the fragment that begins a codestream (JPEG SOI, JPEG 2000 SOC, JPEG XL). */
async function startsByCodestream(file: Part10, fragments: Fragment[], frames: number): Promise<number[] | undefined> {
  const starts: number[] = [];
  for (const [index, fragment] of fragments.entries()) {
    if (fragment.length < 4) continue;
    const marker = Buffer.from(await readRange(file, fragment.start, 4)).toString('hex');
    if (/^(ffd8ff|ff4fff51|ff0a|0000000c)/.test(marker)) starts.push(index);
  }
  return starts.length === frames && starts[0] === 0 ? starts : undefined;
}

/** All items of the encapsulated pixel data; the first is the Basic Offset Table. They were checked when the header was read. */
export async function listFragments(file: Part10, pixelData: Pick<PixelData, 'offset' | 'length'>): Promise<Fragment[]> {
  const read = await headerSource(file);
  try {
    const list: Fragment[] = [];
    const end = pixelData.offset + pixelData.length;
    for (let offset = pixelData.offset; offset + 8 <= end; ) {
      const header = await read.at(offset);
      if (header.readUInt16LE(2) === 0xe0dd) break;
      const length = header.readUInt32LE(4);
      list.push({ offset, start: offset + 8, length });
      offset += 8 + length;
    }
    return list;
  } finally {
    await read.close();
  }
}

async function headerSource(file: Part10): Promise<{ at(offset: number): Promise<Buffer>; close(): Promise<void> }> {
  if (file.bytes || transferSyntax(file.transferSyntaxUid).deflated)
    return { at: async (offset) => Buffer.from(await readRange(file, offset, 8)), close: async () => {} };
  const handle = await open(file.path, 'r');
  const buffer = Buffer.alloc(8);
  const at = async (offset: number): Promise<Buffer> => {
    const { bytesRead } = await handle.read(buffer, 0, 8, offset);
    if (bytesRead < 8) throw new DicomFormatError('the file is too short', offset);
    return buffer;
  };
  return { at, close: () => handle.close() };
}
