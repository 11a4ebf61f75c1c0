// Whether regions lie where the opacities are: average precision, free-response curve (FROC), the score of the RSNA challenge,
// and what a reader sees at the operating point.
import type { Weights } from './ranking.ts';

/** Pixels of the stored image; x and y from the top-left corner of the top-left pixel. */
export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}
export interface ScoredRectangle extends Rectangle {
  score: number;
}

/** One image all of whose opacities are known: those of its truth, or none. */
export interface LocatedImage {
  /** Its number in the weights. */
  image: number;
  truth: readonly Rectangle[];
  /** Every candidate of the model, best first. */
  candidates: readonly ScoredRectangle[];
  /** Those that the gateway reports, best first. */
  reported: readonly ScoredRectangle[];
}

export function overlap(one: Rectangle, other: Rectangle): number {
  const width = Math.min(one.x + one.width, other.x + other.width) - Math.max(one.x, other.x);
  const height = Math.min(one.y + one.height, other.y + other.height) - Math.max(one.y, other.y);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (one.width * one.height + other.width * other.height - width * height);
}

/**
 * Which of the found boxes hit a true one that no better one has hit: each takes, from the best down, the free one that it
 * overlaps most, if by `least` at least (intersection over union).
 */
export function hitsOf(found: readonly Rectangle[], truth: readonly Rectangle[], least: number): boolean[] {
  const taken = new Set<Rectangle>();
  return found.map((box) => {
    let [best, most]: [Rectangle | undefined, number] = [undefined, least];
    for (const candidate of truth) {
      const shared = taken.has(candidate) ? 0 : overlap(box, candidate);
      if (shared >= most && (best === undefined || shared > most)) [best, most] = [candidate, shared];
    }
    if (best) taken.add(best);
    return best !== undefined;
  });
}

/** All candidates of all images by falling score, each with whether it hits. */
export interface Detections {
  image: Int32Array;
  hit: Uint8Array;
  score: Float64Array;
  /** Images that take part, and how many true boxes each has. */
  images: Int32Array;
  trueBoxes: Int32Array;
}

export function detectionsOf(located: readonly LocatedImage[], least: number): Detections {
  const all = located.flatMap(({ image, truth, candidates }) => {
    const hits = hitsOf(candidates, truth, least);
    return candidates.map(({ score }, index) => ({ image, score, hit: hits[index]! }));
  });
  all.sort((one, other) => other.score - one.score);
  return {
    image: Int32Array.from(all, ({ image }) => image),
    hit: Uint8Array.from(all, ({ hit }) => Number(hit)),
    score: Float64Array.from(all, ({ score }) => score),
    images: Int32Array.from(located, ({ image }) => image),
    trueBoxes: Int32Array.from(located, ({ truth }) => truth.length),
  };
}

function totals({ images, trueBoxes }: Detections, weights: Weights): { images: number; boxes: number } {
  let [count, boxes] = [0, 0];
  images.forEach((image, index) => {
    count += weights[image]!;
    boxes += weights[image]! * trueBoxes[index]!;
  });
  return { images: count, boxes };
}

/** Area under the precision envelope, every point (PASCAL VOC 2010); NaN without a true box. */
export function boxAveragePrecision(detections: Detections, weights: Weights): number {
  const { image, hit } = detections;
  const { boxes } = totals(detections, weights);
  if (boxes === 0) return Number.NaN;
  const precision = new Float64Array(image.length);
  let [right, told] = [0, 0];
  for (let at = 0; at < image.length; at++) {
    const weight = weights[image[at]!]!;
    told += weight;
    if (hit[at]) right += weight;
    precision[at] = told === 0 ? 0 : right / told;
  }
  let [sum, envelope] = [0, 0];
  for (let at = image.length - 1; at >= 0; at--) {
    envelope = Math.max(envelope, precision[at]!);
    if (hit[at]) sum += weights[image[at]!]! * envelope;
  }
  return sum / boxes;
}

/** False regions an image at which the free-response curve is read off (LUNA16 has them so). */
export const FALSE_REGIONS = [0.125, 0.25, 0.5, 1, 2, 4] as const;

/** The most of the true boxes that are hit with no more than so many false regions an image. */
export function recallAt(detections: Detections, falseRegions: readonly number[], weights: Weights): number[] {
  const { image, hit } = detections;
  const { images, boxes } = totals(detections, weights);
  const best = falseRegions.map(() => 0);
  let [right, wrong] = [0, 0];
  for (let at = 0; at < image.length; at++) {
    const weight = weights[image[at]!]!;
    if (hit[at]) right += weight;
    else wrong += weight;
    for (let index = 0; index < falseRegions.length; index++) if (wrong <= falseRegions[index]! * images) best[index] = right;
  }
  return best.map((found) => (boxes === 0 ? Number.NaN : found / boxes));
}

export interface FrocPoint {
  score: number;
  falseRegions: number;
  recall: number;
}

/** The curve, only where it rises. */
export function frocCurve(detections: Detections): FrocPoint[] {
  const images = detections.images.length;
  const boxes = detections.trueBoxes.reduce((sum, count) => sum + count, 0);
  const points: FrocPoint[] = [];
  let [right, wrong] = [0, 0];
  detections.image.forEach((_, at) => {
    if (!detections.hit[at]) {
      wrong += 1;
      return;
    }
    right += 1;
    points.push({ score: detections.score[at]!, falseRegions: wrong / images, recall: right / boxes });
  });
  return points;
}

/** Intersections over union at which the RSNA Pneumonia Detection Challenge (2018) judged. */
const CHALLENGE = [0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75];

/**
 * The challenge's score of one image: true positives / (true positives + false positives + false negatives), mean over the
 * overlaps; undefined, and no part of the mean over images, where there is nothing to find and nothing was found.
 */
export function challengeScore(found: readonly Rectangle[], truth: readonly Rectangle[]): number | undefined {
  if (found.length === 0 && truth.length === 0) return undefined;
  const scores = CHALLENGE.map((least) => {
    const right = hitsOf(found, truth, least).filter(Boolean).length;
    return right / (found.length + truth.length - right);
  });
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}
