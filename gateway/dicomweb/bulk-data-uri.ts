// BulkDataURIs (PS3.18 F.2.2): …/instances/{instance}/bulkdata/{tag}, and within sequences /{tag}/{item, from 1}/{tag}. Written into
// metadata in place of values that are not in it, and resolved again.
import type { ArchivedInstance } from '../../storage/archive.ts';
import { itemsOf, num, text, type Dataset, type DicomElement } from '../../storage/dicom/dataset.ts';
import { IMPLICIT_VR_LITTLE_ENDIAN, transferSyntax } from '../../storage/dicom/uids.ts';

/** Tags and numbers of items in turn. */
export type BulkPath = readonly string[];

/** The header with addresses below the instance's in place of values that were left out, and with one for its pixel data. */
export function withBulkDataUris(header: Dataset, instance: ArchivedInstance, address: string): Dataset {
  const result = addressed(header, `${address}/bulkdata`);
  if (instance.frames > 0 && hasRoomForPixels(header, instance)) {
    const { tag, vr } = pixelDataOf(header, instance.transferSyntaxUid);
    result[tag] = { vr, BulkDataURI: `${address}/bulkdata/${tag}` };
  }
  return result;
}

/** An image may have lost its pixels (a header alone, sent on): then the file is shorter than they would be, where that can be told. */
function hasRoomForPixels(header: Dataset, { transferSyntaxUid, frames, bytes }: ArchivedInstance): boolean {
  const { encapsulated, deflated } = transferSyntax(transferSyntaxUid);
  if (encapsulated || deflated) return true;
  const of = (keyword: string): number => num(header, keyword) ?? 0;
  const samples = /_422$/.test(text(header, 'PhotometricInterpretation') ?? '') ? 2 : of('SamplesPerPixel');
  return bytes > (of('Rows') * of('Columns') * samples * frames * of('BitsAllocated')) / 8;
}

function addressed(dataset: Dataset, address: string): Dataset {
  const result: Dataset = {};
  for (const [tag, element] of Object.entries(dataset)) result[tag] = elementAddressed(element, `${address}/${tag}`);
  return result;
}

function elementAddressed(element: DicomElement, address: string): DicomElement {
  // A sequence cannot be bulk data (PS3.18 F.2.2): one that was too long to be kept is bytes here.
  if (element.BulkDataURI !== undefined) return { vr: element.vr === 'SQ' ? 'UN' : element.vr, BulkDataURI: address };
  if (element.vr !== 'SQ' || element.Value === undefined) return element;
  return { vr: 'SQ', Value: itemsOf(element).map((item, index) => addressed(item, `${address}/${index + 1}`)) };
}

/** Which of the pixel data elements an image has (PS3.3 C.7.6.3, C.7.6.24, C.7.6.25), and its VR in explicit little endian. */
export function pixelDataOf(header: Dataset, transferSyntaxUid: string): { tag: string; vr: string } {
  const bits = num(header, 'BitsAllocated') ?? 0;
  // Floating point images have no Bits Stored.
  if (num(header, 'BitsStored') === undefined && bits === 32) return { tag: '7FE00008', vr: 'OF' };
  if (num(header, 'BitsStored') === undefined && bits === 64) return { tag: '7FE00009', vr: 'OD' };
  const words = bits > 8 || transferSyntaxUid === IMPLICIT_VR_LITTLE_ENDIAN;
  return { tag: '7FE00010', vr: words && !transferSyntax(transferSyntaxUid).encapsulated ? 'OW' : 'OB' };
}

/** A path as it stands in an address; undefined when it is none. */
export function parseBulkPath(pieces: readonly string[]): BulkPath | undefined {
  const right = pieces.length % 2 === 1 && pieces.every((piece, index) => (index % 2 === 0 ? /^[0-9A-F]{8}$/i : /^[1-9]\d{0,6}$/).test(piece));
  return right ? pieces.map((piece) => piece.toUpperCase()) : undefined;
}

export function elementAt(header: Dataset, path: BulkPath): DicomElement | undefined {
  const [tag = '', item, ...rest] = path;
  const element = header[tag];
  if (item === undefined) return element;
  const inner = itemsOf(element)[Number(item) - 1];
  return inner && elementAt(inner, rest);
}

/** Of values that are left out of a header, wherever they stand. */
export function* bulkPaths(dataset: Dataset, before: BulkPath = []): Generator<BulkPath> {
  for (const tag of Object.keys(dataset).toSorted()) {
    const element = dataset[tag]!;
    if (element.BulkDataURI !== undefined) yield [...before, tag];
    else for (const [index, item] of itemsOf(element).entries()) yield* bulkPaths(item, [...before, tag, String(index + 1)]);
  }
}

/** Where the reader left a value in the file. @throws {TypeError} for a value that it did not leave out */
export function leftOutAt(element: DicomElement): { start: number; length: number } {
  const match = /^\?offset=(\d+)&length=(\d+)$/.exec(element.BulkDataURI ?? '');
  if (!match) throw new TypeError(`"${element.BulkDataURI}" does not say where the value is`);
  return { start: Number(match[1]), length: Number(match[2]) };
}
