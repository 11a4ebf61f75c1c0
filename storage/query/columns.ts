// Attributes with a column of their own: those that indexes are for, and those that are counted rather than stored.
import type { Matching, QueryKey, QueryLevel } from '../archive.ts';
import { tagOf } from '../dicom/dictionary.ts';
import { matchElement, matchName, matchText, type MatchContext } from './matching.ts';
import { boundsOf } from './moments.ts';
import type { Parameters } from './statement.ts';

/** The aliases of a search: s is the study, e its series, i the instance. */
export const ALIASES: Readonly<Record<QueryLevel, { alias: string; attributes: string }>> = {
  patient: { alias: 's', attributes: 's.attributes' },
  study: { alias: 's', attributes: 's.attributes' },
  series: { alias: 'e', attributes: 'e.attributes' },
  instance: { alias: 'i', attributes: 'i.header' },
};

/** Of all studies of the patient; two people without Patient ID are not one. @param own of this study alone */
const ofPatient = (what: string, own: string): string =>
  `(case when s.patient_id = '' then ${own} else (select ${what} from archive_studies as p where p.patient_id = s.patient_id and p.issuer = s.issuer and p.instances > 0) end)`;

/** Counted and gathered attributes in SQL. */
export const COUNTS: Readonly<Record<string, string>> = {
  [tagOf('NumberOfPatientRelatedStudies')]: ofPatient('count(*)', '1'),
  [tagOf('NumberOfPatientRelatedSeries')]: ofPatient('sum(p.series)', 's.series'),
  [tagOf('NumberOfPatientRelatedInstances')]: ofPatient('sum(p.instances)', 's.instances'),
  [tagOf('NumberOfStudyRelatedSeries')]: 's.series',
  [tagOf('NumberOfStudyRelatedInstances')]: 's.instances',
  [tagOf('NumberOfSeriesRelatedInstances')]: 'e.instances',
};
export const SOP_CLASSES = `array(select distinct o.sop_class_uid from archive_objects as o where o.study_instance_uid = s.study_instance_uid and o.shown order by 1)`;

/** Of the message, not of what is asked for (PS3.4 C.4.1.1.3): they match everything. */
const OF_THE_REQUEST: ReadonlySet<string> = new Set(['SpecificCharacterSet', 'QueryRetrieveLevel', 'TimezoneOffsetFromUTC', 'RetrieveURL', 'RetrieveAETitle'].map(tagOf));

type Match = (matching: Matching, context: MatchContext) => string | undefined;

const uids = (column: string): Match => (matching, { parameters }) =>
  matching.kind === 'values' ? `${column} = any(${parameters.add(trimmed(matching.values), 'text[]')})` : never(matching);
const text = (column: string, vr: string): Match => (matching, { parameters }) => {
  if (matching.kind === 'empty') return `${column} = ''`;
  return matching.kind === 'values' ? matchText(column, vr, matching.values, parameters) : never(matching);
};
const integers = (column: string): Match => (matching, { parameters }) => {
  if (matching.kind !== 'values') return never(matching);
  const wanted = trimmed(matching.values).filter((value) => /^[+-]?\d{1,12}$/.test(value));
  return `${column} = any(${parameters.add(wanted, 'bigint[]')})`;
};
/** What is always there is never empty. */
const never = (matching: Matching): string | undefined => (matching.kind === 'universal' ? undefined : 'false');
const trimmed = (values: readonly string[]): string[] => values.map((value) => value.trim());

const MATCHES: Readonly<Record<string, Match>> = {
  [tagOf('StudyInstanceUID')]: uids('s.study_instance_uid'),
  [tagOf('SeriesInstanceUID')]: uids('e.series_instance_uid'),
  [tagOf('SOPInstanceUID')]: uids('i.sop_instance_uid'),
  [tagOf('SOPClassUID')]: uids('i.sop_class_uid'),
  [tagOf('AvailableTransferSyntaxUID')]: uids('i.transfer_syntax_uid'),
  [tagOf('InstanceAvailability')]: text(`'ONLINE'`, 'CS'),
  [tagOf('PatientID')]: text('s.patient_id', 'LO'),
  [tagOf('IssuerOfPatientID')]: text('s.issuer', 'LO'),
  [tagOf('AccessionNumber')]: text('s.accession_number', 'SH'),
  [tagOf('Modality')]: text('e.modality', 'CS'),
  [tagOf('ModalitiesInStudy')]: (matching, { parameters, dated }) => {
    if (matching.kind === 'empty') return `s.modalities = '{}'`;
    if (matching.kind !== 'values') return never(matching);
    if (matching.values.every((value) => !/[*?]/.test(value))) {
      // Half of all studies are of one modality: to gather them from its index takes longer than to look at those of some months.
      return `${dated ? `(s.modalities || '{}'::text[])` : 's.modalities'} && ${parameters.add(trimmed(matching.values), 'text[]')}`;
    }
    return `exists (select from unnest(s.modalities) as modality where ${matchText('modality', 'CS', matching.values, parameters)})`;
  },
  [tagOf('SOPClassesInStudy')]: (matching, { parameters }) =>
    matching.kind === 'values'
      ? `exists (select from archive_objects as o where o.study_instance_uid = s.study_instance_uid and o.shown and o.sop_class_uid = any(${parameters.add(trimmed(matching.values), 'text[]')}))`
      : never(matching),
  ...Object.fromEntries(Object.entries(COUNTS).map(([tag, column]) => [tag, integers(column)])),
};

/** The same attributes, where only some ways of matching have an index; the others go through the attributes. */
const STUDY_DATE = tagOf('StudyDate');
const PATIENT_NAME = tagOf('PatientName');

/** @returns undefined where everything matches */
export function matchKey(level: QueryLevel, key: QueryKey, context: MatchContext): string | undefined {
  const { tag, matching } = key;
  if (OF_THE_REQUEST.has(tag)) return undefined;
  const match = MATCHES[tag];
  if (match) return match(matching, context);
  if (tag === PATIENT_NAME && matching.kind === 'values') return matchName('s.patient_name', 's.patient_sounds', matching.values, context);
  if (tag === STUDY_DATE && matching.kind === 'values') return `(${matching.values.map((value) => momentWithin(value, value, context.parameters)).join(' or ')})`;
  if (tag === STUDY_DATE && matching.kind === 'range') return momentWithin(matching.from, matching.to, context.parameters);
  return matchElement(`${ALIASES[level].attributes}->'${tag}'`, key, context);
}

/** @param from DA, or DA and TM in a row; so is `to`, both included */
export function momentWithin(from: string | undefined, to: string | undefined, parameters: Parameters): string {
  // A study without a date has an empty moment, which is before all others.
  const first = from === undefined ? `s.moment > ''` : `s.moment >= ${parameters.add(boundsOf('DT', from).first)}`;
  return to === undefined ? first : `${first} and s.moment <= ${parameters.add(boundsOf('DT', to).last)}`;
}
