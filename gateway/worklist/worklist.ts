// The worklist as the HTTP API and the page see it: the studies that wait to be read, and all that is known of one of them.
// gateway/worklist/postgres-worklist.ts answers from the database.
import type { AnalysisOutcome } from '../../ai/analysis.ts';

export type IntakeState = 'receiving' | 'complete';
export type AnalysisState = 'waiting' | 'running' | 'analyzed' | 'not-analyzable' | 'failed' | 'not-routed';
export type DeliveryState = 'none' | 'pending' | 'partial' | 'delivered' | 'failed';
export const READING_STATES = ['unread', 'claimed', 'read'] as const;
export type ReadingState = (typeof READING_STATES)[number];

/** How much of the lungs a finding takes up (docs/severity.md). */
export interface SeverityAnswer {
  /** Per cent of the patient's right lung, of the left, of both together; null where it was not measured. */
  severity: {
    right: number;
    left: number;
    both: number;
    /** boxes: all lung within the regions, which overstates; map: of that, what the model marked. */
    basis: 'boxes' | 'map';
    /** Of the lungs. */
    model: { name: string; version: string; sha256: string };
  } | null;
  /** Why a positive was not measured; null where it was, and where there was nothing to measure. */
  severityReason: string | null;
}

/** A study waiting to be read. Four questions, each answered on its own: intake, analysis, delivery, reading. */
export interface WorklistEntry extends SeverityAnswer {
  studyInstanceUid: string;
  /** As in DICOM: component groups split by =, components by ^ (Alphabetic=Ideographic=Phonetic). */
  patientName: string;
  patientId: string;
  /** M, F, O or absent. */
  patientSex?: string | null;
  /** DICOM AS: 045Y, 007M. */
  patientAge?: string | null;
  /** DICOM DA: YYYYMMDD. */
  patientBirthDate?: string | null;
  accessionNumber: string;
  /** DICOM DA: YYYYMMDD, or empty. */
  studyDate: string;
  /** DICOM TM: HHMMSS.FFFFFF, or empty. */
  studyTime: string;
  description: string;
  modalities: string[];
  /** When the first instance came, ISO 8601 with zone. */
  receivedAt: string;
  images: number;
  intake: IntakeState;
  analysis: AnalysisState;
  /** Why there is no analysis, in words; null when there is one. */
  reason: string | null;
  delivery: DeliveryState;
  reading: ReadingState;
  /** What was found, or else looked for, by the model that the probability comes from: 'Bacterial pneumonia'. */
  finding: string | null;
  /** What the probability is of: all that this model looks for, 'Bacterial pneumonia or viral pneumonia'. */
  sought: string | null;
  /** Highest frontal probability of what a model in use looks for, 0 to 1. */
  probability: number | null;
  positive: boolean | null;
  threshold: number | null;
  regions: number;
  /** URL (path) of a rendered overlay PNG. */
  overlay: string | null;
  /** What a person must look at first, in words: conflicting patients, a changed version. */
  flagged: string | null;
}

export interface StudyInstance {
  sopInstanceUid: string;
  seriesInstanceUid: string;
  sopClassUid: string;
  modality: string;
  /** Counted from 1 for each SOP Instance UID. */
  version: number;
  current: boolean;
  receivedAt: string;
  callingAe: string | null;
  address: string;
  transport: 'dimse' | 'stow' | 'wado';
  transferSyntaxUid: string;
  /** Models of its route that do not judge it, because another one is meant for the patient's age. */
  leftOut: { model: { name: string; version: string }; reason: string }[];
}

/** Of each kind of outcome; a worker from outside says no threshold. */
type WithoutSeverity<Outcome> = Outcome extends { threshold: number } ? Omit<Outcome, 'severity' | 'threshold'> & { threshold: number | null } : Omit<Outcome, 'severity'>;

/** One model in use on one frame. */
export type StudyAnalysis = WithoutSeverity<AnalysisOutcome> & SeverityAnswer & {
  sopInstanceUid: string;
  /** Counted from 1. */
  frame: number;
  model: { name: string; version: string; sha256: string };
  /** The label as its code says it, or all that was looked for; null where nothing was analysed. */
  finding: string | null;
  /** What the probability is of. */
  sought: string | null;
  /** Size of the stored image; regions are in its pixels. */
  rows: number;
  columns: number;
};

export interface StudyResult {
  kind: string;
  model: { name: string; version: string };
  sopInstanceUid: string;
  seriesInstanceUid: string;
  sopClassUid: string;
  /** The image that an overlay shows. */
  sourceSopInstanceUid: string | null;
  /** SOP Instance UID of the preferred form, which this one stands in for where a destination does not accept that. */
  alternativeTo: string | null;
  createdAt: string;
  current: boolean;
  /** SOP Instance UID of the report that this one replaces. */
  predecessor: string | null;
}

export interface StudyDelivery {
  destination: string;
  sopInstanceUid: string;
  status: string;
  attempts: number;
  /** The peer's own words. */
  lastError: string | null;
  nextAttemptAt: string | null;
  deliveredAt: string | null;
  /** Whether the destination answers for it (storage commitment): wanted, requested, committed or failed; null where it is not asked. */
  commitment: string | null;
}

export interface StudyDetail extends WorklistEntry {
  /** Name of the route that took the study; null when none did. */
  route: string | null;
  instances: StudyInstance[];
  analyses: StudyAnalysis[];
  results: StudyResult[];
  deliveries: StudyDelivery[];
}

export interface WorklistSource {
  /** In reading order: positives by probability or, where the settings say so, by severity, then what is unknown, then negatives; oldest first within each.
   * @param page `after` is `next` of the page before
   * @throws {RangeError} when `after` is no such thing */
  list(page: { limit: number; after?: string | undefined }): Promise<{ entries: WorklistEntry[]; next: string | null }>;
  study(studyInstanceUid: string): Promise<StudyDetail | undefined>;
  /** Resolves to false when there is no such study. */
  setReading(studyInstanceUid: string, state: ReadingState): Promise<boolean>;
}

export interface WorklistEvents {
  /** Calls the listener after each change of an entry; the function that comes back ends it. */
  subscribe(listener: (studyInstanceUid: string) => void): () => void;
}
