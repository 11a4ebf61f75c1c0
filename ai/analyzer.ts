// The analyzer: one frame and one model in, one outcome out. Decoding runs in a pool of worker processes, inference in one
// for each model, so that the gateway's own, and with it intake, never waits for either.
import { availableParallelism } from 'node:os';
import type { Logger } from 'pino';
import type { Settings } from '../config/settings.ts';
import type { AnalysisOutcome } from './analysis.ts';
import { DecodePool } from './runtime/decode-pool.ts';
import { Gate } from './runtime/gate.ts';
import { ModelPackageError } from './runtime/manifest.ts';
import type { ModelPackage } from './runtime/manifest.ts';
import { ModelRunner } from './runtime/model-runner.ts';
import { Precedence } from './runtime/precedence.ts';
import { chooseProvider, startWorker } from './runtime/providers.ts';
import type { ProviderReport } from './runtime/providers.ts';
import { placeRegions } from './runtime/regions.ts';
import { SEVERITY_SECONDS, SeverityMeter } from './severity/meter.ts';

export interface AnalysisRequest {
  /** Part 10 file. */
  path: string;
  /** From 1. */
  frame: number;
  /** Name of a model. */
  model: string;
  /** Higher goes first; 0 when not given. Below 0 it waits until nothing else is under way, whichever model that is for. */
  priority?: number;
  /** Digest of the dataset, from which tracking UIDs are derived; the SOP Instance UID when not given. */
  digest?: string;
  /** Whether to measure how much of the lungs a finding takes up, where there is a model of the lungs; true when not given. */
  severity?: boolean;
  /** Gives up an image that is still waiting for its turn. */
  signal?: AbortSignal;
}

export interface Analyzer {
  /** Those with a finding. */
  models(): ModelPackage[];
  /** What runs each model, and why not what the settings would rather have. */
  providers(): ProviderReport[];
  /**
   * Faults of the image, the model or the machine are outcomes.
   * @throws {AnalyzerClosedError}
   * @throws the signal's reason
   */
  analyze(request: AnalysisRequest): Promise<AnalysisOutcome>;
  /** Gives up what runs and waits. */
  close(): Promise<void>;
}

export interface AnalyzerOptions {
  models: ModelPackage[];
  inference: Settings['inference'];
  /** Root of the regions' tracking UIDs. */
  uidRoot?: string;
  log: Logger;
}

export class AnalyzerClosedError extends Error {
  constructor() {
    super('the analyzer is closed');
    this.name = 'AnalyzerClosedError';
  }
}

/** Requests that may wait for one model; each is a path, so this bounds a caller gone wrong, not memory. */
const MOST_WAITING = 100_000;

/** @throws {ModelPackageError} when two models have one name or are both of the lungs, or one runs on no provider of the settings */
export async function startAnalyzer(options: AnalyzerOptions): Promise<Analyzer> {
  const { models, inference, log } = options;
  const twice = models.find(({ manifest }, index) => models.findIndex((other) => other.manifest.name === manifest.name) < index);
  if (twice) throw new ModelPackageError(twice.folder, `another package is named "${twice.manifest.name}", too`);
  const [, another] = models.filter(isOfLungs);
  if (another) throw new ModelPackageError(another.folder, `another package has the purpose lungs, too`);

  const cores = availableParallelism();
  const pool = new DecodePool({ size: cores, timeoutSeconds: inference.timeoutSeconds, log });
  pool.warm();
  const starts = await Promise.allSettled(models.map((model) => startModel(model, options, cores)));
  const running = starts.filter((start) => start.status === 'fulfilled').map(({ value }) => value);
  const failed = starts.find((start) => start.status === 'rejected');
  if (failed) {
    await Promise.all([pool.close(), ...running.map(({ runner }) => runner.close())]);
    throw failed.reason;
  }
  return new WorkerAnalyzer(pool, running, options);
}

interface RunningModel {
  model: ModelPackage;
  runner: ModelRunner;
  gate: Gate;
}

async function startModel(model: ModelPackage, { inference, log }: AnalyzerOptions, cores: number): Promise<RunningModel> {
  const options = { threads: inference.threads || cores, log };
  const { worker, report } = await chooseProvider(model, inference.providers, options);
  log.info({ ...report, version: model.manifest.version }, 'model started');
  const maxBatch = Math.min(inference.maxBatch, model.manifest.maxBatch);
  const runner = new ModelRunner(worker, {
    report,
    maxBatch,
    // A worker that hangs is replaced when its image has been given up.
    timeoutSeconds: isOfLungs(model) ? Math.min(SEVERITY_SECONDS, inference.timeoutSeconds) : inference.timeoutSeconds,
    log,
    start: async (provider) => (await startWorker(model, provider, options)).worker,
  });
  // Enough that the decoders are busy while one batch runs and the next forms.
  return { model, runner, gate: new Gate(cores + 2 * maxBatch, MOST_WAITING) };
}

function isOfLungs({ manifest }: ModelPackage): boolean {
  return manifest.purpose === 'lungs';
}

class WorkerAnalyzer implements Analyzer {
  readonly #pool: DecodePool;
  readonly #running: Map<string, RunningModel>;
  readonly #lungs: RunningModel | undefined;
  readonly #meter: SeverityMeter | undefined;
  readonly #uidRoot: string;
  readonly #precedence = new Precedence();
  #closed = false;

  constructor(pool: DecodePool, running: RunningModel[], { uidRoot = '2.25', log }: AnalyzerOptions) {
    this.#pool = pool;
    this.#running = new Map(running.filter(({ model }) => !isOfLungs(model)).map((each) => [each.model.manifest.name, each]));
    this.#lungs = running.find(({ model }) => isOfLungs(model));
    this.#meter = this.#lungs && new SeverityMeter(this.#lungs.model, this.#lungs.runner, log);
    this.#uidRoot = uidRoot;
  }

  models(): ModelPackage[] {
    return [...this.#running.values()].map(({ model }) => model);
  }

  providers(): ProviderReport[] {
    return this.#all().map(({ runner }) => runner.report);
  }

  async analyze(request: AnalysisRequest): Promise<AnalysisOutcome> {
    if (this.#closed) throw new AnalyzerClosedError();
    const running = this.#running.get(request.model);
    if (!running) return { status: 'failed', reason: `there is no model "${request.model}"` };
    const analyze = (): Promise<AnalysisOutcome> => this.#analyzeInTurn(request, running);
    return (request.priority ?? 0) < 0 ? this.#precedence.afterwards(analyze, request.signal) : this.#precedence.first(analyze);
  }

  async #analyzeInTurn(request: AnalysisRequest, running: RunningModel): Promise<AnalysisOutcome> {
    if (this.#closed) throw new AnalyzerClosedError();
    try {
      await running.gate.enter(request.priority ?? 0, request.signal);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return { status: 'failed', reason: error.message };
    }
    try {
      return await this.#analyzeInside(request, running);
    } catch (error) {
      if (this.#closed) throw new AnalyzerClosedError();
      return { status: 'failed', reason: (error as Error).message };
    } finally {
      running.gate.leave();
    }
  }

  async #analyzeInside(request: AnalysisRequest, { model, runner }: RunningModel): Promise<AnalysisOutcome> {
    const { manifest, identity } = model;
    const { path, frame, priority = 0 } = request;
    const { input, applicability } = manifest;
    const meter = request.severity === false ? undefined : this.#meter;
    const prepared = await this.#pool.prepare({ path, frame, input, applicability, lungs: meter?.wants }, priority);
    if (prepared.status !== 'ready') return { status: prepared.status, reason: prepared.reason };

    const { reading, provider, milliseconds } = await runner.infer(prepared.pixels, priority);
    const regions = placeRegions(reading.boxes, prepared.placement, {
      uidRoot: this.#uidRoot,
      instance: request.digest ?? prepared.sopInstanceUid,
      frame,
      sha256: identity.sha256,
      label: reading.label,
    });
    const finding = { regions, map: reading.map, input, placement: prepared.placement };
    const severity = reading.positive && prepared.lungs ? await meter?.measure(finding, prepared.lungs, priority) : undefined;
    return {
      status: 'analyzed',
      label: reading.label,
      probability: reading.probability,
      threshold: manifest.operatingPoint.threshold,
      positive: reading.positive,
      scores: reading.scores,
      regions,
      provider,
      milliseconds: Math.round(prepared.milliseconds + milliseconds),
      statistics: prepared.statistics,
      ...(severity && { severity }),
    };
  }

  #all(): RunningModel[] {
    return [...this.#running.values(), ...(this.#lungs ? [this.#lungs] : [])];
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { gate } of this.#all()) gate.close(new AnalyzerClosedError());
    await Promise.all([this.#pool.close(), ...this.#all().map(({ runner }) => runner.close())]);
  }
}
