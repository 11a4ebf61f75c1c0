// A workitem as the attributes of a Unified Procedure Step (PS3.3 C.30).
import { dataset, type Dataset, type PersonName } from '../dicom/dataset.ts';
import { ANALYSIS_CODE, dicomDateTime, DISCONTINUED, INCORRECT_INPUT, MODEL_CONCEPT, MODEL_VERSION_CONCEPT, ROUTE_CONCEPT, STATION_CODE, type StepState } from './step.ts';

export interface InstanceReference {
  seriesInstanceUid: string;
  sopClassUid: string;
  sopInstanceUid: string;
}

/** A row of workitems, and what its study, images, analyses and results say. Times are Dates. */
export interface WorkitemFacts {
  id: string;
  version: number;
  route: string;
  state: 'waiting' | 'running' | 'completed';
  reason: string | null;
  worker: 'outside' | 'hilum' | 'nobody' | null;
  createdAt: Date;
  closedAt: Date | null;
  completedAt: Date | null;
  studyInstanceUid: string;
  patientName: PersonName | null;
  patientId: string;
  issuer: string;
  birthDate: string | null;
  sex: string | null;
  accessionNumber: string | null;
  analysis: string;
  outcomeReason: string | null;
  positive: boolean | null;
  inputs: InstanceReference[] | null;
  /** Images of which any model has spoken. */
  analyzed: number;
  models: { name: string; version: string }[] | null;
  outputs: InstanceReference[] | null;
}

/** Reason For Cancellation and Procedure Step Progress Description are LT and ST. */
const ST = 1024;

/**
 * @param ordered a caller made the step: what was scheduled, and on which input, stays as the caller said it
 */
export function stepOf(facts: WorkitemFacts, ordered: boolean): Dataset {
  return { ...(ordered ? {} : { ...scheduled(facts), ...inputs(facts) }), ...performed(facts) };
}

function scheduled(facts: WorkitemFacts): Dataset {
  return dataset({
    SpecificCharacterSet: 'ISO_IR 192',
    ScheduledProcedureStepPriority: 'MEDIUM',
    ProcedureStepLabel: `AI: ${facts.route}`.slice(0, 64),
    WorklistLabel: facts.route.slice(0, 64),
    ScheduledProcessingParametersSequence: [textItem(ROUTE_CONCEPT, facts.route)],
    ScheduledStationNameCodeSequence: null,
    ScheduledStationClassCodeSequence: null,
    ScheduledStationGeographicLocationCodeSequence: null,
    ScheduledProcedureStepStartDateTime: dicomDateTime(facts.createdAt),
    ScheduledWorkitemCodeSequence: [ANALYSIS_CODE],
    CommentsOnTheScheduledProcedureStep: null,
    StudyInstanceUID: facts.studyInstanceUid,
    PatientName: facts.patientName ?? null,
    PatientID: facts.patientId || null,
    IssuerOfPatientID: facts.issuer || undefined,
    PatientBirthDate: facts.birthDate,
    PatientSex: facts.sex,
    AdmissionID: null,
    IssuerOfAdmissionIDSequence: null,
    AdmittingDiagnosesDescription: null,
    AdmittingDiagnosesCodeSequence: null,
    ReferencedRequestSequence: facts.accessionNumber === null ? null : [requestItem(facts)],
  });
}

function inputs(facts: WorkitemFacts): Dataset {
  return dataset({
    InputReadinessState: facts.state === 'waiting' ? 'INCOMPLETE' : 'READY',
    InputInformationSequence: references(facts.inputs, facts.studyInstanceUid),
  });
}

function performed(facts: WorkitemFacts): Dataset {
  const state = stateOf(facts);
  const images = facts.inputs?.length ?? 0;
  return dataset({
    ScheduledProcedureStepModificationDateTime: dicomDateTime(facts.completedAt ?? facts.closedAt ?? facts.createdAt),
    ProcedureStepState: state,
    ProcedureStepProgressInformationSequence: state === 'SCHEDULED' ? null : [progress(facts, state, images)],
    UnifiedProcedureStepPerformedProcedureSequence: state === 'SCHEDULED' ? null : [performedItem(facts)],
  });
}

/** Analysed is completed; what could not be analysed is canceled with its reason, its report being an output all the same. */
function stateOf({ state, worker, analysis, reason, outputs }: WorkitemFacts): StepState {
  if (state === 'waiting' || (state === 'running' && worker === 'outside')) return 'SCHEDULED';
  if (state === 'running') return 'IN PROGRESS';
  return reason === null && outputs !== null && analysis === 'analyzed' ? 'COMPLETED' : 'CANCELED';
}

function progress(facts: WorkitemFacts, state: StepState, images: number): Dataset {
  const share = images === 0 ? 0 : facts.analyzed / images;
  // Until the results are stored the work is not done.
  const percent = state === 'COMPLETED' ? 100 : Math.min(99, Math.floor(share * 100));
  const why = (facts.reason ?? facts.outcomeReason ?? 'no result came of it').slice(0, ST);
  const canceled = state === 'CANCELED';
  return dataset({
    ProcedureStepProgress: percent,
    ProcedureStepProgressDescription: canceled ? why : state === 'COMPLETED' ? 'results stored' : `${facts.analyzed} of ${images} images analysed`,
    ProcedureStepCancellationDateTime: canceled ? dicomDateTime(facts.completedAt ?? facts.createdAt) : undefined,
    ReasonForCancellation: canceled ? why : undefined,
    ProcedureStepDiscontinuationReasonCodeSequence: canceled ? [facts.analysis === 'not-analyzable' ? INCORRECT_INPUT : DISCONTINUED] : undefined,
  });
}

function performedItem(facts: WorkitemFacts): Dataset {
  const parameters = (facts.models ?? []).flatMap(({ name, version }) => [textItem(MODEL_CONCEPT, name), textItem(MODEL_VERSION_CONCEPT, version)]);
  return dataset({
    PerformedStationNameCodeSequence: [STATION_CODE],
    PerformedProcedureStepStartDateTime: dicomDateTime(facts.closedAt ?? facts.createdAt),
    PerformedProcedureStepEndDateTime: facts.completedAt ? dicomDateTime(facts.completedAt) : undefined,
    PerformedWorkitemCodeSequence: [ANALYSIS_CODE],
    PerformedProcessingParametersSequence: parameters.length > 0 ? parameters : undefined,
    OutputInformationSequence: references(facts.outputs, facts.studyInstanceUid),
  });
}

/** Referenced Instances and Access Macro (PS3.3 table 10-3b), an item for each series; how to retrieve them is said to whoever asks. */
function references(instances: readonly InstanceReference[] | null, studyInstanceUid: string): Dataset[] | null {
  const bySeries = Map.groupBy(instances ?? [], ({ seriesInstanceUid }) => seriesInstanceUid);
  if (bySeries.size === 0) return null;
  return [...bySeries].map(([seriesInstanceUid, members]) =>
    dataset({
      TypeOfInstances: 'DICOM',
      StudyInstanceUID: studyInstanceUid,
      SeriesInstanceUID: seriesInstanceUid,
      ReferencedSOPSequence: members.map(({ sopClassUid, sopInstanceUid }) => dataset({ ReferencedSOPClassUID: sopClassUid, ReferencedSOPInstanceUID: sopInstanceUid })),
    }),
  );
}

function requestItem({ studyInstanceUid, accessionNumber }: WorkitemFacts): Dataset {
  return dataset({
    StudyInstanceUID: studyInstanceUid,
    AccessionNumber: accessionNumber,
    IssuerOfAccessionNumberSequence: null,
    RequestedProcedureID: null,
    RequestedProcedureDescription: null,
    RequestedProcedureCodeSequence: null,
    RequestingService: null,
  });
}

/** Content Item Macro (PS3.3 10.2). */
function textItem(concept: Dataset, value: string): Dataset {
  return dataset({ ValueType: 'TEXT', ConceptNameCodeSequence: [concept], TextValue: value });
}
