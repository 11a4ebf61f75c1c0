// What the DIMSE server serves: a service for each group of SOP classes, and what it gets of a request (PS3.7 7.5).
import type { Logger } from 'pino';
import type { Peer } from '../../config/settings.ts';
import type { Association, Message } from './association.ts';
import type { Caller } from './association-policy.ts';
import type { Command } from './command.ts';
import { COMMAND, hex4 } from './command.ts';
import type { ExtendedNegotiation } from './user-information.ts';
import { refused, STATUS } from './status.ts';

export interface DimseService {
  /** SOP class (or meta SOP class) UID -> transfer syntaxes that are accepted for it. */
  readonly sopClasses: ReadonlyMap<string, ReadonlySet<string>>;
  /** What the settings must allow a peer that they know; else it is answered 0124. */
  readonly permission?: Peer['allow'][number];
  /** SOP classes of which we may be SCU on the same association (C-GET) -> transfer syntaxes in which all of them can be sent. */
  readonly sends?: ReadonlyMap<string, ReadonlySet<string>>;
  /** What is answered to a SOP Class Extended Negotiation of one of `sopClasses`; undefined: nothing. */
  extended?(proposed: ExtendedNegotiation): Buffer | undefined;
  /**
   * Answers one request message (C- or N-). Reads or discards its dataset, then sends every response.
   * @throws {AssociationError} where the association is lost; anything else is a mistake, and ends it too
   */
  handle(call: ServiceCall): Promise<void>;
}

export interface ServiceCaller extends Caller {
  transport: 'dimse';
  associationId: string;
  /** Of the User Identity, verified where the settings want it; undefined where the peer gave none. */
  user?: string | undefined;
}

/** Fields of a response beside those that every one has. */
export type ResponseFields = Omit<Command, 'commandField' | 'hasDataset' | 'messageId' | 'messageIdBeingRespondedTo'> & { status: number };

export interface ServiceCall {
  association: Association;
  message: Message;
  caller: ServiceCaller;
  log: Logger;
  /** Aborted, with an OperationEnded as its reason, while the request is worked at. */
  signal: AbortSignal;
  /** A response to the request; its dataset is in the context's transfer syntax. @throws {AssociationError} */
  respond(fields: ResponseFields, dataset?: AsyncIterable<Uint8Array>): Promise<void>;
  /**
   * A request of ours on the same association, and its response: a C-STORE of C-GET, an N-EVENT-REPORT. One at a time.
   * @throws {AssociationError}
   */
  invoke(contextId: number, request: Omit<Command, 'messageId'>, dataset?: AsyncIterable<Uint8Array>): Promise<Command & { status: number }>;
}

/** Why an operation is not to go on. */
export class OperationEnded extends Error {
  readonly why: 'cancelled' | 'released' | 'lost' | 'stopping';

  /** @param why C-CANCEL, A-RELEASE-RQ before the last response, the association broken, the gateway stopping */
  constructor(why: OperationEnded['why'], options?: ErrorOptions) {
    super(`the operation was ended: ${why}`, options);
    this.name = 'OperationEnded';
    this.why = why;
  }
}

/** Whether the peer has taken its request back: then the last response says FE00. */
export function isCancelled(signal: AbortSignal): boolean {
  return signal.reason instanceof OperationEnded && signal.reason.why === 'cancelled';
}

/** Whether nobody is there any more to be answered. */
export function isLost(signal: AbortSignal): boolean {
  return signal.reason instanceof OperationEnded && signal.reason.why === 'lost';
}

/** For a request that the SOP class of its context does not have: 0211. */
export async function refuseCommand({ message, log, respond }: ServiceCall): Promise<void> {
  const { context, command, dataset } = message;
  await dataset?.discard();
  log.warn({ commandField: hex4(command.commandField), sopClass: context.abstractSyntax }, 'command not supported');
  await respond(refused(STATUS.unrecognizedOperation, `${commandName(command.commandField)} is not supported for this SOP class`));
}

/** For a request that the settings do not allow this peer: 0124. */
export async function refuseUnauthorized({ message, log, respond }: ServiceCall): Promise<void> {
  await message.dataset?.discard();
  const name = commandName(message.command.commandField);
  log.warn({ command: name }, 'the settings do not allow this peer what it asks for');
  await respond(refused(STATUS.notAuthorized, `the settings of the gateway do not allow you ${name}`));
}

const NAMES: Record<number, string> = {
  [COMMAND.storeRq]: 'C-STORE',
  [COMMAND.getRq]: 'C-GET',
  [COMMAND.findRq]: 'C-FIND',
  [COMMAND.moveRq]: 'C-MOVE',
  [COMMAND.echoRq]: 'C-ECHO',
  [COMMAND.nEventReportRq]: 'N-EVENT-REPORT',
  [COMMAND.nGetRq]: 'N-GET',
  [COMMAND.nSetRq]: 'N-SET',
  [COMMAND.nActionRq]: 'N-ACTION',
  [COMMAND.nCreateRq]: 'N-CREATE',
  [COMMAND.nDeleteRq]: 'N-DELETE',
};

/** Of a request. */
export function commandName(commandField: number): string {
  return NAMES[commandField] ?? `command ${hex4(commandField)}`;
}
