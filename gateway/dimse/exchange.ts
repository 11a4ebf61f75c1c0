// One DIMSE operation as its invoker sees it: a request, and the response that belongs to it (PS3.7 8.2).
import { AssociationError, protocolError } from './association-error.ts';
import type { Association } from './association.ts';
import type { Command } from './command.ts';
import { hex4 } from './command.ts';

/** @throws {AssociationError} where no response came, or one to something else */
export async function exchange(
  association: Association,
  contextId: number,
  request: Command & { messageId: number },
  dataset?: AsyncIterable<Uint8Array>,
): Promise<Command & { status: number }> {
  await association.send(contextId, request, dataset);
  const response = await association.receive();
  if (!response) throw new AssociationError('closed', 'the peer released the association instead of answering');
  await response.dataset?.discard();
  const { command } = response;
  if (command.commandField !== (request.commandField | 0x8000) || command.messageIdBeingRespondedTo !== request.messageId)
    throw protocolError(`command ${hex4(command.commandField)} for message ${command.messageIdBeingRespondedTo} where the response to message ${request.messageId} was due`);
  if (command.status === undefined) throw protocolError('a response has no Status (0000,0900)');
  return { ...command, status: command.status };
}
