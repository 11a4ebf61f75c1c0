// Writing Part 10 files (PS3.10 7, PS3.5 7): deterministic, sequences and items of defined length. Text is in UTF-8
// (ISO_IR 192), or in the character sets that the caller names where they can hold all of it.
import { deflateRawSync } from 'node:zlib';
import packageJson from '../../package.json' with { type: 'json' };
import { CHARSET_VRS } from './charset.ts';
import { areDefinedTerms, textEncoder, type TextEncode } from './charset-encoder.ts';
import { bytesOf, formatPersonName } from './dataset.ts';
import type { ByteSource, Dataset, DicomElement, DicomValue, PersonName } from './dataset.ts';
import { vrOfTag } from './dictionary.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, deriveUid, transferSyntax } from './uids.ts';
import { BINARY_VRS, LONG_VRS, NUMBER_SIZES, WORD_SIZES, swapWords } from './vr.ts';

/** Names this software in every file that it writes; stays the same from version to version. */
export const IMPLEMENTATION_CLASS_UID = deriveUid('2.25', 'Hilum', 'implementation class');
/** At most 16 characters (PS3.10 7.1). */
export const IMPLEMENTATION_VERSION_NAME = `HILUM_${packageJson.version}`.slice(0, 16);

export interface FileMeta {
  sopClassUid: string;
  sopInstanceUid: string;
  transferSyntaxUid: string;
  sourceAe?: string | undefined;
}

export interface WriteOptions {
  /** Explicit VR Little Endian unless told; pixel data must be in the syntax already. */
  transferSyntaxUid?: string;
  /** From the dataset unless told. */
  sopClassUid?: string;
  sopInstanceUid?: string;
  sourceAe?: string;
  /** See `writeDataset`. */
  characterSets?: readonly string[] | undefined;
}

interface Encoding {
  explicitVr: boolean;
  bigEndian: boolean;
  encodeText: TextEncode;
}
const UTF8 = ['ISO_IR 192'];
const FILE_META: Encoding = { explicitVr: true, bigEndian: false, encodeText: textEncoder(UTF8) };

/** A text that the character sets cannot hold. */
class UnencodableError extends Error {}

/** Pieces of a value and their length together, so that pixel data is copied once. */
interface Pieces {
  parts: (Uint8Array | ByteSource)[];
  length: number;
}

/**
 * A complete Part 10 file.
 * @throws {TypeError} for a value that the reader had left out (BulkDataURI), or that does not fit its VR
 */
export function writePart10(dataset: Dataset, options: WriteOptions = {}): Uint8Array {
  const transferSyntaxUid = options.transferSyntaxUid ?? EXPLICIT_VR_LITTLE_ENDIAN;
  const sopClassUid = options.sopClassUid ?? firstText(dataset['00080016']);
  const sopInstanceUid = options.sopInstanceUid ?? firstText(dataset['00080018']);
  if (sopClassUid === '' || sopInstanceUid === '') throw new TypeError('a file needs SOP Class UID and SOP Instance UID');
  const meta = writeFileMeta({ sopClassUid, sopInstanceUid, transferSyntaxUid, sourceAe: options.sourceAe });
  const body = writeDataset(dataset, transferSyntaxUid, options.characterSets);
  return Buffer.concat([meta, body]);
}

/** Preamble and File Meta Information, to stand before a dataset that came over the network (PS3.10 7.1). */
export function writeFileMeta(meta: FileMeta): Uint8Array {
  const elements: Dataset = {
    '00020001': { vr: 'OB', bytes: Uint8Array.of(0, 1) },
    '00020002': { vr: 'UI', Value: [meta.sopClassUid] },
    '00020003': { vr: 'UI', Value: [meta.sopInstanceUid] },
    '00020010': { vr: 'UI', Value: [meta.transferSyntaxUid] },
    '00020012': { vr: 'UI', Value: [IMPLEMENTATION_CLASS_UID] },
    '00020013': { vr: 'SH', Value: [IMPLEMENTATION_VERSION_NAME] },
    ...(meta.sourceAe ? { '00020016': { vr: 'AE', Value: [meta.sourceAe] } } : {}),
  };
  const body = encodeElements(elements, FILE_META);
  const groupLength = encodeElements({ '00020000': { vr: 'UL', Value: [body.length] } }, FILE_META);
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), ...inMemory(groupLength), ...inMemory(body)]);
}

/**
 * The dataset alone, as it stands after the file meta or in a C-STORE: group 0002 and group lengths left out.
 * @param characterSets defined terms of Specific Character Set, none for the default repertoire; where they cannot hold all of the
 *   text, or are no defined terms, it is written in UTF-8
 */
export function writeDataset(dataset: Dataset, transferSyntaxUid: string, characterSets: readonly string[] = UTF8): Uint8Array {
  const syntax = transferSyntax(transferSyntaxUid);
  const bytes = Buffer.concat(inMemory(encodeIn(areDefinedTerms(characterSets) ? characterSets : UTF8, dataset, syntax)));
  if (!syntax.deflated) return bytes;
  const deflated = deflateRawSync(bytes);
  return deflated.length % 2 === 0 ? deflated : Buffer.concat([deflated, Buffer.alloc(1)]);
}

/**
 * The same for a dataset with values that are not held in memory (`source`, `frames`), read while they are written; native values
 * must be in little endian, and the syntax not deflated.
 * @param characterSets as stated; nothing else is tried
 * @throws {TypeError} before the first byte, also where the character sets are none or cannot hold the text
 */
export function streamDataset(dataset: Dataset, transferSyntaxUid: string, characterSets: readonly string[]): ByteSource {
  const { explicitVr, bigEndian, deflated } = transferSyntax(transferSyntaxUid);
  if (bigEndian || deflated) throw new TypeError(`values that are streamed cannot be written in ${transferSyntaxUid}`);
  const named = characterSets.join('\\');
  if (!areDefinedTerms(characterSets)) throw new TypeError(`Specific Character Set ${named} is none of the standard's`);
  try {
    const { parts, length } = encodeElements(inCharacterSets(dataset, characterSets), { explicitVr, bigEndian, encodeText: textEncoder(characterSets) });
    return { length, read: () => readAll(parts) };
  } catch (error) {
    if (error instanceof UnencodableError) throw new TypeError(`${error.message}, ${named || 'the default repertoire'}`, { cause: error });
    throw error;
  }
}

async function* readAll(parts: (Uint8Array | ByteSource)[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (const part of parts) {
    if (part instanceof Uint8Array) yield part;
    else yield* part.read();
  }
}

/** @throws {TypeError} where a value would have to be read first */
function inMemory({ parts }: Pieces): Uint8Array[] {
  return parts.map((part) => {
    if (part instanceof Uint8Array) return part;
    throw new TypeError('a value that is not in memory is written by streamDataset alone');
  });
}

function encodeIn(characterSets: readonly string[], dataset: Dataset, syntax: Omit<Encoding, 'encodeText'>): Pieces {
  const { explicitVr, bigEndian } = syntax;
  try {
    return encodeElements(inCharacterSets(dataset, characterSets), { explicitVr, bigEndian, encodeText: textEncoder(characterSets) });
  } catch (error) {
    if (!(error instanceof UnencodableError)) throw error;
    return encodeIn(UTF8, dataset, syntax);
  }
}

/** All text is written in the same sets, so the dataset says so once, and no item says otherwise. */
function inCharacterSets(dataset: Dataset, characterSets: readonly string[] | undefined): Dataset {
  const result: Dataset = {};
  for (const [tag, element] of Object.entries(dataset)) {
    if (tag === '00080005' || tag.startsWith('0002') || tag.endsWith('0000')) continue;
    result[tag] =
      element.vr === 'SQ' && element.Value
        ? { vr: 'SQ', Value: element.Value.map((item) => inCharacterSets((item ?? {}) as Dataset, undefined)) }
        : element;
  }
  if (characterSets?.some((term) => term !== '')) result['00080005'] = { vr: 'CS', Value: [...characterSets] };
  return result;
}

function encodeElements(dataset: Dataset, encoding: Encoding): Pieces {
  const pieces: Pieces = { parts: [], length: 0 };
  for (const tag of Object.keys(dataset).sort()) {
    if (!/^[0-9A-F]{8}$/.test(tag)) throw new TypeError(`"${tag}" is not a tag`);
    encodeElement(pieces, tag, dataset[tag]!, encoding);
  }
  return pieces;
}

function encodeElement(pieces: Pieces, tag: string, element: DicomElement, encoding: Encoding): void {
  if (element.frames) return encodeFrames(pieces, tag, element.frames, encoding);
  const vr = /^[A-Z]{2}$/.test(element.vr) ? element.vr : vrOfTag(tag);
  const value = encodeValue(tag, { ...element, vr }, encoding);
  // A short VR with a value beyond 64 KiB becomes UN (PS3.5 6.2.2 note).
  const written = !LONG_VRS.has(vr) && value.length > 0xfffe ? 'UN' : vr;
  append(pieces, elementHeader(tag, written, value.length, encoding));
  for (const part of value.parts) append(pieces, part);
}

function append(pieces: Pieces, part: Uint8Array | ByteSource): void {
  pieces.parts.push(part);
  pieces.length += part.length;
}

const UNDEFINED_LENGTH = 0xffffffff;

/** What stands before a value: tag, VR and length (PS3.5 7.1). */
export function elementHeader(tag: string, vr: string, length: number, { explicitVr, bigEndian }: Pick<Encoding, 'explicitVr' | 'bigEndian'>): Uint8Array {
  const long = explicitVr && LONG_VRS.has(vr);
  const header = Buffer.alloc(long ? 12 : 8);
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  view.setUint16(0, parseInt(tag.slice(0, 4), 16), !bigEndian);
  view.setUint16(2, parseInt(tag.slice(4), 16), !bigEndian);
  if (explicitVr) header.write(vr, 4, 'latin1');
  if (explicitVr && !long) view.setUint16(6, length, !bigEndian);
  else view.setUint32(long ? 8 : 4, length, !bigEndian);
  return header;
}

/** Item and delimiter tags have no VR in any syntax (PS3.5 7.5). */
function itemHeader(tag: string, length: number, encoding: Encoding): Uint8Array {
  return elementHeader(tag, '', length, { ...encoding, explicitVr: false });
}

function encodeValue(tag: string, element: DicomElement, encoding: Encoding): Pieces {
  const { vr } = element;
  if (element.BulkDataURI !== undefined && !bytesOf(element) && !element.source) throw new TypeError(`${tag} was left out by the reader`);
  if (vr === 'SQ') return encodeSequence(element, encoding);
  if (element.source) return padded(element.source, BINARY_VRS.has(vr) ? 0 : 0x20);
  const binary = bytesOf(element);
  if (binary || BINARY_VRS.has(vr)) return padded(swapped(binary ?? new Uint8Array(), vr, encoding), 0);
  const values = element.Value ?? [];
  const size = NUMBER_SIZES[vr];
  if (size !== undefined) return padded(encodeNumbers(tag, vr, size, values, encoding), 0);
  const text = values.map((value) => textOf(vr, value)).join('\\');
  return padded(encodeText(tag, vr, text, encoding), vr === 'UI' ? 0 : 0x20);
}

function encodeText(tag: string, vr: string, text: string, encoding: Encoding): Uint8Array {
  const bytes = encoding.encodeText(text, vr);
  if (bytes) return bytes;
  // Text that should be in the default repertoire is kept as it came, whatever the character sets are.
  if (!CHARSET_VRS.has(vr)) return Buffer.from(text, 'utf8');
  throw new UnencodableError(`${tag} has text beyond its character sets`);
}

function encodeSequence(element: DicomElement, encoding: Encoding): Pieces {
  const pieces: Pieces = { parts: [], length: 0 };
  for (const item of element.Value ?? []) {
    const body = encodeElements((item ?? {}) as Dataset, encoding);
    append(pieces, itemHeader('FFFEE000', body.length, encoding));
    for (const part of body.parts) append(pieces, part);
  }
  return pieces;
}

/** Encapsulated pixel data, one fragment for each frame, with a Basic Offset Table (PS3.5 A.4). */
function encodeFrames(pieces: Pieces, tag: string, frames: (Uint8Array | ByteSource)[], encoding: Encoding): void {
  append(pieces, elementHeader(tag, 'OB', UNDEFINED_LENGTH, encoding));
  const fragments = frames.map((frame) => padded(frame, 0));
  const offsets: number[] = [];
  let offset = 0;
  for (const fragment of fragments) {
    offsets.push(offset);
    offset += 8 + fragment.length;
  }
  // The table has 32-bit offsets; beyond them it must stay empty.
  const table = Buffer.alloc(offset <= UNDEFINED_LENGTH ? 4 * offsets.length : 0);
  if (table.length > 0) offsets.forEach((start, index) => void table.writeUInt32LE(start, 4 * index));
  append(pieces, itemHeader('FFFEE000', table.length, encoding));
  append(pieces, table);
  for (const fragment of fragments) {
    append(pieces, itemHeader('FFFEE000', fragment.length, encoding));
    for (const part of fragment.parts) append(pieces, part);
  }
  append(pieces, itemHeader('FFFEE0DD', 0, encoding));
}

/** Every value has an even length (PS3.5 7.1.1). */
function padded(bytes: Uint8Array | ByteSource, padding: number): Pieces {
  if (bytes.length % 2 === 0) return { parts: [bytes], length: bytes.length };
  return { parts: [bytes, Uint8Array.of(padding)], length: bytes.length + 1 };
}

/** Words in memory are little endian; a file in big endian has them the other way. */
function swapped(bytes: Uint8Array, vr: string, encoding: Encoding): Uint8Array {
  const size = encoding.bigEndian ? WORD_SIZES[vr] : undefined;
  return size === undefined ? bytes : swapWords(bytes, size);
}

function encodeNumbers(tag: string, vr: string, size: number, values: DicomValue[], encoding: Encoding): Uint8Array {
  const bytes = Buffer.alloc(size * values.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const little = !encoding.bigEndian;
  values.forEach((value, index) => {
    const offset = index * size;
    if (vr === 'AT') {
      const hex = String(value ?? '00000000');
      view.setUint16(offset, parseInt(hex.slice(0, 4), 16), little);
      view.setUint16(offset + 2, parseInt(hex.slice(4), 16), little);
      return;
    }
    if (vr === 'SV') return view.setBigInt64(offset, BigInt(value as string | number), little);
    if (vr === 'UV') return view.setBigUint64(offset, BigInt(value as string | number), little);
    const number = Number(value);
    if (vr === 'FD') return view.setFloat64(offset, number, little);
    if (vr === 'FL') return view.setFloat32(offset, number, little);
    const [low, high] = INTEGER_RANGES[vr]!;
    if (!(Number.isInteger(number) && number >= low && number <= high))
      throw new TypeError(`${tag} is ${vr} and cannot hold ${JSON.stringify(value)}`);
    if (vr === 'US') view.setUint16(offset, number, little);
    else if (vr === 'SS') view.setInt16(offset, number, little);
    else if (vr === 'UL') view.setUint32(offset, number, little);
    else view.setInt32(offset, number, little);
  });
  return bytes;
}

const INTEGER_RANGES: Readonly<Record<string, [number, number]>> = {
  US: [0, 0xffff],
  SS: [-0x8000, 0x7fff],
  UL: [0, 0xffffffff],
  SL: [-0x80000000, 0x7fffffff],
};

function textOf(vr: string, value: DicomValue): string {
  if (value === null) return '';
  if (typeof value === 'object') return formatPersonName(value as PersonName);
  if (typeof value === 'string') return value;
  return vr === 'DS' ? decimalString(value) : String(value);
}

/** The shortest text of a number that VR DS can hold: at most 16 characters (PS3.5 6.2). */
export function decimalString(value: number): string {
  const exact = String(value);
  if (exact.length <= 16) return exact;
  for (let digits = 16; digits > 1; digits--) {
    const rounded = value.toPrecision(digits);
    const text = [String(Number(rounded)), rounded].find((candidate) => candidate.length <= 16);
    if (text !== undefined) return text;
  }
  return value.toExponential(0);
}

function firstText(element: DicomElement | undefined): string {
  const value = element?.Value?.[0];
  return typeof value === 'string' ? value : '';
}
