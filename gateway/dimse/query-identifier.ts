// Identifiers of C-FIND, C-MOVE and C-GET (PS3.4 C.4.1.1.3, C.4.2.1.4): what is asked for, and what a match says of itself.
import type { ArchiveQuery, QueryKey, QueryLevel, Selection } from '../../storage/archive.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { itemsOf, keywordOf, tagOf, text, texts } from '../../storage/dicom/dataset.ts';
import { isUid } from '../../storage/dicom/uids.ts';
import { levelOf as attributeLevel } from '../../storage/query/levels.ts';
import { matchingOf } from './query-matching.ts';
import type { QueryModel } from './query-models.ts';
import { UNIQUE_KEYS } from './query-models.ts';
import { QUERY_STATUS, QueryProblem } from './query-status.ts';

const SPECIFIC_CHARACTER_SET = tagOf('SpecificCharacterSet');
const QUERY_RETRIEVE_LEVEL = tagOf('QueryRetrieveLevel');
const RETRIEVE_AE_TITLE = tagOf('RetrieveAETitle');
const INSTANCE_AVAILABILITY = tagOf('InstanceAvailability');
/** Elements of an identifier that say how it is meant, and are no keys. */
const NO_KEYS: ReadonlySet<string> = new Set([SPECIFIC_CHARACTER_SET, QUERY_RETRIEVE_LEVEL, RETRIEVE_AE_TITLE, INSTANCE_AVAILABILITY, tagOf('QueryRetrieveView')]);

export interface FindRequest {
  /** As the peer wrote it. */
  level: string;
  query: ArchiveQuery;
  /** Whether there was a key that cannot be matched, or not returned: of a level below, or not of the standard. */
  hasUnsupportedKeys: boolean;
}

export interface FindOptions {
  relational: boolean;
  combinedDateTime: boolean;
  fuzzy: boolean;
}

/** @throws {QueryProblem} */
export function parseFind(identifier: Dataset, model: QueryModel, { relational, combinedDateTime, fuzzy }: FindOptions): FindRequest {
  const { name, level } = levelOf(identifier, model);
  if (!relational) expectUpperKeys(identifier, model, level);
  const keys: QueryKey[] = [];
  const include: string[] = [];
  let hasUnsupportedKeys = false;
  for (const [tag, element] of Object.entries(identifier)) {
    if (NO_KEYS.has(tag) || tag.endsWith('0000')) continue;
    const matching = keywordOf(tag) === undefined ? undefined : matchingOf(tag, element);
    const isReturned = !isBelow(attributeLevel(tag), level);
    if (matching && matching.kind !== 'universal') keys.push({ tag, matching });
    if (matching && isReturned) include.push(tag);
    else hasUnsupportedKeys = true;
  }
  return { level: name, query: { level, keys, include, ...(combinedDateTime && { combinedDateTime }), ...(fuzzy && { fuzzy }) }, hasUnsupportedKeys };
}

/** A match as the peer asked for it: every attribute of its identifier, without value where there is none (PS3.4 C.4.1.1.3.2). */
export function matchIdentifier(match: Dataset, identifier: Dataset, level: string, retrieveAeTitle: string): Dataset {
  const result = project(match, identifier);
  for (const tag of NO_KEYS) delete result[tag];
  result[QUERY_RETRIEVE_LEVEL] = { vr: 'CS', Value: [level] };
  result[RETRIEVE_AE_TITLE] = { vr: 'AE', Value: [retrieveAeTitle] };
  if (identifier[INSTANCE_AVAILABILITY]) result[INSTANCE_AVAILABILITY] = { vr: 'CS', Value: ['ONLINE'] };
  return result;
}

function project(source: Dataset, wanted: Dataset): Dataset {
  const result: Dataset = {};
  for (const [tag, key] of Object.entries(wanted)) {
    if (tag.endsWith('0000')) continue;
    const element = source[tag];
    const [item] = itemsOf(key);
    if (!element || element.BulkDataURI !== undefined) result[tag] = { vr: element?.vr ?? key.vr };
    else if (element.vr === 'SQ' && element.Value && item && Object.keys(item).length > 0) result[tag] = { vr: 'SQ', Value: itemsOf(element).map((one) => project(one, item)) };
    else result[tag] = element;
  }
  return result;
}

/** @throws {QueryProblem} */
export function parseRetrieve(identifier: Dataset, model: QueryModel, { relational }: { relational: boolean }): Selection {
  const { level } = levelOf(identifier, model);
  if (!relational) expectUpperKeys(identifier, model, level);
  const uids = (of: QueryLevel): string[] => texts(identifier, UNIQUE_KEYS[of]).filter((value) => value !== '');
  const wanted = uids(level);
  const tag = tagOf(UNIQUE_KEYS[level]);
  if (wanted.length === 0) throw mismatch(`${UNIQUE_KEYS[level]} says which to retrieve and is missing`, tag);
  if (level === 'patient' && wanted.length > 1) throw mismatch('PatientID has more than one value', tag);
  if (level !== 'patient') expectUids(wanted, level);
  const selection: Selection = {};
  const patientId = text(identifier, 'PatientID');
  if (patientId !== undefined) selection.patientId = patientId;
  for (const [of, field] of [['study', 'studyInstanceUids'], ['series', 'seriesInstanceUids'], ['instance', 'sopInstanceUids']] as const) {
    // What stands below the level is not asked for.
    const values = isBelow(of, level) ? [] : uids(of);
    if (values.length > 0) selection[field] = values;
  }
  return selection;
}

/** In which sets the peer wrote, and so can read. */
export function characterSetsOf(identifier: Dataset): string[] {
  return texts(identifier, 'SpecificCharacterSet');
}

const ORDER: readonly QueryLevel[] = ['patient', 'study', 'series', 'instance'];

function isBelow(level: QueryLevel, other: QueryLevel): boolean {
  return ORDER.indexOf(level) > ORDER.indexOf(other);
}

function levelOf(identifier: Dataset, { name: model, levels }: QueryModel): { name: string; level: QueryLevel } {
  const name = text(identifier, 'QueryRetrieveLevel') ?? '';
  const level = levels.get(name.toUpperCase());
  if (level) return { name, level };
  const why = name === '' ? 'is missing' : `"${name}" is none of ${model}`;
  throw mismatch(`QueryRetrieveLevel ${why}: ${[...levels.keys()].join(', ')}`, QUERY_RETRIEVE_LEVEL);
}

/**
 * The unique keys above the level, one value of each (PS3.4 C.4.1.2.1, C.4.2.2.1). Patient ID may be left out where a study's UID can
 * stand alone, as many peers do it.
 */
function expectUpperKeys(identifier: Dataset, { levels }: QueryModel, level: QueryLevel): void {
  for (const upper of levels.values()) {
    if (upper === level) return;
    const keyword = UNIQUE_KEYS[upper];
    const values = texts(identifier, keyword).filter((value) => value !== '');
    if (values.length === 0 && upper !== 'patient') throw mismatch(`${keyword} is needed above this level`, tagOf(keyword));
    if (values.length > 1) throw mismatch(`${keyword} must have one value above its level`, tagOf(keyword));
    if (upper !== 'patient') expectUids(values, upper);
    else if (/[*?]/.test(values[0] ?? '')) throw mismatch('PatientID above its level has no wildcards', tagOf(keyword));
  }
}

function expectUids(values: string[], level: QueryLevel): void {
  const wrong = values.find((value) => !isUid(value));
  if (wrong !== undefined) throw mismatch(`${UNIQUE_KEYS[level]} "${wrong}" is not a UID`, tagOf(UNIQUE_KEYS[level]));
}

function mismatch(message: string, tag: string): QueryProblem {
  return new QueryProblem(QUERY_STATUS.identifierDoesNotMatchSopClass, message, [tag]);
}
