// Drift in the words of a reader: whose images, what about them, since when.
import type { DriftQuantity, DriftReport } from '../drift/report.ts';
import { momentWords } from './words.ts';

const QUANTITY_WORDS: Record<DriftQuantity['quantity'], string> = {
  probability: 'probability of the finding',
  positive: 'share of positive images',
  mean: 'brightness',
  deviation: 'contrast',
  black: 'black area',
  white: 'white area',
  sharpness: 'sharpness',
  aspect: 'shape of the image',
  spacing: 'pixel spacing',
};

export interface DriftLine {
  /** "All stations, opacity 0.1.1" */
  place: string;
  /** "brightness 0.512 → 0.438, share of positive images 20 % → 45 %" */
  changes: string;
  /** The earliest of them. */
  since: string;
}

/** One for each model and station of which something has drifted. */
export function driftLines({ models }: DriftReport): DriftLine[] {
  return models.flatMap(({ name, version, places }) =>
    places.flatMap(({ station, quantities }) => {
      const drifted = quantities.filter((quantity) => quantity.drifted);
      if (drifted.length === 0) return [];
      const since = drifted.map((quantity) => quantity.since ?? '').toSorted()[0] ?? '';
      return [{ place: `${station ?? 'All stations'}, ${name} ${version}`, changes: drifted.map(changeWords).join(', '), since: momentWords(since) }];
    }),
  );
}

function changeWords({ quantity, level, acceptedLevel }: DriftQuantity): string {
  const value = (number: number): string => (quantity === 'positive' ? `${Math.round(100 * number)} %` : number.toFixed(3));
  return `${QUANTITY_WORDS[quantity]} ${value(acceptedLevel)} → ${value(level)}`;
}
