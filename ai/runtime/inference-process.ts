// The gateway's side of an inference worker: starts it, gives it batches, and ends it when it fails or hangs.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Settings } from '../../config/settings.ts';
import type { Manifest, ModelPackage } from './manifest.ts';
import type { OutputTensor, Reading } from './outputs.ts';

export type Provider = Settings['inference']['providers'][number];

export interface LoadMessage {
  type: 'load';
  path: string;
  provider: Provider;
  threads: number;
  manifest: Manifest;
}
export interface RunMessage {
  type: 'run';
  images: Uint8Array[];
}
/** What a provider made of the trial image. */
export interface WarmUp {
  outputs: Record<string, OutputTensor>;
  /** Of a run after the first. */
  milliseconds: number;
}
export type WorkerMessage =
  | { type: 'ready'; warmUp: WarmUp }
  | { type: 'done'; readings: Reading[] }
  | { type: 'error'; message: string };

/** Why a batch came to nothing; `ended` when the worker is gone with it. */
export class InferenceFault extends Error {
  readonly ended: boolean;
  constructor(message: string, ended: boolean) {
    super(message);
    this.name = 'InferenceFault';
    this.ended = ended;
  }
}

/** As much of what a worker wrote to stderr as helps to tell why it ended. */
const LAST_WORDS = 2000;

export class InferenceProcess {
  readonly provider: Provider;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #alive = true;
  #lastWords = '';
  #answer: { resolve(message: WorkerMessage): void; reject(fault: InferenceFault): void } | undefined;

  constructor(provider: Provider) {
    this.provider = provider;
    this.#child = fork(new URL('./inference-worker.ts', import.meta.url), {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#exited = once(this.#child, 'exit');
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-LAST_WORDS);
    });
    this.#child.on('message', (message) => this.#take(message as WorkerMessage));
    this.#child.on('error', (error) => this.#end(`the inference worker failed: ${error.message}`));
    this.#child.on('exit', (code, signal) => this.#end(`the inference worker ended unexpectedly (${signal ?? `exit code ${code}`})`));
    // What waits for an answer holds the process by its timer; an idle worker must not.
    this.#child.unref();
    this.#child.channel?.unref();
    (this.#child.stderr as unknown as { unref?(): void } | null)?.unref?.();
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** What the worker last wrote to stderr. */
  get lastWords(): string {
    return this.#lastWords.trim();
  }

  /**
   * Opens the session and tries it.
   * @throws {InferenceFault}
   */
  async load(model: ModelPackage, threads: number, timeoutSeconds: number): Promise<WarmUp> {
    const { path, manifest } = model;
    const answer = await this.#ask({ type: 'load', path, manifest, threads, provider: this.provider }, timeoutSeconds);
    if (answer.type !== 'ready') throw new InferenceFault('the inference worker answered out of turn', false);
    return answer.warmUp;
  }

  /** @throws {InferenceFault} */
  async run(images: Uint8Array[], timeoutSeconds: number): Promise<Reading[]> {
    const answer = await this.#ask({ type: 'run', images }, timeoutSeconds);
    if (answer.type !== 'done') throw new InferenceFault('the inference worker answered out of turn', false);
    return answer.readings;
  }

  async kill(): Promise<void> {
    this.#end('the analyzer is closed');
    this.#child.ref();
    await this.#exited;
  }

  /** One question at a time. */
  async #ask(message: LoadMessage | RunMessage, timeoutSeconds: number): Promise<WorkerMessage> {
    if (!this.#alive) throw new InferenceFault('the inference worker has ended', true);
    const { promise, resolve, reject } = Promise.withResolvers<WorkerMessage>();
    this.#answer = { resolve, reject };
    const timer = setTimeout(() => this.#end(`the inference did not end within ${timeoutSeconds} seconds`), timeoutSeconds * 1000);
    try {
      this.#child.send(message, (error) => error && this.#end(`the inference worker could not be reached: ${error.message}`));
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#answer = undefined;
    }
  }

  #take(message: WorkerMessage): void {
    if (message.type === 'error') this.#answer?.reject(new InferenceFault(message.message, false));
    else this.#answer?.resolve(message);
  }

  #end(reason: string): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#child.kill('SIGKILL');
    this.#answer?.reject(new InferenceFault(reason, true));
  }
}
