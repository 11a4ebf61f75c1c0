// DIMSE operations as their invoker sees them: a request, and the responses that belong to it (PS3.7 8.2, 9.3).
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { AssociationError, protocolError } from './association-error.ts';
import type { Association, Message } from './association.ts';
import type { Command } from './command.ts';
import { COMMAND, hex4, isResponse, RESPONSE_BIT } from './command.ts';
import { readIdentifier } from './identifier.ts';
import { isPending } from './status.ts';

export type Response = Command & { status: number };

/** @throws {AssociationError} where no response came, or one to something else */
export async function exchange(
  association: Association,
  contextId: number,
  request: Command & { messageId: number },
  dataset?: AsyncIterable<Uint8Array>,
): Promise<Response> {
  await association.send(contextId, request, dataset);
  const response = await receive(association);
  await response.dataset?.discard();
  return expectResponse(request, response.command);
}

export interface ManyOptions {
  /** Sends a C-CANCEL-RQ once; the responses go on until the peer has ended them. */
  signal?: AbortSignal;
  /** Answers a request that the peer makes meanwhile (C-STORE of C-GET, N-EVENT-REPORT): reads its dataset, sends the response. */
  onRequest?(message: Message): Promise<void>;
}

/**
 * An operation with many responses (C-FIND, C-MOVE, C-GET): each as it comes, the last one with a status that is not pending. Leaving the
 * loop early cancels the operation, and reads what the peer still sends of it.
 * @throws {AssociationError} where the association is lost, or something else comes
 * @throws {DicomFormatError} where the dataset of a response is none; the operation is cancelled then
 */
export async function* exchangeMany(
  association: Association,
  contextId: number,
  request: Command & { messageId: number },
  dataset: AsyncIterable<Uint8Array> | undefined,
  { signal, onRequest }: ManyOptions = {},
): AsyncGenerator<Response & { dataset?: Dataset }> {
  signal?.throwIfAborted();
  let cancelling: Promise<void> | undefined;
  const cancel = (): void => {
    cancelling ??= association.send(contextId, { commandField: COMMAND.cancelRq, messageIdBeingRespondedTo: request.messageId, hasDataset: false });
    cancelling.catch(() => {}); // reading fails as well, and says it
  };
  const nextResponse = async (): Promise<Message> => {
    for (;;) {
      const message = await receive(association);
      if (isResponse(message.command)) return message;
      if (!onRequest) throw protocolError(`command ${hex4(message.command.commandField)} while a response was due`);
      await onRequest(message);
    }
  };

  signal?.addEventListener('abort', cancel);
  let isOver = false;
  try {
    await association.send(contextId, request, dataset);
    while (!isOver) {
      const message = await nextResponse();
      const response = expectResponse(request, message.command);
      isOver = !isPending(response.status);
      yield message.dataset ? { ...response, dataset: await readIdentifier(message.dataset, message.context.transferSyntax) } : response;
    }
  } catch (error) {
    // The association is not there to be read from any more.
    isOver ||= error instanceof AssociationError;
    throw error;
  } finally {
    signal?.removeEventListener('abort', cancel);
    if (!isOver) cancel();
    while (!isOver) {
      const message = await nextResponse();
      await message.dataset?.discard();
      isOver = !isPending(expectResponse(request, message.command).status);
    }
    await cancelling?.catch(() => {});
  }
}

async function receive(association: Association): Promise<Message> {
  const message = await association.receive();
  if (!message) throw new AssociationError('closed', 'the peer released the association instead of answering');
  return message;
}

function expectResponse(request: Command & { messageId: number }, command: Command): Response {
  if (command.commandField !== (request.commandField | RESPONSE_BIT) || command.messageIdBeingRespondedTo !== request.messageId)
    throw protocolError(`command ${hex4(command.commandField)} for message ${command.messageIdBeingRespondedTo} where the response to message ${request.messageId} was due`);
  if (command.status === undefined) throw protocolError('a response has no Status (0000,0900)');
  return { ...command, status: command.status };
}
