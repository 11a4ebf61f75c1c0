// The dataset of a message as it comes over the wire: read once, in pieces cut at any place, never more than a few in memory.
import type { PdvHeader } from './pdu.ts';

/** The part of an association that a dataset is read from. */
export interface DatasetSource {
  /** The next fragment of the dataset. @throws {AssociationError} */
  nextDatasetPdv(contextId: number): Promise<PdvHeader>;
  readFragment(bytes: number): Promise<Buffer>;
}

export class IncomingDataset implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array> {
  /** What went wrong on the wire, if anything did: then the dataset is not whole. */
  failure: unknown;
  /** That came so far. */
  bytes = 0;
  /** Resolves when all of it has come, or the wire has failed. */
  readonly ended: Promise<void>;
  readonly #source: DatasetSource;
  readonly #contextId: number;
  #end: () => void;
  #pdv: PdvHeader | undefined;
  #fragmentBytesLeft = 0;
  /** Read before anybody asked. */
  #ahead: Uint8Array[] = [];
  #readingAhead: Promise<boolean> | undefined;

  constructor(source: DatasetSource, contextId: number) {
    this.#source = source;
    this.#contextId = contextId;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#end = resolve;
  }

  /** Leaving a loop over it ends nothing: `discard` reads the rest. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** @throws {AssociationError} when the wire failed, again and again */
  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    await this.#readingAhead;
    const value = this.#ahead.shift() ?? (await this.#read());
    return value ? { done: false, value } : { done: true, value: undefined };
  }

  /** Reads what is left, so that the next message starts at its place. @throws {AssociationError} */
  async discard(): Promise<void> {
    while (!(await this.next()).done);
  }

  /** Reads so many bytes into memory before anybody asks for them. @returns whether that was all, or the wire failed */
  readAhead(bytes: number): Promise<boolean> {
    this.#readingAhead = this.#keep(bytes);
    return this.#readingAhead;
  }

  async #keep(bytes: number): Promise<boolean> {
    try {
      while (this.bytes < bytes) {
        const piece = await this.#read();
        if (!piece) return true;
        this.#ahead.push(piece);
      }
      return this.#isWhole;
    } catch {
      return true; // `next` throws it after what came before
    }
  }

  get #isWhole(): boolean {
    return this.#fragmentBytesLeft === 0 && (this.#pdv?.isLast ?? false);
  }

  async #read(): Promise<Uint8Array | undefined> {
    if (this.failure) throw this.failure;
    try {
      while (this.#fragmentBytesLeft === 0) {
        if (this.#isWhole) return undefined;
        this.#pdv = await this.#source.nextDatasetPdv(this.#contextId);
        this.#fragmentBytesLeft = this.#pdv.length;
        if (this.#isWhole) this.#end();
      }
      const value = await this.#source.readFragment(this.#fragmentBytesLeft);
      this.#fragmentBytesLeft -= value.length;
      this.bytes += value.length;
      if (this.#isWhole) this.#end();
      return value;
    } catch (error) {
      this.failure = error;
      this.#end();
      throw error;
    }
  }
}
