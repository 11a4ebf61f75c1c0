// Patient, study and series: who and what the instances belong to, and where the study stands (docs/architecture.md).
import { EntitySchema } from 'typeorm';
import type { PersonName } from '../dicom/dataset.ts';
import type { Severity } from './severity.ts';

export interface Patient {
  id: string;
  patientId: string;
  /** Issuer of Patient ID (0010,0021); '' where the source gives none. */
  issuer: string;
}

export const PatientEntity = new EntitySchema<Patient>({
  name: 'Patient',
  tableName: 'patients',
  columns: {
    id: { type: 'bigint', primary: true, generated: 'increment' },
    patientId: { type: 'text' },
    issuer: { type: 'text' },
  },
});

export type IntakeState = 'receiving' | 'complete';
export type AnalysisState = 'waiting' | 'running' | 'analyzed' | 'not-analyzable' | 'failed' | 'not-routed';
export type ReadingState = 'unread' | 'claimed' | 'read';

export interface Study {
  studyInstanceUid: string;
  /** Null where the images say no Patient ID: people without one are not one person. */
  patient: string | null;
  /** Name, birth date (DA) and sex as the newest image of the study says them. */
  patientName: PersonName | null;
  patientBirthDate: string | null;
  patientSex: string | null;
  accessionNumber: string | null;
  studyDate: string | null;
  studyTime: string | null;
  description: string | null;
  firstReceivedAt: Date;
  /** Of the last source instance; results that come back do not count. */
  lastSourceAt: Date | null;
  /** End of the route's quiet period; null when nothing is open. */
  dueAt: Date | null;
  intake: IntakeState;
  route: string | null;
  /** 'prior': fetched as an earlier study of a patient and nothing else; it is not analysed and waits for nobody. */
  purpose: 'prior' | null;
  /** Why a person must look before anything is analysed: conflicting patients, a version that changes the patient. */
  conflict: string | null;
  /** What a reader should know: a changed version came in. */
  flagged: string | null;
  reading: ReadingState;
  analysis: AnalysisState;
  reason: string | null;
  /** What was found, or else looked for, as its code says it: 'Bacterial pneumonia'. */
  finding: string | null;
  /** What the probability is of: all findings of the model that it comes from. */
  sought: string | null;
  /** Highest frontal probability, 0 to 1. */
  probability: number | null;
  threshold: number | null;
  positive: boolean | null;
  regions: number;
  /** Of the image whose probability counts. */
  severity: Severity | null;
  /** When the last of it went into the recycle bin. */
  deletedAt: Date | null;
}

export const StudyEntity = new EntitySchema<Study>({
  name: 'Study',
  tableName: 'studies',
  columns: {
    studyInstanceUid: { type: 'text', primary: true },
    patient: { type: 'bigint', nullable: true },
    patientName: { type: 'jsonb', nullable: true },
    patientBirthDate: { type: 'text', nullable: true },
    patientSex: { type: 'text', nullable: true },
    accessionNumber: { type: 'text', nullable: true },
    studyDate: { type: 'text', nullable: true },
    studyTime: { type: 'text', nullable: true },
    description: { type: 'text', nullable: true },
    firstReceivedAt: { type: 'timestamptz' },
    lastSourceAt: { type: 'timestamptz', nullable: true },
    dueAt: { type: 'timestamptz', nullable: true },
    intake: { type: 'text' },
    purpose: { type: 'text', nullable: true },
    route: { type: 'text', nullable: true },
    conflict: { type: 'text', nullable: true },
    flagged: { type: 'text', nullable: true },
    reading: { type: 'text', default: 'unread' },
    analysis: { type: 'text' },
    reason: { type: 'text', nullable: true },
    finding: { type: 'text', nullable: true },
    sought: { type: 'text', nullable: true },
    probability: { type: 'double precision', nullable: true },
    threshold: { type: 'double precision', nullable: true },
    positive: { type: 'boolean', nullable: true },
    regions: { type: 'integer', default: 0 },
    severity: { type: 'jsonb', nullable: true },
    deletedAt: { type: 'timestamptz', nullable: true },
  },
});

export interface Series {
  seriesInstanceUid: string;
  studyInstanceUid: string;
  modality: string | null;
  bodyPart: string | null;
  description: string | null;
  number: number | null;
}

export const SeriesEntity = new EntitySchema<Series>({
  name: 'Series',
  tableName: 'series',
  columns: {
    seriesInstanceUid: { type: 'text', primary: true },
    studyInstanceUid: { type: 'text', primary: true },
    modality: { type: 'text', nullable: true },
    bodyPart: { type: 'text', nullable: true },
    description: { type: 'text', nullable: true },
    number: { type: 'integer', nullable: true },
  },
});
