// A search at one level of the information model as statements in SQL, a page each, and their rows as datasets.
import type { ArchiveQuery, QueryKey, QueryLevel } from '../archive.ts';
import type { Dataset } from '../dicom/dataset.ts';
import { tagOf } from '../dicom/dictionary.ts';
import { ALIASES, matchKey, momentWithin } from './columns.ts';
import { levelOf } from './levels.ts';
import type { MatchContext } from './matching.ts';
import { planReturn } from './returned.ts';
import { Parameters, type Statement } from './statement.ts';

export interface SearchPlan {
  /** Rows that are worth one question to the database. */
  pageSize: number;
  /** @param after position of the last row so far */
  page(after: unknown[] | undefined, size: number, offset: number): Statement;
  positionOf(row: Record<string, unknown>): unknown[];
  dataset(row: Record<string, unknown>): Dataset;
}

const RANK: Readonly<Record<QueryLevel, number>> = { patient: 0, study: 1, series: 2, instance: 3 };
const PAGE = 500;
/** Of instances with all their attributes, some ten kilobytes each. */
const PAGE_OF_HEADERS = 100;

/** Columns by which a level is ordered, newest study first; the sort is the same in both directions for what stands in one list. */
const POSITION: Readonly<Record<QueryLevel, { descending: string[]; ascending: string[] }>> = {
  patient: { descending: [], ascending: ['s.patient_id', 's.issuer'] },
  study: { descending: ['s.moment', 's.study_instance_uid'], ascending: [] },
  series: { descending: ['s.moment', 's.study_instance_uid'], ascending: ['e.ordinal', 'e.series_instance_uid'] },
  instance: { descending: ['s.moment', 's.study_instance_uid'], ascending: ['e.ordinal', 'e.series_instance_uid', 'i.ordinal', 'i.sop_instance_uid'] },
};

const FROM: Readonly<Record<QueryLevel, string>> = {
  patient: 'archive_studies as s',
  study: 'archive_studies as s',
  series: 'archive_studies as s join archive_series as e on e.study_instance_uid = s.study_instance_uid',
  instance: `archive_studies as s join archive_series as e on e.study_instance_uid = s.study_instance_uid
    cross join lateral (select * from archive_objects as o where o.study_instance_uid = e.study_instance_uid and o.series_instance_uid = e.series_instance_uid
      order by o.ordinal, o.sop_instance_uid) as i`,
};

/**
 * From the studies down, in their order, is the way of every search but one for certain instances: Postgres would rather read all
 * of them, as it takes study and series, of which one follows from the other, for two conditions.
 */
const FROM_INSTANCES = `archive_objects as i join archive_series as e on e.study_instance_uid = i.study_instance_uid and e.series_instance_uid = i.series_instance_uid
    join archive_studies as s on s.study_instance_uid = i.study_instance_uid`;
const SOP_INSTANCE = tagOf('SOPInstanceUID');

export function planSearch(query: ArchiveQuery): SearchPlan {
  const { level } = query;
  const { descending, ascending } = POSITION[level];
  const position = [...descending, ...ascending];
  const returned = planReturn(query);
  const base = new Parameters();
  const conditions = conditionsOf(query, base);
  const from = level === 'instance' && query.keys.some(({ tag, matching }) => tag === SOP_INSTANCE && matching.kind === 'values') ? FROM_INSTANCES : FROM[level];
  const columns = [...position.map((column, index) => `${column} as at${index}`), ...returned.columns(base)];
  const order = level === 'patient'
    ? [...ascending, 's.moment desc', 's.study_instance_uid desc']
    : [...descending.map((column) => `${column} desc`), ...ascending];
  return {
    pageSize: level === 'instance' && query.include === 'all' ? PAGE_OF_HEADERS : PAGE,
    page(after, size, offset) {
      const parameters = new Parameters(base.values);
      const all = after ? [...conditions, ...beyond(descending, ascending, after, parameters)] : conditions;
      // The newest study of a patient that matches says who it is.
      const distinct = level === 'patient' ? `distinct on (${ascending.join(', ')}) ` : '';
      return {
        sql: `select ${distinct}${columns.join(', ')} from ${from} where ${all.join(' and ')}
          order by ${order.join(', ')} limit ${parameters.add(size)}${offset > 0 ? ` offset ${parameters.add(offset)}` : ''}`,
        parameters: parameters.values,
      };
    },
    positionOf: (row) => position.map((_, index) => row[`at${index}`]),
    dataset: returned.dataset,
  };
}

/** Rows after a position: both lists are compared as rows, of which an index can find the first. */
function beyond(descending: string[], ascending: string[], after: unknown[], parameters: Parameters): string[] {
  const names = after.map((value) => parameters.add(value));
  const [newest, rest] = [names.slice(0, descending.length).join(', '), names.slice(descending.length).join(', ')];
  if (ascending.length === 0) return [`(${descending.join(', ')}) < (${newest})`];
  const further = `(${ascending.join(', ')}) > (${rest})`;
  if (descending.length === 0) return [further];
  return [`(${descending.join(', ')}) <= (${newest})`, `((${descending.join(', ')}) < (${newest}) or ${further})`];
}

const SHOWN: Readonly<Record<QueryLevel, string>> = {
  patient: `s.instances > 0 and s.patient_id <> ''`,
  study: 's.instances > 0',
  series: 'e.instances > 0',
  instance: 'i.shown',
};
const TIMEZONE = tagOf('TimezoneOffsetFromUTC');
const MODALITY = tagOf('Modality');

function conditionsOf(query: ArchiveQuery, parameters: Parameters): string[] {
  const { level } = query;
  const requested = query.keys.find(({ tag, matching }) => tag === TIMEZONE && matching.kind === 'values')?.matching;
  const zone = requested?.kind === 'values' ? requested.values[0] : undefined;
  const { combined, keys } = combineMoment(query, parameters);
  const dated = query.keys.some(({ tag, matching }) => tag === STUDY_DATE && (matching.kind === 'values' || (matching.kind === 'range' && matching.from !== undefined)));
  const byLevel: Record<QueryLevel, string[]> = { patient: [], study: [], series: [], instance: [] };
  for (const key of keys) {
    const asked = RANK[level] < RANK.series && key.tag === MODALITY ? { ...key, tag: tagOf('ModalitiesInStudy') } : key;
    const keyLevel = levelOf(asked.tag);
    const context: MatchContext = { parameters, fuzzy: query.fuzzy ?? false, dated, zone, datasetZone: `${zoneOf(keyLevel)} #>> '{${TIMEZONE},Value,0}'` };
    const condition = matchKey(keyLevel, asked, context);
    if (condition !== undefined) byLevel[keyLevel].push(condition);
  }
  // A study has its patient's attributes; what is asked of a level below must be true of one and the same of it.
  const own = [SHOWN[level], ...combined, ...byLevel.patient, ...byLevel.study];
  if (RANK[level] >= RANK.series) own.push(...byLevel.series);
  else if (byLevel.series.length > 0) own.push(`exists (select from archive_series as e where e.study_instance_uid = s.study_instance_uid and e.instances > 0 and ${byLevel.series.join(' and ')})`);
  if (level === 'instance') own.push(...byLevel.instance);
  else if (byLevel.instance.length > 0) {
    const within = level === 'series' ? 'i.study_instance_uid = e.study_instance_uid and i.series_instance_uid = e.series_instance_uid' : 'i.study_instance_uid = s.study_instance_uid';
    own.push(`exists (select from archive_objects as i where ${within} and i.shown and ${byLevel.instance.join(' and ')})`);
  }
  return own;
}

/** A series is where its study is. */
const zoneOf = (level: QueryLevel): string => ALIASES[level === 'series' ? 'study' : level].attributes;

const STUDY_DATE = tagOf('StudyDate');
const STUDY_TIME = tagOf('StudyTime');

/** Ranges of Study Date and Study Time as one range, where that was asked for (PS3.4 C.2.2.2.5.1). */
function combineMoment({ keys, combinedDateTime }: ArchiveQuery, parameters: Parameters): { combined: string[]; keys: QueryKey[] } {
  const date = keys.find(({ tag }) => tag === STUDY_DATE);
  const time = keys.find(({ tag }) => tag === STUDY_TIME);
  if (!combinedDateTime || date?.matching.kind !== 'range' || time?.matching.kind !== 'range') return { combined: [], keys };
  const end = (day: string | undefined, hour: string | undefined): string | undefined => (day === undefined ? undefined : day.replace(/\D/g, '') + (hour ?? '').replace(/\D/g, ''));
  const within = momentWithin(end(date.matching.from, time.matching.from), end(date.matching.to, time.matching.to), parameters);
  return { combined: [within], keys: keys.filter((key) => key !== date && key !== time) };
}
