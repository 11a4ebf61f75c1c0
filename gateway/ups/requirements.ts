// What a step must hold when it is created, what may be changed later, and what it must hold before it ends: the columns of PS3.4
// table CC.2.5-3, as far as they say more than that an attribute is optional.
import { get, items, keywordOf, tagOf, text, type Dataset } from '../../storage/dicom/dataset.ts';

/** Type 1 of N-CREATE: must have a value. */
const VALUED = ['ScheduledProcedureStepPriority', 'ProcedureStepLabel', 'ScheduledProcedureStepStartDateTime', 'InputReadinessState', 'ProcedureStepState'];
/** Type 2 of N-CREATE: must be there, and may be empty. */
const PRESENT = [
  'ScheduledProcessingParametersSequence', 'ScheduledStationNameCodeSequence', 'ScheduledStationClassCodeSequence', 'ScheduledStationGeographicLocationCodeSequence',
  'ScheduledWorkitemCodeSequence', 'CommentsOnTheScheduledProcedureStep', 'InputInformationSequence', 'PatientName', 'PatientID', 'PatientBirthDate', 'PatientSex',
  'AdmissionID', 'IssuerOfAdmissionIDSequence', 'AdmittingDiagnosesDescription', 'AdmittingDiagnosesCodeSequence', 'ReferencedRequestSequence',
];
/** Must be empty at first: they speak of what is done. */
const EMPTY_AT_FIRST = ['TransactionUID', 'ProcedureStepProgressInformationSequence', 'UnifiedProcedureStepPerformedProcedureSequence'];
const ENUMERATED: Record<string, string[]> = { ScheduledProcedureStepPriority: ['HIGH', 'MEDIUM', 'LOW'], InputReadinessState: ['INCOMPLETE', 'UNAVAILABLE', 'READY'] };
/** At most one item (PS3.3 C.30). */
const SINGLE = ['ScheduledWorkitemCodeSequence', 'ProcedureStepProgressInformationSequence', 'UnifiedProcedureStepPerformedProcedureSequence'];

/** N-SET "Not allowed": who and what the step is of, and its state, which has a transaction of its own. */
const FIXED = new Set(
  [
    'SOPClassUID', 'SOPInstanceUID', 'AffectedSOPInstanceUID', 'ProcedureStepState', 'PatientName', 'PatientID', 'IssuerOfPatientID', 'IssuerOfPatientIDQualifiersSequence', 'OtherPatientIDsSequence',
    'PatientBirthDate', 'PatientSex', 'ReferencedPatientSequence', 'AdmissionID', 'IssuerOfAdmissionIDSequence', 'AdmittingDiagnosesDescription', 'AdmittingDiagnosesCodeSequence',
    'ReferencedRequestSequence', 'ReplacedProcedureStepSequence', 'StudyInstanceUID', 'ScheduledProcedureStepModificationDateTime',
  ].map(tagOf),
);
/** Empty where a caller gives none: type 2 for us, and a list would be useless to refuse for. */
const WORKLIST_LABEL = '00741202';

/** @returns what is wrong with a step that is to be created, in words; none: nothing */
export function creationProblems(step: Dataset): string[] {
  return [
    ...VALUED.filter((keyword) => text(step, keyword) === undefined).map((keyword) => `${keyword} must have a value`),
    ...PRESENT.filter((keyword) => !get(step, keyword)).map((keyword) => `${keyword} must be there; it may be empty`),
    ...EMPTY_AT_FIRST.filter((keyword) => get(step, keyword)?.Value).map((keyword) => `${keyword} must be empty in a step that is created`),
    ...(text(step, 'ProcedureStepState') === 'SCHEDULED' ? [] : ['ProcedureStepState must be SCHEDULED']),
    ...valueProblems(step),
  ];
}

/** @returns what of a change is not allowed */
export function updateProblems(change: Dataset): string[] {
  const fixed = Object.keys(change).filter((tag) => FIXED.has(tag)).map((tag) => `${keywordOf(tag)} cannot be changed`);
  const emptied = VALUED.filter((keyword) => get(change, keyword) && text(change, keyword) === undefined && keyword !== 'ProcedureStepState').map((keyword) => `${keyword} must keep a value`);
  return [...fixed, ...emptied, ...valueProblems(change)];
}

function valueProblems(step: Dataset): string[] {
  return [
    ...Object.entries(ENUMERATED).flatMap(([keyword, values]) => {
      const value = text(step, keyword);
      return value === undefined || values.includes(value) ? [] : [`${keyword} is "${value}", not one of ${values.join(', ')}`];
    }),
    ...SINGLE.filter((keyword) => items(step, keyword).length > 1).map((keyword) => `${keyword} has more than one item`),
  ];
}

/** Final state P: of a step that is completed; R and X are those of every step and of one that is canceled. */
export function finalStateProblems(step: Dataset, state: 'COMPLETED' | 'CANCELED'): string[] {
  return state === 'COMPLETED' ? completionProblems(step) : cancellationProblems(step);
}

function completionProblems(step: Dataset): string[] {
  const [performed] = items(step, 'UnifiedProcedureStepPerformedProcedureSequence');
  if (!performed) return ['UnifiedProcedureStepPerformedProcedureSequence must say what was done'];
  const isThere = (keyword: string): boolean => (get(performed, keyword)?.Value?.length ?? 0) > 0;
  return [
    ...['PerformedStationNameCodeSequence', 'PerformedProcedureStepStartDateTime', 'PerformedWorkitemCodeSequence', 'PerformedProcedureStepEndDateTime'].filter((keyword) => !isThere(keyword))
      .map((keyword) => `UnifiedProcedureStepPerformedProcedureSequence.${keyword} must have a value`),
    // Work may have no output; then the sequence is there and empty.
    ...(get(performed, 'OutputInformationSequence') ? [] : ['UnifiedProcedureStepPerformedProcedureSequence.OutputInformationSequence must be there; it may be empty']),
  ];
}

function cancellationProblems(step: Dataset): string[] {
  const [progress] = items(step, 'ProcedureStepProgressInformationSequence');
  const needed = ['ProcedureStepCancellationDateTime', 'ProcedureStepDiscontinuationReasonCodeSequence'];
  return needed.filter((keyword) => (progress && get(progress, keyword)?.Value?.length) === undefined).map((keyword) => `ProcedureStepProgressInformationSequence.${keyword} must have a value`);
}

/** Worklist Label is type 2 for callers and type 1 for us: a step without one goes on the worklist of this name (PS3.4 CC.2.5.3). */
export function withWorklistLabel(step: Dataset, label: string): { step: Dataset; changed: boolean } {
  if (step[WORKLIST_LABEL]?.Value?.[0]) return { step, changed: false };
  return { step: { ...step, [WORKLIST_LABEL]: { vr: 'LO', Value: [label] } }, changed: true };
}
