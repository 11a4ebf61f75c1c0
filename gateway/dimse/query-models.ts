// The information models of Query/Retrieve, their levels and SOP classes (PS3.4 C.3, C.6), and what we take at extended negotiation (C.5).
import type { QueryLevel } from '../../storage/archive.ts';
import type { ExtendedNegotiation } from './user-information.ts';

export interface QueryModel {
  name: string;
  /** From the top: Query/Retrieve Level (0008,0052) -> level of the archive. */
  levels: ReadonlyMap<string, QueryLevel>;
}

const PATIENT = ['PATIENT', 'patient'] as const;
const STUDY = ['STUDY', 'study'] as const;
const SERIES = ['SERIES', 'series'] as const;
const IMAGE = ['IMAGE', 'instance'] as const;

const PATIENT_ROOT: QueryModel = { name: 'Patient Root', levels: new Map<string, QueryLevel>([PATIENT, STUDY, SERIES, IMAGE]) };
const STUDY_ROOT: QueryModel = { name: 'Study Root', levels: new Map<string, QueryLevel>([STUDY, SERIES, IMAGE]) };
/** Retired, and still what some old modalities ask in. */
const PATIENT_STUDY_ONLY: QueryModel = { name: 'Patient/Study Only', levels: new Map<string, QueryLevel>([PATIENT, STUDY]) };

export const FIND_MODELS: Readonly<Record<string, QueryModel>> = {
  '1.2.840.10008.5.1.4.1.2.1.1': PATIENT_ROOT,
  '1.2.840.10008.5.1.4.1.2.2.1': STUDY_ROOT,
  '1.2.840.10008.5.1.4.1.2.3.1': PATIENT_STUDY_ONLY,
};
export const MOVE_MODELS: Readonly<Record<string, QueryModel>> = {
  '1.2.840.10008.5.1.4.1.2.1.2': PATIENT_ROOT,
  '1.2.840.10008.5.1.4.1.2.2.2': STUDY_ROOT,
  '1.2.840.10008.5.1.4.1.2.3.2': PATIENT_STUDY_ONLY,
};
export const GET_MODELS: Readonly<Record<string, QueryModel>> = {
  '1.2.840.10008.5.1.4.1.2.1.3': PATIENT_ROOT,
  '1.2.840.10008.5.1.4.1.2.2.3': STUDY_ROOT,
  '1.2.840.10008.5.1.4.1.2.3.3': PATIENT_STUDY_ONLY,
};

/** The attribute that names one thing of each level (PS3.4 C.3.1, C.3.2). */
export const UNIQUE_KEYS: Readonly<Record<QueryLevel, string>> = {
  patient: 'PatientID',
  study: 'StudyInstanceUID',
  series: 'SeriesInstanceUID',
  instance: 'SOPInstanceUID',
};

/** Bytes of Service-class-application-information, in their order, and whether we say 1 where the peer does (PS3.4 tables C.5-1 and C.5-2). */
export const FIND_OPTIONS = { relational: true, combinedDateTime: true, fuzzy: true, timezoneAdjustment: false, enhancedMultiFrameConversion: false } as const;
export const RETRIEVE_OPTIONS = { relational: true, enhancedMultiFrameConversion: false } as const;

/** As many bytes as were proposed, of those that we know: 1 where both sides want it. */
export function answerOptions(options: Readonly<Record<string, boolean>>, { information }: ExtendedNegotiation): Buffer {
  const ours = Object.values(options);
  return Buffer.from([...information.subarray(0, ours.length)].map((wanted, index) => Number(wanted === 1 && ours[index] === true)));
}

/** Which options were agreed on, by name; none where nothing was negotiated. */
export function agreedOptions<Name extends string>(options: Readonly<Record<Name, boolean>>, agreed: Buffer | undefined): Record<Name, boolean> {
  const names = Object.keys(options) as Name[];
  return Object.fromEntries(names.map((name, index) => [name, agreed?.[index] === 1])) as Record<Name, boolean>;
}
