// What a search returns: the attributes that PS3.18 tables 10.6.3-3 to -5 and PS3.4 C.6 always want, those that were asked for,
// and what is counted.
import type { ArchiveQuery, QueryLevel } from '../archive.ts';
import { itemsOf, type Dataset, type DicomElement } from '../dicom/dataset.ts';
import { tagOf, vrOfTag } from '../dicom/dictionary.ts';
import { COUNTS, SOP_CLASSES } from './columns.ts';
import { levelOf } from './levels.ts';
import type { Parameters } from './statement.ts';

const tags = (...keywords: string[]): readonly string[] => keywords.map(tagOf);

export const ALWAYS_RETURNED: Readonly<Record<QueryLevel, readonly string[]>> = {
  patient: tags('PatientName', 'PatientID', 'IssuerOfPatientID', 'PatientBirthDate', 'PatientSex'),
  study: tags(
    'StudyDate', 'StudyTime', 'AccessionNumber', 'InstanceAvailability', 'ModalitiesInStudy', 'ReferringPhysicianName', 'TimezoneOffsetFromUTC',
    'PatientName', 'PatientID', 'PatientBirthDate', 'PatientSex', 'StudyInstanceUID', 'StudyID', 'NumberOfStudyRelatedSeries', 'NumberOfStudyRelatedInstances',
  ),
  series: tags(
    'Modality', 'SeriesDescription', 'SeriesInstanceUID', 'SeriesNumber', 'NumberOfSeriesRelatedInstances', 'PerformedProcedureStepStartDate',
    'PerformedProcedureStepStartTime', 'RequestAttributesSequence',
  ),
  instance: tags(
    'SOPClassUID', 'SOPInstanceUID', 'InstanceAvailability', 'TimezoneOffsetFromUTC', 'InstanceNumber', 'Rows', 'Columns', 'BitsAllocated', 'NumberOfFrames',
  ),
};

const LEVELS: readonly QueryLevel[] = ['patient', 'study', 'series', 'instance'];
const [STUDY_UID, SERIES_UID] = tags('StudyInstanceUID', 'SeriesInstanceUID') as [string, string];
const [AVAILABILITY, MODALITIES, CLASSES, SYNTAX] = tags('InstanceAvailability', 'ModalitiesInStudy', 'SOPClassesInStudy', 'AvailableTransferSyntaxUID') as [string, string, string, string];

export interface ReturnPlan {
  columns(parameters: Parameters): string[];
  dataset(row: Record<string, unknown>): Dataset;
}

export function planReturn(query: ArchiveQuery): ReturnPlan {
  const { level, include } = query;
  const at = LEVELS.indexOf(level);
  const isPinned = (tag: string): boolean => query.keys.some((key) => key.tag === tag && key.matching.kind === 'values');
  // A relational search says of each match also what it belongs to.
  const relational: QueryLevel[] = [
    ...(at > 1 && !isPinned(STUDY_UID) ? (['study'] as const) : []),
    ...(at > 2 && !isPinned(SERIES_UID) ? (['series'] as const) : []),
  ];
  const always = [level, ...relational].flatMap((each) => ALWAYS_RETURNED[each]);
  const wanted = new Set([...always, ...(at > 1 ? [STUDY_UID] : []), ...(at > 2 ? [SERIES_UID] : []), ...(include === 'all' ? [] : include)]);
  const wants = (tag: string): boolean => wanted.has(tag) || (include === 'all' && LEVELS.indexOf(levelOf(tag)) <= at);
  // A patient row is a row of one of its studies, whose own attributes it leaves out.
  const isOf = (tag: string): boolean => wants(tag) && (level !== 'patient' || levelOf(tag) === 'patient');
  const counts = Object.keys(COUNTS).filter((tag) => wants(tag) && LEVELS.indexOf(levelOf(tag)) <= at);
  const needs = (...levels: QueryLevel[]): boolean => include === 'all' || [...wanted].some((tag) => levels.includes(levelOf(tag)));
  const gathers = at > 0;

  return {
    columns: (parameters) => [
      ...(at < 2 || needs('patient', 'study') ? ['s.attributes as of_study'] : []),
      ...(gathers && wants(MODALITIES) ? ['s.modalities'] : []),
      ...(gathers && wants(CLASSES) ? [`${SOP_CLASSES} as sop_classes`] : []),
      ...counts.map((tag) => `${COUNTS[tag]} as count_${tag}`),
      ...(at > 1 ? ['e.attributes as of_series'] : []),
      ...(at > 2 ? [`${include === 'all' ? 'i.header' : picked('i.header', [...wanted].filter((tag) => levelOf(tag) === 'instance'), parameters)} as of_instance`, 'i.transfer_syntax_uid'] : []),
    ],
    dataset(row) {
      const found: Dataset = {};
      // Where an image and its study differ, the study is what the newest image says.
      for (const attributes of [row['of_instance'], row['of_series'], row['of_study']])
        for (const [tag, element] of Object.entries((attributes ?? {}) as Dataset))
          if (isOf(tag) && element.BulkDataURI === undefined) found[tag] = withoutBulk(element);
      const put = (tag: string, values: (string | number)[]): void => {
        const element: DicomElement = { vr: vrOfTag(tag) };
        found[tag] = values.length > 0 ? { ...element, Value: values } : element;
      };
      for (const tag of counts) put(tag, [Number(row[`count_${tag}`])]);
      if (row['modalities']) put(MODALITIES, row['modalities'] as string[]);
      if (row['sop_classes']) put(CLASSES, row['sop_classes'] as string[]);
      if (at > 0 && wants(AVAILABILITY)) put(AVAILABILITY, ['ONLINE']);
      if (at > 2 && wants(SYNTAX)) put(SYNTAX, [row['transfer_syntax_uid'] as string]);
      return found;
    },
  };
}

/** Values that are left out of headers are left out of answers altogether, in items too. */
function withoutBulk(element: DicomElement): DicomElement {
  if (element.vr !== 'SQ' || element.Value === undefined) return element;
  const items = itemsOf(element).map((item) =>
    Object.fromEntries(Object.entries(item).flatMap(([tag, inner]) => (inner.BulkDataURI === undefined ? [[tag, withoutBulk(inner)]] : []))),
  );
  return { ...element, Value: items };
}

/** Some attributes of a header, which has a hundred. */
function picked(header: string, wanted: readonly string[], parameters: Parameters): string {
  return `(select jsonb_object_agg(key, value) from jsonb_each(${header}) where key = any(${parameters.add(wanted, 'text[]')}))`;
}
