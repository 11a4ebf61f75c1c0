// The archive's rows follow what is indexed: whom and what studies and series speak of, and how much of it there is. Everything
// here runs in the transaction that changes instances or results, so that a search never sees one without the other.
import type { EntityManager } from 'typeorm';

export interface ArchivedRow {
  /** Of its blob, by which its row is found. */
  id: string;
  sopInstanceUid: string;
  studyInstanceUid: string;
  seriesInstanceUid: string;
}

/**
 * An instance has its row: now its study and series have theirs.
 * @param describes whether study and series are from now on as this one says; the first of them describes in any case
 * @param seenIn studies in which other versions of it are, or were; none: it is the first
 */
export async function archiveInstance(transaction: EntityManager, row: ArchivedRow, describes: boolean, seenIn: readonly string[]): Promise<void> {
  const { id, studyInstanceUid } = row;
  const isFirst = seenIn.length === 0;
  // Most images say the same of their study: then not even a row is made, with all that follows from its attributes.
  await transaction.query(
    `insert into archive_studies (study_instance_uid, attributes)
     select study_instance_uid, said from instances cross join lateral dicom_study_attributes(header) as said
     where id = $1 and not exists (select from archive_studies as known where known.study_instance_uid = instances.study_instance_uid and (not $2 or attributes = said))
     on conflict (study_instance_uid) do update set attributes = excluded.attributes
     where not exists (select from studies where studies.study_instance_uid = excluded.study_instance_uid and conflict is not null)`,
    [id, describes],
  );
  // What one image of a series says counts for it until another image says otherwise; a new version takes back what it lacks.
  await transaction.query(
    `insert into archive_series (study_instance_uid, series_instance_uid, attributes, instances)
     select study_instance_uid, series_instance_uid, dicom_series_attributes(header), $3 from instances where id = $1
     on conflict (study_instance_uid, series_instance_uid) do update set
       attributes = case when not $2 then archive_series.attributes when $3 = 1 then archive_series.attributes || excluded.attributes else excluded.attributes end,
       instances = archive_series.instances + $3`,
    [id, describes, isFirst ? 1 : 0],
  );
  // One of our results that came back is there once, as an instance.
  const [returned]: [unknown[], number] = await transaction.query(
    `update results set returned = true where sop_instance_uid = $1 and not returned returning 1`,
    [row.sopInstanceUid],
  );
  if (isFirst && returned.length === 0) await countOne(transaction, studyInstanceUid);
  else for (const study of new Set([studyInstanceUid, ...seenIn])) await refreshCounts(transaction, study);
}

/** A result has its row: now its series has one. Counts follow with `refreshCounts`, when all results of the study have changed. */
export async function archiveResult(transaction: EntityManager, sopInstanceUid: string): Promise<void> {
  await transaction.query(
    `insert into archive_series (study_instance_uid, series_instance_uid, attributes)
     select study_instance_uid, series_instance_uid, dicom_series_attributes(header) from results
     where sop_instance_uid = $1 and header is not null on conflict do nothing`,
    [sopInstanceUid],
  );
}

/** Counts a study again, with its series: after a deletion, a new version, a move to another study, new results. */
export async function refreshCounts(transaction: EntityManager, studyInstanceUid: string): Promise<void> {
  await transaction.query('select refresh_study_counts($1)', [studyInstanceUid]);
}

/** Of thousands of instances in a study, each costs the same. */
async function countOne(transaction: EntityManager, studyInstanceUid: string): Promise<void> {
  await transaction.query(
    `update archive_studies set instances = archive_studies.instances + 1, series = found.series, modalities = found.modalities
     from (select count(*) as series, coalesce(array_agg(distinct modality order by modality) filter (where modality <> ''), '{}') as modalities
       from archive_series where study_instance_uid = $1 and instances > 0) as found
     where study_instance_uid = $1`,
    [studyInstanceUid],
  );
}
