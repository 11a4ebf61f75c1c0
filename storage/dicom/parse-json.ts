// DICOM JSON from outside (PS3.18 annex F) to a dataset: every tag, VR and value checked, so that what comes out can be written.
import { DicomFormatError } from '../errors.ts';
import type { Dataset, DicomElement, DicomValue, PersonName } from './dataset.ts';
import { vrOfTag } from './dictionary.ts';
import { BINARY_VRS, KNOWN_VRS, NUMBER_SIZES } from './vr.ts';

/** As the Part 10 reader has it. */
const MAX_DEPTH = 64;
const BASE64 = /^[A-Za-z0-9+/\s]*={0,2}\s*$/;
const GROUPS = new Set(['Alphabetic', 'Ideographic', 'Phonetic']);

type Json = Record<string, unknown>;

/** @throws {DicomFormatError} naming the attribute that is wrong */
export function parseDatasetJson(text: string): Dataset {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DicomFormatError(`it is not JSON: ${(error as Error).message}`, 0, { cause: error });
  }
  return datasetOf(value);
}

/** The same of what JSON.parse gave. @throws {DicomFormatError} */
export function datasetOf(value: unknown, path = '', depth = 0): Dataset {
  if (!isObject(value)) throw wrong(path, 'is not an object with attributes');
  if (depth > MAX_DEPTH) throw wrong(path, `is nested more than ${MAX_DEPTH} deep`);
  const dataset: Dataset = {};
  for (const [key, element] of Object.entries(value)) {
    if (!/^[0-9A-Fa-f]{8}$/.test(key)) throw wrong(path, `has "${key.slice(0, 40)}", which is not a tag of eight hexadecimal digits`);
    const tag = key.toUpperCase();
    dataset[tag] = elementOf(element, tag, path === '' ? tag : `${path}.${tag}`, depth);
  }
  return dataset;
}

function elementOf(value: unknown, tag: string, path: string, depth: number): DicomElement {
  if (!isObject(value)) throw wrong(path, 'is not an object');
  // Dictionary VRs are only a fallback: the model wants `vr` (PS3.18 F.2.2).
  const vr = value['vr'] ?? vrOfTag(tag);
  if (typeof vr !== 'string' || !KNOWN_VRS.has(vr)) throw wrong(path, `has vr ${JSON.stringify(vr)?.slice(0, 40)}, which is none`);
  const { Value, InlineBinary, BulkDataURI } = value;
  const given = [Value, InlineBinary, BulkDataURI].filter((one) => one !== undefined);
  if (given.length > 1) throw wrong(path, 'has more than one of Value, InlineBinary and BulkDataURI');
  if (BulkDataURI !== undefined) {
    if (typeof BulkDataURI !== 'string' || BulkDataURI === '') throw wrong(path, 'has a BulkDataURI that is no text');
    return { vr, BulkDataURI };
  }
  if (InlineBinary !== undefined) return binaryOf(InlineBinary, vr, path);
  if (Value === undefined) return { vr };
  if (!Array.isArray(Value)) throw wrong(path, 'has a Value that is not an array');
  if (Value.length === 0) return { vr };
  if (BINARY_VRS.has(vr)) throw wrong(path, `is ${vr}, whose value is InlineBinary or BulkDataURI`);
  return { vr, Value: Value.map((one, index) => valueOf(one, vr, `${path}[${index}]`, depth)) };
}

function binaryOf(value: unknown, vr: string, path: string): DicomElement {
  if (typeof value !== 'string' || !BASE64.test(value)) throw wrong(path, 'has an InlineBinary that is not Base64');
  if (!BINARY_VRS.has(vr)) throw wrong(path, `is ${vr}, which has no InlineBinary`);
  return value === '' ? { vr } : { vr, InlineBinary: value };
}

function valueOf(value: unknown, vr: string, path: string, depth: number): DicomValue {
  if (vr === 'SQ') return datasetOf(value ?? {}, path, depth + 1);
  if (value === null) return null;
  if (vr === 'PN') return personNameOf(value, path);
  if (vr === 'AT') {
    if (typeof value === 'string' && /^[0-9A-Fa-f]{8}$/.test(value)) return value.toUpperCase();
    throw wrong(path, 'is AT and not a tag of eight hexadecimal digits');
  }
  if (vr in NUMBER_SIZES) return numberOf(value, vr, path);
  if (vr === 'DS' || vr === 'IS') {
    if (typeof value === 'number' || typeof value === 'string') return value;
    throw wrong(path, `is ${vr} and not a number`);
  }
  if (typeof value === 'string') return value;
  throw wrong(path, `is ${vr} and not text`);
}

/** Numbers, or text where JSON has no such number: NaN, inf, and integers beyond 2^53 (PS3.18 F.2.2). */
function numberOf(value: unknown, vr: string, path: string): number | string {
  const number = typeof value === 'string' ? Number(value.replace(/^([+-]?)inf$/i, '$1Infinity')) : value;
  const isNumber = typeof number === 'number' && (!Number.isNaN(number) || /^nan$/i.test(String(value)));
  const isInteger = vr === 'FL' || vr === 'FD' || (typeof value === 'string' ? /^-?\d+$/.test(value) : Number.isInteger(value));
  if (!isNumber || !isInteger) throw wrong(path, `is ${vr} and cannot hold ${JSON.stringify(value)?.slice(0, 40)}`);
  if (typeof value === 'string' && (vr === 'SV' || vr === 'UV')) return value;
  return Number.isFinite(number) ? number : String(number);
}

function personNameOf(value: unknown, path: string): PersonName {
  if (!isObject(value)) throw wrong(path, 'is PN and not an object with Alphabetic, Ideographic, Phonetic');
  for (const [group, name] of Object.entries(value))
    if (!GROUPS.has(group) || typeof name !== 'string') throw wrong(path, `has a component group "${group.slice(0, 40)}" that is none, or no text`);
  return value as PersonName;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrong(path: string, what: string): DicomFormatError {
  return new DicomFormatError(`${path === '' ? 'the dataset' : path} ${what}`, 0);
}
