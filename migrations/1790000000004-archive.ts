// The archive as queries and retrieves see it. Each study and series has a row with the attributes of its level and what follows
// from them for search; one view holds every instance that can be retrieved, our own results among them. What is in the database
// already is filled in; the headers of results, which only their files have, come at the gateway's next start.
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Attributes of the patient and of the study (PS3.3 C.7.1 and C.7.2), as storage/query/levels.ts has them. */
const STUDY_TAGS = `
  00100010,00100020,00100021,00100024,00100022,00100030,00100032,00100040,00101000,00101002,00101001,00101005,00101060,00102160,
  00104000,00081120,00100200,00102201,00102202,00102292,00102293,00102294,00100212,00102297,00102298,00102299,00120062,00120063,
  00120064,00101040,00102154,00101080,00101081,00102150,00102152,001021F0,00100101,00403001,00120010,00120020,00120021,00120030,
  00120031,00120040,00120042,0020000D,00080020,00080030,00080050,00080051,00080090,00080096,0008009C,0008009D,00200010,00081030,
  00081048,00081049,00081060,00081062,00321032,00321033,00321034,00081110,00081032,00401012,00321060,00321064,00321030,00324000,
  0032000A,0032000C,00081080,00081084,00321066,00321067,00380010,00380014,00380060,00380062,00101010,00101020,00101030,00101022,
  00101021,00102000,00102110,001021A0,001021C0,001021D0,00380500,00102203,00102180,001021B0,00120050,00120051,00120083,00080201`;
/** Of the series (PS3.3 C.7.3 to C.7.5). */
const SERIES_TAGS = `
  0020000E,00080060,00200011,00200060,00080021,00080031,00081050,00081052,00181030,0008103E,0008103F,00081070,00081072,00081111,
  00081250,00180015,00185100,00400275,00400253,00400244,00400245,00400250,00400251,00400254,00400260,00400280,00102210,00080068,
  00120060,00120071,00120072,00080070,00080080,00080081,00081010,00081040,00081090,00181000,00181020,00181008,00181002,00200052,
  00201040,300A0700`;
const arrayOf = (tags: string): string => `'{${tags.replace(/\s/g, '')}}'::text[]`;

/** Where in DICOM JSON the first value of an element is. */
const first = (tag: string, ...path: string[]): string => `attributes #>> '{${[tag, 'Value', '0', ...path].join(',')}}'`;
const NAME = `dicom_fold_name('=' || coalesce(${first('00100010', 'Alphabetic')}, '') || '=' || coalesce(${first('00100010', 'Ideographic')}, '')
  || '=' || coalesce(${first('00100010', 'Phonetic')}, '') || '=')`;

export class Archive1790000000004 implements MigrationInterface {
  readonly name = 'Archive1790000000004';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('create extension if not exists pg_trgm');
    await createFunctions(runner);
    await runner.query('alter table instances add column instance_number bigint, add column deleted_at timestamptz');
    await runner.query(`
      alter table results add column header jsonb, add column frames integer not null default 0, add column instance_number bigint,
        add column transfer_syntax_uid text not null default '1.2.840.10008.1.2.1', add column returned boolean not null default false,
        add column deleted_at timestamptz`);
    await createTables(runner);
    await fill(runner);
    await createIndexes(runner);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop function refresh_study_counts(text)');
    await runner.query('drop view archive_objects');
    await runner.query('drop table archive_series');
    await runner.query('drop table archive_studies');
    await runner.query('drop index instances_series');
    await runner.query('drop index results_series');
    for (const column of ['header', 'frames', 'instance_number', 'transfer_syntax_uid', 'returned', 'deleted_at']) await runner.query(`alter table results drop column ${column}`);
    await runner.query('alter table instances drop column instance_number, drop column deleted_at');
    for (const name of ['study_attributes', 'series_attributes', 'integer', 'digits', 'moment', 'instant', 'name_sounds', 'fold_name'])
      await runner.query(`drop function dicom_${name}`);
  }
}

/** None of them calls another: Postgres restores a dump with an empty search path. */
async function createFunctions(runner: QueryRunner): Promise<void> {
  for (const [level, tags] of [['study', STUDY_TAGS], ['series', SERIES_TAGS]] as const)
    await runner.query(`
      create function dicom_${level}_attributes(header jsonb) returns jsonb language sql immutable parallel safe as $$
        select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(header)
        where key = any(${arrayOf(tags)}) and not value ? 'BulkDataURI' $$`);
  await runner.query(`
    create function dicom_integer(value text) returns bigint language sql immutable parallel safe as $$
      select case when value ~ '^\\s*[+-]?[0-9]{1,12}\\s*$' then value::bigint end $$`);
  // Dates and times as digits in a row compare as text does (PS3.5 6.2: DA, TM and DT, the colons and dots of old files too).
  await runner.query(`
    create function dicom_digits(value text, length integer) returns text language sql immutable parallel safe as $$
      select rpad(left(regexp_replace(value, '[^0-9]', '', 'g'), length), length, '0') collate "C" $$`);
  await runner.query(`
    create function dicom_moment(date text, "time" text) returns text language sql immutable parallel safe as $$
      select case when date ~ '^ *[0-9]{4}\\.?[0-9]{2}\\.?[0-9]{2} *$'
        then regexp_replace(date, '[^0-9]', '', 'g') || rpad(left(regexp_replace(coalesce("time", ''), '[^0-9]', '', 'g'), 12), 12, '0')
        else '' end $$`);
  // A DT with its offset from UTC, or that of its dataset, as twenty digits in UTC; null where there is none, or no such moment.
  await runner.query(`
    create function dicom_instant(value text, zone text) returns text language plpgsql immutable parallel safe as $$
      declare
        offset_ text := coalesce(substring(value from '[+-][0-9]{4} *$'), substring(zone from '^ *[+-][0-9]{4} *$'));
        digits text := regexp_replace(regexp_replace(value, '[+-][0-9]{4} *$', ''), '[^0-9]', '', 'g');
      begin
        digits := digits || substr('00000101000000000000', length(digits) + 1);
        return to_char(make_timestamp(substr(digits, 1, 4)::int, substr(digits, 5, 2)::int, substr(digits, 7, 2)::int, substr(digits, 9, 2)::int,
            substr(digits, 11, 2)::int, (substr(digits, 13, 2) || '.' || substr(digits, 15, 6))::double precision)
          - (substr(trim(offset_), 1, 3) || ':' || substr(trim(offset_), 4, 2))::interval, 'YYYYMMDDHH24MISSUS');
      exception when others then
        return null;
      end $$`);
  await runner.query(`
    create function dicom_fold_name(name text) returns text language sql immutable parallel safe as $$
      select regexp_replace(regexp_replace(
        replace(replace(replace(replace(translate(
          lower(normalize(regexp_replace(normalize(name, NFKD), '[\\u0300-\\u036f]', '', 'g'), NFC) collate ${await unicodeCollation(runner)}),
          'łøđħıςð', 'lodhiσd'), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'),
        ' *([=^]) *', '\\1', 'g'), '\\^+(=|$)', '\\1', 'g') $$`);
  // After Soundex (U.S. patents 1261167 and 1435663), with one sign for first letters that sound alike and no end after the fourth.
  await runner.query(`
    create function dicom_name_sounds(folded text) returns text[] language sql immutable parallel safe as $$
      select array_agg(distinct translate(left(word, 1), 'cqzxvwy', 'kkssffi')
        || replace(substr(regexp_replace(translate(left(word, 1) || translate(substr(word, 2), 'h', ''),
             'bfpvwcgjkqsxzdtlmnraeiouyh', '11111222222223345560000000'), '(.)\\1+', '\\1', 'g'), 2), '0', ''))
      from regexp_split_to_table(replace(folded, 'ph', 'f'), '[ =^.,''()-]+') as word where word ~ '^[a-z]{2,}$' $$`);
}

/** Letters of every script get their small form, whatever the locale of the database; Postgres before 17 needs its ICU for that. */
async function unicodeCollation(runner: QueryRunner): Promise<string> {
  const found: { collname: string }[] = await runner.query(`select collname from pg_collation where collname in ('pg_c_utf8', 'und-x-icu') order by collname limit 1`);
  return `"${found[0]?.collname ?? 'default'}"`;
}

async function createTables(runner: QueryRunner): Promise<void> {
  await runner.query(`
    create table archive_studies (
      study_instance_uid text primary key references studies (study_instance_uid) on delete cascade,
      attributes jsonb not null,
      series integer not null default 0,
      instances integer not null default 0,
      modalities text[] not null default '{}',
      patient_id text collate "C" generated always as (coalesce(${first('00100020')}, '')) stored,
      issuer text collate "C" generated always as (coalesce(${first('00100021')}, '')) stored,
      accession_number text collate "C" generated always as (coalesce(${first('00080050')}, '')) stored,
      patient_name text generated always as (${NAME}) stored,
      patient_sounds text[] generated always as (dicom_name_sounds(${NAME})) stored,
      moment text collate "C" generated always as (dicom_moment(${first('00080020')}, ${first('00080030')})) stored
    )`);
  await runner.query(`
    create table archive_series (
      study_instance_uid text not null references archive_studies (study_instance_uid) on delete cascade,
      series_instance_uid text not null,
      attributes jsonb not null,
      instances integer not null default 0,
      modality text collate "C" generated always as (coalesce(${first('00080060')}, '')) stored,
      ordinal bigint not null generated always as (coalesce(dicom_integer(${first('00200011')}), 9999999999999)) stored,
      primary key (study_instance_uid, series_instance_uid)
    )`);
  // known: what can be retrieved by its UID; shown: what is found without. They are columns and not conditions of the view, so that
  // Postgres sees through it: it finds no index behind a union that has conditions of its own.
  await runner.query(`
    create view archive_objects as
      select id, sop_instance_uid, study_instance_uid, series_instance_uid, sop_class_uid, transfer_syntax_uid, digest, bytes, frames,
        coalesce(instance_number, 9999999999999) as ordinal, header, current and deleted_at is null as known, current and deleted_at is null as shown
      from instances
      union all
      select blob, sop_instance_uid, study_instance_uid, series_instance_uid, sop_class_uid, transfer_syntax_uid, digest, bytes, frames,
        coalesce(instance_number, 9999999999999), header, not returned and deleted_at is null and header is not null,
        current and alternative_to is null and not returned and deleted_at is null and header is not null
      from results`);
  // The lock comes first: an instance of the study that is being counted is waited for, then counted by the next statement.
  await runner.query(`
    create function refresh_study_counts(study text) returns void language plpgsql as $$
      begin
        perform from archive_studies where study_instance_uid = study for update;
        update archive_series set instances = counted.instances
        from (select each.series_instance_uid, count(objects.id) as instances
            from archive_series as each left join archive_objects as objects
              on objects.study_instance_uid = study and objects.series_instance_uid = each.series_instance_uid and shown
            where each.study_instance_uid = study group by each.series_instance_uid) as counted
        where study_instance_uid = study and archive_series.series_instance_uid = counted.series_instance_uid
          and archive_series.instances <> counted.instances;
        update archive_studies set (series, instances, modalities) = (
          select count(*), coalesce(sum(each.instances), 0), coalesce(array_agg(distinct modality order by modality) filter (where modality <> ''), '{}')
          from archive_series as each where each.study_instance_uid = study and each.instances > 0)
        where study_instance_uid = study;
      end $$`);
}

async function fill(runner: QueryRunner): Promise<void> {
  await runner.query(`update instances set instance_number = dicom_integer(header #>> '{00200013,Value,0}') where header ? '00200013'`);
  await runner.query(`update results set returned = true where exists (select from instances where instances.sop_instance_uid = results.sop_instance_uid)`);
  // The newest image describes; where patients contradict each other, the first does.
  const describing = `current desc, (origin = 'source') desc, extract(epoch from received_at) * case when conflict is null then -1 else 1 end`;
  await runner.query(`
    insert into archive_studies (study_instance_uid, attributes)
    select distinct on (study_instance_uid) study_instance_uid, dicom_study_attributes(header)
    from instances join studies using (study_instance_uid) order by study_instance_uid, ${describing}`);
  await runner.query(`
    insert into archive_series (study_instance_uid, series_instance_uid, attributes)
    select distinct on (study_instance_uid, series_instance_uid) study_instance_uid, series_instance_uid, dicom_series_attributes(header)
    from instances join studies using (study_instance_uid) order by study_instance_uid, series_instance_uid, ${describing}`);
  await runner.query('select refresh_study_counts(study_instance_uid) from archive_studies');
}

async function createIndexes(runner: QueryRunner): Promise<void> {
  await runner.query('create index archive_studies_newest on archive_studies (moment desc, study_instance_uid desc)');
  await runner.query('create index archive_studies_patient on archive_studies (patient_id, issuer, moment desc)');
  await runner.query('create index archive_studies_accession on archive_studies (accession_number)');
  await runner.query('create index archive_studies_name on archive_studies using gin (patient_name gin_trgm_ops)');
  await runner.query('create index archive_studies_sounds on archive_studies using gin (patient_sounds)');
  await runner.query('create index archive_studies_modalities on archive_studies using gin (modalities)');
  await runner.query('create index archive_series_uid on archive_series (series_instance_uid)');
  await runner.query('create index instances_series on instances (series_instance_uid)');
  await runner.query('create index results_series on results (series_instance_uid)');
}
