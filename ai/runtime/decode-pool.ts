// The pool of decode workers: one image each, the most urgent first; a worker that dies or hangs is replaced and its image
// tried again once.
import type { Logger } from 'pino';
import { ChildWorker } from './child-worker.ts';
import type { Prepared, PrepareRequest } from './prepare.ts';
import { PriorityQueue } from './priority-queue.ts';

export interface DecodePoolOptions {
  /** Most workers at a time; they start as they are needed. */
  size: number;
  timeoutSeconds: number;
  log: Logger;
  /** A worker without work ends after so long and gives back its memory; one stays, so that the next image finds it ready. */
  idleSeconds?: number;
}
export type TimedPrepared = Prepared & { milliseconds: number };

interface Job {
  request: PrepareRequest;
  priority: number;
  tries: number;
  resolve(prepared: TimedPrepared): void;
  reject(error: Error): void;
}
interface Slot {
  worker: ChildWorker<PrepareRequest, TimedPrepared>;
  job?: Job | undefined;
  timer?: NodeJS.Timeout | undefined;
}

const TRIES = 2;

export class DecodePool {
  readonly #options: Required<DecodePoolOptions>;
  readonly #waiting = new PriorityQueue<Job>();
  readonly #slots = new Set<Slot>();
  #closed = false;

  constructor(options: DecodePoolOptions) {
    this.#options = { idleSeconds: 60, ...options };
  }

  /**
   * Callers bound how many wait (analyzer.ts).
   * @throws {Error} only when the pool is closed
   */
  prepare(request: PrepareRequest, priority: number): Promise<TimedPrepared> {
    if (this.#closed) return Promise.reject(new Error('the analyzer is closed'));
    const answer = new Promise<TimedPrepared>((resolve, reject) => {
      this.#waiting.push({ request, priority, tries: 0, resolve, reject }, priority);
    });
    this.#next();
    return answer;
  }

  /** Starts a worker ahead of the first image, so that it does not wait for the codecs to load. */
  warm(): void {
    if (this.#slots.size === 0) this.#rest(this.#start());
  }

  async close(): Promise<void> {
    this.#closed = true;
    const closed = new Error('the analyzer is closed');
    for (const job of this.#waiting.clear()) job.reject(closed);
    const slots = [...this.#slots];
    for (const slot of slots) slot.job?.reject(closed);
    await Promise.all(slots.map((slot) => this.#drop(slot)));
  }

  #next(): void {
    while (!this.#closed && this.#waiting.size > 0) {
      const idle = [...this.#slots].find(({ job }) => !job);
      if (!idle && this.#slots.size >= this.#options.size) return;
      this.#give(idle ?? this.#start(), this.#waiting.shift()!);
    }
  }

  #start(): Slot {
    const worker = new ChildWorker<PrepareRequest, TimedPrepared>(new URL('./decode-worker.ts', import.meta.url), {
      reply: (prepared) => {
        const { job } = slot;
        this.#rest(slot);
        job?.resolve(prepared);
        this.#next();
      },
      ended: (reason) => this.#lost(slot, `the decoder ended (${reason})`),
    });
    const slot: Slot = { worker };
    this.#slots.add(slot);
    return slot;
  }

  #give(slot: Slot, job: Job): void {
    clearTimeout(slot.timer);
    slot.job = job;
    job.tries += 1;
    const { timeoutSeconds } = this.#options;
    slot.timer = setTimeout(() => this.#lost(slot, `the image was not decoded within ${timeoutSeconds} seconds`), timeoutSeconds * 1000);
    slot.worker.hold(true);
    slot.worker.send(job.request);
  }

  #rest(slot: Slot): void {
    clearTimeout(slot.timer);
    slot.job = undefined;
    slot.worker.hold(false);
    slot.timer = setTimeout(() => this.#slots.size > 1 && void this.#drop(slot), this.#options.idleSeconds * 1000).unref();
  }

  /** @param reason why the slot's worker can do no more; its image is tried again, then fails with it */
  #lost(slot: Slot, reason: string): void {
    if (!this.#slots.has(slot)) return;
    const { job } = slot;
    void this.#drop(slot);
    if (!job || this.#closed) return;
    this.#options.log.warn({ reason, tries: job.tries }, 'decode worker replaced');
    if (job.tries < TRIES) this.#waiting.push(job, job.priority);
    else job.resolve({ status: 'failed', reason, milliseconds: 0 });
    this.#next();
  }

  async #drop(slot: Slot): Promise<void> {
    this.#slots.delete(slot);
    clearTimeout(slot.timer);
    await slot.worker.kill();
  }
}
