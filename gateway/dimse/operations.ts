// The performing side of an open association (PS3.7 8.2, 9.3.2.3): requests in the order in which they came, one at a time. It goes on
// reading while one is worked at, so that a C-CANCEL, an abort, and responses to requests of our own find their operation.
import { AssociationError, protocolError } from './association-error.ts';
import type { Association, Message } from './association.ts';
import type { Command } from './command.ts';
import { COMMAND, hex4, isResponse, RESPONSE_BIT } from './command.ts';
import { OperationEnded } from './service.ts';

/** Requests that are taken before the first is answered: the asynchronous operations window that we grant (PS3.7 D.3.3.3). */
export const MAX_OPERATIONS = 16;
/** Of a request that must wait, its dataset is kept when it is as short as queries are; a longer one waits on the wire. */
const READ_AHEAD_BYTES = 64 * 1024;

/** A request, from when it has come to when it is answered. */
export interface Operation {
  message: Message;
  signal: AbortSignal;
}
interface Waiting {
  message: Message;
  controller: AbortController;
}
interface Invocation {
  commandField: number;
  resolve(response: Command & { status: number }): void;
  reject(error: unknown): void;
}

export class Operations {
  readonly #association: Association;
  readonly #responseMs: number;
  readonly #waiting: Waiting[] = [];
  #performing: Waiting | undefined;
  readonly #invoked = new Map<number, Invocation>();
  #lastMessageId = 0;
  #released = false;
  #failure: { error: unknown } | undefined;
  #changed = Promise.withResolvers<void>();

  /** @param responseMs how long a peer may take to answer a request of ours */
  constructor(association: Association, responseMs: number) {
    this.#association = association;
    this.#responseMs = responseMs;
  }

  /** Nothing is worked at, nothing waits, and of the next message nothing has come. */
  get isIdle(): boolean {
    return !this.#isBusy && this.#association.betweenMessages;
  }

  get #isBusy(): boolean {
    return this.#performing !== undefined || this.#waiting.length > 0;
  }

  /**
   * Performs what comes until the peer releases the association, and answers that.
   * @throws {AssociationError} for everything else that can come, and what `perform` throws; the caller then aborts the association
   */
  async run(perform: (operation: Operation) => Promise<void>): Promise<void> {
    void this.#read().catch((error: unknown) => this.#fail(error));
    for (let next = await this.#next(); next; next = await this.#next()) {
      const { message, controller } = next;
      await perform({ message, signal: controller.signal });
      await message.dataset?.discard();
      this.#performing = undefined;
      this.#association.allowSilence(this.#isBusy);
      this.#notify();
    }
    await this.#association.answerRelease();
  }

  /** Tells what is worked at, and what waits, that it is not to go on. */
  end(reason: OperationEnded): void {
    for (const { controller } of [this.#performing, ...this.#waiting].filter((one) => one !== undefined)) controller.abort(reason);
  }

  /** @throws {AssociationError} where the association is lost, or no response comes in time */
  async invoke(contextId: number, request: Omit<Command, 'messageId'>, dataset?: AsyncIterable<Uint8Array>): Promise<Command & { status: number }> {
    const messageId = (this.#lastMessageId = (this.#lastMessageId % 0xffff) + 1);
    const { promise, resolve, reject } = Promise.withResolvers<Command & { status: number }>();
    promise.catch(() => {}); // it may fail while the request is being sent, and that then fails too
    if (this.#failure) throw this.#failure.error;
    this.#invoked.set(messageId, { commandField: request.commandField, resolve, reject });
    try {
      await this.#association.send(contextId, { ...request, messageId }, dataset);
      const late = setTimeout(() => {
        this.#association.fail(new AssociationError('timeout', `the peer did not answer ${hex4(request.commandField)} within ${this.#responseMs / 1000} s`));
      }, this.#responseMs);
      return await promise.finally(() => clearTimeout(late));
    } finally {
      this.#invoked.delete(messageId);
    }
  }

  /** @returns undefined when the peer has released, and all that it had asked for is done */
  async #next(): Promise<Waiting | undefined> {
    for (;;) {
      if (this.#failure) throw this.#failure.error;
      this.#performing = this.#waiting.shift();
      this.#notify();
      if (this.#performing || this.#released) return this.#performing;
      await this.#changed.promise;
    }
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  async #read(): Promise<void> {
    for (;;) {
      this.#association.allowSilence(this.#isBusy);
      const message = await this.#association.next();
      if (!message) break;
      this.#association.allowSilence(false);
      if (message.command.commandField === COMMAND.cancelRq) await this.#cancel(message);
      else if (isResponse(message.command)) await this.#answered(message);
      else await this.#take(message);
    }
    this.#released = true;
    this.end(new OperationEnded('released'));
    this.#notify();
  }

  async #take(message: Message): Promise<void> {
    const waits = this.#isBusy && message.command.commandField !== COMMAND.storeRq;
    this.#waiting.push({ message, controller: new AbortController() });
    this.#notify();
    const { dataset } = message;
    if (dataset && !(waits && (await dataset.readAhead(READ_AHEAD_BYTES)))) await dataset.ended;
    while (this.#waiting.length >= MAX_OPERATIONS) await this.#changed.promise;
  }

  /** A cancel has no response, also where what it is about is over already. */
  async #cancel({ command, dataset }: Message): Promise<void> {
    await dataset?.discard();
    const meant = [this.#performing, ...this.#waiting].find((one) => one?.message.command.messageId === command.messageIdBeingRespondedTo);
    meant?.controller.abort(new OperationEnded('cancelled'));
  }

  async #answered({ command, dataset }: Message): Promise<void> {
    await dataset?.discard();
    const { messageIdBeingRespondedTo = 0, commandField, status } = command;
    const invocation = this.#invoked.get(messageIdBeingRespondedTo);
    if (!invocation || commandField !== (invocation.commandField | RESPONSE_BIT))
      throw protocolError(`response ${hex4(commandField)} to message ${messageIdBeingRespondedTo}, which was not sent`);
    if (status === undefined) throw protocolError('a response has no Status (0000,0900)');
    invocation.resolve({ ...command, status });
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    if (error instanceof AssociationError) this.#association.fail(error);
    for (const { reject } of this.#invoked.values()) reject(error);
    this.end(new OperationEnded('lost', { cause: error }));
    this.#notify();
  }
}
