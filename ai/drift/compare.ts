// How far a distribution is from the accepted one: the population stability index says how much has changed, a test says whether
// chance could have done it.
import { levelOf, type Quantity } from './quantities.ts';

export interface Comparison {
  /** Population stability index: 0 the same; 0.1 to 0.2 is some change, above it a large one, by common use. */
  psi: number;
  /** Kolmogorov-Smirnov distance, 0 to 1. */
  ks: number;
  /** How likely chance alone brings two sets so far apart. */
  p: number;
  /** Share of positives, or the mean, recently and as accepted. */
  level: number;
  acceptedLevel: number;
}

/** @param accepted and recent: counts in the bins of the quantity, each with at least one value */
export function compare(quantity: Quantity, accepted: readonly number[], recent: readonly number[]): Comparison {
  const ks = kolmogorovSmirnov(accepted, recent);
  const [level, acceptedLevel] = [levelOf(quantity, recent), levelOf(quantity, accepted)];
  const p = quantity === 'positive' ? proportionsP(accepted, recent) : kolmogorovSmirnovP(ks, total(accepted), total(recent));
  return { psi: populationStabilityIndex(accepted, recent), ks, p, level, acceptedLevel };
}

/**
 * Sum of (recent - accepted) * ln(recent / accepted) over groups of bins, as shares. Half a value is added to each group, so that
 * an empty one is no infinity.
 */
export function populationStabilityIndex(accepted: readonly number[], recent: readonly number[]): number {
  const groups = groupBins(accepted);
  const shares = (counts: readonly number[]): number[] => {
    const n = total(counts) + SMOOTHING * groups.length;
    return groups.map(([from, to]) => (total(counts.slice(from, to)) + SMOOTHING) / n);
  };
  const [before, now] = [shares(accepted), shares(recent)];
  return groups.reduce((sum, _, group) => sum + (now[group]! - before[group]!) * Math.log(now[group]! / before[group]!), 0);
}

const SMOOTHING = 0.5;
/** Of what was accepted, in one group. Chance alone adds about (groups - 1) / images to the index: of 100 images in 50 bins, 0.5. */
const LEAST_SHARE = 0.1;

/** Adjacent bins together until they hold a tenth of the accepted; a bin that holds so much by itself stays alone. @returns [from, to) */
export function groupBins(accepted: readonly number[]): [from: number, to: number][] {
  const least = LEAST_SHARE * total(accepted);
  const groups: [number, number][] = [];
  let from = 0;
  let held = 0;
  accepted.forEach((count, bin) => {
    if (count >= least && bin > from) {
      groups.push([from, bin]);
      [from, held] = [bin, 0];
    }
    held += count;
    if (held < least) return;
    groups.push([from, bin + 1]);
    [from, held] = [bin + 1, 0];
  });
  if (from < accepted.length) groups.push([from, accepted.length]);
  return groups;
}

/** Largest distance of the cumulative shares at the edges of the bins; within a bin it cannot be seen. */
export function kolmogorovSmirnov(one: readonly number[], other: readonly number[]): number {
  const [n, m] = [total(one), total(other)];
  let [before, now, distance] = [0, 0, 0];
  one.forEach((count, bin) => {
    before += count / n;
    now += other[bin]! / m;
    distance = Math.max(distance, Math.abs(before - now));
  });
  return distance;
}

/** Beyond so many terms the series no longer changes a double. */
const MOST_TERMS = 100;

/** Of the two-sample test: Kolmogorov's distribution with Stephens' correction for small sets (J. R. Stat. Soc. B 32, 1970). */
export function kolmogorovSmirnovP(distance: number, n: number, m: number): number {
  const root = Math.sqrt((n * m) / (n + m));
  const lambda = (root + 0.12 + 0.11 / root) * distance;
  // Below, the survival function is 1 to the last digit, and its series hardly converges.
  if (lambda < 0.2) return 1;
  let p = 0;
  for (let k = 1; k <= MOST_TERMS; k++) p += 2 * (k % 2 === 1 ? 1 : -1) * Math.exp(-2 * k * k * lambda * lambda);
  return Math.min(1, Math.max(0, p));
}

/** Of a difference of shares of positives, [negative, positive] each: the two-sided z test with the pooled share. */
export function proportionsP(one: readonly number[], other: readonly number[]): number {
  const [n, m] = [total(one), total(other)];
  const pooled = (one[1]! + other[1]!) / (n + m);
  const error = Math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m));
  return error === 0 ? 1 : Math.min(1, complementaryError(Math.abs(one[1]! / n - other[1]! / m) / error / Math.SQRT2));
}

/** erfc for x >= 0, to 1.2e-7 of its value (Press et al., Numerical Recipes, 6.2). */
function complementaryError(x: number): number {
  const t = 1 / (1 + x / 2);
  const series = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277];
  return t * Math.exp(-x * x + series.reduceRight((sum, coefficient) => sum * t + coefficient, 0));
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
