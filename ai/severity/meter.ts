// Measures how much of the lungs the finding of a positive image takes up: finds the lungs, then sets the regions against them.
// What goes wrong here costs the number, never the finding.
import type { Logger } from 'pino';
import type { Severity } from '../../storage/entities/severity.ts';
import type { Region } from '../analysis.ts';
import type { Manifest, ModelPackage } from '../runtime/manifest.ts';
import type { ModelRunner } from '../runtime/model-runner.ts';
import type { NoLungsInput, PreparedInput } from '../runtime/prepare.ts';
import type { Placement } from '../runtime/regions.ts';
import { opaqueShare, type OpaqueMap } from './opaque-share.ts';

/** What a finding's model said of a positive image. */
export interface MeasuredFinding {
  regions: readonly Region[];
  /** What it marked, where it gives a map. */
  map?: OpaqueMap | undefined;
  input: Manifest['input'];
  placement: Placement;
}

/** The finding waits no longer for its number; an inference takes some ten milliseconds. */
export const SEVERITY_SECONDS = 10;

export class SeverityMeter {
  /** What a frame is to be prepared for, beside the finding's model. */
  readonly wants: Pick<Manifest, 'input' | 'applicability'>;
  readonly #model: ModelPackage;
  readonly #runner: Pick<ModelRunner, 'infer'>;
  readonly #log: Logger;
  readonly #seconds: number;

  constructor(model: ModelPackage, runner: Pick<ModelRunner, 'infer'>, log: Logger, seconds = SEVERITY_SECONDS) {
    this.wants = { input: model.manifest.input, applicability: model.manifest.applicability };
    this.#model = model;
    this.#runner = runner;
    this.#log = log;
    this.#seconds = seconds;
  }

  /** Never throws. @param lungs the same frame, as the model of the lungs takes it */
  async measure(finding: MeasuredFinding, lungs: PreparedInput | NoLungsInput, priority: number): Promise<Severity> {
    const model = this.#model.identity;
    if ('reason' in lungs) return { status: 'not-measured', reason: lungs.reason, model };
    if (finding.regions.length === 0) return { status: 'not-measured', reason: 'no region was located', model };
    try {
      const { reading } = await this.#within(this.#runner.infer(lungs.pixels, priority));
      const fields = reading.lungs;
      if (!fields) throw new Error('the model of the lungs gave none');
      if (fields.status === 'not-found') return { status: 'not-measured', reason: fields.reason, model };
      const { map, input, placement, regions } = finding;
      const share = opaqueShare({ ...fields, input: this.wants.input, placement: lungs.placement }, regions, map && { ...map, input, placement });
      if ('reason' in share) return { status: 'not-measured', reason: share.reason, model };
      return { status: 'measured', ...share, basis: map ? 'map' : 'boxes', model };
    } catch (error) {
      this.#log.warn({ model: model.name, reason: (error as Error).message }, 'the lungs could not be measured; the finding is reported without its extent');
      return { status: 'not-measured', reason: 'the model of the lungs failed', model };
    }
  }

  async #within<T>(answer: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`no answer within ${this.#seconds} seconds`)), this.#seconds * 1000);
    // Where the time is over first, nobody else takes what comes of it.
    answer.catch(() => undefined);
    try {
      return await Promise.race([answer, promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
