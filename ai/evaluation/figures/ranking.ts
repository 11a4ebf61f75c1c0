// How well a score sorts the positive images from the negative ones: ROC and precision-recall curves and the areas under them.
// Equal scores are one step of the curve, so that a score with few values is not flattered by the order of the list.

/** How often each image counts: 1 in the data as they are; in a resample, as often as its patient was drawn. */
export type Weights = ArrayLike<number>;

export interface Ranking {
  /** Images by falling score. */
  order: Int32Array;
  /** Index after the last of each run of equal scores in `order`. */
  ends: Int32Array;
  score: ArrayLike<number>;
  /** 1 positive, 0 negative, by image. */
  truth: ArrayLike<number>;
}

/** @param members images that take part; all when not given */
export function rankingOf(score: ArrayLike<number>, truth: ArrayLike<number>, members?: readonly number[]): Ranking {
  const order = Int32Array.from(members ?? Array.from({ length: score.length }, (_, image) => image));
  order.sort((one, other) => score[other]! - score[one]! || one - other);
  const ends: number[] = [];
  order.forEach((image, at) => {
    if (at + 1 === order.length || score[order[at + 1]!] !== score[image]) ends.push(at + 1);
  });
  return { order, ends: Int32Array.from(ends), score, truth };
}

interface Step {
  score: number;
  /** Weight of the positive and negative images at this score or above. */
  truePositive: number;
  falsePositive: number;
}

function* steps({ order, ends, score, truth }: Ranking, weights?: Weights): Generator<Step> {
  let [truePositive, falsePositive, at] = [0, 0, 0];
  for (const end of ends) {
    const from = order[at]!;
    for (; at < end; at++) {
      const image = order[at]!;
      const weight = weights ? weights[image]! : 1;
      if (truth[image]) truePositive += weight;
      else falsePositive += weight;
    }
    yield { score: score[from]!, truePositive, falsePositive };
  }
}

/**
 * Probability that a positive image scores higher than a negative one, ties counting half (Hanley and McNeil 1982).
 * NaN where one of the two is missing.
 */
export function areaUnderRoc({ order, ends, truth }: Ranking, weights: Weights): number {
  let [above, concordant, negatives, at] = [0, 0, 0, 0];
  for (let run = 0; run < ends.length; run++) {
    let [positive, negative] = [0, 0];
    for (const end = ends[run]!; at < end; at++) {
      const image = order[at]!;
      if (truth[image]) positive += weights[image]!;
      else negative += weights[image]!;
    }
    concordant += negative * (above + positive / 2);
    above += positive;
    negatives += negative;
  }
  return concordant / (above * negatives);
}

/** Area under the precision-recall curve as a sum of steps, without interpolation; NaN without a positive image. */
export function averagePrecision({ order, ends, truth }: Ranking, weights: Weights): number {
  let [found, told, sum, at] = [0, 0, 0, 0];
  for (let run = 0; run < ends.length; run++) {
    let positive = 0;
    for (const end = ends[run]!; at < end; at++) {
      const weight = weights[order[at]!]!;
      if (truth[order[at]!]) positive += weight;
      told += weight;
    }
    found += positive;
    if (positive > 0) sum += (positive * found) / told;
  }
  return sum / found;
}

/** Points from (0, 0) to (1, 1). */
export interface RocPoint {
  threshold: number;
  falsePositiveRate: number;
  sensitivity: number;
}

export function rocCurve(ranking: Ranking): RocPoint[] {
  const all = [...steps(ranking)];
  const last = all.at(-1);
  if (!last || last.truePositive === 0 || last.falsePositive === 0) return [];
  const points = all.map(({ score, truePositive, falsePositive }) => ({
    threshold: score,
    falsePositiveRate: falsePositive / last.falsePositive,
    sensitivity: truePositive / last.truePositive,
  }));
  return corners([{ threshold: 1, falsePositiveRate: 0, sensitivity: 0 }, ...points], (point) => [point.falsePositiveRate, point.sensitivity]);
}

export interface PrecisionPoint {
  threshold: number;
  recall: number;
  precision: number;
}

export function precisionRecallCurve(ranking: Ranking): PrecisionPoint[] {
  const all = [...steps(ranking)];
  const positives = all.at(-1)?.truePositive ?? 0;
  if (positives === 0) return [];
  return all.map(({ score, truePositive, falsePositive }) => ({
    threshold: score,
    recall: truePositive / positives,
    precision: truePositive / (truePositive + falsePositive),
  }));
}

/** Leaves out points in the middle of a straight horizontal or vertical line: they draw nothing. */
export function corners<T>(points: readonly T[], place: (point: T) => readonly [number, number]): T[] {
  return points.filter((point, index) => {
    const [before, after] = [points[index - 1], points[index + 1]];
    if (before === undefined || after === undefined) return true;
    const [[x0, y0], [x1, y1], [x2, y2]] = [place(before), place(point), place(after)];
    return !((x0 === x1 && x1 === x2) || (y0 === y1 && y1 === y2));
  });
}
