// One model's inference: what waits is formed into batches for its worker; a worker that dies or hangs is replaced.
// waiting -> in a batch -> answered
//                       -> batch failed -> waiting, alone -> answered | failed
import type { Logger } from 'pino';
import { InferenceFault } from './inference-process.ts';
import type { InferenceProcess, Provider } from './inference-process.ts';
import type { Reading } from './outputs.ts';
import { PriorityQueue } from './priority-queue.ts';
import type { ProviderReport } from './providers.ts';

export interface ModelRunnerOptions {
  report: ProviderReport;
  maxBatch: number;
  timeoutSeconds: number;
  log: Logger;
  /** A new worker, loaded and tried. */
  start(provider: Provider): Promise<InferenceProcess>;
}
export interface Inference {
  reading: Reading;
  provider: Provider;
  /** The image's share of its batch. */
  milliseconds: number;
}

interface Job {
  pixels: Uint8Array;
  priority: number;
  /** After a failed batch each of its images runs by itself, so that one broken image harms no other. */
  alone: boolean;
  resolve(inference: Inference): void;
  reject(error: Error): void;
}

/** So many workers of an accelerator lost, with no batch between them answered, and the CPU takes over. */
const LOSSES = 3;

export class ModelRunner {
  readonly #options: ModelRunnerOptions;
  readonly #waiting = new PriorityQueue<Job>();
  #worker: InferenceProcess | undefined;
  #busy = false;
  #closed = false;
  #losses = 0;
  #running: Job[] = [];

  constructor(worker: InferenceProcess, options: ModelRunnerOptions) {
    this.#worker = worker;
    this.#options = options;
  }

  get report(): ProviderReport {
    return this.#options.report;
  }

  /**
   * Callers bound how many wait (analyzer.ts).
   * @throws {InferenceFault} when the image failed by itself, too, or the runner is closed
   */
  infer(pixels: Uint8Array, priority: number): Promise<Inference> {
    if (this.#closed) return Promise.reject(new InferenceFault('the analyzer is closed', true));
    const answer = new Promise<Inference>((resolve, reject) => {
      this.#waiting.push({ pixels, priority, alone: false, resolve, reject }, priority);
    });
    void this.#pump();
    return answer;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const closed = new InferenceFault('the analyzer is closed', true);
    for (const job of [...this.#waiting.clear(), ...this.#running]) job.reject(closed);
    await this.#worker?.kill();
  }

  async #pump(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    while (!this.#closed && this.#waiting.size > 0) {
      this.#running = this.#nextBatch();
      await this.#runBatch(this.#running);
      this.#running = [];
    }
    this.#busy = false;
  }

  #nextBatch(): Job[] {
    return this.#waiting.peek()?.alone
      ? [this.#waiting.shift()!]
      : this.#waiting.take(this.#options.maxBatch, (job) => !job.alone);
  }

  async #runBatch(batch: Job[]): Promise<void> {
    try {
      const worker = await this.#readyWorker();
      const started = performance.now();
      const readings = await worker.run(batch.map(({ pixels }) => pixels), this.#options.timeoutSeconds);
      const milliseconds = (performance.now() - started) / batch.length;
      this.#losses = 0;
      batch.forEach((job, index) => job.resolve({ reading: readings[index]!, provider: worker.provider, milliseconds }));
    } catch (error) {
      if (!this.#closed) this.#batchFailed(batch, error as Error);
    }
  }

  #batchFailed(batch: Job[], error: Error): void {
    const { report, log } = this.#options;
    log.warn({ model: report.model, images: batch.length, reason: error.message }, 'inference failed');
    if (!this.#worker?.alive) this.#workerLost(error.message);
    for (const job of batch) {
      if (job.alone) {
        job.reject(error);
      } else {
        job.alone = true;
        this.#waiting.push(job, job.priority);
      }
    }
  }

  #workerLost(reason: string): void {
    const { report, log } = this.#options;
    this.#worker = undefined;
    this.#losses += 1;
    if (report.chosen === 'cpu' || this.#losses < LOSSES) return;
    report.rejected.push({ provider: report.chosen, why: `${LOSSES} of its workers were lost one after the other; the last: ${reason}` });
    report.chosen = 'cpu';
    this.#losses = 0;
    log.error({ model: report.model, reason }, 'accelerator given up; inference goes on with the CPU');
  }

  async #readyWorker(): Promise<InferenceProcess> {
    if (this.#worker?.alive) return this.#worker;
    this.#worker = undefined;
    const worker = await this.#options.start(this.#options.report.chosen);
    if (this.#closed) await worker.kill();
    this.#worker = worker;
    return worker;
  }
}
