// From the bytes of a value to the DICOM JSON model (PS3.5 6.2, PS3.18 F.2), tolerant of padding and of text that its VR forbids.
import type { TextDecode } from './charset.ts';
import { CHARSET_VRS } from './charset.ts';
import { parsePersonName } from './dataset.ts';
import type { DicomElement, DicomValue } from './dataset.ts';
import { BINARY_VRS, NUMBER_SIZES, WORD_SIZES, latin1, swapWords } from './vr.ts';

/** Text with one value, in which a backslash is a character and spaces before it count. */
const SINGLE_TEXT_VRS: ReadonlySet<string> = new Set(['LT', 'ST', 'UR', 'UT']);

/** @param bytes the whole value, as it stands in the file */
export function decodeValue(vr: string, bytes: Uint8Array, bigEndian: boolean, decodeText: TextDecode): DicomElement {
  if (bytes.length === 0) return { vr };
  if (BINARY_VRS.has(vr)) {
    const size = bigEndian ? WORD_SIZES[vr] : undefined;
    const ordered = size === undefined ? bytes : swapWords(bytes, size);
    return { vr, InlineBinary: Buffer.from(ordered.buffer, ordered.byteOffset, ordered.length).toString('base64') };
  }
  const size = NUMBER_SIZES[vr];
  const values = size === undefined ? decodeTexts(vr, bytes, decodeText) : decodeNumbers(vr, size, bytes, bigEndian);
  return values.length === 0 ? { vr } : { vr, Value: values };
}

function decodeTexts(vr: string, bytes: Uint8Array, decodeText: TextDecode): DicomValue[] {
  const all = CHARSET_VRS.has(vr) ? decodeText(bytes, vr) : latin1(bytes);
  // NUL is padding wherever it stands; kept, it would keep the header out of Postgres, whose JSON cannot hold it.
  const unpadded = (all.includes('\0') ? all.replaceAll('\0', '') : all).replace(/ +$/, '');
  if (unpadded === '') return [];
  if (SINGLE_TEXT_VRS.has(vr)) return [unpadded];
  const values = unpadded.split('\\').map((value) => textValue(vr, value));
  return values.every((value) => value === null) ? [] : values;
}

function textValue(vr: string, padded: string): DicomValue {
  const value = vr === 'UC' ? padded.replace(/ +$/, '') : padded.replace(/^ +| +$/g, '');
  if (value === '') return null;
  if (vr === 'PN') {
    const name = parsePersonName(value);
    return Object.keys(name).length === 0 ? null : name;
  }
  if (vr === 'DS' && /^[+-]?(\d+(\.\d*)?|\.\d+)(E[+-]?\d+)?$/i.test(value)) return finite(value);
  if (vr === 'IS' && /^[+-]?\d+$/.test(value)) return finite(value);
  return value;
}

function finite(value: string): number | string {
  const number = Number(value);
  return Number.isFinite(number) ? number : value;
}

/** Bytes that do not fill a last number are left out. */
function decodeNumbers(vr: string, size: number, bytes: Uint8Array, bigEndian: boolean): DicomValue[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const values: DicomValue[] = [];
  for (let offset = 0; offset + size <= bytes.length; offset += size) values.push(numberAt(vr, view, offset, !bigEndian));
  return values;
}

function numberAt(vr: string, view: DataView, offset: number, little: boolean): DicomValue {
  switch (vr) {
    case 'US':
      return view.getUint16(offset, little);
    case 'SS':
      return view.getInt16(offset, little);
    case 'UL':
      return view.getUint32(offset, little);
    case 'SL':
      return view.getInt32(offset, little);
    case 'FL':
      return jsonNumber(view.getFloat32(offset, little));
    case 'FD':
      return jsonNumber(view.getFloat64(offset, little));
    case 'SV':
      return jsonInteger(view.getBigInt64(offset, little));
    case 'UV':
      return jsonInteger(view.getBigUint64(offset, little));
    default:
      return hex4(view.getUint16(offset, little)) + hex4(view.getUint16(offset + 2, little));
  }
}

/** JSON has no NaN and no infinity: they stand as text. */
function jsonNumber(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

function jsonInteger(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

export function hex4(value: number): string {
  return value.toString(16).toUpperCase().padStart(4, '0');
}
