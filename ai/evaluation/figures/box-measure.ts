// The figures of the regions as one measure of the bootstrap.
import type { Measure } from './bootstrap.ts';
import { FALSE_REGIONS, boxAveragePrecision, challengeScore, detectionsOf, hitsOf, recallAt } from './boxes.ts';
import type { Detections, LocatedImage, ScoredRectangle } from './boxes.ts';

/** A region hits from here on: where a reader looks at the right place, as the free-response curve counts it. */
export const HIT = 0.3;

/** Scores of regions that are tried for the best score of the challenge. */
const CUTS = [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8];

interface Reported {
  image: number;
  truth: number;
  found: number;
  hit: number;
  hitHalf: number;
  challenge: number | undefined;
}

/**
 * `ap50`, `ap30`, `froc N` (recall at N false regions an image), and of what the gateway reports: `hitRate` and `precision` at
 * IoU 0.3, `hitRate50`, `falseAnImage`, `rsnaMap`, and `rsnaMapBest` with the cut `rsnaCut` that suits it best.
 */
export function boxMeasure(located: readonly LocatedImage[]): Measure {
  const [loose, half] = [detectionsOf(located, HIT), detectionsOf(located, 0.5)];
  const reported = located.map(countReported);
  const cuts = CUTS.map((cut) => located.map(({ image, truth, candidates }) => ({ image, challenge: challengeScore(above(candidates, cut), truth) })));
  const best = bestCut(cuts);
  return (weights) => {
    let [truth, found, hit, hitHalf, images] = [0, 0, 0, 0, 0];
    for (const each of reported) {
      const weight = weights[each.image]!;
      images += weight;
      truth += weight * each.truth;
      found += weight * each.found;
      hit += weight * each.hit;
      hitHalf += weight * each.hitHalf;
    }
    const recalls = recallAt(loose, FALSE_REGIONS, weights);
    return {
      ap50: boxAveragePrecision(half, weights),
      ap30: boxAveragePrecision(loose, weights),
      ...Object.fromEntries(FALSE_REGIONS.map((level, index) => [`froc ${level}`, recalls[index]!])),
      hitRate: hit / truth,
      hitRate50: hitHalf / truth,
      precision: hit / found,
      falseAnImage: (found - hit) / images,
      rsnaMap: meanChallenge(reported, weights),
      rsnaMapBest: meanChallenge(cuts[best]!, weights),
      rsnaCut: CUTS[best]!,
    };
  };
}

export function looseDetections(located: readonly LocatedImage[]): Detections {
  return detectionsOf(located, HIT);
}

function countReported({ image, truth, reported }: LocatedImage): Reported {
  const hits = (least: number): number => hitsOf(reported, truth, least).filter(Boolean).length;
  return { image, truth: truth.length, found: reported.length, hit: hits(HIT), hitHalf: hits(0.5), challenge: challengeScore(reported, truth) };
}

function above(candidates: readonly ScoredRectangle[], cut: number): ScoredRectangle[] {
  return candidates.filter(({ score }) => score >= cut);
}

type Challenged = Pick<Reported, 'image' | 'challenge'>;

function bestCut(cuts: readonly Challenged[][]): number {
  const means = cuts.map((cut) => meanChallenge(cut, undefined));
  return means.reduce((best, mean, index) => (mean > means[best]! ? index : best), 0);
}

function meanChallenge(images: readonly Challenged[], weights: ArrayLike<number> | undefined): number {
  let [sum, count] = [0, 0];
  for (const { image, challenge } of images) {
    if (challenge === undefined) continue;
    const weight = weights ? weights[image]! : 1;
    sum += weight * challenge;
    count += weight;
  }
  return sum / count;
}
