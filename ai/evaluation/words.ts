// Figures as people read them.
import type { Figure } from './figures/bootstrap.ts';

/** '0.953 (0.940 to 0.964)'; '-' for what cannot be told. */
export function figureInWords({ value, low, high }: Figure, digits = 3): string {
  if (value === null) return '-';
  const number = (each: number): string => each.toFixed(digits);
  return low === null || high === null ? number(value) : `${number(value)} (${number(low)} to ${number(high)})`;
}

export function percent(fraction: number): string {
  return `${Math.round(fraction * 1000) / 10} %`;
}
