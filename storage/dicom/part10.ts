// Reading DICOM files (PS3.10 7): the header into memory, the rest walked and not read. Files without preamble or file meta, as
// old devices write them, are read as what they look like.
import { open } from 'node:fs/promises';
import { DicomFormatError } from '../errors.ts';
import type { Dataset, DicomElement } from './dataset.ts';
import { DatasetReader } from './dataset-reader.ts';
import type { BulkValue, Encoding, PixelData } from './dataset-reader.ts';
import { keywordOf } from './dictionary.ts';
import { READ_AHEAD, Window, inflateInMemory, inflatedChunks, readFromFile, readFromMemory, readInflated } from './source.ts';
import type { Reading } from './source.ts';
import {
  EXPLICIT_VR_BIG_ENDIAN,
  EXPLICIT_VR_LITTLE_ENDIAN,
  IMPLICIT_VR_LITTLE_ENDIAN,
  transferSyntax,
} from './uids.ts';
import { KNOWN_VRS, LONG_VRS, NUMBER_SIZES, WORD_SIZES, swapWords } from './vr.ts';

export interface Part10 {
  /** '' for what was parsed in memory. */
  path: string;
  /** Bytes of the file. */
  size: number;
  preamble: boolean;
  /** Group 0002; empty when the file has none. */
  meta: Dataset;
  /** Text decoded. Pixel data is not in it; of values over 64 KiB only a BulkDataURI, see readBulk. */
  dataset: Dataset;
  bulk: BulkValue[];
  /** Of the file meta, or what the dataset looks like. */
  transferSyntaxUid: string;
  /** What the dataset is in, whatever the file meta says. */
  encoding: Encoding;
  /** First byte of the dataset. */
  datasetOffset: number;
  /** Deflated: offsets of pixel data and bulk values are in the inflated dataset. */
  pixelData?: PixelData;
  /** The file, where it was parsed in memory. */
  bytes?: Uint8Array;
}

export interface ReadOptions {
  /** For a dataset without file meta, or a file meta without Transfer Syntax UID. */
  transferSyntaxUid?: string;
}

/** What is known before the dataset is read. */
interface Front {
  preamble: boolean;
  meta: Dataset;
  datasetOffset: number;
  transferSyntaxUid: string;
}

/**
 * Reads the header of a file and walks the rest to its end. Holds no more than the header and a window of 64 KiB.
 * @throws {DicomFormatError} when the file is cut off, has wrong lengths, or is no DICOM; what the file system throws
 */
export async function readPart10(path: string, options: ReadOptions = {}): Promise<Part10> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const window = new Window(size);
    const front = await readFromFile(file, window, readFront(window, options));
    if (!transferSyntax(front.transferSyntaxUid).deflated)
      return finish(path, size, front, await readFromFile(file, window, readBody(window, front.datasetOffset, front)));
    const inflated = new Window(0);
    return finish(path, size, front, await readInflated(path, front.datasetOffset, inflated, readBody(inflated, 0, front)));
  } finally {
    await file.close();
  }
}

/** The same for bytes in memory. @throws {DicomFormatError} */
export function parsePart10(bytes: Uint8Array, options: ReadOptions = {}): Part10 {
  const window = windowOf(bytes);
  const front = readFromMemory(readFront(window, options));
  const deflated = transferSyntax(front.transferSyntaxUid).deflated;
  const source = deflated ? windowOf(inflateInMemory(bytes, front.datasetOffset)) : window;
  const body = readFromMemory(readBody(source, deflated ? 0 : front.datasetOffset, front));
  return { ...finish('', bytes.length, front, body), bytes };
}

/**
 * The value of an element that the reader left out (BulkDataURI), words and numbers in little endian.
 * @throws {DicomFormatError} when the file has become shorter
 */
export async function readBulk(file: Part10, element: DicomElement): Promise<Uint8Array> {
  const match = /^\?offset=(\d+)&length=(\d+)$/.exec(element.BulkDataURI ?? '');
  if (!match) throw new TypeError('the element has no value that was left out');
  const bytes = await readRange(file, Number(match[1]), Number(match[2]));
  const size = WORD_SIZES[element.vr] ?? NUMBER_SIZES[element.vr];
  return size !== undefined && transferSyntax(file.transferSyntaxUid).bigEndian ? swapWords(bytes, size) : bytes;
}

/** Bytes at an offset of the file, or of the inflated dataset. @throws {DicomFormatError} when they are not there */
export async function readRange(file: Part10, offset: number, length: number): Promise<Uint8Array> {
  const deflated = transferSyntax(file.transferSyntaxUid).deflated;
  if (file.bytes) {
    const bytes = deflated ? inflateInMemory(file.bytes, file.datasetOffset) : file.bytes;
    if (offset + length > bytes.length) throw new DicomFormatError('the file is too short', bytes.length);
    return bytes.subarray(offset, offset + length);
  }
  if (deflated) return readInflatedRange(file, offset, length);
  const handle = await open(file.path, 'r');
  try {
    const bytes = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
      if (bytesRead === 0) throw new DicomFormatError('the file is too short', offset + filled);
      filled += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}

async function readInflatedRange(file: Part10, offset: number, length: number): Promise<Uint8Array> {
  const bytes = Buffer.alloc(length);
  let position = 0;
  for await (const chunk of inflatedChunks(file.path, file.datasetOffset)) {
    const from = Math.max(offset, position);
    const to = Math.min(offset + length, position + chunk.length);
    if (from < to) bytes.set(chunk.subarray(from - position, to - position), from - offset);
    position += chunk.length;
    if (position >= offset + length) return bytes;
  }
  throw new DicomFormatError('the inflated dataset is too short', position);
}

function windowOf(bytes: Uint8Array): Window {
  const window = new Window(bytes.length);
  window.fill(0, bytes);
  return window;
}

type Body = Pick<Part10, 'dataset' | 'bulk'> & { pixelData: PixelData | undefined; encoding: Encoding };

function finish(path: string, size: number, front: Front, { encoding, pixelData, ...body }: Body): Part10 {
  const transferSyntaxUid = syntaxOf(front.transferSyntaxUid, encoding);
  return { path, size, ...front, transferSyntaxUid, encoding, ...body, ...(pixelData ? { pixelData } : {}) };
}

/** A native syntax that the dataset turned out not to have is replaced by the one that it has. */
function syntaxOf(declared: string, encoding: Encoding): string {
  const syntax = transferSyntax(declared);
  if (declared !== '' && (syntax.encapsulated || syntax.deflated)) return declared;
  if (declared !== '' && syntax.explicitVr === encoding.explicitVr && syntax.bigEndian === encoding.bigEndian) return declared;
  if (!encoding.explicitVr) return IMPLICIT_VR_LITTLE_ENDIAN;
  return encoding.bigEndian ? EXPLICIT_VR_BIG_ENDIAN : EXPLICIT_VR_LITTLE_ENDIAN;
}

function* readFront(window: Window, options: ReadOptions): Reading<Front> {
  if (window.size === 0) throw new DicomFormatError('the file is empty', 0);
  const first = Math.min(132, window.size);
  if (!window.has(0, first)) yield { offset: 0, length: first, ahead: READ_AHEAD };
  const preamble = isMagic(window, 128);
  const start = preamble ? 132 : isMagic(window, 0) ? 4 : 0;
  const reader = new DatasetReader(window, start);
  const meta = yield* readMeta(reader, start);
  const declared = meta['00020010']?.Value?.[0];
  return {
    preamble,
    meta,
    datasetOffset: reader.position,
    transferSyntaxUid: typeof declared === 'string' ? declared : (options.transferSyntaxUid ?? ''),
  };
}

/** What has no "DICM" and cannot be read from its first byte on was never a file of DICOM, whatever its ending says. */
function* readMeta(reader: DatasetReader, start: number): Reading<Dataset> {
  try {
    return yield* reader.readFileMeta();
  } catch (error) {
    if (start > 0 || !(error instanceof DicomFormatError) || reader.position > 0) throw error;
    throw new DicomFormatError('not a DICOM file: neither "DICM" at byte 128 nor a dataset', 0, { cause: error });
  }
}

function isMagic(window: Window, offset: number): boolean {
  return window.has(offset, 4) && Buffer.from(window.slice(offset, 4)).toString('latin1') === 'DICM';
}

/**
 * The start of a file, as far as the first element of its dataset.
 * @throws {DicomFormatError} when it is no DICOM
 */
export function* readStart(window: Window): Reading<{ datasetOffset: number }> {
  const front = yield* readFront(window, {});
  if (!transferSyntax(front.transferSyntaxUid).deflated) yield* detectEncoding(window, front.datasetOffset, front);
  return front;
}

function* readBody(window: Window, offset: number, front: Front): Reading<Body> {
  const encoding = yield* detectEncoding(window, offset, front);
  const reader = new DatasetReader(window, offset);
  const dataset = yield* reader.readDataset(encoding);
  return { dataset, bulk: reader.bulk, pixelData: reader.pixelData, encoding };
}

const ENCODINGS: readonly Encoding[] = [
  { explicitVr: true, bigEndian: false },
  { explicitVr: false, bigEndian: false },
  { explicitVr: true, bigEndian: true },
];

/** The encoding that the transfer syntax says, or if the first element cannot be in it, the one that it can be in. */
function* detectEncoding(window: Window, offset: number, front: Front): Reading<Encoding> {
  const known = front.transferSyntaxUid !== '';
  const { explicitVr, bigEndian } = transferSyntax(known ? front.transferSyntaxUid : EXPLICIT_VR_LITTLE_ENDIAN);
  const declared = { explicitVr, bigEndian };
  const length = Math.min(12, window.size - offset);
  if (!window.has(offset, length)) yield { offset, length, ahead: READ_AHEAD };
  if (window.has(offset, 8)) {
    const candidates = known ? [declared, ...ENCODINGS] : ENCODINGS;
    const found = candidates.find((candidate) => isPlausible(window, offset, candidate));
    if (found) return found;
  }
  if (front.datasetOffset === 0) throw new DicomFormatError('not a DICOM file: neither "DICM" at byte 128 nor a dataset', 0);
  return declared;
}

/** Whether the first element can be read in this encoding: a known tag, a known VR, a length that fits. */
function isPlausible(window: Window, offset: number, encoding: Encoding): boolean {
  const view = new DataView(window.bytes.buffer, window.bytes.byteOffset + offset - window.start);
  const little = !encoding.bigEndian;
  const tag = view.getUint32(0, little);
  const hex = (encoding.bigEndian ? tag : ((tag << 16) | (tag >>> 16)) >>> 0).toString(16).toUpperCase().padStart(8, '0');
  if (keywordOf(hex) === undefined && !hex.endsWith('0000')) return false;
  if (hex < '00020000') return false;
  if (!encoding.explicitVr) {
    const length = view.getUint32(4, little);
    return length === 0xffffffff || length <= window.size - offset - 8;
  }
  const vr = String.fromCharCode(view.getUint8(4), view.getUint8(5));
  if (!KNOWN_VRS.has(vr)) return false;
  return LONG_VRS.has(vr) || view.getUint16(6, little) <= window.size - offset - 8;
}
