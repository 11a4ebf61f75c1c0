// Verification SCP: C-ECHO (PS3.4 annex A, PS3.7 9.3.5).
import type { Association, Message } from './association.ts';
import { COMMAND } from './command.ts';
import { STATUS } from './status.ts';

export const VERIFICATION_SOP_CLASS = '1.2.840.10008.1.1';

export async function handleEcho(association: Association, { context, command, dataset }: Message): Promise<void> {
  await dataset?.discard();
  await association.send(context.id, {
    commandField: COMMAND.echoRsp,
    affectedSopClassUid: command.affectedSopClassUid ?? VERIFICATION_SOP_CLASS,
    messageIdBeingRespondedTo: command.messageId ?? 0,
    status: STATUS.success,
    hasDataset: false,
  });
}
