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

export interface Work<Request> {
  request: Request;
  /** The request's buffers that are the worker's from now on. */
  transfer: ArrayBuffer[];
}
interface Job<Request, Reply> {
  make(): Work<Request> | Promise<Work<Request>>;
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
   * @param make called when a worker is free, so that what waits holds no pixels
   * @throws {PoolBusyError}
   * @throws what the signal says, when it is aborted before the work begins
   */
  async run(make: () => Work<Request> | Promise<Work<Request>>, signal?: AbortSignal): Promise<Reply> {
    if (this.#closed) throw new Error('the worker pool is closed');
    signal?.throwIfAborted();
    if (this.#waiting.length >= this.#options.maxWaiting) throw new PoolBusyError('Too many images are waiting to be decoded.');
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const job = { make, resolve, reject };
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
    while (!this.#closed && this.#waiting.length > 0) {
      const idle = [...this.#slots].find(({ job }) => !job);
      if (!idle && this.#slots.size >= this.#options.size) return;
      void this.#give(idle ?? this.#start(), this.#waiting.shift()!);
    }
  }

  async #give(slot: Slot<Request, Reply>, job: Job<Request, Reply>): Promise<void> {
    clearTimeout(slot.timer);
    slot.job = job;
    slot.worker.ref();
    const { taskMilliseconds } = this.#options;
    slot.timer = setTimeout(() => this.#lost(slot, new Error(`a frame took longer than ${taskMilliseconds / 1000} s`)), taskMilliseconds);
    try {
      const { request, transfer } = await job.make();
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
      if (slot.job === job) slot.worker.postMessage(request, transfer);
    } catch (error) {
      job.reject(error as Error);
      if (slot.job !== job) return;
      this.#rest(slot);
      this.#next();
    }
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
