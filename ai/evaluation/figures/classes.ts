// Several classes that exclude each other, as normal, bacterial, viral: who is taken for whom, and how well each is told from
// the others, all together and one by one.
import type { Measure } from './bootstrap.ts';
import { areaUnderRoc, rankingOf } from './ranking.ts';
import type { Weights } from './ranking.ts';

export interface Classified {
  /** Names, in the order of the model's labels. */
  classes: readonly string[];
  /** True class of each image; -1 where only positive or negative is known: it takes no part. */
  truth: Int8Array;
  /** The class that the gateway reports. */
  told: Int8Array;
  /** Score of each class by image. */
  scores: readonly Float64Array[];
}

/** Rows are the truth, columns what was told. */
export function confusionMatrix({ classes, truth, told }: Classified): number[][] {
  const matrix = classes.map(() => classes.map(() => 0));
  truth.forEach((actual, image) => {
    if (actual >= 0) matrix[actual]![told[image]!]! += 1;
  });
  return matrix;
}

export interface ClassPair {
  one: string;
  other: string;
}

/** Each two classes of which there are images. */
export function classPairs({ classes, truth }: Classified): ClassPair[] {
  const present = classes.filter((_, index) => truth.includes(index));
  return present.flatMap((one, index) => present.slice(index + 1).map((other) => ({ one, other })));
}

/**
 * `accuracy`; `auc NAME` of each class against the rest; `auc ONE / OTHER` and `accuracy ONE / OTHER` of the images of two
 * classes alone, by the share that the one has of the scores of both.
 */
export function classMeasure(classified: Classified): Measure {
  const { classes, truth, told, scores } = classified;
  const known = [...truth.keys()].filter((image) => truth[image]! >= 0);
  const indices = new Map(classes.map((name, index) => [name, index]));
  const single = classes.map((name, index) => ({
    name: `auc ${name}`,
    ranking: rankingOf(scores[index]!, truth.map((actual) => Number(actual === index)), known),
  }));
  const pairs = classPairs(classified).map(({ one, other }) => {
    const [a, b] = [indices.get(one)!, indices.get(other)!];
    const members = known.filter((image) => truth[image] === a || truth[image] === b);
    const share = scores[a]!.map((score, image) => score / Math.max(score + scores[b]![image]!, Number.MIN_VALUE));
    const ranking = rankingOf(share, truth.map((actual) => Number(actual === a)), members);
    const right = Uint8Array.from(share, (each, image) => Number(each >= 0.5 === (truth[image] === a)));
    return { pair: `${one} / ${other}`, ranking, right, members };
  });
  const rightAmongAll = Uint8Array.from(truth, (actual, image) => Number(actual === told[image]));
  return (weights) => {
    const figures: Record<string, number> = { accuracy: shareRight({ right: rightAmongAll, members: known }, weights) };
    for (const { name, ranking } of single) figures[name] = areaUnderRoc(ranking, weights);
    for (const { pair, ranking, ...between } of pairs) {
      figures[`auc ${pair}`] = areaUnderRoc(ranking, weights);
      figures[`accuracy ${pair}`] = shareRight(between, weights);
    }
    return figures;
  };
}

function shareRight({ right, members }: { right: Uint8Array; members: readonly number[] }, weights: Weights): number {
  let [sum, images] = [0, 0];
  for (const image of members) {
    images += weights[image]!;
    sum += weights[image]! * right[image]!;
  }
  return sum / images;
}
