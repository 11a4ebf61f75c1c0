// Worker threads for work on pixels: a lossless JPEG 2000 radiograph takes a third of a second, in which the main thread would take
// nothing in. Threads, not processes: the codecs are WebAssembly, whose faults end in an exception, and frames of tens of megabytes
// are handed over without a copy.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

export interface PoolOptions {
  /** Most threads; they start as they are needed. */
  size?: number;
  /** Most requests in waiting. */
  maxWaiting: number;
  /** A codec that needs longer hangs. */
  taskMilliseconds: number;
}

/** More work than can be waited for. */
export class PoolBusyError extends Error {}

interface Job<Request, Reply> {
  request: Request;
  transfer: ArrayBuffer[];
  resolve(reply: Reply): void;
  reject(error: Error): void;
}
interface Slot<Request, Reply> {
  worker: Worker;
  job: Job<Request, Reply> | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** An idle worker holds its codecs' memory. */
const IDLE_MILLISECONDS = 30_000;

export class WorkerPool<Request, Reply> {
  readonly #module: URL;
  readonly #options: Required<PoolOptions>;
  readonly #waiting: Job<Request, Reply>[] = [];
  readonly #slots = new Set<Slot<Request, Reply>>();
  #closed = false;

  constructor(module: URL, options: PoolOptions) {
    this.#module = module;
    // One core stays with the main thread, which has the network to serve.
    this.#options = { size: Math.max(1, availableParallelism() - 1), ...options };
  }

  /**
   * @param transfer of the request's buffers: they are the worker's from now on
   * @throws {PoolBusyError}
   * @throws what the signal says, when it is aborted before the work begins
   */
  async run(request: Request, transfer: ArrayBuffer[] = [], signal?: AbortSignal): Promise<Reply> {
    if (this.#closed) throw new Error('the worker pool is closed');
    signal?.throwIfAborted();
    if (this.#waiting.length >= this.#options.maxWaiting) throw new PoolBusyError('Too many images are waiting to be decoded.');
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const job = { request, transfer, resolve, reject };
    const leave = (): void => {
      const place = this.#waiting.indexOf(job);
      if (place < 0) return;
      this.#waiting.splice(place, 1);
      reject(signal?.reason as Error);
    };
    signal?.addEventListener('abort', leave, { once: true });
    this.#waiting.push(job);
    this.#next();
    try {
      return await promise;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const closed = new Error('the worker pool is closed');
    for (const job of this.#waiting.splice(0)) job.reject(closed);
    await Promise.all(
      [...this.#slots].map(async (slot) => {
        slot.job?.reject(closed);
        await this.#drop(slot);
      }),
    );
  }

  #next(): void {
    while (this.#waiting.length > 0) {
      const idle = [...this.#slots].find(({ job }) => !job);
      if (!idle && this.#slots.size >= this.#options.size) return;
      this.#give(idle ?? this.#start(), this.#waiting.shift()!);
    }
  }

  #give(slot: Slot<Request, Reply>, job: Job<Request, Reply>): void {
    clearTimeout(slot.timer);
    slot.job = job;
    slot.worker.ref();
    const { taskMilliseconds } = this.#options;
    slot.timer = setTimeout(() => this.#lost(slot, new Error(`a frame took longer than ${taskMilliseconds / 1000} s`)), taskMilliseconds);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
    slot.worker.postMessage(job.request, job.transfer);
  }

  #start(): Slot<Request, Reply> {
    const slot: Slot<Request, Reply> = { worker: new Worker(this.#module), job: undefined, timer: undefined };
    slot.worker.on('message', (reply: Reply) => {
      const { job } = slot;
      this.#rest(slot);
      job?.resolve(reply);
      this.#next();
    });
    slot.worker.on('error', (error) => this.#lost(slot, error instanceof Error ? error : new Error(String(error))));
    slot.worker.on('exit', (code) => this.#lost(slot, new Error(`the worker ended with code ${code}`)));
    this.#slots.add(slot);
    return slot;
  }

  #rest(slot: Slot<Request, Reply>): void {
    clearTimeout(slot.timer);
    slot.job = undefined;
    slot.worker.unref();
    slot.timer = setTimeout(() => void this.#drop(slot), IDLE_MILLISECONDS).unref();
  }

  #lost(slot: Slot<Request, Reply>, error: Error): void {
    if (!this.#slots.has(slot)) return;
    void this.#drop(slot);
    slot.job?.reject(error);
    this.#next();
  }

  async #drop(slot: Slot<Request, Reply>): Promise<void> {
    this.#slots.delete(slot);
    clearTimeout(slot.timer);
    slot.worker.removeAllListeners();
    // What a dying thread still says has nobody to hear it.
    slot.worker.on('error', () => undefined);
    await slot.worker.terminate();
  }
}
