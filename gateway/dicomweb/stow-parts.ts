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
  /** To be told at once of each. @param coercion what was changed of what was sent, in words @returns enters it into the outcome */
  received(instance: DurablePart, coercion?: string): () => void;
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

/** An instance as short as this is read whole, and stored while the next ones are read: most of its time is the disk's syncs. */
const SHORT_BYTES = 256 * 1024;
const SHORT_AT_A_TIME = 8;

/** Each part is a Part 10 file. */
export class InstanceStore implements PartStore {
  readonly #tools: StoreTools;
  readonly #context: ReceiveContext;
  /** Short instances that are being stored; each says what became of it, in the order of the parts. */
  #running: Promise<() => PartOutcome | Promise<PartOutcome>>[] = [];

  constructor(tools: StoreTools, context: ReceiveContext) {
    this.#tools = tools;
    this.#context = context;
  }

  async take(part: Part, type: MediaType | undefined): Promise<PartOutcome> {
    const { outcome } = this.#tools;
    const stated = part.headers.get('content-type');
    if (stated !== undefined && type?.type !== 'application/dicom') {
      outcome.fail(undefined, new WrongPartError(`a part is ${stated}, not application/dicom`));
      return {};
    }
    const body = part.body[Symbol.asyncIterator]();
    const { beginning, isWhole } = await readBeginning(body);
    const head = new PartHead(resumed(beginning, body));
    // Where nothing was stored yet there may be no room for anything: the first is tried alone.
    if (isWhole && outcome.storedCount > 0) {
      this.#running.push(this.#receive(head));
      return this.#settle(SHORT_AT_A_TIME - 1);
    }
    const settled = await this.#settle(0);
    return settled.stop ? settled : (await this.#receive(head))();
  }

  async end(): Promise<void> {
    await this.#settle(0);
  }

  /** Those that are under way are stored, or refused, all the same, and belong into the answer. */
  async close(): Promise<void> {
    for (const each of this.#running.splice(0)) await Promise.resolve((await each)()).catch(() => undefined);
  }

  /** Enters what became of those that came first, until so many are left. */
  async #settle(left: number): Promise<PartOutcome> {
    while (this.#running.length > left) {
      const { stop } = await (await this.#running.shift()!)();
      if (stop) return { stop };
    }
    return {};
  }

  async #receive(head: PartHead): Promise<() => PartOutcome | Promise<PartOutcome>> {
    try {
      const enter = this.#tools.received(await this.#tools.receiver.receive(head.stream(), this.#context));
      return () => {
        enter();
        return {};
      };
    } catch (error) {
      return () => this.#refuse(head, error);
    }
  }

  /** @throws what stopped the body itself */
  async #refuse(head: PartHead, error: unknown): Promise<PartOutcome> {
    const { outcome, log } = this.#tools;
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

async function readBeginning(body: AsyncIterator<Uint8Array>): Promise<{ beginning: Uint8Array[]; isWhole: boolean }> {
  const beginning: Uint8Array[] = [];
  for (let bytes = 0; bytes < SHORT_BYTES; ) {
    const next = await body.next();
    if (next.done) return { beginning, isWhole: true };
    beginning.push(next.value);
    bytes += next.value.length;
  }
  return { beginning, isWhole: false };
}

/** Without a return(): what a reader leaves, the next one reads. */
function resumed(beginning: Uint8Array[], body: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    const value = beginning.shift();
    return value === undefined ? body.next() : { done: false, value };
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}
