// Keys of a query as people and settings write them, KEYWORD=VALUE, to identifiers of C-FIND (PS3.4 C.2.2) and parameters of QIDO-RS.
import { dataset, isKeyword, keywordOf, type Dataset } from '../../storage/dicom/dataset.ts';
import { vrOf } from '../../storage/dicom/dictionary.ts';
import { NUMBER_SIZES } from '../../storage/dicom/vr.ts';
import type { QueryLevel } from '../../storage/archive.ts';

/** Keyword, or keywords of a sequence and in its items joined by dots -> value; '' asks for the attribute without matching. */
export type Keys = Readonly<Record<string, string>>;

/** A key that cannot be asked for. */
export class KeyError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'KeyError';
  }
}

/** What is always asked for, by level: unique keys, and what a person recognises a match by. */
export const RETURNED: Record<QueryLevel, readonly string[]> = {
  patient: ['PatientID', 'PatientName', 'PatientBirthDate', 'PatientSex', 'NumberOfPatientRelatedStudies'],
  study: [
    'StudyInstanceUID', 'StudyDate', 'StudyTime', 'AccessionNumber', 'PatientID', 'IssuerOfPatientID', 'PatientName', 'PatientBirthDate', 'PatientSex',
    'ModalitiesInStudy', 'StudyDescription', 'NumberOfStudyRelatedSeries', 'NumberOfStudyRelatedInstances',
  ],
  series: ['SeriesInstanceUID', 'Modality', 'SeriesNumber', 'SeriesDescription', 'BodyPartExamined', 'NumberOfSeriesRelatedInstances'],
  instance: ['SOPInstanceUID', 'SOPClassUID', 'InstanceNumber'],
};

/**
 * @param args KEYWORD=VALUE, KEYWORD, or a tag instead of the keyword: 00100020, 0010,0020
 * @param today YYYYMMDD, for today, today-3, today-7-today as values of dates
 * @throws {KeyError}
 */
export function parseKeys(args: readonly string[], level: QueryLevel, today: string): Keys {
  const keys: Record<string, string> = {};
  for (const arg of args) {
    const equals = arg.indexOf('=');
    const path = pathOf(equals < 0 ? arg : arg.slice(0, equals), level);
    const value = equals < 0 ? '' : arg.slice(equals + 1);
    if (Object.hasOwn(keys, path)) throw new KeyError(`${path} is given twice`);
    keys[path] = vrOf(path.split('.').at(-1) ?? '') === 'DA' ? withDates(value, today) : value;
  }
  return keys;
}

function pathOf(written: string, level: QueryLevel): string {
  const names = written.split('.').map((name) => {
    const tag = name.replace(/^\(?([0-9a-f]{4}),?([0-9a-f]{4})\)?$/i, '$1$2').toUpperCase();
    const keyword = /^[0-9A-F]{8}$/.test(tag) ? keywordOf(tag) : name;
    if (keyword === undefined || !isKeyword(keyword)) throw new KeyError(`"${name}" is not a DICOM keyword or tag`);
    return keyword;
  });
  for (const name of names.slice(0, -1)) if (vrOf(name) !== 'SQ') throw new KeyError(`${name} is not a sequence`);
  const path = names.join('.');
  // A study has no modality of its own, and whoever writes one means this.
  return path === 'Modality' && level === 'study' ? 'ModalitiesInStudy' : path;
}

/** A minus and eight digits after `today` is the end of a range, up to four are days before. */
function withDates(value: string, today: string): string {
  return value.replaceAll(/today(?:-(\d{1,4})(?!\d))?/gi, (_, days: string | undefined) => daysFrom(today, -Number(days ?? 0)));
}

/** @param day YYYYMMDD */
export function daysFrom(day: string, days: number): string {
  const date = new Date(Date.UTC(Number(day.slice(0, 4)), Number(day.slice(4, 6)) - 1, Number(day.slice(6, 8)) + days));
  return date.toISOString().slice(0, 10).replaceAll('-', '');
}

/** YYYYMMDD @param timezone of the IANA database */
export function dayIn(timezone: string, at: Date): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone: timezone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(at).replaceAll('-', '');
}

/** VRs in which a backslash is a character (PS3.5 6.2). */
const SINGLE_VALUE = new Set(['LT', 'ST', 'UT', 'UR']);

/** The attributes of an identifier. @throws {KeyError} for a value that its VR cannot hold */
export function identifierOf(keys: Keys): Dataset {
  const values: Record<string, unknown> = {};
  for (const [path, value] of Object.entries(keys)) {
    const names = path.split('.');
    const last = names.pop() ?? '';
    let within = values;
    for (const name of names) within = ((within[name] ??= [{}]) as Record<string, unknown>[])[0]!;
    if (within[last] === undefined) within[last] = valueOf(last, value);
  }
  return dataset(values);
}

function valueOf(keyword: string, value: string): unknown {
  const vr = vrOf(keyword);
  if (value === '') return null;
  if (vr === 'SQ') throw new KeyError(`${keyword} is a sequence: ask for one of its attributes, as in ${keyword}.CodeValue=…`);
  const values = SINGLE_VALUE.has(vr) ? [value] : value.split('\\');
  if (NUMBER_SIZES[vr] === undefined) return values;
  const numbers = values.map(Number);
  if (numbers.some((number) => !Number.isFinite(number))) throw new KeyError(`${keyword} is a number, not "${value}"`);
  return numbers;
}

/** One query for each combination of the values: a list of values is matched by few archives (PS3.4 C.2.2.2.2 has it for UIDs alone). */
export function combinations(query: Readonly<Record<string, readonly string[]>>): Keys[] {
  return Object.entries(query).reduce<Keys[]>((all, [keyword, values]) => all.flatMap((keys) => values.map((value) => ({ ...keys, [keyword]: value }))), [{}]);
}
