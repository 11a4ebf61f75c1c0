// Makes results in a worker process: an overlay of a 5-megapixel image takes some hundred milliseconds and as many megabytes,
// which the process that serves intake must not spend.
import { ChildWorker } from '../runtime/child-worker.ts';
import type { KeptResult } from './keep.ts';
import type { StudyOutcome } from './outcome.ts';

export interface EncodeRequest {
  id: number;
  outcome: StudyOutcome;
  /** Data folder in whose blobs the results are kept. */
  home: string;
}
export type EncodeReply = { id: number; results: KeptResult[] } | { id: number; error: Error };

interface Waiting {
  resolve: (results: KeptResult[]) => void;
  reject: (error: Error) => void;
}

export class ResultEncoder {
  readonly #home: string;
  readonly #waiting = new Map<number, Waiting>();
  #worker: ChildWorker<EncodeRequest, EncodeReply> | undefined;
  #next = 0;

  constructor(home: string) {
    this.#home = home;
  }

  /** Starts the worker ahead of the first study, which then does not wait for it. */
  warm(): void {
    this.#worker ??= this.#start();
  }

  /** The results of a study, durable when it resolves. */
  encode(outcome: StudyOutcome): Promise<KeptResult[]> {
    const worker = (this.#worker ??= this.#start());
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.hold(true);
      worker.send({ id, outcome, home: this.#home });
    });
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#fail(new Error('the gateway stops'));
    await worker?.kill();
  }

  #start(): ChildWorker<EncodeRequest, EncodeReply> {
    const worker = new ChildWorker<EncodeRequest, EncodeReply>(new URL('./encode-worker.ts', import.meta.url), {
      reply: (reply) => {
        const waiting = this.#waiting.get(reply.id);
        this.#waiting.delete(reply.id);
        if (this.#waiting.size === 0) worker.hold(false);
        if ('error' in reply) waiting?.reject(reply.error);
        else waiting?.resolve(reply.results);
      },
      ended: (reason) => {
        // Its end must not take with it what a new one is at.
        if (this.#worker === worker) this.#fail(new Error(`the process that makes results ended (${reason})`));
      },
    });
    worker.hold(false);
    return worker;
  }

  /** What was under way is tried again by its job, in a new process. */
  #fail(error: Error): void {
    this.#worker = undefined;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
