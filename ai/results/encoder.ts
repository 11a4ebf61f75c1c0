// Makes results in a worker thread: an overlay of a 5-megapixel image takes some hundred milliseconds of work, which the
// thread that serves intake must not spend.
import { Worker } from 'node:worker_threads';
import type { EncodedResult, StudyOutcome } from './outcome.ts';

export interface EncodeRequest {
  id: number;
  outcome: StudyOutcome;
}
export type EncodeReply = { id: number; results: EncodedResult[] } | { id: number; error: Error };

interface Waiting {
  resolve: (results: EncodedResult[]) => void;
  reject: (error: Error) => void;
}

export class ResultEncoder {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #next = 0;

  encode(outcome: StudyOutcome): Promise<EncodedResult[]> {
    this.#worker ??= this.#start();
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      // A command must not end while its results are being made; an idle thread keeps no process up.
      this.#worker?.ref();
      this.#worker?.postMessage({ id, outcome } satisfies EncodeRequest);
    });
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL('./encode-worker.ts', import.meta.url));
    worker.on('message', (reply: EncodeReply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (this.#waiting.size === 0) worker.unref();
      if ('error' in reply) waiting?.reject(reply.error);
      else waiting?.resolve(reply.results);
    });
    worker.on('error', (error) => this.#fail(worker, error instanceof Error ? error : new Error(String(error))));
    worker.once('exit', (code) => this.#fail(worker, new Error(`the thread that makes results ended (${code})`)));
    return worker;
  }

  /** What was under way is tried again by its job, in a new thread; the old one's end must not take that with it. */
  #fail(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
