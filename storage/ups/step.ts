// A Unified Procedure Step (PS3.3 B.26, PS3.4 annex CC) as it is kept: its dataset, who performs it, and what it stands for.
import { code, text, type Dataset } from '../dicom/dataset.ts';

export const UPS_PUSH_CLASS = '1.2.840.10008.5.1.4.34.6.1';
/** Stands for the worklist as a whole where somebody subscribes to it (PS3.6 table A-1). */
export const WORKLIST_UID = '1.2.840.10008.5.1.4.34.5';
/** The same for what a filter lets through. */
export const FILTERED_WORKLIST_UID = '1.2.840.10008.5.1.4.34.5.1';

export type StepState = 'SCHEDULED' | 'IN PROGRESS' | 'COMPLETED' | 'CANCELED';

/** workitem: a study that a route took; order: an analysis that a caller wants of us; other: work that we only keep the list of. */
export type StepOrigin = 'workitem' | 'order' | 'other';

export interface Step {
  uid: string;
  dataset: Dataset;
  state: StepState;
  /** Known to its performer alone, and never told. */
  transactionUid: string | null;
  /** Who holds it; null until somebody does. */
  performer: 'hilum' | 'outside' | null;
  origin: StepOrigin;
  /** Id of the row of workitems that it shows. */
  workitem: string | null;
}

export const isFinal = (state: StepState): boolean => state === 'COMPLETED' || state === 'CANCELED';

/** Ours, for what PS3.16 CID 9231 has no code: whoever orders an analysis from us names it as Scheduled Workitem Code. */
export const ANALYSIS_CODE = code('ANALYSIS', '99HILUM', 'Analysis of radiographs by AI');
/** Concept names of processing parameters: the model is PS3.16's Algorithm Name, the route is our own. */
export const MODEL_CONCEPT = code('111001', 'DCM', 'Algorithm Name');
export const MODEL_VERSION_CONCEPT = code('111003', 'DCM', 'Algorithm Version');
export const ROUTE_CONCEPT = code('ROUTE', '99HILUM', 'Route');
/** Scheduled and performed station. */
export const STATION_CODE = code('HILUM', '99HILUM', 'Hilum');
/** CID 9300: what a step was given up for; the words stand beside it. */
export const DISCONTINUED = code('110513', 'DCM', 'Discontinued for unspecified reason');
export const INCORRECT_INPUT = code('110527', 'DCM', 'Inappropriate or incorrect input');

/** A row of workitems has a UUID, and so its step has a UID (PS3.5 B.2): the same at any time, on any machine. */
export function workitemStepUid(workitem: string): string {
  return `2.25.${BigInt(`0x${workitem.replaceAll('-', '')}`)}`;
}

/** VR DT, in UTC and saying so. */
export function dicomDateTime(at: Date): string {
  return `${at.toISOString().replaceAll(/[-:TZ]/g, '')}+0000`;
}

export function codeIs(item: Dataset, wanted: Dataset): boolean {
  return text(item, 'CodeValue') === text(wanted, 'CodeValue') && text(item, 'CodingSchemeDesignator') === text(wanted, 'CodingSchemeDesignator');
}
