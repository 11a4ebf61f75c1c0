// The query string of a search (PS3.18 8.3.4, 10.6.1.2) to a query of the archive: what is not understood is refused, not ignored,
// because a filter that is left out shows other patients.
import { isKeyword, keywordOf, tagOf } from '../../storage/dicom/dataset.ts';
import { keywordInAnyCase, vrOfTag } from '../../storage/dicom/dictionary.ts';
import type { ArchiveQuery, Matching, QueryKey } from '../../storage/archive.ts';
import { HttpError } from '../http/errors.ts';
import { canMatch, MatchValueError, parseMatching, type MatchOptions } from './match-value.ts';

/** PS3.18 table 10.6.1-1. */
export interface SearchResource {
  level: 'study' | 'series' | 'instance';
  studyInstanceUid?: string;
  seriesInstanceUid?: string;
}

export interface Search {
  query: ArchiveQuery;
  /** What was asked and is not done, for Warning headers. */
  warnings: string[];
}

const STUDY_INSTANCE_UID = '0020000D';
const SERIES_INSTANCE_UID = '0020000E';
const STUDY_DATE = '00080020';
const STUDY_TIME = '00080030';
/** Of the message, not of what is searched (PS3.4 C.2.2.2). */
const SPECIFIC_CHARACTER_SET = '00080005';
/** Commands, file meta and directories are no attributes of what is kept. */
const NO_DATASET_GROUPS = /^000[0246]/;
/** Of how the answer is sent (PS3.18 8.3.3), read elsewhere. */
const NEGOTIATION: ReadonlySet<string> = new Set(['accept', 'charset']);
/** Postgres counts rows with 64 bits, and nobody has as many as this. */
const MAX_ROWS = 2 ** 31;
/** No template nests deeper. */
const MAX_PATH = 16;

/** @param queryString without the question mark, as it stands in the address. @throws {HttpError} 400 naming the parameter and what it should be */
export function parseSearch(resource: SearchResource, queryString: string): Search {
  const parameters = decodeParameters(queryString);
  const reserved = readReserved(parameters);
  const keys: QueryKey[] = [];
  const warnings: string[] = [];
  const include = new Set<string>();
  let all = false;
  for (const { name, value } of parameters) {
    const lower = name.toLowerCase();
    if (lower === 'includefield') {
      for (const field of value.split(',').map((entry) => entry.trim()).filter((entry) => entry !== ''))
        if (field.toLowerCase() === 'all') all = true;
        else if (isPath(field)) include.add(pathOf(field, 'includefield')[0]!);
        // A newer dictionary may have it, and an answer without it is as right.
        else warnings.push(`includefield names "${field.slice(0, 64)}" which is not known`);
    } else if (RESERVED.has(lower) || NEGOTIATION.has(lower)) continue;
    else if (!looksLikeAttribute(name)) warnings.push(`The parameter "${name.slice(0, 64)}" is not supported and was ignored`);
    else addKey(keys, include, warnings, name, value, reserved);
  }
  if (resource.studyInstanceUid !== undefined) keys.push({ tag: STUDY_INSTANCE_UID, matching: { kind: 'values', values: [resource.studyInstanceUid] } });
  if (resource.seriesInstanceUid !== undefined) keys.push({ tag: SERIES_INSTANCE_UID, matching: { kind: 'values', values: [resource.seriesInstanceUid] } });
  const query: ArchiveQuery = { level: resource.level, keys, include: all ? 'all' : [...include] };
  if (isRange(keys, STUDY_DATE) && isRange(keys, STUDY_TIME)) query.combinedDateTime = true;
  if (reserved.fuzzy) query.fuzzy = true;
  if (reserved.limit !== undefined) query.limit = reserved.limit;
  if (reserved.offset !== undefined) query.offset = reserved.offset;
  return { query, warnings };
}

interface Parameter {
  name: string;
  value: string;
}

function decodeParameters(queryString: string): Parameter[] {
  return queryString
    .split('&')
    .filter((piece) => piece !== '')
    .map((piece) => {
      const equals = piece.indexOf('=');
      const [name, value] = equals < 0 ? [piece, ''] : [piece.slice(0, equals), piece.slice(equals + 1)];
      return { name: decode(name), value: decode(value) };
    });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new HttpError(400, `"${text.slice(0, 100)}" in the query is not percent-encoded UTF-8.`);
  }
}

interface Reserved extends MatchOptions {
  fuzzy: boolean;
  limit: number | undefined;
  offset: number | undefined;
}
const RESERVED: ReadonlySet<string> = new Set(['fuzzymatching', 'emptyvaluematching', 'multiplevaluematching', 'limit', 'offset']);

function readReserved(parameters: Parameter[]): Reserved {
  const found = new Map<string, string>();
  for (const { name, value } of parameters) {
    const lower = name.toLowerCase();
    if (!RESERVED.has(lower)) continue;
    if ((found.get(lower) ?? value) !== value) throw new HttpError(400, `${lower} is there twice with different values.`);
    found.set(lower, value);
  }
  const flag = (name: string, otherwise: boolean): boolean => {
    const value = found.get(name)?.toLowerCase();
    if (value !== undefined && value !== 'true' && value !== 'false') throw new HttpError(400, `${name} must be true or false, not "${value.slice(0, 40)}".`);
    return value === undefined ? otherwise : value === 'true';
  };
  const count = (name: string): number | undefined => {
    const value = found.get(name);
    if (value === undefined) return undefined;
    if (!/^\d{1,10}$/.test(value) || Number(value) >= MAX_ROWS) throw new HttpError(400, `${name} must be a whole number of 0 or more, not "${value.slice(0, 40)}".`);
    return Number(value);
  };
  return { fuzzy: flag('fuzzymatching', false), emptyValues: flag('emptyvaluematching', false), multipleValues: flag('multiplevaluematching', true), limit: count('limit'), offset: count('offset') };
}

/** A name that can only be meant for an attribute; others are parameters of somebody else's (PS3.18 8.3: ignored). */
function looksLikeAttribute(name: string): boolean {
  const first = name.split('.')[0]!.trim();
  return /^[A-Z]/.test(first) || /^(0x)?\(?[0-9a-f]{4},?[0-9a-f]{4}\)?$/i.test(first) || keywordInAnyCase(first) !== undefined;
}

function addKey(keys: QueryKey[], include: Set<string>, warnings: string[], name: string, value: string, options: MatchOptions): void {
  const path = pathOf(name, name);
  const tag = path.at(-1)!;
  include.add(path[0]!);
  if (NO_DATASET_GROUPS.test(path[0]!) || tag === SPECIFIC_CHARACTER_SET) {
    if (value.trim() !== '') warnings.push(`${name} is not matched`);
    return;
  }
  const vr = vrOfTag(tag);
  if (vr === 'SQ' && value.trim() !== '') throw new HttpError(400, `${name} is a sequence: name an attribute of its items, as in ${name}.CodeValue.`);
  if (vr !== 'SQ' && !canMatch(vr)) {
    if (value.trim() !== '') warnings.push(`${name} holds bytes and is not matched`);
    return;
  }
  insert(keys, path, vr === 'SQ' ? { kind: 'universal' } : matchingOf(name, vr, value, options), name);
}

function matchingOf(name: string, vr: string, value: string, options: MatchOptions): Matching {
  try {
    return parseMatching(vr, value, options);
  } catch (error) {
    if (error instanceof MatchValueError) throw new HttpError(400, `${name} ${error.message}, not "${value.slice(0, 100)}".`);
    throw error;
  }
}

/** Keys of one sequence are looked for in the same item, and several values of one key are any of them. */
function insert(keys: QueryKey[], path: string[], matching: Matching, name: string): void {
  const [tag, ...rest] = path as [string, ...string[]];
  const existing = keys.find((key) => key.tag === tag);
  if (rest.length === 0) {
    if (!existing) keys.push({ tag, matching });
    else existing.matching = either(existing.matching, matching, name);
  } else if (existing?.matching.kind === 'sequence') insert(existing.matching.keys, rest, matching, name);
  else {
    const inner: QueryKey[] = [];
    insert(inner, rest, matching, name);
    if (existing) existing.matching = { kind: 'sequence', keys: inner };
    else keys.push({ tag, matching: { kind: 'sequence', keys: inner } });
  }
}

function either(one: Matching, other: Matching, name: string): Matching {
  if (other.kind === 'universal') return one;
  if (one.kind === 'universal') return other;
  if (one.kind === 'values' && other.kind === 'values') return { kind: 'values', values: [...new Set([...one.values, ...other.values])] };
  if (JSON.stringify(one) === JSON.stringify(other)) return one;
  throw new HttpError(400, `${name} is there twice, and not with values alone.`);
}

/** The tags of 00400275.00401001 or RequestAttributesSequence.RequestedProcedureID; all but the last are sequences. */
function pathOf(text: string, parameter: string): string[] {
  const path = text.split('.').map((part) => attributeTag(part.trim(), parameter));
  if (path.length > MAX_PATH) throw new HttpError(400, `${parameter} names an attribute in more than ${MAX_PATH} sequences.`);
  for (const tag of path.slice(0, -1))
    if (vrOfTag(tag) !== 'SQ' && vrOfTag(tag) !== 'UN') throw new HttpError(400, `${parameter}: ${keywordOf(tag) ?? tag} is no sequence and has no attributes in it.`);
  return path;
}

const isPath = (field: string): boolean => field.split('.').every((name) => isKeyword(name) || /^[0-9a-f]{8}$/i.test(name));

function attributeTag(name: string, parameter: string): string {
  if (/^[0-9a-f]{8}$/i.test(name)) return name.toUpperCase();
  if (isKeyword(name)) return tagOf(name);
  const known = keywordInAnyCase(name);
  const hint = known ? `; did you mean ${known}?` : '';
  const where = parameter === name ? 'The parameter' : `${parameter.slice(0, 100)}:`;
  throw new HttpError(400, `${where} "${name.slice(0, 100)}" is no keyword of the data dictionary and no tag of eight hexadecimal digits${hint}${hint ? '' : '.'}`);
}

function isRange(keys: QueryKey[], tag: string): boolean {
  return keys.some((key) => key.tag === tag && key.matching.kind === 'range');
}
