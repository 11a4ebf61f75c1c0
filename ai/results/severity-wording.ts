// How much of the lungs is opaque in words, for report and overlay alike.
import type { Severity } from '../../storage/entities/severity.ts';

/** 'Opaque: right 12 %, left 0 % (by boxes)', for the line of a legend. */
export function severityInShort(severity: Severity): string {
  if (severity.status === 'not-measured') return 'Extent not measured';
  return `Opaque: right ${wholePercent(severity.right)}, left ${wholePercent(severity.left)}${severity.basis === 'boxes' ? ' (by boxes)' : ''}`;
}

/** What a reader of the report must know to judge the number, or why there is none. */
export function severityInFull(severity: Severity): string {
  if (severity.status === 'not-measured') return `How much of the lungs is opaque was not measured: ${severity.reason}.`;
  const { right, left, both, basis } = severity;
  const how = basis === 'boxes' ? 'by the boxes around the regions, which overstate it' : 'by what the model marked within the regions';
  return `Opaque share of the lung fields: right ${wholePercent(right)}, left ${wholePercent(left)}, both ${wholePercent(both)}, ${how}.`;
}

/** Nothing is not a little. @param share in per cent */
export function wholePercent(share: number): string {
  if (share > 0 && share < 1) return '<1 %';
  return share < 100 && share > 99 ? '>99 %' : `${Math.round(share)} %`;
}
