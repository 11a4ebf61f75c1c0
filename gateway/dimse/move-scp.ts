// Retrieve SCP by C-MOVE: instances go to a peer over an association of our own (PS3.4 C.4.2, PS3.7 9.3.4).
import type { Peer, Settings } from '../../config/settings.ts';
import type { Archive, ArchivedInstance } from '../../storage/archive.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { NotTranscodableError } from '../transcode/transcoder.ts';
import type { Transcoder } from '../transcode/transcoder.ts';
import { AssociationError } from './association-error.ts';
import type { Association } from './association.ts';
import { COMMAND } from './command.ts';
import { exchange } from './exchange.ts';
import { DATASET_SYNTAXES } from './identifier.ts';
import { answerOptions, MOVE_MODELS, RETRIEVE_OPTIONS } from './query-models.ts';
import { problemOf, QueryProblem, RETRIEVE_STATUS } from './query-status.ts';
import { requestAssociation } from './requestor.ts';
import type { DimseService, ServiceCall } from './service.ts';
import { isCancelled, isLost, refuseCommand } from './service.ts';
import { contextOf, instancesOf, readSelection, SubOperations } from './sub-operations.ts';

export interface MoveScpOptions {
  archive: Pick<Archive, 'select'>;
  transcoder: Pick<Transcoder, 'canTranscode' | 'dataset'>;
  settings(): Pick<Settings, 'dimse' | 'peers' | 'limits'>;
}

/** For the connection to the destination, its answers, and each stand-still while sending. */
const DESTINATION_TIMEOUT_MS = 30_000;
/** A peer that waits for us while one large instance is on its way hears of us at least as often. */
const SIGN_OF_LIFE_MS = 5000;
/** PS3.8 7.1.1.13: as many as have odd numbers of one byte. */
const MAX_CONTEXTS = 128;

export function moveService(options: MoveScpOptions): DimseService {
  return {
    permission: 'retrieve',
    sopClasses: new Map(Object.keys(MOVE_MODELS).map((uid) => [uid, DATASET_SYNTAXES])),
    extended: (proposed) => answerOptions(RETRIEVE_OPTIONS, proposed),
    async handle(call) {
      if (call.message.command.commandField !== COMMAND.moveRq) return refuseCommand(call);
      await handleMove(call, options);
    },
  };
}

async function handleMove(call: ServiceCall, options: MoveScpOptions): Promise<void> {
  const { log, signal, message } = call;
  const started = performance.now();
  try {
    const selection = await readSelection(call, MOVE_MODELS);
    const destination = destinationOf(options.settings().peers, message.command.moveDestination ?? '');
    const instances = await instancesOf(options.archive, selection, signal);
    const operations = new SubOperations(instances.length);
    const alive = setInterval(() => void call.respond(operations.pending()).catch(() => {}), SIGN_OF_LIFE_MS);
    try {
      await sendAll(call, options, destination, instances, operations);
    } finally {
      clearInterval(alive);
    }
    if (!isCancelled(signal)) signal.throwIfAborted();
    await call.respond(operations.final(signal.aborted), operations.failedList(message.context.transferSyntax));
    log.info({ destination: destination.name, ...operations.toJSON(), cancelled: signal.aborted, milliseconds: Math.round(performance.now() - started) }, 'C-MOVE answered');
  } catch (error) {
    const problem = problemOf(error, RETRIEVE_STATUS.outOfResourcesForMatches, log);
    log.warn({ destination: message.command.moveDestination, reason: problem.message }, 'C-MOVE ended early');
    await call.respond(problem.response());
  }
}

type Destination = Peer & { host: string; port: number };

/** @throws {QueryProblem} A801 */
function destinationOf(peers: readonly Peer[], aeTitle: string): Destination {
  const known = peers.filter((peer) => peer.aeTitle.trim() === aeTitle);
  const called = known.find((peer): peer is Destination => peer.host !== undefined && peer.port !== undefined);
  if (called) return called;
  const why = known.length > 0 ? `peer "${aeTitle}" has no host and port in the settings` : `"${aeTitle}" is not among the peers of the gateway`;
  throw new QueryProblem(RETRIEVE_STATUS.moveDestinationUnknown, why);
}

/** Sends until nothing remains, or the signal says stop. An association that is lost is opened once more: one instance holds back no other. */
async function sendAll(call: ServiceCall, options: MoveScpOptions, destination: Destination, instances: readonly ArchivedInstance[], operations: SubOperations): Promise<void> {
  const { signal, log } = call;
  const waiting = [...instances];
  // The instance that is on its way goes out whole, unless nobody is there any more who had asked for it.
  const hard = new AbortController();
  const onAbort = (): void => void (isLost(signal) && hard.abort(signal.reason));
  signal.addEventListener('abort', onAbort);
  let lostInARow = 0;
  try {
    while (waiting.length > 0 && !signal.aborted) {
      const before = waiting.length;
      try {
        await sendOver(await associate(options, destination, waiting, hard.signal), call, options, waiting, operations, hard.signal);
      } catch (error) {
        if (hard.signal.aborted) return;
        const reason = (error as Error).message;
        log.warn({ err: error, destination: destination.name }, 'C-MOVE: the association to the destination was lost');
        lostInARow = waiting.length < before || !(error instanceof AssociationError) ? 0 : lostInARow + 1;
        if (lostInARow >= 2 || isGone(error)) return failAll(waiting, operations, reason);
        failAll(waiting.splice(0, 1), operations, reason);
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** It cannot be reached, does not want us, or hangs; not where it, or a file of ours, broke off at one instance. */
function isGone(error: unknown): boolean {
  return error instanceof AssociationError && error.failure !== 'aborted' && error.failure !== 'closed';
}

function failAll(instances: readonly ArchivedInstance[], operations: SubOperations, reason: string): void {
  for (const { sopInstanceUid } of instances) operations.fail(sopInstanceUid, reason);
}

function associate({ settings }: MoveScpOptions, destination: Destination, instances: readonly ArchivedInstance[], signal: AbortSignal): Promise<Association> {
  const { dimse, limits } = settings();
  const { host, port, aeTitle, sendUser } = destination;
  const remote = { host, port, calledAe: aeTitle.trim(), callingAe: dimse.aeTitle, user: sendUser };
  return requestAssociation({ remote, contexts: proposalFor(instances), maxPduBytes: limits.pduBytes, timeoutMs: DESTINATION_TIMEOUT_MS, signal });
}

/** Each in a context of its own, so that the peer takes all that it can and we choose: what is stored, and what everybody reads. */
function proposalFor(instances: readonly ArchivedInstance[]): { abstractSyntax: string; transferSyntaxes: string[] }[] {
  const stored = new Map<string, Set<string>>();
  for (const { sopClassUid, transferSyntaxUid } of instances) stored.set(sopClassUid, (stored.get(sopClassUid) ?? new Set<string>()).add(transferSyntaxUid));
  const pairs = [...stored].flatMap(([abstractSyntax, syntaxes]) =>
    [...syntaxes.add(EXPLICIT_VR_LITTLE_ENDIAN).add(IMPLICIT_VR_LITTLE_ENDIAN)].map((syntax) => ({ abstractSyntax, transferSyntaxes: [syntax] })),
  );
  return pairs.slice(0, MAX_CONTEXTS);
}

/** Takes instances off the list as they get their outcome. @throws {AssociationError}, and what reading a file throws in the middle */
async function sendOver(association: Association, call: ServiceCall, options: MoveScpOptions, waiting: ArchivedInstance[], operations: SubOperations, hard: AbortSignal): Promise<void> {
  let messageId = 0;
  let isWhole = false;
  try {
    while (waiting.length > 0 && !call.signal.aborted) {
      messageId = (messageId % 0xffff) + 1;
      await sendOne(association, call, options, waiting[0]!, operations, hard, messageId);
      waiting.shift();
      if (operations.remaining > 0 && operations.isReportDue()) await call.respond(operations.pending());
    }
    isWhole = true;
    await association.release().catch((error: unknown) => call.log.debug({ err: error }, 'the destination did not answer the release'));
  } finally {
    if (!isWhole) await association.abort();
  }
}

async function sendOne(
  association: Association,
  { caller, message, log }: ServiceCall,
  { transcoder }: MoveScpOptions,
  instance: ArchivedInstance,
  operations: SubOperations,
  hard: AbortSignal,
  messageId: number,
): Promise<void> {
  const { sopClassUid, sopInstanceUid, transferSyntaxUid } = instance;
  const context = contextOf([...association.contexts.values()], instance, transcoder);
  if (!context) {
    log.warn({ sopInstance: sopInstanceUid, sopClass: sopClassUid, transferSyntax: transferSyntaxUid }, 'C-MOVE: the destination does not take it');
    return operations.fail(sopInstanceUid, `the destination does not take ${sopClassUid} in ${transferSyntaxUid}`);
  }
  let dataset;
  try {
    dataset = await transcoder.dataset(instance, context.transferSyntax, hard);
  } catch (error) {
    if (!hard.aborted) log.warn({ err: error, sopInstance: sopInstanceUid }, 'C-MOVE: it cannot be sent');
    return operations.fail(sopInstanceUid, error instanceof NotTranscodableError ? error.message : 'it cannot be read');
  }
  const request = {
    commandField: COMMAND.storeRq,
    affectedSopClassUid: sopClassUid,
    affectedSopInstanceUid: sopInstanceUid,
    messageId,
    priority: message.command.priority ?? 0,
    moveOriginatorAe: caller.callingAe,
    moveOriginatorMessageId: message.command.messageId ?? 0,
    hasDataset: true,
  };
  const answer = await exchange(association, context.id, request, dataset);
  if (answer.status !== 0) log.warn({ sopInstance: sopInstanceUid, status: answer.status, reason: answer.errorComment }, 'C-MOVE: the destination did not simply take it');
  operations.answered(sopInstanceUid, answer);
}
