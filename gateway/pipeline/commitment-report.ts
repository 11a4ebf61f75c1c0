// The job `commitment`: answers a storage commitment request (PS3.4 J.3.3). What was asked for is looked up, file by file, and the
// caller is told on an association of ours, or on its own where it is still open and nobody knows how to call it.
import { access } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Settings } from '../../config/settings.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { CommitmentRequest, CommitmentsRepository } from '../../storage/commitments.repository.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { AssociationError } from '../dimse/association-error.ts';
import { COMMAND } from '../dimse/command.ts';
import { exchange } from '../dimse/exchange.ts';
import { writeIdentifier } from '../dimse/identifier.ts';
import { requestAssociation } from '../dimse/requestor.ts';
import type { ServiceCall } from '../dimse/service.ts';
import { describeStatus, STATUS } from '../dimse/status.ts';
import { commitmentEvent, COMMITMENT_EVENT, COMMITMENT_FAILURE, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE, type CommitmentAnswer } from '../dimse/storage-commitment.ts';
import { ourIdentity } from '../dimse/user-identity.ts';
import type { JobQueue } from './queue.ts';

/** What was acknowledged a moment ago may still be on its way into the index: of another process, or of this one, where it has a queue. */
const GRACE_MS = 3_000;
const INDEX_WAIT_MS = 60_000;
const LOOK_AGAIN_MS = 1_000;
/** How long the caller's own association is kept for the answer. */
const SAME_ASSOCIATION_MS = 10_000;
/** A modality that is switched off at night hears of it in the morning. */
const DEADLINE_MS = 24 * 3_600_000;
const MAX_BACK_OFF_SECONDS = 600;
const TIMEOUT_MS = 30_000;

export interface CommitmentReportOptions {
  settings: () => Settings;
  repository: Pick<CommitmentsRepository, 'pending' | 'kept' | 'reported' | 'notReported'>;
  blobs: Pick<BlobStore, 'path'>;
  queue: Pick<JobQueue, 'send'>;
  /** Whether instances that were acknowledged wait for the index. */
  isIndexing(): boolean;
  log: Logger;
}

/** Called when a request was accepted. */
export async function reportWhereWanted(id: string, call: ServiceCall, options: CommitmentReportOptions): Promise<void> {
  const peer = options.settings().peers.find(({ aeTitle }) => aeTitle === call.caller.callingAe);
  const isCallable = peer?.host !== undefined && peer.port !== undefined;
  if (isCallable && peer.commitmentReport === 'new-association') return options.queue.send('commitment', { id });
  await reportHere(id, call, options);
  // Also where that went well, when there is nothing left to do.
  await options.queue.send('commitment', { id });
}

export async function reportCommitment(id: string, options: CommitmentReportOptions): Promise<void> {
  const { settings, repository, queue, log } = options;
  const request = await repository.pending(id);
  if (!request) return;
  const answer = await answerTo(request, options);
  if (!answer) return queue.send('commitment', { id }, { startAfter: new Date(Date.now() + LOOK_AGAIN_MS) });
  const fields = { callingAe: request.callingAe, transaction: request.transactionUid };
  const peer = settings().peers.find(({ aeTitle }) => aeTitle === request.callingAe);
  if (peer?.host === undefined || peer.port === undefined) {
    const reason = `nobody knows where to call ${request.callingAe}: give peers an entry with host and port`;
    await repository.notReported(id, reason, true);
    log.error({ ...fields, reason }, 'storage commitment not reported');
    return;
  }
  try {
    const user = await ourIdentity(peer);
    const association = await requestAssociation({
      remote: { host: peer.host, port: peer.port, calledAe: peer.aeTitle, callingAe: request.calledAe, user: peer.sendUser },
      contexts: [{ abstractSyntax: STORAGE_COMMITMENT, transferSyntaxes: [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN] }],
      roles: [{ abstractSyntax: STORAGE_COMMITMENT, scu: false, scp: true }],
      maxPduBytes: settings().limits.pduBytes,
      timeoutMs: TIMEOUT_MS,
      ...(user && { user }),
    });
    try {
      const [context] = association.contexts.values();
      if (!context) throw new AssociationError('rejected', 'the peer does not accept Storage Commitment');
      const event = eventOf(answer);
      const { status, errorComment } = await exchange(association, context.id, { ...event, messageId: 1 }, writeIdentifier(commitmentEvent(answer, request.calledAe), context.transferSyntax));
      if (status !== STATUS.success) throw new AssociationError('protocol', `the peer answers ${describeStatus(status)}${errorComment ? `: ${errorComment}` : ''}`);
      await repository.reported(id);
      log.info({ ...fields, committed: answer.committed.length, failed: answer.failed.length }, 'storage commitment reported');
      await association.release().catch((error: unknown) => log.debug({ err: error }, 'the peer did not answer the release'));
    } catch (error) {
      await association.abort();
      throw error;
    }
  } catch (error) {
    if (!(error instanceof AssociationError)) throw error;
    const final = Date.now() - request.receivedAt.getTime() > DEADLINE_MS;
    await repository.notReported(id, error.message, final);
    log.warn({ ...fields, reason: error.message, final }, 'storage commitment not reported');
    const seconds = Math.min(MAX_BACK_OFF_SECONDS, 2 ** Math.min(request.attempts + 1, 30));
    if (!final) await queue.send('commitment', { id }, { startAfter: new Date(Date.now() + seconds * 1000) });
  }
}

/** On the association of the request, while the caller keeps it open. Whatever fails there is tried again on another. */
async function reportHere(id: string, { association, message, caller, signal, invoke, log }: ServiceCall, options: CommitmentReportOptions): Promise<void> {
  const request = await options.repository.pending(id);
  for (const deadline = Date.now() + SAME_ASSOCIATION_MS; request && !signal.aborted && Date.now() < deadline; ) {
    const answer = await answerTo(request, options);
    if (!answer) {
      await sleep(LOOK_AGAIN_MS, undefined, { signal }).catch(() => {});
      continue;
    }
    const context = association.contexts.get(message.context.id)!;
    const ended = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));
    try {
      const reporting = invoke(context.id, eventOf(answer), writeIdentifier(commitmentEvent(answer, caller.calledAe), context.transferSyntax));
      const { status } = await Promise.race([reporting, ended]);
      if (status === STATUS.success) await options.repository.reported(id);
      else log.warn({ status: describeStatus(status) }, 'storage commitment report refused');
    } catch (error) {
      log.info({ reason: (error as Error).message }, 'storage commitment could not be reported on the association of its request');
    }
    return;
  }
}

function eventOf(answer: CommitmentAnswer) {
  return {
    commandField: COMMAND.nEventReportRq,
    affectedSopClassUid: STORAGE_COMMITMENT,
    affectedSopInstanceUid: STORAGE_COMMITMENT_INSTANCE,
    eventTypeId: answer.failed.length > 0 ? COMMITMENT_EVENT.failuresExist : COMMITMENT_EVENT.successful,
    hasDataset: true,
  };
}

/** @returns undefined while something may still be on its way into the index */
async function answerTo(request: CommitmentRequest, { repository, blobs, isIndexing }: CommitmentReportOptions): Promise<CommitmentAnswer | undefined> {
  const kept = await repository.kept(request.instances.map(({ sopInstanceUid }) => sopInstanceUid));
  const answer: CommitmentAnswer = { transactionUid: request.transactionUid, committed: [], failed: [] };
  for (const instance of request.instances) {
    const found = kept.filter(({ sopInstanceUid }) => sopInstanceUid === instance.sopInstanceUid);
    const same = found.find(({ sopClassUid }) => sopClassUid === instance.sopClassUid);
    const isThere = same !== undefined && (await access(blobs.path(same.blob)).then(() => true, () => false));
    if (isThere) answer.committed.push(instance);
    else answer.failed.push({ ...instance, reason: same ? COMMITMENT_FAILURE.processingFailure : found.length > 0 ? COMMITMENT_FAILURE.classInstanceConflict : COMMITMENT_FAILURE.noSuchObjectInstance });
  }
  const mayStillCome = answer.failed.some(({ reason }) => reason === COMMITMENT_FAILURE.noSuchObjectInstance);
  const waitMs = isIndexing() ? INDEX_WAIT_MS : GRACE_MS;
  return mayStillCome && Date.now() - request.receivedAt.getTime() < waitMs ? undefined : answer;
}
