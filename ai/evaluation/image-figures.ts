// The figures of the images as wholes: how they are measured, and how the resamples become intervals.
import type { Figure, Measure, Resamples } from './figures/bootstrap.ts';
import { binOf, brierScore, calibrationError, calibrationInTheLarge, reliability } from './figures/calibration.ts';
import { areaUnderRoc, averagePrecision, rankingOf } from './figures/ranking.ts';
import { countsAt, predictiveValues, ratesOf } from './figures/rates.ts';
import type { Counts } from './figures/rates.ts';
import { patientsWhere } from './judged.ts';
import type { Scored } from './judged.ts';
import { IMAGE_FIGURES } from './model-evaluation.ts';
import type { ImageFigures, ModelEvaluation } from './model-evaluation.ts';

const HISTOGRAM_STEPS = 20;

export function imageMeasure({ probability, truth, threshold }: Scored, prevalence: number | undefined): Measure {
  const ranking = rankingOf(probability, truth);
  return (weights) => {
    const rates = ratesOf(countsAt(probability, truth, threshold, weights));
    const bins = reliability(probability, truth, weights);
    const at = prevalence === undefined ? undefined : predictiveValues(rates.sensitivity, rates.specificity, prevalence);
    return {
      auc: areaUnderRoc(ranking, weights),
      averagePrecision: averagePrecision(ranking, weights),
      ...rates,
      calibrationError: calibrationError(bins),
      calibrationInTheLarge: calibrationInTheLarge(bins),
      brier: brierScore(probability, truth, weights),
      ...(at && { ppvAtPrevalence: at.ppv, npvAtPrevalence: at.npv }),
    };
  };
}

/** @param resamples of imageMeasure */
export function imageFigures(resamples: Resamples, scored: Scored): ImageFigures {
  const { probability, truth, threshold } = scored;
  const told = (image: number): boolean => probability[image]! >= threshold;
  return {
    ...(Object.fromEntries(IMAGE_FIGURES.map((name) => [name, resamples.figure(name)])) as ImageFigures),
    sensitivity: resamples.share('sensitivity', patientsWhere(scored, (image) => truth[image] === 1)),
    specificity: resamples.share('specificity', patientsWhere(scored, (image) => truth[image] === 0)),
    ppv: resamples.share('ppv', patientsWhere(scored, told)),
    npv: resamples.share('npv', patientsWhere(scored, (image) => !told(image))),
    accuracy: resamples.share('accuracy', patientsWhere(scored, () => true)),
    calibrationError: resamples.distance('calibrationError'),
  };
}

/** A predictive value of 1 comes of a rate of 1, whose interval is the exact one: so is then its own. */
export function atPrevalence(resamples: Resamples, { sensitivity, specificity }: ImageFigures, prevalence: number): NonNullable<ModelEvaluation['atPrevalence']> {
  const [ppv, npv] = [resamples.figure('ppvAtPrevalence'), resamples.figure('npvAtPrevalence')];
  const least = (figure: Figure, worse: number): Figure => (figure.value === 1 ? { value: 1, low: worse, high: 1 } : figure);
  return {
    prevalence,
    ppv: least(ppv, predictiveValues(sensitivity.value ?? 0, specificity.low ?? 0, prevalence).ppv),
    npv: least(npv, predictiveValues(sensitivity.low ?? 0, specificity.value ?? 0, prevalence).npv),
  };
}

/** The share of positives of each bin, by its number. */
export function binMeasure({ probability, truth }: Scored): Measure {
  return (weights) => Object.fromEntries(reliability(probability, truth, weights).map(({ observed }, bin) => [String(bin), observed]));
}

/** @param resamples of binMeasure */
export function reliabilityFigures(scored: Scored, resamples: Resamples): ModelEvaluation['reliability'] {
  const { probability, truth } = scored;
  const bins = reliability(probability, truth, new Uint8Array(truth.length).fill(1));
  return bins.map(({ predicted, ...rest }, bin) => ({
    ...rest,
    predicted: Number.isNaN(predicted) ? null : predicted,
    observed: resamples.share(String(bin), patientsWhere(scored, (image) => binOf(probability[image]!) === bin)),
  }));
}

export function histogramOf({ probability, truth }: Scored): ModelEvaluation['histogram'] {
  const steps = Array.from({ length: HISTOGRAM_STEPS }, (_, step) => ({ from: step / HISTOGRAM_STEPS, to: (step + 1) / HISTOGRAM_STEPS, positive: 0, negative: 0 }));
  probability.forEach((each, image) => {
    steps[Math.min(Math.floor(each * HISTOGRAM_STEPS), HISTOGRAM_STEPS - 1)]![truth[image] ? 'positive' : 'negative'] += 1;
  });
  return steps;
}

/** As if each image without an outcome had been called the wrong way. */
export function missesCounted(confusion: Counts, unanalyzed: readonly { positive: boolean }[]): ModelEvaluation['missesCounted'] {
  const positives = unanalyzed.filter(({ positive }) => positive).length;
  const { accuracy, sensitivity, specificity } = ratesOf({
    ...confusion,
    falseNegative: confusion.falseNegative + positives,
    falsePositive: confusion.falsePositive + unanalyzed.length - positives,
  });
  const told = (rate: number): number | null => (Number.isNaN(rate) ? null : rate);
  return { accuracy: told(accuracy), sensitivity: told(sensitivity), specificity: told(specificity) };
}
