// Modality Performed Procedure Step as SCP (PS3.4 F.7): what a modality says of the step that it performs is kept, and a step that is
// completed says which instances its studies consist of, so that nobody waits for the end of the quiet period.
import { deriveUid, isUid } from '../../storage/dicom/uids.ts';
import { items, text, type Dataset } from '../../storage/dicom/dataset.ts';
import type { CompletionRepository, ProcedureStep, ProcedureStepStatus } from '../../storage/completion.repository.ts';
import { COMMAND } from './command.ts';
import { DATASET_SYNTAXES } from './identifier.ts';
import { requestDataset } from './request-dataset.ts';
import { refuseCommand, type DimseService, type ServiceCall } from './service.ts';
import { refused, STATUS } from './status.ts';

export const PERFORMED_PROCEDURE_STEP = '1.2.840.10008.3.1.2.3.3';

/** PS3.4 F.7.2, PS3.7 10.1.3, 10.1.5. */
export const PROCEDURE_STEP_STATUS = { duplicate: 0x0111, noSuchInstance: 0x0112, invalidValue: 0x0106, missingAttribute: 0x0120, invalidInstance: 0x0117, processingFailure: 0x0110 } as const;
/** Error ID (0000,0903) with 0110 (PS3.4 table F.7.2-2): a step that has ended is not changed. */
const MAY_NO_LONGER_BE_UPDATED = 0xa710;

export interface ProcedureStepServiceOptions {
  repository: Pick<CompletionRepository, 'procedureStep' | 'createProcedureStep' | 'changeProcedureStep'>;
  close: Parameters<CompletionRepository['changeProcedureStep']>[2];
}

type Problem = { status: number; errorComment?: string; errorId?: number };

export function procedureStepService(options: ProcedureStepServiceOptions): DimseService {
  return {
    permission: 'store',
    sopClasses: new Map([[PERFORMED_PROCEDURE_STEP, DATASET_SYNTAXES]]),
    async handle(call) {
      const { commandField, affectedSopInstanceUid, requestedSopInstanceUid } = call.message.command;
      if (commandField !== COMMAND.nCreateRq && commandField !== COMMAND.nSetRq) return refuseCommand(call);
      const isNew = commandField === COMMAND.nCreateRq;
      // An SCU may leave the UID to us (PS3.7 10.1.5.1.4).
      const sopInstanceUid = (isNew ? affectedSopInstanceUid : requestedSopInstanceUid) || deriveUid('2.25', crypto.randomUUID());
      const problem = await take(sopInstanceUid, isNew, call, options).catch((error: unknown): Problem => {
        if (call.message.dataset?.failure) throw error;
        call.log.error({ err: error }, 'a procedure step could not be kept');
        return refused(PROCEDURE_STEP_STATUS.processingFailure, 'internal error, see the log of the gateway');
      });
      if (problem) call.log.warn({ procedureStep: sopInstanceUid, reason: problem.errorComment }, 'procedure step refused');
      await call.respond({ status: STATUS.success, affectedSopInstanceUid: sopInstanceUid, ...problem });
    },
  };
}

async function take(sopInstanceUid: string, isNew: boolean, call: ServiceCall, options: ProcedureStepServiceOptions): Promise<Problem | undefined> {
  const ds = await requestDataset(call);
  if (typeof ds === 'string') return refused(PROCEDURE_STEP_STATUS.invalidValue, ds);
  if (!isUid(sopInstanceUid)) return refused(PROCEDURE_STEP_STATUS.invalidInstance, `"${sopInstanceUid}" is not a UID`);
  return isNew ? create(sopInstanceUid, ds, call, options) : change(sopInstanceUid, ds, call, options);
}

async function create(sopInstanceUid: string, attributes: Dataset, { caller, log }: ServiceCall, { repository }: ProcedureStepServiceOptions): Promise<Problem | undefined> {
  const status = text(attributes, 'PerformedProcedureStepStatus');
  if (status !== 'IN PROGRESS') return refused(PROCEDURE_STEP_STATUS.invalidValue, `Performed Procedure Step Status is "${status ?? ''}", not IN PROGRESS`);
  const scheduled = items(attributes, 'ScheduledStepAttributesSequence');
  const studyInstanceUids = [...new Set(scheduled.map((item) => text(item, 'StudyInstanceUID')).filter((uid) => uid !== undefined && isUid(uid)))] as string[];
  if (studyInstanceUids.length === 0) return refused(PROCEDURE_STEP_STATUS.missingAttribute, 'no Study Instance UID in Scheduled Step Attributes Sequence');
  const step: ProcedureStep = { sopInstanceUid, status, attributes, studyInstanceUids };
  if (!(await repository.createProcedureStep(step, caller.callingAe))) return refused(PROCEDURE_STEP_STATUS.duplicate, 'a step of this UID is known');
  log.info({ procedureStep: sopInstanceUid, studies: studyInstanceUids }, 'procedure step in progress');
  return undefined;
}

const ENDS: ReadonlySet<string> = new Set(['IN PROGRESS', 'COMPLETED', 'DISCONTINUED']);

async function change(sopInstanceUid: string, changes: Dataset, { log }: ServiceCall, { repository, close }: ProcedureStepServiceOptions): Promise<Problem | undefined> {
  const known = await repository.procedureStep(sopInstanceUid);
  if (!known) return refused(PROCEDURE_STEP_STATUS.noSuchInstance, 'there is no step of this UID');
  const status = text(changes, 'PerformedProcedureStepStatus') ?? known.status;
  if (!ENDS.has(status)) return refused(PROCEDURE_STEP_STATUS.invalidValue, `Performed Procedure Step Status cannot be "${status}"`);
  const step: ProcedureStep = { ...known, status: status as ProcedureStepStatus, attributes: { ...known.attributes, ...changes } };
  const instances = performedInstances(step.attributes);
  if (!(await repository.changeProcedureStep(step, instances, close))) return { ...refused(PROCEDURE_STEP_STATUS.processingFailure, `the step is ${known.status} and may no longer be updated`), errorId: MAY_NO_LONGER_BE_UPDATED };
  log.info({ procedureStep: sopInstanceUid, status, studies: known.studyInstanceUids, instances: instances.length }, 'procedure step changed');
  return undefined;
}

/** Images and other composite objects of all its series (PS3.3 C.4.15). */
function performedInstances(attributes: Dataset): string[] {
  const series = items(attributes, 'PerformedSeriesSequence');
  const references = series.flatMap((item) => [...items(item, 'ReferencedImageSequence'), ...items(item, 'ReferencedNonImageCompositeSOPInstanceSequence')]);
  return [...new Set(references.map((item) => text(item, 'ReferencedSOPInstanceUID')).filter((uid) => uid !== undefined))];
}
