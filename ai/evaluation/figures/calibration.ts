// Whether a probability means what it says: of the images at 0.8, eight in ten should be positive.
import type { Weights } from './ranking.ts';

/** Equal steps of probability, as many as ai/training judges with (Guo 2017, arXiv 1706.04599). */
export const BINS = 10;

export function binOf(probability: number): number {
  return Math.min(Math.floor(probability * BINS), BINS - 1);
}

export interface ReliabilityBin {
  from: number;
  to: number;
  /** Weight of the images in it. */
  images: number;
  /** Mean probability, and share of positive images; NaN in an empty bin. */
  predicted: number;
  observed: number;
}

export function reliability(probability: ArrayLike<number>, truth: ArrayLike<number>, weights: Weights): ReliabilityBin[] {
  const sums = Array.from({ length: BINS }, () => ({ images: 0, predicted: 0, positive: 0 }));
  for (let image = 0; image < probability.length; image++) {
    const bin = sums[binOf(probability[image]!)]!;
    bin.images += weights[image]!;
    bin.predicted += weights[image]! * probability[image]!;
    bin.positive += truth[image] ? weights[image]! : 0;
  }
  return sums.map(({ images, predicted, positive }, bin) => ({
    from: bin / BINS,
    to: (bin + 1) / BINS,
    images,
    predicted: predicted / images,
    observed: positive / images,
  }));
}

/** Mean distance between probability and share of positives over the bins, weighted by their images. */
export function calibrationError(bins: readonly ReliabilityBin[]): number {
  const filled = bins.filter(({ images }) => images > 0);
  const images = filled.reduce((sum, bin) => sum + bin.images, 0);
  return filled.reduce((sum, bin) => sum + bin.images * Math.abs(bin.predicted - bin.observed), 0) / images;
}

/** Mean squared distance between probability and truth (Brier 1950). */
export function brierScore(probability: ArrayLike<number>, truth: ArrayLike<number>, weights: Weights): number {
  let [sum, images] = [0, 0];
  for (let image = 0; image < probability.length; image++) {
    sum += weights[image]! * (probability[image]! - (truth[image] ? 1 : 0)) ** 2;
    images += weights[image]!;
  }
  return sum / images;
}

/** Mean probability less the share of positives: above 0, the model calls disease more often than it is there. */
export function calibrationInTheLarge(bins: readonly ReliabilityBin[]): number {
  const filled = bins.filter(({ images }) => images > 0);
  const images = filled.reduce((sum, bin) => sum + bin.images, 0);
  return filled.reduce((sum, bin) => sum + bin.images * (bin.predicted - bin.observed), 0) / images;
}
