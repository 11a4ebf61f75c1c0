// What a threshold makes of the images: the four counts, and the rates that come of them.
import type { Weights } from './ranking.ts';

export interface Counts {
  truePositive: number;
  falsePositive: number;
  trueNegative: number;
  falseNegative: number;
}

/** @param members images that take part; all when not given */
export function countsAt(
  probability: ArrayLike<number>,
  truth: ArrayLike<number>,
  threshold: number,
  weights: Weights,
  members?: readonly number[],
): Counts {
  const counts = { truePositive: 0, falsePositive: 0, trueNegative: 0, falseNegative: 0 };
  const add = (image: number): void => {
    const told = probability[image]! >= threshold;
    if (truth[image]) counts[told ? 'truePositive' : 'falseNegative'] += weights[image]!;
    else counts[told ? 'falsePositive' : 'trueNegative'] += weights[image]!;
  };
  if (members) for (const image of members) add(image);
  else for (let image = 0; image < probability.length; image++) add(image);
  return counts;
}

export interface Rates {
  accuracy: number;
  sensitivity: number;
  specificity: number;
  /** Positive and negative predictive value at the prevalence of the data. */
  ppv: number;
  npv: number;
  f1: number;
}

/** Each 0 to 1; NaN where there is nothing to divide by. */
export function ratesOf({ truePositive, falsePositive, trueNegative, falseNegative }: Counts): Rates {
  return {
    accuracy: (truePositive + trueNegative) / (truePositive + falsePositive + trueNegative + falseNegative),
    sensitivity: truePositive / (truePositive + falseNegative),
    specificity: trueNegative / (trueNegative + falsePositive),
    ppv: truePositive / (truePositive + falsePositive),
    npv: trueNegative / (trueNegative + falseNegative),
    f1: (2 * truePositive) / (2 * truePositive + falsePositive + falseNegative),
  };
}

/** The predictive values where so large a share of the patients is ill (Bayes). */
export function predictiveValues(sensitivity: number, specificity: number, prevalence: number): { ppv: number; npv: number } {
  const [hit, missed] = [sensitivity * prevalence, (1 - sensitivity) * prevalence];
  const [cleared, alarmed] = [specificity * (1 - prevalence), (1 - specificity) * (1 - prevalence)];
  return { ppv: hit / (hit + alarmed), npv: cleared / (cleared + missed) };
}
