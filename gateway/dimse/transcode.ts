// Explicit VR Little Endian to Implicit VR Little Endian (PS3.5 7.1.2, 7.1.3, annex A): the same elements and value bytes, other
// headers. For results of our own, which are at most some ten megabytes; they are read whole.
import { readFile } from 'node:fs/promises';
import { LONG_VRS } from '../../storage/dicom/vr.ts';
import { DicomFormatError } from '../../storage/errors.ts';

const UNDEFINED_LENGTH = 0xffffffff;
const ITEM = 0xfffee000;
const ITEM_END = 0xfffee00d;
const SEQUENCE_END = 0xfffee0dd;

/**
 * The dataset alone, without file meta.
 * @param datasetOffset where the dataset starts in the file
 * @throws {DicomFormatError} where the file is not what it says
 */
export async function toImplicitLittleEndian(path: string, datasetOffset: number): Promise<Buffer> {
  return Buffer.concat([...implicitElements(await readFile(path), datasetOffset)]);
}

/**
 * Sequences and items come out with undefined length, because their headers' lengths change within them.
 * @throws {DicomFormatError}
 */
export function* implicitElements(bytes: Buffer, start = 0, end = bytes.length): Generator<Buffer> {
  for (let at = start; at < end; ) {
    const { tag, vr, length, valueAt } = elementAt(bytes, at, end);
    if (vr === 'SQ') {
      yield header(tag, UNDEFINED_LENGTH);
      at = yield* implicitItems(bytes, valueAt, length === UNDEFINED_LENGTH ? end : valueAt + length, length === UNDEFINED_LENGTH);
      yield header(SEQUENCE_END, 0);
    } else {
      if (length === UNDEFINED_LENGTH) throw new DicomFormatError(`${vr} of undefined length cannot be written in Implicit VR`, at);
      yield header(tag, length);
      yield bytes.subarray(valueAt, valueAt + length);
      at = valueAt + length;
    }
  }
}

/** @returns where the sequence ends, its delimiter included */
function* implicitItems(bytes: Buffer, start: number, end: number, delimited: boolean): Generator<Buffer, number> {
  let at = start;
  while (at < end) {
    const tag = tagAt(bytes, at, end);
    const length = bytes.readUInt32LE(at + 4);
    if (tag === SEQUENCE_END && delimited) return at + 8;
    if (tag !== ITEM) throw new DicomFormatError('a sequence holds something else than items', at);
    at += 8;
    const itemEnd = length === UNDEFINED_LENGTH ? endOfItem(bytes, at, end) : at + length;
    if (itemEnd > end) throw new DicomFormatError('an item is longer than its sequence', at);
    yield header(ITEM, UNDEFINED_LENGTH);
    yield* implicitElements(bytes, at, itemEnd);
    yield header(ITEM_END, 0);
    at = length === UNDEFINED_LENGTH ? itemEnd + 8 : itemEnd;
  }
  if (delimited) throw new DicomFormatError('a sequence of undefined length has no end', at);
  return at;
}

/** Where the delimiter of an item of undefined length stands. */
function endOfItem(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (tagAt(bytes, at, end) !== ITEM_END) at = endOfElement(bytes, at, end);
  return at;
}

function endOfElement(bytes: Buffer, start: number, end: number): number {
  const { length, valueAt } = elementAt(bytes, start, end);
  if (length !== UNDEFINED_LENGTH) return valueAt + length;
  let at = valueAt;
  while (tagAt(bytes, at, end) !== SEQUENCE_END) {
    const itemLength = bytes.readUInt32LE(at + 4);
    at = itemLength === UNDEFINED_LENGTH ? endOfItem(bytes, at + 8, end) + 8 : at + 8 + itemLength;
  }
  return at + 8;
}

function elementAt(bytes: Buffer, at: number, end: number): { tag: number; vr: string; length: number; valueAt: number } {
  const tag = tagAt(bytes, at, end);
  const vr = bytes.toString('latin1', at + 4, at + 6);
  const long = LONG_VRS.has(vr);
  if (long && at + 12 > end) throw new DicomFormatError('the dataset ends within the header of an element', at);
  const length = long ? bytes.readUInt32LE(at + 8) : bytes.readUInt16LE(at + 6);
  const valueAt = at + (long ? 12 : 8);
  if (length !== UNDEFINED_LENGTH && valueAt + length > end) throw new DicomFormatError('an element is longer than what holds it', at);
  return { tag, vr, length, valueAt };
}

function tagAt(bytes: Buffer, at: number, end: number): number {
  if (at + 8 > end) throw new DicomFormatError('the dataset ends within the header of an element', at);
  return bytes.readUInt16LE(at) * 0x10000 + bytes.readUInt16LE(at + 2);
}

function header(tag: number, length: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(Math.floor(tag / 0x10000), 0);
  bytes.writeUInt16LE(tag % 0x10000, 2);
  bytes.writeUInt32LE(length, 4);
  return bytes;
}
