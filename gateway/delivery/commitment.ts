// The job `commit`: asks a destination to answer for the results that it has taken (Storage Commitment as SCU, PS3.4 J.3.2). The answer
// comes on the same association, or on one that the destination opens; every try has a transaction UID of its own.
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Settings } from '../../config/settings.ts';
import type { CommitmentsRepository } from '../../storage/commitments.repository.ts';
import { deriveUid, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { AssociationError } from '../dimse/association-error.ts';
import type { Association, Message } from '../dimse/association.ts';
import { COMMAND, RESPONSE_BIT } from '../dimse/command.ts';
import { exchange } from '../dimse/exchange.ts';
import { readIdentifier, writeIdentifier } from '../dimse/identifier.ts';
import { requestAssociation } from '../dimse/requestor.ts';
import { describeStatus, STATUS } from '../dimse/status.ts';
import { commitmentAction, describeFailure, parseCommitmentEvent, REQUEST_COMMITMENT, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE, type CommitmentAnswer } from '../dimse/storage-commitment.ts';
import { ourIdentity } from '../dimse/user-identity.ts';
import type { JobQueue } from '../pipeline/queue.ts';

/** Instances of one request: a reference takes some 150 bytes. */
const BATCH = 500;
/** After a request that could not be made. */
const RETRY_MS = 60_000;

export interface CommitmentOptions {
  settings: () => Settings;
  repository: CommitmentsRepository;
  queue: Pick<JobQueue, 'send'>;
  log: Logger;
}

export async function requestCommitments(destinationName: string, options: CommitmentOptions, signal: AbortSignal): Promise<void> {
  const { settings, repository, queue, log } = options;
  const destination = settings().destinations.find(({ name }) => name === destinationName);
  if (destination?.type !== 'dimse' || !destination.commitment) return;
  const { commitment } = destination;
  const overdueSeconds = commitment.overdueMinutes * 60;
  const peer = settings().peers.find(({ name }) => name === (commitment.peer ?? destination.peer));
  if (peer?.host === undefined || peer.port === undefined) return; // the settings are checked for it
  const remote = { host: peer.host, port: peer.port, calledAe: peer.aeTitle, callingAe: settings().dimse.aeTitle, user: peer.sendUser };
  let retryAt: Date | undefined;
  while (!signal.aborted && !retryAt) {
    const transactionUid = deriveUid('2.25', randomUUID());
    const open = await repository.open(destinationName, transactionUid, overdueSeconds, BATCH);
    if (open.length === 0) break;
    const fields = { destination: destinationName, transaction: transactionUid, instances: open.length };
    try {
      const user = await ourIdentity(peer);
      const association = await requestAssociation({
        remote,
        contexts: [{ abstractSyntax: STORAGE_COMMITMENT, transferSyntaxes: [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN] }],
        maxPduBytes: settings().limits.pduBytes,
        timeoutMs: destination.timeoutSeconds * 1000,
        signal,
        ...(user && { user }),
      });
      await ask(association, transactionUid, open);
      log.info(fields, 'storage commitment requested');
      const answer = await answerWithin(association, commitment.waitSeconds * 1000);
      if (answer) await keepAnswer(answer, options);
    } catch (error) {
      if (!(error instanceof AssociationError)) throw error;
      await repository.notRequested(transactionUid);
      retryAt = new Date(Date.now() + RETRY_MS);
      if (!signal.aborted) log.warn({ ...fields, reason: error.message, next: retryAt.toISOString() }, 'storage commitment could not be requested');
    }
  }
  const next = retryAt ?? (await repository.nextRequest(destinationName, overdueSeconds));
  if (next) await queue.send('commit', { destination: destinationName }, { startAfter: next });
}

/** What a destination says of results that it had taken: what it does not keep is sent again. */
export async function keepAnswer({ transactionUid, committed, failed }: CommitmentAnswer, { repository, queue, log }: Omit<CommitmentOptions, 'settings'>): Promise<void> {
  const again = await repository.answered(
    transactionUid,
    committed.map(({ sopInstanceUid }) => sopInstanceUid),
    failed.map(({ sopInstanceUid, reason }) => ({ sopInstanceUid, reason: describeFailure(reason) })),
  );
  const fields = { transaction: transactionUid, committed: committed.length, failed: failed.length };
  if (again === undefined) log.warn(fields, 'storage commitment answered for a transaction that is not awaited');
  else if (failed.length > 0) log.warn(fields, 'a destination does not keep what it had taken; it is sent again');
  else log.info(fields, 'storage committed');
  for (const destination of again ?? []) await queue.send('deliver', { destination });
}

/** @throws {AssociationError} where the peer does not take the request; the association is ended then */
async function ask(association: Association, transactionUid: string, instances: Parameters<typeof commitmentAction>[1]): Promise<void> {
  try {
    const [context] = association.contexts.values();
    if (!context) throw new AssociationError('rejected', 'the peer does not accept Storage Commitment');
    const request = {
      commandField: COMMAND.nActionRq,
      requestedSopClassUid: STORAGE_COMMITMENT,
      requestedSopInstanceUid: STORAGE_COMMITMENT_INSTANCE,
      actionTypeId: REQUEST_COMMITMENT,
      messageId: 1,
      hasDataset: true,
    };
    const { status, errorComment } = await exchange(association, context.id, request, writeIdentifier(commitmentAction(transactionUid, instances), context.transferSyntax));
    if (status !== STATUS.success) throw new AssociationError('protocol', `the peer answers ${describeStatus(status)}${errorComment ? `: ${errorComment}` : ''}`);
  } catch (error) {
    await association.abort();
    throw error;
  }
}

/** What the peer says on this association, if it does in time; the request stands in any case, so that nothing here is an error. */
async function answerWithin(association: Association, waitMs: number): Promise<CommitmentAnswer | undefined> {
  try {
    if (waitMs > 0) {
      const late = setTimeout(() => association.fail(new AssociationError('timeout', 'no commitment report on the association of its request')), waitMs);
      const message = await association.receive().finally(() => clearTimeout(late));
      if (!message) return undefined;
      const answer = await answerOf(association, message);
      await association.release();
      return answer;
    }
    await association.release();
  } catch {
    await association.abort();
  }
  return undefined;
}

async function answerOf(association: Association, { context, command, dataset }: Message): Promise<CommitmentAnswer | undefined> {
  if (command.commandField !== COMMAND.nEventReportRq || !dataset) throw new AssociationError('protocol', 'something else than a commitment report');
  const answer = parseCommitmentEvent(await readIdentifier(dataset, context.transferSyntax));
  await association.send(context.id, {
    commandField: COMMAND.nEventReportRq | RESPONSE_BIT,
    affectedSopClassUid: STORAGE_COMMITMENT,
    affectedSopInstanceUid: STORAGE_COMMITMENT_INSTANCE,
    messageIdBeingRespondedTo: command.messageId ?? 0,
    ...(command.eventTypeId !== undefined && { eventTypeId: command.eventTypeId }),
    status: STATUS.success,
    hasDataset: false,
  });
  return answer;
}
