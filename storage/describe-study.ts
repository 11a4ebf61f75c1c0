// Whom and what a study speaks of, as its images say. After some of them are gone, or back, it is said anew by those that are there.
import type { EntityManager } from 'typeorm';
import { personName, text, type Dataset } from './dicom/dataset.ts';

/** Columns of `studies` in the order of `describedBy`. */
export const DESCRIPTION_COLUMNS = 'patient, patient_name, patient_birth_date, patient_sex, accession_number, study_date, study_time, description';

export async function describedBy(transaction: EntityManager, dataset: Dataset): Promise<(string | null)[]> {
  const of = (keyword: string): string | null => text(dataset, keyword) ?? null;
  return [
    await patientOf(transaction, dataset), JSON.stringify(personName(dataset, 'PatientName') ?? null),
    of('PatientBirthDate'), of('PatientSex'), of('AccessionNumber'), of('StudyDate'), of('StudyTime'), of('StudyDescription'),
  ];
}

/** @returns null without a Patient ID */
async function patientOf(transaction: EntityManager, dataset: Dataset): Promise<string | null> {
  const patientId = text(dataset, 'PatientID') ?? '';
  if (patientId === '') return null;
  const [patient]: { id: string }[] = await transaction.query(
    `insert into patients (patient_id, issuer) values ($1, $2)
     on conflict (patient_id, issuer) do update set patient_id = excluded.patient_id returning id`,
    [patientId, text(dataset, 'IssuerOfPatientID') ?? ''],
  );
  return patient?.id ?? null;
}

/** The newest image describes; where patients contradict each other, the first does, as it did when the others came. */
const DESCRIBING = `current desc, (origin = 'source') desc, extract(epoch from received_at) * case when conflict is null then -1 else 1 end`;

/** Nothing changes for a study of which nothing is left: it is as it was when it comes back. */
export async function describeAnew(transaction: EntityManager, studyInstanceUid: string): Promise<void> {
  const [newest]: { header: Dataset }[] = await transaction.query(
    `select header from instances join studies using (study_instance_uid) where study_instance_uid = $1 and current order by ${DESCRIBING} limit 1`,
    [studyInstanceUid],
  );
  if (!newest) return;
  await transaction.query(
    `update studies set (${DESCRIPTION_COLUMNS}) = ($2::bigint, $3::jsonb, $4, $5, $6, $7, $8, $9) where study_instance_uid = $1`,
    [studyInstanceUid, ...(await describedBy(transaction, newest.header))],
  );
  await transaction.query('update archive_studies set attributes = dicom_study_attributes($2::jsonb) where study_instance_uid = $1', [studyInstanceUid, JSON.stringify(newest.header)]);
  await transaction.query(
    `update archive_series set attributes = described.attributes
     from (select distinct on (series_instance_uid) series_instance_uid, dicom_series_attributes(header) as attributes
         from instances join studies using (study_instance_uid) where study_instance_uid = $1 and current order by series_instance_uid, ${DESCRIBING}) as described
     where study_instance_uid = $1 and archive_series.series_instance_uid = described.series_instance_uid`,
    [studyInstanceUid],
  );
}
