// The two kinds of payload of a store request (PS3.18 10.5.1.4) behind one interface, and the kind whose parts are instances.
import type { Logger } from 'pino';
import { IntakeRefusal } from '../../storage/errors.ts';
import type { ReceiveContext } from '../../storage/receive.ts';
import type { MediaType } from '../http/header-parameters.ts';
import type { Part } from './multipart.ts';
import { PartHead } from './part-head.ts';
import { WrongPartError, type StoredInstance, type StoreResponse } from './store-response.ts';

/** What is left of an instance beyond the size limit is read up to here, so that the instances after it still arrive. */
const MAX_SKIPPED_BYTES = 256 * 1024 * 1024;

/** The part of intake that STOW-RS needs (storage/receive.ts). */
export interface InstanceReceiver {
  /** Resolves once the instance is durable. @throws {IntakeRefusal} */
  receive(source: AsyncIterable<Uint8Array>, context: ReceiveContext): Promise<DurablePart>;
}

export type DurablePart = StoredInstance & { blobId: string };

export interface StoreTools {
  receiver: InstanceReceiver;
  outcome: StoreResponse;
  /** Enters it into the outcome. @param coercion what was changed of what was sent, in words */
  stored(instance: DurablePart, coercion?: string): void;
  log: Logger;
}

export interface PartOutcome {
  /** The rest of the body is not worth reading. */
  stop?: boolean;
}

export interface PartStore {
  /** Takes a part, and enters what becomes of it. @throws what stopped the body itself */
  take(part: Part, type: MediaType | undefined): Promise<PartOutcome>;
  /** The body has ended. */
  end(): Promise<void>;
  /** Whatever happened: nothing that was not stored stays. */
  close(): Promise<void>;
}

/** Each part is a Part 10 file. */
export class InstanceStore implements PartStore {
  readonly #tools: StoreTools;
  readonly #context: ReceiveContext;

  constructor(tools: StoreTools, context: ReceiveContext) {
    this.#tools = tools;
    this.#context = context;
  }

  async take(part: Part, type: MediaType | undefined): Promise<PartOutcome> {
    const { receiver, outcome, log } = this.#tools;
    const stated = part.headers.get('content-type');
    if (stated !== undefined && type?.type !== 'application/dicom') {
      outcome.fail(undefined, new WrongPartError(`a part is ${stated}, not application/dicom`));
      return {};
    }
    const head = new PartHead(part.body);
    try {
      this.#tools.stored(await receiver.receive(head.stream(), this.#context));
      return {};
    } catch (error) {
      if (head.failure !== undefined) throw head.failure;
      const name = await head.name();
      if (head.failure !== undefined) throw head.failure;
      outcome.fail(name, error);
      if (!(error instanceof IntakeRefusal)) {
        log.error({ err: error }, 'storing an instance failed');
        return {};
      }
      // With no room for the first there is none for the rest: better to say so now than after all of it was sent.
      if (error.kind === 'out-of-room') return { stop: outcome.storedCount === 0 };
      if (error.kind !== 'too-large' || (await head.skipWithin(MAX_SKIPPED_BYTES))) return {};
      outcome.fail(undefined, new IntakeRefusal('too-large', 'what follows the instance that is too large was not read'));
      return { stop: true };
    }
  }

  async end(): Promise<void> {}

  async close(): Promise<void> {}
}
