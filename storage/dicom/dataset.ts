// A DICOM dataset in memory: the DICOM JSON model (PS3.18 annex F), and access to it by keyword (PS3.6).
import { isSignedChoice, tagOf, vrOfTag } from './dictionary.ts';
import { BINARY_VRS } from './vr.ts';

export { isKeyword, keywordOf, tagOf, vrOf } from './dictionary.ts';

export interface PersonName {
  Alphabetic?: string;
  Ideographic?: string;
  Phonetic?: string;
}
export type DicomValue = string | number | PersonName | Dataset | null;
export interface DicomElement {
  vr: string;
  /** Never empty: an element without value has no Value. IS and DS are numbers where they are valid, else the text as it was. */
  Value?: DicomValue[];
  /** Base64 of the bytes, words in little endian order. */
  InlineBinary?: string;
  /** A value left out by the reader: '?offset=…&length=…', see readBulk. */
  BulkDataURI?: string;
  /** Binary value in memory, little endian, for writing only; never in JSON. */
  bytes?: Uint8Array;
  /** Encapsulated pixel data, a codestream for each frame, for writing only; never in JSON. */
  frames?: (Uint8Array | ByteSource)[];
  /** Binary value that is read when it is written, for streamDataset only; never in JSON. */
  source?: ByteSource;
}
/** Bytes too many to be held, in little endian: on disk, or coming. */
export interface ByteSource {
  length: number;
  read(): AsyncIterable<Uint8Array>;
}
/** Keys are tags as eight upper-case hexadecimal digits. */
export interface Dataset {
  [tag: string]: DicomElement;
}

/** Element by keyword. @throws {TypeError} for a keyword that is not in the dictionary, as do all below */
export function get(ds: Dataset, keyword: string): DicomElement | undefined {
  return ds[tagOf(keyword)];
}

/** First value as text without padding; a person name as 'Alphabetic=Ideographic=Phonetic'. Undefined when absent or empty. */
export function text(ds: Dataset, keyword: string): string | undefined {
  return texts(ds, keyword)[0] || undefined;
}

/** All values as text; an empty value between others is ''. */
export function texts(ds: Dataset, keyword: string): string[] {
  return (get(ds, keyword)?.Value ?? []).map((value) => {
    if (value === null) return '';
    if (typeof value === 'object') return isPersonName(value) ? formatPersonName(value) : '';
    return String(value).trim();
  });
}

/** First value as a number; undefined when absent, empty or not a number. */
export function num(ds: Dataset, keyword: string): number | undefined {
  return numberOf(get(ds, keyword)?.Value?.[0]);
}

/** All values that are numbers. */
export function nums(ds: Dataset, keyword: string): number[] {
  return (get(ds, keyword)?.Value ?? []).map(numberOf).filter((number) => number !== undefined);
}

function numberOf(value: DicomValue | undefined): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

/** Items of a sequence; none when absent or empty. */
export function items(ds: Dataset, keyword: string): Dataset[] {
  return itemsOf(get(ds, keyword));
}

export function itemsOf(element: DicomElement | undefined): Dataset[] {
  if (element?.vr !== 'SQ') return [];
  return (element.Value ?? []).filter((item): item is Dataset => typeof item === 'object' && item !== null);
}

export function personName(ds: Dataset, keyword: string): PersonName | undefined {
  const element = get(ds, keyword);
  const value = element?.Value?.[0];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'object') return isPersonName(value) ? value : undefined;
  return parsePersonName(String(value));
}

/** A binary value: bytes set for writing, or InlineBinary decoded; words are little endian. Undefined when absent or left out. */
export function bytesOf(element: DicomElement | undefined): Uint8Array | undefined {
  if (element?.bytes) return element.bytes;
  return element?.InlineBinary === undefined ? undefined : Buffer.from(element.InlineBinary, 'base64');
}

/** 'A=I=P' (PS3.5 6.2.1) to its component groups; empty groups are left out. */
export function parsePersonName(value: string): PersonName {
  const [alphabetic, ideographic, phonetic] = value.split('=').map((group) => group.trim());
  return {
    ...(alphabetic ? { Alphabetic: alphabetic } : {}),
    ...(ideographic ? { Ideographic: ideographic } : {}),
    ...(phonetic ? { Phonetic: phonetic } : {}),
  };
}

/** The inverse of parsePersonName, without delimiters at the end. */
export function formatPersonName(name: PersonName): string {
  return [name.Alphabetic ?? '', name.Ideographic ?? '', name.Phonetic ?? ''].join('=').replace(/=+$/, '');
}

function isPersonName(value: PersonName | Dataset): value is PersonName {
  return Object.keys(value).every((key) => key === 'Alphabetic' || key === 'Ideographic' || key === 'Phonetic');
}

/**
 * A dataset from keywords: `{ PatientID: 'x', Rows: 5, PatientName: { Alphabetic: 'A^B' }, ReferencedSOPSequence: [{ … }] }`.
 * A nested dataset may be given by keywords or by tags (what `dataset` or `code` returned). undefined leaves an element out, null
 * or [] makes it empty. Binary values are a Uint8Array; pixel data as an array of Uint8Array is encapsulated, one for each frame.
 * A key of eight hexadecimal digits has a DicomElement as its value (private elements, copies).
 * @throws {TypeError} for an unknown keyword or a value that does not fit the VR
 */
export function dataset(values: Record<string, unknown>): Dataset {
  const signed = values['PixelRepresentation'] === 1;
  const bitsAllocated = typeof values['BitsAllocated'] === 'number' ? values['BitsAllocated'] : 8;
  const result: Dataset = {};
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) continue;
    if (/^[0-9A-F]{8}$/.test(key)) {
      result[key] = value as DicomElement;
      continue;
    }
    const tag = tagOf(key);
    let vr = vrOfTag(tag);
    if (isSignedChoice(tag) && (signed || asList(value).some((number) => Number(number) < 0))) vr = 'SS';
    if (tag === '7FE00010' && (bitsAllocated <= 8 || Array.isArray(value))) vr = 'OB';
    // LUT Data is US or OW: as numbers it is US.
    if (vr === 'OW' && Array.isArray(value) && typeof value[0] === 'number') vr = 'US';
    result[tag] = elementOf(key, vr, value);
  }
  return result;
}

function elementOf(keyword: string, vr: string, value: unknown): DicomElement {
  if (BINARY_VRS.has(vr)) {
    if (value === null) return { vr };
    if (value instanceof Uint8Array) return { vr, bytes: value };
    if (Array.isArray(value) && value.every((frame) => frame instanceof Uint8Array)) return { vr, frames: value };
    throw new TypeError(`${keyword} is ${vr} and needs bytes`);
  }
  const list = asList(value);
  if (list.length === 0) return { vr };
  return { vr, Value: list.map((entry) => valueOf(keyword, vr, entry)) };
}

function valueOf(keyword: string, vr: string, value: unknown): DicomValue {
  if (value === null || value === undefined) return null;
  if (vr === 'SQ') {
    if (typeof value !== 'object') throw new TypeError(`${keyword} is a sequence and needs items`);
    return dataset(value as Record<string, unknown>);
  }
  if (vr === 'PN') return typeof value === 'string' ? parsePersonName(value) : (value as PersonName);
  if (typeof value !== 'string' && typeof value !== 'number') throw new TypeError(`${keyword} is ${vr}, not ${typeof value}`);
  return value;
}

function asList(value: unknown): unknown[] {
  if (value === null) return [];
  return Array.isArray(value) ? value : [value];
}

/** An item of a code sequence (PS3.3 8.8); a value of more than 16 characters is a Long Code Value. */
export function code(value: string, scheme: string, meaning: string): Dataset {
  const key = value.length > 16 ? 'LongCodeValue' : 'CodeValue';
  return dataset({ [key]: value, CodingSchemeDesignator: scheme, CodeMeaning: meaning });
}
