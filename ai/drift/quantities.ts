// What is watched for drift, and the bins in which each quantity is counted (docs/drift.md). The bins are part of what lies in the
// database and in manifests: another set of bins is another quantity, under another name.

/** `bins` equal bins from `low` to `high`. */
const equal = (bins: number, high: number, low = 0): number[] => Array.from({ length: bins + 1 }, (_, edge) => low + ((high - low) * edge) / bins);

/** Most radiographs have few such pixels, so the bins grow. */
const SHARE = [0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1];

/** Edges in rising order. */
export const QUANTITIES = {
  /** Calibrated, of the positive finding. */
  probability: equal(20, 1),
  /** 0 or 1: at or above the threshold. */
  positive: [0, 0.5, 1],
  /** Of the gray values of the model's input, black 0 to white 1. */
  mean: equal(50, 1),
  /** Standard deviation of the same. */
  deviation: equal(50, 0.5),
  /** Share of nearly black pixels. */
  black: SHARE,
  /** Share of nearly white pixels. */
  white: SHARE,
  /** Mean step between neighbouring pixels, in standard deviations. */
  sharpness: equal(40, 0.2),
  /** Columns / rows of the stored image. */
  aspect: equal(32, 2, 0.4),
  /** Millimetres between the rows of the detector's pixels. */
  spacing: equal(60, 0.3),
} as const satisfies Record<string, readonly number[]>;

export type Quantity = keyof typeof QUANTITIES;
export const QUANTITY_NAMES = Object.keys(QUANTITIES) as Quantity[];

export const binsOf = (quantity: Quantity): number => QUANTITIES[quantity].length - 1;

/** The bin i with edge[i] <= value < edge[i + 1]; what lies outside belongs to the first or the last. */
export function binOf(quantity: Quantity, value: number): number {
  const edges = QUANTITIES[quantity];
  const above = edges.findIndex((edge) => edge > value);
  return above < 0 ? edges.length - 2 : Math.max(0, above - 1);
}

/** What a histogram says in one number: the share of positives, else the mean, with each value at the middle of its bin. */
export function levelOf(quantity: Quantity, counts: readonly number[]): number {
  const n = counts.reduce((sum, count) => sum + count, 0);
  if (n === 0) return Number.NaN;
  if (quantity === 'positive') return counts[1]! / n;
  const edges = QUANTITIES[quantity];
  return counts.reduce((sum, count, bin) => sum + (count * (edges[bin]! + edges[bin + 1]!)) / 2, 0) / n;
}
