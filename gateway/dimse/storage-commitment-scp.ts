// Storage Commitment as SCP of what is asked of us (N-ACTION), and as SCU of what a destination answers on an association that it opens
// (N-EVENT-REPORT; PS3.4 J.3).
import type { CommitmentsRepository } from '../../storage/commitments.repository.ts';
import { COMMAND } from './command.ts';
import { DATASET_SYNTAXES } from './identifier.ts';
import { requestDataset } from './request-dataset.ts';
import { refuseCommand, type DimseService, type ServiceCall } from './service.ts';
import { refused, STATUS } from './status.ts';
import { parseCommitmentAction, parseCommitmentEvent, REQUEST_COMMITMENT, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE, type CommitmentAnswer } from './storage-commitment.ts';

/** PS3.7 10.1.3.1.9, 10.1.4.1.10. */
export const COMMITMENT_STATUS = { noSuchAction: 0x0123, noSuchEventType: 0x0113, noSuchSopInstance: 0x0112, invalidArgument: 0x0115, processingFailure: 0x0110 } as const;

export interface CommitmentServiceOptions {
  repository: Pick<CommitmentsRepository, 'receive'>;
  /** A request was accepted and is to be answered: now on its own association (resolves when that was tried), or later on another. */
  accepted(id: string, call: ServiceCall): Promise<void>;
  /** What a destination says of a request of ours. */
  answered(answer: CommitmentAnswer): Promise<void>;
}

export function storageCommitmentService(options: CommitmentServiceOptions): DimseService {
  const syntaxes = new Map([[STORAGE_COMMITMENT, DATASET_SYNTAXES]]);
  return {
    permission: 'store',
    sopClasses: syntaxes,
    sends: syntaxes,
    async handle(call) {
      const { commandField } = call.message.command;
      if (commandField === COMMAND.nActionRq) await takeRequest(call, options);
      else if (commandField === COMMAND.nEventReportRq) await takeAnswer(call, options);
      else await refuseCommand(call);
    },
  };
}

async function takeRequest(call: ServiceCall, { repository, accepted }: CommitmentServiceOptions): Promise<void> {
  const { message, caller, log } = call;
  const { requestedSopInstanceUid, actionTypeId } = message.command;
  const answer = async (problem?: { status: number; errorComment?: string }): Promise<void> => {
    if (problem) log.warn({ reason: problem.errorComment }, 'storage commitment refused');
    await call.respond({ status: STATUS.success, affectedSopInstanceUid: STORAGE_COMMITMENT_INSTANCE, ...(actionTypeId !== undefined && { actionTypeId }), ...problem });
  };
  const ds = await requestDataset(call);
  if (typeof ds === 'string') return answer(refused(COMMITMENT_STATUS.invalidArgument, ds));
  if (requestedSopInstanceUid !== STORAGE_COMMITMENT_INSTANCE) return answer(refused(COMMITMENT_STATUS.noSuchSopInstance, `no SOP instance ${requestedSopInstanceUid ?? '(none)'}`));
  if (actionTypeId !== REQUEST_COMMITMENT) return answer(refused(COMMITMENT_STATUS.noSuchAction, `no action type ${actionTypeId ?? '(none)'}`));
  let request;
  try {
    request = parseCommitmentAction(ds);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return answer(refused(COMMITMENT_STATUS.invalidArgument, error.message));
  }
  const id = await repository.receive({ ...request, callingAe: caller.callingAe, calledAe: caller.calledAe }).catch((error: unknown) => {
    log.error({ err: error }, 'a storage commitment request could not be kept');
    return null;
  });
  if (id === null) return answer(refused(COMMITMENT_STATUS.processingFailure, 'internal error, see the log of the gateway'));
  if (id === undefined) return answer(refused(COMMITMENT_STATUS.invalidArgument, `transaction UID ${request.transactionUid} was used before`));
  log.info({ transaction: request.transactionUid, instances: request.instances.length }, 'storage commitment requested');
  await answer();
  await accepted(id, call);
}

async function takeAnswer(call: ServiceCall, { answered }: CommitmentServiceOptions): Promise<void> {
  const { message, log } = call;
  const { eventTypeId } = message.command;
  const answer = (problem?: { status: number; errorComment?: string }): Promise<void> =>
    call.respond({ status: STATUS.success, affectedSopInstanceUid: STORAGE_COMMITMENT_INSTANCE, ...(eventTypeId !== undefined && { eventTypeId }), ...problem });
  const ds = await requestDataset(call);
  if (typeof ds === 'string') return answer(refused(COMMITMENT_STATUS.invalidArgument, ds));
  if (eventTypeId !== 1 && eventTypeId !== 2) return answer(refused(COMMITMENT_STATUS.noSuchEventType, `no event type ${eventTypeId ?? '(none)'}`));
  try {
    await answered(parseCommitmentEvent(ds));
  } catch (error) {
    if (error instanceof RangeError) return answer(refused(COMMITMENT_STATUS.invalidArgument, error.message));
    log.error({ err: error }, 'a storage commitment report could not be kept');
    return answer(refused(COMMITMENT_STATUS.processingFailure, 'internal error, see the log of the gateway'));
  }
  await answer();
}
