// The transport connection under an association (PS3.8 9.1): bytes in and out, with back-pressure both ways and a limit on
// every wait. Reading copies nothing; a consumer that is slow stops the socket, and so the sender.
import type { Duplex } from 'node:stream';
import { AssociationError } from './association-error.ts';

/** Bytes read ahead of the consumer: a few reads of the socket (64 KiB each), so that disk and network overlap. */
const READ_AHEAD_BYTES = 512 * 1024;

interface Waiter {
  resolve(): void;
  reject(error: Error): void;
  timer?: NodeJS.Timeout;
}

export class Wire {
  readonly #stream: Duplex;
  /** What has come and was not taken yet. */
  #chunks: Buffer[] = [];
  #queuedBytes = 0;
  #failure: AssociationError | undefined;
  #reader: Waiter | undefined;
  #writer: Waiter | undefined;
  #silenceMs: number;
  #deadline = Infinity;
  #readerMayWait = false;
  /** Parts written that have not left this process. */
  #unflushed = 0;

  /** @param silenceMs how long to wait for a byte to come, or to leave */
  constructor(stream: Duplex, silenceMs: number) {
    this.#stream = stream;
    this.#silenceMs = silenceMs;
    stream.on('data', (chunk: Buffer) => this.#arrived(chunk));
    stream.on('drain', () => this.#wake('writer'));
    stream.on('end', () => this.fail(new AssociationError('closed', 'the peer closed the connection')));
    stream.on('error', (error) => this.fail(new AssociationError('closed', `the connection broke: ${error.message}`, 0, { cause: error })));
    stream.on('close', () => this.fail(new AssociationError('closed', 'the connection is closed')));
  }

  /** Changes the limit on silence, also for the wait that is going on. */
  limitSilence(milliseconds: number): void {
    this.#silenceMs = milliseconds;
    this.#rearm(this.#reader);
    this.#rearm(this.#writer);
  }

  /** Lifts the limit on silence from reading alone: while we work at what the peer asked for, it has nothing to say. */
  allowSilence(allowed: boolean): void {
    if (this.#readerMayWait === allowed) return;
    this.#readerMayWait = allowed;
    this.#rearm(this.#reader);
  }

  /** Gives everything together until then (milliseconds from now), whatever comes meanwhile; Infinity takes it back. */
  limitTotal(milliseconds: number): void {
    this.#deadline = performance.now() + milliseconds;
    this.#rearm(this.#reader);
  }

  /**
   * Exactly so many bytes.
   * @throws {AssociationError} closed, timeout, or what `fail` was told
   */
  async take(bytes: number): Promise<Buffer> {
    const first = await this.some(bytes);
    if (first.length === bytes) return first;
    const whole = Buffer.allocUnsafe(bytes);
    let filled = first.copy(whole);
    while (filled < bytes) filled += (await this.some(bytes - filled)).copy(whole, filled);
    return whole;
  }

  /**
   * One or more bytes, as many as lie together, without copying (none where `atMost` is 0).
   * @throws {AssociationError} as `take`
   */
  async some(atMost: number): Promise<Buffer> {
    if (atMost === 0) return Buffer.alloc(0);
    while (this.#chunks.length === 0) {
      if (this.#failure) throw this.#failure;
      await this.#wait('reader');
    }
    const head = this.#chunks[0]!;
    const taken = head.length <= atMost ? head : head.subarray(0, atMost);
    if (taken === head) this.#chunks.shift();
    else this.#chunks[0] = head.subarray(atMost);
    this.#queuedBytes -= taken.length;
    if (this.#queuedBytes < READ_AHEAD_BYTES && this.#stream.isPaused()) this.#stream.resume();
    return taken;
  }

  /**
   * Writes all parts, and waits while the socket is full.
   * @throws {AssociationError} as `take`
   */
  async write(...parts: Uint8Array[]): Promise<void> {
    if (this.#failure) throw this.#failure;
    this.#stream.cork();
    for (const part of parts) {
      this.#unflushed += 1;
      this.#stream.write(part, () => this.#flushedOne());
    }
    this.#stream.uncork();
    while (this.#stream.writableNeedDrain) {
      if (this.#failure) throw this.#failure;
      await this.#wait('writer');
    }
  }

  /**
   * Waits until all that was written has left this process, so that its buffers may be used for something else.
   * @throws {AssociationError} as `take`
   */
  async flushed(): Promise<void> {
    while (this.#unflushed > 0) {
      if (this.#failure) throw this.#failure;
      await this.#wait('writer');
    }
  }

  /** Writes a last PDU where the connection still stands, without waiting for it. */
  send(last: Uint8Array): void {
    if (this.#stream.writable) this.#stream.write(last);
  }

  /** Ends every wait, now and later, with this error; what has come before can still be taken. */
  fail(error: AssociationError): void {
    this.#failure ??= error;
    for (const slot of ['reader', 'writer'] as const) this.#wake(slot, this.#failure);
  }

  /**
   * Ends our side, and goes on reading for a while: closing on unread bytes would send a reset, which can overtake and
   * destroy the A-ABORT or A-ASSOCIATE-RJ that says why.
   */
  async close(lingerMs: number): Promise<void> {
    this.fail(new AssociationError('closed', 'we closed the connection'));
    if (this.#stream.destroyed) return;
    this.#chunks = [];
    this.#queuedBytes = 0;
    const closed = new Promise<void>((resolve) => this.#stream.once('close', () => resolve()));
    const timer = setTimeout(() => this.#stream.destroy(), lingerMs);
    this.#stream.end();
    this.#stream.resume();
    await closed;
    clearTimeout(timer);
  }

  destroy(): void {
    this.#stream.destroy();
  }

  #arrived(chunk: Buffer): void {
    // After a failure we only let the peer finish.
    if (this.#failure) return;
    this.#chunks.push(chunk);
    this.#queuedBytes += chunk.length;
    if (this.#queuedBytes >= READ_AHEAD_BYTES) this.#stream.pause();
    this.#wake('reader');
  }

  #flushedOne(): void {
    this.#unflushed -= 1;
    if (this.#unflushed === 0) this.#wake('writer');
  }

  #wait(slot: 'reader' | 'writer'): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { resolve, reject };
      if (slot === 'reader') this.#reader = waiter;
      else this.#writer = waiter;
      this.#rearm(waiter);
    });
  }

  #rearm(waiter: Waiter | undefined): void {
    if (!waiter) return;
    clearTimeout(waiter.timer);
    const silenceMs = waiter === this.#reader && this.#readerMayWait ? Infinity : this.#silenceMs;
    const left = this.#deadline - performance.now();
    const limit = Math.max(0, Math.min(silenceMs, left));
    if (limit === Infinity) return;
    const why = left < silenceMs ? 'took too long' : `was silent for ${limit / 1000} s`;
    waiter.timer = setTimeout(() => this.fail(new AssociationError('timeout', `the peer ${why}`)), limit);
  }

  #wake(slot: 'reader' | 'writer', error?: Error): void {
    const waiter = slot === 'reader' ? this.#reader : this.#writer;
    if (!waiter) return;
    if (slot === 'reader') this.#reader = undefined;
    else this.#writer = undefined;
    clearTimeout(waiter.timer);
    if (error) waiter.reject(error);
    else waiter.resolve();
  }
}
