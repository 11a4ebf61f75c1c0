// The threshold for a wanted sensitivity, and what it costs. Chosen and measured on the same patients it looks better than it
// is; so each resample also chooses its own threshold, which is measured on the patients that were not drawn.
import type { Figure, Measure, Resamples } from './bootstrap.ts';
import { countsAt, ratesOf } from './rates.ts';
import type { Rates } from './rates.ts';
import type { Weights } from './ranking.ts';

export interface Advice {
  wantedSensitivity: number;
  /** Interval: where other patients of this site would have put it. */
  threshold: Figure;
  sensitivity: Figure;
  specificity: Figure;
  ppv: Figure;
  npv: Figure;
  /** Mean over the patients that were not drawn: what new patients may expect. */
  expected: { sensitivity: number | null; specificity: number | null; ppv: number | null };
}

interface Scored {
  probability: ArrayLike<number>;
  truth: ArrayLike<number>;
}

const RATES = ['sensitivity', 'specificity', 'ppv', 'npv'] as const satisfies (keyof Rates)[];

/** Thresholds are told, and set in a manifest, with so many decimals. */
const DECIMALS = 1e4;

/** The highest threshold that still finds so many of the positives, rounded down; NaN without one. @param positives by falling probability */
export function thresholdFor(wanted: number, positives: readonly number[], probability: ArrayLike<number>, weights: Weights): number {
  const all = positives.reduce((sum, image) => sum + weights[image]!, 0);
  let found = 0;
  for (const image of positives) {
    found += weights[image]!;
    // Less than a rounding error short is not short.
    if (found > 0 && found >= wanted * all - 1e-9) return Math.floor(probability[image]! * DECIMALS) / DECIMALS;
  }
  return Number.NaN;
}

/** For each wanted sensitivity `W threshold`, its rates `W RATE`, and `W new RATE` of the patients that were not drawn. */
export function adviceMeasure(wanted: readonly number[], scored: Scored): Measure {
  const { probability, truth } = scored;
  const positives = Array.from({ length: probability.length }, (_, image) => image)
    .filter((image) => truth[image])
    .sort((one, other) => probability[other]! - probability[one]!);
  const everyone = new Uint16Array(probability.length).fill(1);
  const chosen = wanted.map((sensitivity) => thresholdFor(sensitivity, positives, probability, everyone));
  return (weights) => {
    const out = everyone.map((_, image) => Number(weights[image] === 0));
    const figures: Record<string, number> = {};
    for (const [index, sensitivity] of wanted.entries()) {
      const threshold = thresholdFor(sensitivity, positives, probability, weights);
      figures[`${sensitivity} threshold`] = threshold;
      const rates = ratesAt(chosen[index]!, scored, weights);
      const onNew = ratesAt(threshold, scored, out);
      for (const rate of RATES) {
        figures[`${sensitivity} ${rate}`] = rates[rate];
        figures[`${sensitivity} new ${rate}`] = onNew[rate];
      }
    }
    return figures;
  };
}

/** A threshold that there is not has no rates, although no probability reaches it. */
function ratesAt(threshold: number, { probability, truth }: Scored, weights: Weights): Rates {
  const none = { truePositive: 0, falsePositive: 0, trueNegative: 0, falseNegative: 0 };
  return ratesOf(Number.isNaN(threshold) ? none : countsAt(probability, truth, threshold, weights));
}

/** @param resamples of adviceMeasure */
export function adviceFor(wanted: number, resamples: Resamples, { probability, truth, patients }: Scored & { patients: Int32Array }): Advice {
  const chosen = resamples.point[`${wanted} threshold`]!;
  const patientsWhere = (holds: (image: number) => boolean): number => new Set(patients.filter((_, image) => holds(image))).size;
  const mean = (rate: string): number | null => resamples.mean(`${wanted} new ${rate}`);
  return {
    wantedSensitivity: wanted,
    threshold: resamples.figure(`${wanted} threshold`),
    sensitivity: resamples.share(`${wanted} sensitivity`, patientsWhere((image) => truth[image] === 1)),
    specificity: resamples.share(`${wanted} specificity`, patientsWhere((image) => truth[image] === 0)),
    ppv: resamples.share(`${wanted} ppv`, patientsWhere((image) => probability[image]! >= chosen)),
    npv: resamples.share(`${wanted} npv`, patientsWhere((image) => probability[image]! < chosen)),
    expected: { sensitivity: mean('sensitivity'), specificity: mean('specificity'), ppv: mean('ppv') },
  };
}
