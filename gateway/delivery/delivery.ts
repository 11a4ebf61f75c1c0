// The job `deliver`: everything that is due at one destination, over one association or connection. What fails is tried again
// with exponential back-off and jitter until its deadline, then stays as a dead letter with the destination's own reason.
import type { Logger } from 'pino';
import type { Retry, Settings } from '../../config/settings.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { DeliveriesRepository, DueDelivery } from '../../storage/deliveries.repository.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { DestinationUnavailable } from '../../storage/errors.ts';
import type { JobQueue } from '../pipeline/queue.ts';
import { openDestination } from './destinations/open.ts';
import type { OutgoingResult } from './destinations/destination.ts';

/** Results of one association: enough to make its set-up cheap, few enough that a crash repeats little. */
const BATCH = 100;

export interface DeliveryOptions {
  settings: () => Settings;
  deliveries: DeliveriesRepository;
  queue: JobQueue;
  blobs: BlobStore;
  log: Logger;
  onDelivery?: (destination: string, state: 'delivered' | 'retry' | 'failed', seconds: number) => void;
}

export async function deliverDue(destinationName: string, options: DeliveryOptions, signal: AbortSignal): Promise<void> {
  const { settings, deliveries, queue, log } = options;
  const destination = settings().destinations.find(({ name }) => name === destinationName);
  if (!destination) return; // removed from the settings: its deliveries wait until it is back, and `doctor` tells of them
  const wantsCommitment = destination.type === 'dimse' && destination.commitment !== undefined;
  await queue.takeOver(destinationName);
  for (let due = await deliveries.due(destinationName, BATCH); due.length > 0; due = await deliveries.due(destinationName, BATCH)) {
    const client = openDestination(destination, settings(), log);
    const open = new Map(due.map((delivery) => [delivery.sopInstanceUid, delivery]));
    try {
      for await (const outcome of client.send(due.map((delivery) => outgoing(delivery, options.blobs)), signal)) {
        const delivery = open.get(outcome.sopInstanceUid);
        if (!delivery) continue;
        open.delete(outcome.sopInstanceUid);
        if (outcome.status === 'delivered') {
          await deliveries.delivered(delivery.id, delivery.studyInstanceUid, outcome.deliveredSopInstanceUid, wantsCommitment);
          options.onDelivery?.(destinationName, 'delivered', (Date.now() - delivery.createdAt.getTime()) / 1000);
          log.info({ destination: destinationName, study: delivery.studyInstanceUid, instance: outcome.deliveredSopInstanceUid, detail: outcome.detail }, 'delivered');
        } else await tryLater(delivery, outcome.detail, destination.retry, destinationName, options, outcome.permanent);
      }
      for (const delivery of open.values()) await tryLater(delivery, 'the destination gave no answer for this result', destination.retry, destinationName, options);
    } catch (error) {
      if (signal.aborted) return; // shutting down: what is open stays due
      if (!(error instanceof DestinationUnavailable)) throw error;
      log.warn({ destination: destinationName, reason: error.message, waiting: open.size }, 'destination unavailable');
      for (const delivery of open.values()) await tryLater(delivery, error.message, destination.retry, destinationName, options);
    } finally {
      await client.close();
    }
    if (wantsCommitment) await queue.send('commit', { destination: destinationName });
  }
  const next = await deliveries.nextDue(destinationName);
  if (next) await queue.send('deliver', { destination: destinationName }, { startAfter: next });
}

/**
 * Also what a destination says that it will never take is tried until the deadline: destinations are mended, results never change.
 * @param permanent the reason lies in the bytes, as the destination sees it: a person should look
 */
async function tryLater(delivery: DueDelivery, reason: string, retry: Retry, destination: string, { deliveries, log, onDelivery }: DeliveryOptions, permanent = false): Promise<void> {
  const next = nextAttempt(delivery.attempts, retry, Date.now(), Math.random());
  const final = next > delivery.deadlineAt.getTime();
  await deliveries.failed(delivery.id, delivery.studyInstanceUid, reason, final ? null : new Date(next));
  onDelivery?.(destination, final ? 'failed' : 'retry', 0);
  const fields = { destination, study: delivery.studyInstanceUid, instance: delivery.sopInstanceUid, attempts: delivery.attempts + 1, reason, permanent };
  if (final) log.error(fields, 'delivery given up; send it again with `hilum deliveries resend`');
  else log.warn({ ...fields, next: new Date(next).toISOString() }, 'delivery failed and will be tried again');
}

/**
 * @param attempts tries before this one
 * @param random 0 to 1: the wait is between half of the back-off and all of it, so that destinations that come back are not
 *   met by everybody at once
 * @returns milliseconds since the epoch
 */
export function nextAttempt(attempts: number, retry: Retry, now: number, random: number): number {
  const backOff = Math.min(retry.maxSeconds, retry.firstSeconds * 2 ** Math.min(attempts, 30));
  return now + backOff * 1000 * (0.5 + random / 2);
}

function outgoing(delivery: DueDelivery, blobs: BlobStore): OutgoingResult {
  const form = ({ sopClassUid, sopInstanceUid, blob, transferSyntaxUid = EXPLICIT_VR_LITTLE_ENDIAN }: { sopClassUid: string; sopInstanceUid: string; blob: string; transferSyntaxUid?: string }) => ({
    sopClassUid,
    sopInstanceUid,
    transferSyntaxUid,
    path: blobs.path(blob),
  });
  return { ...form(delivery), ...(delivery.alternative && { alternative: form(delivery.alternative) }) };
}
