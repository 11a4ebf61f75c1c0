// Storage SCP: C-STORE (PS3.4 annex B, PS3.7 9.3.1). Success is said when the instance is durable, not before.
import type { Logger } from 'pino';
import type { ReceiveContext } from '../../storage/receive.ts';
import { IntakeRefusal } from '../../storage/errors.ts';
import type { Association, Message } from './association.ts';
import { COMMAND, hex4 } from './command.ts';
import type { StoreStatus } from './status.ts';
import { refused, STATUS, statusOfError } from './status.ts';

/** The part of storage's Receiver that DIMSE needs. */
export interface InstanceReceiver {
  /** Durable before it resolves; nothing kept where it throws. @throws {IntakeRefusal} */
  receive(source: AsyncIterable<Uint8Array>, context: ReceiveContext): Promise<unknown>;
}

export interface StoreOutcome {
  status: number;
  bytes: number;
}

/**
 * Takes one instance and answers.
 * @throws {AssociationError} where the dataset did not come whole, or the answer did not get away
 */
export async function handleStore(
  association: Association,
  message: Message,
  receiver: InstanceReceiver,
  caller: Omit<ReceiveContext, 'command'>,
  log: Logger,
): Promise<StoreOutcome> {
  const { context, command, dataset } = message;
  const started = performance.now();
  const { status, errorComment } = await take(message, receiver, caller, log);
  await dataset?.discard();
  await association.send(context.id, {
    commandField: COMMAND.storeRsp,
    affectedSopClassUid: command.affectedSopClassUid ?? context.abstractSyntax,
    messageIdBeingRespondedTo: command.messageId ?? 0,
    status,
    hasDataset: false,
    ...(errorComment !== undefined && { errorComment }),
    ...(command.affectedSopInstanceUid !== undefined && { affectedSopInstanceUid: command.affectedSopInstanceUid }),
  });
  const bytes = dataset?.bytes ?? 0;
  const fields = { sopInstance: command.affectedSopInstanceUid, status: hex4(status), bytes, milliseconds: Math.round(performance.now() - started) };
  if (status === STATUS.success) log.info(fields, 'C-STORE received');
  else log.warn({ ...fields, reason: errorComment }, 'C-STORE refused');
  return { status, bytes };
}

async function take({ context, command, dataset }: Message, receiver: InstanceReceiver, caller: Omit<ReceiveContext, 'command'>, log: Logger): Promise<StoreStatus> {
  const { affectedSopClassUid: sopClassUid, affectedSopInstanceUid: sopInstanceUid, moveOriginatorAe: aeTitle, moveOriginatorMessageId } = command;
  if (sopClassUid !== context.abstractSyntax)
    return refused(STATUS.sopClassNotSupported, `SOP class ${sopClassUid ?? '(none)'} is not the context's`);
  if (!sopInstanceUid) return refused(STATUS.invalidSopInstance, 'no Affected SOP Instance UID');
  if (!dataset) return refused(STATUS.cannotUnderstand, 'C-STORE without a dataset');
  try {
    await receiver.receive(dataset, {
      ...caller,
      ...(aeTitle && { moveOriginator: { aeTitle, messageId: moveOriginatorMessageId ?? 0 } }),
      command: { sopClassUid, sopInstanceUid, transferSyntaxUid: context.transferSyntax },
    });
    return { status: STATUS.success };
  } catch (error) {
    // A dataset cut by the wire is no refusal: there is nobody to answer.
    if (dataset.failure) throw dataset.failure;
    if (!(error instanceof IntakeRefusal)) log.error({ err: error, sopInstance: sopInstanceUid }, 'intake failed');
    return statusOfError(error);
  }
}
