// Delivery to a DICOM peer: C-STORE of all that waits over one association (PS3.4 annex B).
import type { Logger } from 'pino';
import { DestinationUnavailable } from '../../../storage/errors.ts';
import { AssociationError } from '../../dimse/association-error.ts';
import type { Association } from '../../dimse/association.ts';
import type { RemoteAe } from '../../dimse/requestor.ts';
import { requestAssociation } from '../../dimse/requestor.ts';
import { describeStatus, meansStored, STATUS } from '../../dimse/status.ts';
import type { StorableFile } from '../../dimse/store-scu.ts';
import { contextFor, contextsFor, openDataset, store } from '../../dimse/store-scu.ts';
import type { DestinationClient, OutgoingResult, SendOutcome } from './destination.ts';
import { unreadable } from './destination.ts';

export interface DimseDestinationOptions {
  remote: RemoteAe;
  maxPduBytes: number;
  /** For the connection, the association's answer, each C-STORE response, and each stand-still while sending. */
  timeoutMs: number;
  log: Logger;
}

/** Not for C-STORE (PS3.4 B.2.3), but some peers say it; our UIDs never have two contents, so the peer has what we sent. */
const DUPLICATE_SOP_INSTANCE = 0x0111;

export class DimseDestination implements DestinationClient {
  readonly #options: DimseDestinationOptions;

  constructor(options: DimseDestinationOptions) {
    this.#options = options;
  }

  async *send(results: OutgoingResult[], signal: AbortSignal): AsyncGenerator<SendOutcome> {
    const waiting = [...results];
    let lostInARow = 0;
    while (waiting.length > 0) {
      const association = await this.#associate(waiting, signal);
      const lost = yield* this.#sendOver(association, waiting);
      if (!lost) return;
      signal.throwIfAborted();
      // A peer that breaks off at one instance must not hold back the others; one that always does is not there.
      lostInARow = lost.afterOutcomes ? 1 : lostInARow + 1;
      if (lost.error.failure !== 'aborted' && lost.error.failure !== 'closed') throw this.#unavailable(lost.error);
      if (lostInARow >= 2 || waiting.length === 1) throw this.#unavailable(lost.error);
      const broken = waiting.shift()!;
      yield { status: 'refused', sopInstanceUid: broken.sopInstanceUid, detail: `while this instance was sent: ${lost.error.message}`, permanent: false };
    }
  }

  async close(): Promise<void> {}

  async #associate(results: OutgoingResult[], signal: AbortSignal): Promise<Association> {
    const { remote, maxPduBytes, timeoutMs } = this.#options;
    const files = results.flatMap((result) => (result.alternative ? [result, result.alternative] : [result]));
    try {
      return await requestAssociation({ remote, contexts: contextsFor(files), maxPduBytes, timeoutMs, signal });
    } catch (error) {
      signal.throwIfAborted();
      throw this.#unavailable(error);
    }
  }

  /** Takes results off the list as they get their outcome. @returns how the association was lost, where it was */
  async *#sendOver(association: Association, waiting: OutgoingResult[]): AsyncGenerator<SendOutcome, { error: AssociationError; afterOutcomes: boolean } | undefined> {
    let messageId = 0;
    let outcomes = 0;
    let released = false;
    try {
      while (waiting.length > 0) {
        const outcome = await this.#sendOne(association, waiting[0]!, () => (messageId = (messageId % 0xffff) + 1));
        waiting.shift();
        outcomes += 1;
        yield outcome;
      }
      released = true;
      await association.release().catch((error: unknown) => this.#options.log.debug({ err: error }, 'the peer did not answer the release'));
      return undefined;
    } catch (error) {
      if (error instanceof AssociationError) return { error, afterOutcomes: outcomes > 0 };
      throw error;
    } finally {
      // Also when the consumer stops in the middle.
      if (!released) await association.abort();
    }
  }

  async #sendOne(association: Association, result: OutgoingResult, nextMessageId: () => number): Promise<SendOutcome> {
    const { sopInstanceUid } = result;
    const reasons: string[] = [];
    for (const file of result.alternative ? [result, result.alternative] : [result]) {
      const answer = await this.#storeOne(association, file, nextMessageId);
      if (answer.stored) {
        const detail = [...reasons, ...(answer.detail ? [answer.detail] : [])].join('; ');
        return { status: 'delivered', sopInstanceUid, deliveredSopInstanceUid: file.sopInstanceUid, ...(detail && { detail }) };
      }
      reasons.push(answer.detail);
      if (!answer.classRefused) return { status: 'refused', sopInstanceUid, detail: reasons.join('; '), permanent: answer.permanent };
    }
    // Which SOP classes a peer takes is its configuration, which people mend.
    return { status: 'refused', sopInstanceUid, detail: reasons.join('; '), permanent: false };
  }

  async #storeOne(
    association: Association,
    file: StorableFile,
    nextMessageId: () => number,
  ): Promise<{ stored: true; detail?: string } | { stored: false; detail: string; classRefused: boolean; permanent: boolean }> {
    const context = contextFor(association, file);
    if (!context) return { stored: false, detail: `the peer does not accept SOP class ${file.sopClassUid}`, classRefused: true, permanent: false };
    let dataset;
    try {
      dataset = await openDataset(file, context);
    } catch (error) {
      const { detail, permanent } = unreadable(file.sopInstanceUid, error);
      return { stored: false, detail, permanent, classRefused: false };
    }
    const answer = await store(association, context, file, dataset, nextMessageId());
    const detail = describeStatus(answer.status) + (answer.errorComment ? `: ${answer.errorComment}` : '');
    if (answer.status === STATUS.success) return { stored: true };
    if (meansStored(answer.status) || answer.status === DUPLICATE_SOP_INSTANCE) return { stored: true, detail };
    return { stored: false, detail, classRefused: answer.status === STATUS.sopClassNotSupported, permanent: liesInTheBytes(answer.status) };
  }

  #unavailable(error: unknown): unknown {
    if (!(error instanceof AssociationError)) return error;
    const { calledAe, host, port } = this.#options.remote;
    return new DestinationUnavailable(`${calledAe} at ${host}:${port}: ${error.message}`, { cause: error });
  }
}

/** A9xx and 0117 say that the object contradicts itself; Cxxx is used by some PACS for trouble of their own, and A7xx passes. */
function liesInTheBytes(status: number): boolean {
  return (status & 0xff00) === 0xa900 || status === STATUS.invalidSopInstance;
}
