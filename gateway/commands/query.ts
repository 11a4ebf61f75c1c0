// hilum query SOURCE [--level study|series|instance|patient] [--limit N] [--json] KEY=VALUE…: what a source has.
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import type { LoadedSettings } from '../../config/load.ts';
import type { QueryLevel } from '../../storage/archive.ts';
import { texts, type Dataset } from '../../storage/dicom/dataset.ts';
import { datasetJson } from '../../storage/dicom/json.ts';
import { dayIn, parseKeys, type Keys } from '../sources/keys.ts';
import { openSource } from '../sources/open.ts';
import { sourceNamed } from './source-named.ts';

const USAGE = `usage: hilum query SOURCE [--level study|series|instance|patient] [--limit N] [--json] KEY=VALUE…
  SOURCE        a source of the settings
  KEY=VALUE     a DICOM keyword or tag and what it must match: wildcards * and ?, ranges 20260101-20260131, of dates also
                today, today-3, today-7-today; KEY alone asks for the attribute
  --json        one line of DICOM JSON for each match`;

const LEVELS: readonly QueryLevel[] = ['patient', 'study', 'series', 'instance'];
/** Enough for a person; --limit asks for more. */
const LIMIT = 100;

/** @returns 0 where the source answered, with matches or without */
export async function queryCommand(args: string[], settings: LoadedSettings): Promise<number> {
  const { values, positionals: [name, ...words] } = parseArgs({
    args,
    allowPositionals: true,
    options: { level: { type: 'string', default: 'study' }, limit: { type: 'string', default: String(LIMIT) }, json: { type: 'boolean', default: false } },
  });
  const limit = Number(values.limit);
  const level = LEVELS.find((each) => each === values.level);
  if (name === undefined || !level || !Number.isInteger(limit) || limit < 1) throw new Error(USAGE);
  const source = sourceNamed(name, settings);
  const keys = parseKeys(words, level, dayIn(settings.timezone, new Date()));
  const log = pino({ level: 'silent' });
  const client = openSource(source, settings, log);
  const matches: Dataset[] = [];
  try {
    // One more than is shown tells whether there are more.
    for await (const match of client.find(level, keys, new AbortController().signal, limit + 1)) {
      matches.push(match);
      if (values.json && matches.length <= limit) console.log(datasetJson(match));
    }
  } finally {
    await client.close();
  }
  if (!values.json && matches.length > 0) console.log(tableOf(matches.slice(0, limit), columnsOf(level, keys)));
  if (matches.length > limit) console.error(`there are more than ${limit}: ask for more with --limit, or more narrowly`);
  else if (matches.length === 0) console.error(`${name} has no ${level} that matches`);
  return 0;
}

/** Keyword, and its heading; the UID last, because it is the longest and the one that is copied. */
const COLUMNS: Record<QueryLevel, readonly (readonly [keyword: string, heading: string])[]> = {
  patient: [['PatientID', 'patient'], ['PatientName', 'name'], ['PatientBirthDate', 'born'], ['PatientSex', 'sex'], ['NumberOfPatientRelatedStudies', 'studies']],
  study: [
    ['StudyDate', 'date'], ['StudyTime', 'time'], ['PatientID', 'patient'], ['PatientName', 'name'], ['ModalitiesInStudy', 'modalities'],
    ['StudyDescription', 'description'], ['AccessionNumber', 'accession'], ['NumberOfStudyRelatedInstances', 'images'], ['StudyInstanceUID', 'study'],
  ],
  series: [['SeriesNumber', 'number'], ['Modality', 'modality'], ['BodyPartExamined', 'body part'], ['SeriesDescription', 'description'], ['NumberOfSeriesRelatedInstances', 'images'], ['SeriesInstanceUID', 'series']],
  instance: [['InstanceNumber', 'number'], ['SOPClassUID', 'class'], ['SOPInstanceUID', 'instance']],
};

/** What was asked for beside them stands before the UID. */
function columnsOf(level: QueryLevel, keys: Keys): (readonly [keyword: string, heading: string])[] {
  const columns = COLUMNS[level];
  const asked = Object.keys(keys).filter((path) => !path.includes('.') && !columns.some(([keyword]) => keyword === path));
  return [...columns.slice(0, -1), ...asked.map((keyword) => [keyword, keyword] as const), ...columns.slice(-1)];
}

function tableOf(matches: Dataset[], columns: (readonly [keyword: string, heading: string])[]): string {
  const rows = matches.map((match) => columns.map(([keyword]) => shown(keyword, match)));
  const filled = columns.map((_, at) => rows.some((row) => row[at] !== ''));
  const widths = columns.map(([, heading], at) => Math.max(heading.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]): string => cells.flatMap((cell, at) => (filled[at] ? cell.padEnd(widths[at] ?? 0) : [])).join('  ').trimEnd();
  return [columns.map(([, heading]) => heading), ...rows].map(line).join('\n');
}

/** Control characters of a name or description must not reach the terminal. */
function shown(keyword: string, match: Dataset): string {
  const value = texts(match, keyword).filter((each) => each !== '').join('\\').replaceAll(/\p{Cc}/gu, ' ');
  return keyword === 'StudyTime' ? value.slice(0, 6) : value;
}
