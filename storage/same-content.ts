// Whether two files hold one dataset in two encodings: a PACS that sends an instance back in another uncompressed transfer syntax
// (PS3.5 A.1 to A.3), or with lengths where delimiters were (PS3.5 7.5), has changed nothing. Asked only where digests differ, so that intake pays nothing for it.
import { isDeepStrictEqual } from 'node:util';
import { num, type Dataset, type DicomElement } from './dicom/dataset.ts';
import { readPart10, readRange, type Part10 } from './dicom/part10.ts';
import { transferSyntax } from './dicom/uids.ts';
import { NUMBER_SIZES, swapWords, WORD_SIZES } from './dicom/vr.ts';
import type { BlobStore } from './blobs.ts';
import { DicomFormatError } from './errors.ts';

/** Read of both at a time. */
const BLOCK_BYTES = 1024 * 1024;

interface Place {
  offset: number;
  length: number;
  /** Bytes whose order changes with the transfer syntax. */
  word: number;
}

/** Whether a version that is kept holds the same dataset as the one that came. */
export type HasSameContent = (kept: { id: string; transferSyntaxUid: string }) => Promise<boolean>;

export function sameContentAs(came: Part10, blobs: Pick<BlobStore, 'path'>): HasSameContent {
  return async ({ id, transferSyntaxUid }) => {
    if (!areComparable(transferSyntaxUid, came.transferSyntaxUid)) return false;
    try {
      return await sameContent(await readPart10(blobs.path(id), { transferSyntaxUid }), came);
    } catch (error) {
      // What is kept cannot be read: then what came is kept as well.
      if (error instanceof DicomFormatError || (error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
  };
}

/** Deflated datasets would have to be inflated, pixels in two compressions decoded; in one, they are compared as they stand. */
function areComparable(first: string, second: string): boolean {
  const [one, other] = [transferSyntax(first), transferSyntax(second)];
  if (one.deflated || other.deflated) return false;
  return first === second || (!one.encapsulated && !other.encapsulated);
}

/** @returns false also where it cannot be told */
export async function sameContent(first: Part10, second: Part10): Promise<boolean> {
  if (!areComparable(first.transferSyntaxUid, second.transferSyntaxUid)) return false;
  const [ones, others]: [Place[], Place[]] = [[], []];
  // Through JSON, as headers come from the database.
  const headers = [withoutBulk(first.dataset, ones), withoutBulk(second.dataset, others)].map((header) => JSON.stringify(header));
  // Bytes that are no text are shown alike, whatever they are.
  if (headers[0]!.includes('\ufffd') || !isDeepStrictEqual(JSON.parse(headers[0]!), JSON.parse(headers[1]!))) return false;
  for (const [file, places] of [[first, ones], [second, others]] as const) {
    const pixels = pixelsOf(file);
    if (pixels) places.push(pixels);
  }
  if (ones.length !== others.length) return false;
  for (const [index, place] of ones.entries()) if (!(await sameBytes(first, place, second, others[index]!))) return false;
  return true;
}

/** Values that the header leaves out stand at different offsets; a sequence that it leaves out has no form to compare. */
function withoutBulk(dataset: Dataset, places: Place[]): Dataset {
  const header: Dataset = {};
  for (const [tag, element] of Object.entries(dataset).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const place = placeOf(element);
    if (place) places.push(place);
    if (element.vr === 'SQ' && element.Value) header[tag] = { vr: 'SQ', Value: element.Value.map((item) => withoutBulk((item ?? {}) as Dataset, places)) };
    else header[tag] = place ? { vr: element.vr } : element;
  }
  return header;
}

function placeOf({ vr, BulkDataURI }: DicomElement): Place | undefined {
  const [, offset, length] = (vr === 'SQ' ? undefined : /^\?offset=(\d+)&length=(\d+)$/.exec(BulkDataURI ?? '')) ?? [];
  return offset === undefined ? undefined : { offset: Number(offset), length: Number(length), word: WORD_SIZES[vr] ?? NUMBER_SIZES[vr] ?? 1 };
}

function pixelsOf({ pixelData, dataset }: Part10): Place | undefined {
  if (!pixelData) return undefined;
  const bits = num(dataset, 'BitsAllocated') ?? 8;
  const word = bits > 16 ? bits / 8 : bits > 8 || pixelData.vr === 'OW' ? 2 : 1;
  return { offset: pixelData.offset, length: pixelData.length, word };
}

async function sameBytes(first: Part10, one: Place, second: Part10, other: Place): Promise<boolean> {
  if (one.length !== other.length) return false;
  for (let done = 0; done < one.length; done += BLOCK_BYTES) {
    const length = Math.min(BLOCK_BYTES, one.length - done);
    const [a, b] = await Promise.all([inLittleEndian(first, one, done, length), inLittleEndian(second, other, done, length)]);
    if (Buffer.compare(a, b) !== 0) return false;
  }
  return true;
}

async function inLittleEndian(file: Part10, { offset, word }: Place, from: number, length: number): Promise<Uint8Array> {
  const bytes = await readRange(file, offset + from, length);
  return transferSyntax(file.transferSyntaxUid).bigEndian && word > 1 ? swapWords(bytes, word) : bytes;
}
