// 95 % intervals by the bootstrap over patients (Efron 1979; percentile method): the images of one patient are alike, so that
// patients are drawn, with replacement, and with each all of its images. All figures are measured on the same resamples.
import { random } from '../../phantom/random.ts';
import type { Weights } from './ranking.ts';

/** Figures by name; NaN where one cannot be told. */
export type Measure = (weights: Weights) => Record<string, number>;

/** A figure with its 95 % interval; null is what cannot be told. */
export interface Figure {
  value: number | null;
  low: number | null;
  high: number | null;
}

export interface BootstrapOptions {
  /** Resamples. */
  count: number;
  seed: number;
  signal?: AbortSignal | undefined;
  progress?: ((done: number) => void) | undefined;
}

/** Resamples between two looks at the signal. */
const BREATH = 20;

/**
 * @param patients number of the patient of each image, from 0
 * @throws the signal's reason
 */
export async function bootstrap<Name extends string>(
  measures: Readonly<Record<Name, Measure>>,
  patients: Int32Array,
  { count, seed, signal, progress }: BootstrapOptions,
): Promise<Record<Name, Resamples>> {
  const people = patients.reduce((most, patient) => Math.max(most, patient + 1), 0);
  // One patient drawn again and again shows no spread.
  const rounds = people > 1 ? count : 0;
  const everyone = new Uint16Array(patients.length).fill(1);
  const names = Object.keys(measures) as Name[];
  const parts = names.map((name) => ({ name, measure: measures[name], resamples: new Resamples(measures[name](everyone), rounds) }));
  const source = random(seed);
  const drawn = new Uint16Array(people);
  const weights = new Uint16Array(patients.length);
  for (let round = 0; round < rounds; round++) {
    drawn.fill(0);
    for (let patient = 0; patient < people; patient++) drawn[Math.floor(source.between(0, people))]! += 1;
    for (let image = 0; image < patients.length; image++) weights[image] = drawn[patients[image]!]!;
    for (const { measure, resamples } of parts) resamples.keep(round, measure(weights));
    if (round % BREATH === BREATH - 1) {
      progress?.(round + 1);
      await new Promise(setImmediate);
      signal?.throwIfAborted();
    }
  }
  return Object.fromEntries(parts.map(({ name, resamples }) => [name, resamples])) as Record<Name, Resamples>;
}

/** Fewer resamples in which a figure can be told say nothing about how far it varies. */
const LEAST_SHARE = 0.5;

/** The figures of one measure: of the data as they are, and of each resample. */
export class Resamples {
  readonly point: Readonly<Record<string, number>>;
  readonly #draws: ReadonlyMap<string, Float64Array>;

  constructor(point: Record<string, number>, rounds: number) {
    this.point = point;
    this.#draws = new Map(Object.keys(point).map((name) => [name, new Float64Array(rounds)]));
  }

  keep(round: number, figures: Record<string, number>): void {
    for (const [name, values] of this.#draws) values[round] = figures[name] ?? Number.NaN;
  }

  figure(name: string): Figure {
    const values = this.#told(name);
    return { value: orNull(this.point[name]), low: orNull(quantile(values, 0.025)), high: orNull(quantile(values, 0.975)) };
  }

  /**
   * Of a distance from 0, such as a calibration error: chance alone makes it grow, in a resample more than in the data. The
   * resamples are moved so that their mean is the value.
   */
  distance(name: string): Figure {
    const { value } = this.figure(name);
    const mean = this.mean(name);
    if (value === null || mean === null) return { value, low: null, high: null };
    const values = this.#told(name).map((each) => Math.max(0, each + value - mean));
    return { value, low: orNull(quantile(values, 0.025)), high: orNull(quantile(values, 0.975)) };
  }

  /**
   * A share that was 0 or 1 in the data is so in every resample. Its interval is then the exact one (Clopper and Pearson
   * 1934), of as many trials as there are patients who could have shown otherwise.
   */
  share(name: string, patients: number): Figure {
    const figure = this.figure(name);
    if (patients < 1 || (figure.value !== 0 && figure.value !== 1)) return figure;
    const edge = 0.025 ** (1 / patients);
    return figure.value === 1 ? { value: 1, low: edge, high: 1 } : { value: 0, low: 0, high: 1 - edge };
  }

  /** Mean over the resamples. */
  mean(name: string): number | null {
    const values = this.#told(name);
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  }

  /** Standard error: the spread over the resamples. */
  error(name: string): number | null {
    const values = this.#told(name);
    const mean = this.mean(name);
    if (mean === null || values.length < 2) return null;
    return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
  }

  /** Rising. */
  #told(name: string): Float64Array {
    const all = this.#draws.get(name) ?? new Float64Array();
    const told = all.filter((value) => !Number.isNaN(value));
    return told.length < LEAST_SHARE * all.length ? new Float64Array() : told.sort();
  }
}

function orNull(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
}

/** Linear between the two nearest values, as numpy has it. @param values rising */
export function quantile(values: ArrayLike<number>, share: number): number {
  if (values.length === 0) return Number.NaN;
  const place = share * (values.length - 1);
  const below = Math.floor(place);
  const low = values[below]!;
  return low + (values[Math.min(below + 1, values.length - 1)]! - low) * (place - below);
}
