// Images for screens are decoded in a worker thread: a lossless JPEG 2000 radiograph takes a third of a second, in which
// the main thread would take nothing in.
import { Worker } from 'node:worker_threads';
import { NotAnalyzableError } from '../../storage/errors.ts';
import { HttpError } from '../http/errors.ts';

export interface RenderRequest {
  path: string;
  transferSyntaxUid: string;
  /** Counted from 1. */
  frame: number;
  /** Pixels that the picture must fit into; it is never enlarged. */
  width: number;
  height: number;
}
export type RenderReply =
  | { status: 'rendered'; png: Uint8Array }
  | { status: 'refused'; kind: 'not-analyzable' | 'no-such-frame' | 'failed'; message: string };

/** A page of thumbnails for each of a few screens; whoever comes later tries again. */
const MAX_WAITING = 128;
/** The largest radiographs take a second; a decoder that needs longer hangs. */
const RENDER_MILLISECONDS = 30_000;
/** An idle worker holds its decoders' memory. */
const IDLE_MILLISECONDS = 60_000;

interface Job {
  request: RenderRequest;
  resolve(png: Uint8Array): void;
  reject(error: Error): void;
}

class RenderPool {
  #worker: Worker | undefined;
  #waiting: Job[] = [];
  #running: Job | undefined;
  #timer: NodeJS.Timeout | undefined;

  render(request: RenderRequest): Promise<Uint8Array> {
    if (this.#waiting.length >= MAX_WAITING) throw new HttpError(503, 'Too many images are waiting to be rendered.', { 'Retry-After': '2' });
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject });
      this.#next();
    });
  }

  #next(): void {
    if (this.#running !== undefined) return;
    clearTimeout(this.#timer);
    const job = this.#waiting.shift();
    this.#running = job;
    if (job === undefined) {
      this.#timer = setTimeout(() => this.#stop(), IDLE_MILLISECONDS).unref();
      return;
    }
    this.#worker ??= this.#start();
    this.#timer = setTimeout(() => {
      this.#stop();
      this.#finish((running) => running.reject(new Error(`rendering took longer than ${RENDER_MILLISECONDS / 1000} s`)));
    }, RENDER_MILLISECONDS);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
    this.#worker.postMessage(job.request);
  }

  #start(): Worker {
    const worker = new Worker(new URL('render-worker.ts', import.meta.url));
    worker.unref();
    worker.on('message', (reply: RenderReply) => {
      this.#finish((job) => (reply.status === 'rendered' ? job.resolve(reply.png) : job.reject(errorOf(reply))));
    });
    worker.on('error', (error) => {
      if (this.#worker === worker) this.#worker = undefined;
      this.#finish((job) => job.reject(error instanceof Error ? error : new Error(String(error))));
    });
    return worker;
  }

  #finish(settle: (job: Job) => void): void {
    const job = this.#running;
    this.#running = undefined;
    if (job !== undefined) settle(job);
    this.#next();
  }

  #stop(): void {
    const worker = this.#worker;
    this.#worker = undefined;
    worker?.removeAllListeners();
    void worker?.terminate();
  }
}

function errorOf(reply: Extract<RenderReply, { status: 'refused' }>): Error {
  if (reply.kind === 'not-analyzable') return new NotAnalyzableError(reply.message);
  if (reply.kind === 'no-such-frame') return new HttpError(404, `In this instance ${reply.message}.`);
  return new Error(reply.message);
}

const pool = new RenderPool();

/** PNG of one frame. @throws {NotAnalyzableError} when it has no pixels, or none that we can decode */
export function renderInWorker(request: RenderRequest): Promise<Uint8Array> {
  return pool.render(request);
}
