// One value of a match parameter (PS3.18 8.3.4.1) to how it is matched (PS3.4 C.2.2.2), by the attribute's VR.
import { KNOWN_VRS } from '../../storage/dicom/vr.ts';
import type { Matching } from '../../storage/archive.ts';

export interface MatchOptions {
  /** "" finds what is empty or absent (PS3.4 C.2.2.2.7). */
  emptyValues: boolean;
  /** Values that a backslash separates: any of them (PS3.4 C.2.2.2.8). False only where the caller says so. */
  multipleValues: boolean;
}

/** A value that its attribute cannot have; the message says what it should be. */
export class MatchValueError extends Error {}

/** One value, in which a backslash is a character (PS3.5 6.4). */
const SINGLE_VRS: ReadonlySet<string> = new Set(['LT', 'ST', 'UR', 'UT']);
/** A comma separates UIDs by the standard, and code strings as viewers send them, which cannot have one. */
const COMMA_VRS: ReadonlySet<string> = new Set(['CS', 'UI']);
const INTEGER_VRS: ReadonlySet<string> = new Set(['IS', 'SL', 'SS', 'SV', 'UL', 'US', 'UV']);
const DECIMAL_VRS: ReadonlySet<string> = new Set(['DS', 'FD', 'FL']);
/** Bytes and items, of which no value can stand in an address. */
const UNMATCHED_VRS: ReadonlySet<string> = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ']);

export function canMatch(vr: string): boolean {
  return KNOWN_VRS.has(vr) && !UNMATCHED_VRS.has(vr);
}

/** @throws {MatchValueError} */
export function parseMatching(vr: string, value: string, options: MatchOptions): Matching {
  const text = value.trim();
  if (/^\**$/.test(text)) return { kind: 'universal' };
  if (text === '""' && options.emptyValues) return { kind: 'empty' };
  if (vr === 'DA' || vr === 'TM' || vr === 'DT') {
    const range = rangeOf(vr, text);
    if (range) return range;
  }
  const values = listOf(vr, text, options).map((entry) => canonical(vr, entry));
  return values.length === 0 ? { kind: 'universal' } : { kind: 'values', values: [...new Set(values)] };
}

function listOf(vr: string, text: string, options: MatchOptions): string[] {
  if (SINGLE_VRS.has(vr)) return [text];
  const separator = COMMA_VRS.has(vr) ? /[\\,]/ : /\\/;
  const values = text.split(separator).map((entry) => entry.trim()).filter((entry) => entry !== '');
  if (values.length > 1 && !options.multipleValues && vr !== 'UI') throw new MatchValueError('has several values, and multiplevaluematching is false');
  return values;
}

function canonical(vr: string, text: string): string {
  switch (vr) {
    case 'DA':
    case 'TM':
    case 'DT':
      if (!isMoment(vr, text)) throw new MatchValueError(`must be ${FORMS[vr]}, or a range of these with - between`);
      return text;
    case 'UI':
      if (!/^\d+(\.\d+)*$/.test(text) || text.length > 64) throw new MatchValueError('must be a UID, or several with commas between');
      return text;
    case 'AT':
      if (!/^[0-9a-f]{8}$/i.test(text)) throw new MatchValueError('must be a tag of eight hexadecimal digits');
      return text.toUpperCase();
    case 'AS':
      if (!/^\d{3}[DWMY]$/.test(text)) throw new MatchValueError('must be an age such as 045Y');
      return text;
    default:
      if (INTEGER_VRS.has(vr)) return integer(text);
      if (DECIMAL_VRS.has(vr)) return decimal(text);
      return text;
  }
}

function integer(text: string): string {
  if (!/^[+-]?\d{1,20}$/.test(text)) throw new MatchValueError('must be a whole number');
  return BigInt(text.replace(/^\+/, '')).toString();
}

function decimal(text: string): string {
  const number = Number(text);
  if (!/^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(text) || !Number.isFinite(number)) throw new MatchValueError('must be a number');
  return String(number === 0 ? 0 : number);
}

type MomentVr = 'DA' | 'TM' | 'DT';
const FORMS: Record<MomentVr, string> = { DA: 'a date, YYYYMMDD', TM: 'a time, HH[MM[SS[.FFFFFF]]]', DT: 'YYYY[MM[DD[HH[MM[SS[.FFFFFF]]]]]] with an offset such as +0100 or without' };

/** PS3.4 C.2.2.2.5. Undefined when it is one value. */
function rangeOf(vr: MomentVr, text: string): Matching | undefined {
  // In a date and time the last hyphen may belong to the offset, as in 20240101120000-0500.
  if (isMoment(vr, text)) return undefined;
  for (let at = text.indexOf('-'); at >= 0; at = text.indexOf('-', at + 1)) {
    const from = text.slice(0, at).trim();
    const to = text.slice(at + 1).trim();
    if (from === '' && to === '') return { kind: 'universal' };
    if ((from === '' || isMoment(vr, from)) && (to === '' || isMoment(vr, to))) return { kind: 'range', ...(from !== '' && { from }), ...(to !== '' && { to }) };
  }
  return undefined;
}

function isMoment(vr: MomentVr, text: string): boolean {
  if (vr === 'DA') return /^\d{8}$/.test(text) && isDay(text);
  if (vr === 'TM') return isTime(text);
  const match = /^(\d{4,8})(\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)?([+-]\d{4})?$/.exec(text);
  if (!match) return false;
  const [, date = '', time, offset] = match;
  if (time !== undefined && (date.length !== 8 || !isTime(time))) return false;
  if (offset !== undefined && !isOffset(offset)) return false;
  return date.length % 2 === 0 && isDay(`${date}${'00000101'.slice(date.length)}`);
}

/** PS3.5 6.2, DT: -1200 to +1400. */
function isOffset(offset: string): boolean {
  const minutes = Number(offset.slice(3));
  const total = Number(offset.slice(1, 3)) * 60 + minutes;
  return minutes < 60 && total <= (offset.startsWith('-') ? 720 : 840);
}

function isDay(text: string): boolean {
  const [year, month, day] = [Number(text.slice(0, 4)), Number(text.slice(4, 6)), Number(text.slice(6, 8))];
  // The day before the first of the next month, in a year that JavaScript does not take for one of 1900 to 1999.
  return month >= 1 && month <= 12 && day >= 1 && day <= new Date(Date.UTC(year + 400, month, 0)).getUTCDate();
}

function isTime(text: string): boolean {
  // A second of 60 is a leap second.
  return /^([01]\d|2[0-3])([0-5]\d([0-5]\d|60)?)?$/.test(text.replace(/\.\d{1,6}$/, (fraction) => (text.length - fraction.length === 6 ? '' : fraction)));
}
