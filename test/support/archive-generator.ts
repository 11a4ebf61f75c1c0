// A database as a department fills it in ten years: studies of two series with ten instances in all, where nothing else is said, people of several scripts.
// The same number of studies gives the same rows.
import type { DataSource } from 'typeorm';

/** A statement for so many studies at a time: none holds too much. */
const BATCH = 10_000;

const FAMILIES = [
  'Müller', 'Schmidt', 'Hoffmann', 'Meier', 'Garcia', 'Rossi', 'Novák', 'Nowak', 'Andersen', 'Kowalska', 'Smith', 'Johnson', 'Brown', 'Dubois', 'Lefèvre', 'Silva',
  'Yılmaz', 'Papadopoulos', 'Ivanova', 'Hansen', 'Nguyễn', 'Tanaka', 'Yamada', 'Wang', 'Kim', 'Łukasik', 'O’Connor', 'van den Berg', 'Zimmermann', 'Bergström',
  'Fischer', 'Weber', 'Moreau', 'Costa', 'Horváth', 'Popescu', 'Jansen', 'Virtanen', 'Keller', 'Brunner',
];
const GIVEN = [
  'Anna', 'Jürg', 'Maria', 'José', 'Ahmet', 'Łukasz', 'Eleni', 'Olga', 'Ingrid', 'Thi', 'Tarou', 'Hanako', 'Wei', 'Min-jun', 'Sean', 'Pieter', 'Katarína', 'Giulia', 'Noah',
  'Emma', 'Lukas', 'Sofia', 'Mateusz', 'Ana', 'Björn', 'Chiara', 'Dimitri', 'Fatima', 'Georg', 'Helena', 'Ivan', 'Johanna', 'Karl', 'Laura', 'Marc', 'Nina', 'Oskar',
];
/** The same people as their own script has them; others have none. */
const IDEOGRAPHIC: Readonly<Record<string, string>> = { Tanaka: '田中^花子', Yamada: '山田^太郎', Wang: '王^小東', Kim: '金^喜中', Ivanova: 'Иванова^Ольга', Papadopoulos: 'Παπαδόπουλος^Ελένη' };
const MODALITIES = ['CR', 'DX', 'CR', 'DX', 'CT', 'MR', 'US', 'DX', 'MG', 'CT'];
const DESCRIPTIONS = ['Chest pa', 'Thorax a.-p. liegend', 'CT Thorax', 'MRT Schädel', 'Abdomen', 'Knie rechts'];

/** Of each study. */
export interface Shape {
  series: number;
  /** Of each series. */
  instances: number;
}

/** @returns once planner statistics are up to date too */
export async function generateArchive(dataSource: DataSource, studies: number, shape: Shape = { series: 2, instances: 5 }): Promise<void> {
  await dataSource.query('create table if not exists generated_people (id integer primary key, name jsonb)');
  await dataSource.query('truncate generated_people');
  await dataSource.query(
    `insert into generated_people
     select row_number() over () - 1, jsonb_strip_nulls(jsonb_build_object('Alphabetic', upper(family->>'name') || '^' || given, 'Ideographic', family->>'ideographic'))
     from jsonb_array_elements($1::jsonb) as family, jsonb_array_elements_text($2::jsonb) as given`,
    [JSON.stringify(FAMILIES.map((name) => ({ name, ideographic: IDEOGRAPHIC[name] ?? null }))), JSON.stringify(GIVEN)],
  );
  for (let from = 1; from <= studies; from += BATCH) await generateBatch(dataSource, from, Math.min(studies, from + BATCH - 1), shape);
  await dataSource.query('drop table generated_people');
  // The visibility map and GIN's pending lists are as they are in a database that has run for a while.
  for (const table of ['studies', 'instances', 'archive_studies', 'archive_series']) await dataSource.query(`vacuum analyze ${table}`);
}

async function generateBatch(dataSource: DataSource, from: number, to: number, shape: Shape): Promise<void> {
  const element = (tag: string, vr: string, value: string): string => `'${tag}', jsonb_build_object('vr', '${vr}', 'Value', jsonb_build_array(${value}))`;
  const numbered = `generate_series($1::integer, $2::integer) as n`;
  const study = `('2.25.7' || lpad(n::text, 9, '0'))`;
  // A patient has three studies on average; the times are spread over ten years without a pattern.
  const person = `(n * 48271::bigint % 2147483647 % (${FAMILIES.length * GIVEN.length}))`;
  const date = `to_char(date '2016-01-01' + (n * 69621::bigint % 2147483647 % 3652)::integer, 'YYYYMMDD')`;
  const time = `to_char(time '07:00' + make_interval(secs => n * 16807::bigint % 2147483647 % 43200), 'HH24MISS')`;
  const modality = `('{${MODALITIES.join(',')}}'::text[])[1 + n * 39373::bigint % 2147483647 % ${MODALITIES.length}]`;
  const description = `(array[${DESCRIPTIONS.map((text) => `'${text}'`).join(',')}])[1 + n % ${DESCRIPTIONS.length}]`;
  const studyAttributes = `jsonb_build_object(${[
    element('0020000D', 'UI', study), element('00080020', 'DA', date), element('00080030', 'TM', time), element('00080050', 'SH', `'A' || lpad(n::text, 8, '0')`),
    element('00080090', 'PN', `jsonb_build_object('Alphabetic', 'HOUSE^GREGORY')`), element('00081030', 'LO', description), element('00100010', 'PN', 'people.name'),
    element('00100020', 'LO', `'P' || lpad((n * 48271::bigint % 2147483647 % 33333)::text, 6, '0')`), element('00100030', 'DA', `to_char(date '1930-01-01' + (${person} * 17)::integer, 'YYYYMMDD')`),
    element('00100040', 'CS', `(array['F','M','O'])[1 + n % 3]`), element('00200010', 'SH', `n::text`),
  ].join(', ')})`;
  const parameters = [from, to];
  await dataSource.query(
    `insert into studies (study_instance_uid, study_date, study_time, accession_number, first_received_at, intake, analysis)
     select ${study}, ${date}, ${time}, 'A' || lpad(n::text, 8, '0'), now(), 'complete', 'not-routed' from ${numbered}`, parameters);
  await dataSource.query(
    `insert into archive_studies (study_instance_uid, attributes, series, instances, modalities)
     select ${study}, ${studyAttributes}, ${shape.series}, ${shape.series * shape.instances}, array[${modality}] from ${numbered} join generated_people as people on people.id = ${person}`, parameters);
  await dataSource.query(`insert into series (study_instance_uid, series_instance_uid, number) select ${study}, ${study} || '.' || e, e from ${numbered}, generate_series(1, ${shape.series}) as e`, parameters);
  await dataSource.query(
    `insert into archive_series (study_instance_uid, series_instance_uid, attributes, instances)
     select ${study}, ${study} || '.' || e, jsonb_build_object(${[
       element('0020000E', 'UI', `${study} || '.' || e`), element('00080060', 'CS', modality), element('00200011', 'IS', 'e'), element('0008103E', 'LO', description),
     ].join(', ')}), ${shape.instances} from ${numbered}, generate_series(1, ${shape.series}) as e`, parameters);
  await dataSource.query(
    `insert into instances (id, sop_instance_uid, version, current, study_instance_uid, series_instance_uid, sop_class_uid, transfer_syntax_uid, digest, bytes, header,
       origin, frames, address, transport, association_id, received_at, source_timezone, instance_number)
     select gen_random_uuid(), ${study} || '.' || e || '.' || i, 1, true, ${study}, ${study} || '.' || e, '1.2.840.10008.5.1.4.1.1.1', '1.2.840.10008.1.2.1', n || '.' || e || '.' || i, 500000,
       jsonb_build_object(${[
         element('0020000D', 'UI', study), element('0020000E', 'UI', `${study} || '.' || e`), element('00080018', 'UI', `${study} || '.' || e || '.' || i`),
         element('00080016', 'UI', `'1.2.840.10008.5.1.4.1.1.1'`), element('00080060', 'CS', modality), element('00200013', 'IS', 'i'), element('00280010', 'US', '2500'),
         element('00280011', 'US', '2048'), element('00280100', 'US', '16'), element('00200011', 'IS', 'e'),
       ].join(', ')}), 'source', 1, '127.0.0.1', 'dimse', 'generated', now(), '+0000', i
     from ${numbered}, generate_series(1, ${shape.series}) as e, generate_series(1, ${shape.instances}) as i`, parameters);
}
