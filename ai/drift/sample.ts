// What one analysis adds to the distributions: its values, each in its bin.
import type { Dataset } from '../../storage/dicom/dataset.ts';
import type { DriftSample } from '../../storage/drift.repository.ts';
import type { AnalysisOutcome } from '../analysis.ts';
import { binOf, QUANTITY_NAMES, type Quantity } from './quantities.ts';
import { stationOf } from './station.ts';

/** Undefined where there was no outcome, or nobody measured the image. */
export function sampleOf(outcome: AnalysisOutcome, header: Dataset): DriftSample | undefined {
  if (outcome.status !== 'analyzed' || !outcome.statistics) return undefined;
  const { probability, positive, statistics } = outcome;
  const values: { [Name in Quantity]?: number | undefined } = { probability, positive: positive ? 1 : 0, ...statistics };
  const bins = QUANTITY_NAMES.flatMap((quantity) => {
    const value = values[quantity];
    return value === undefined || !Number.isFinite(value) ? [] : [[quantity, binOf(quantity, value)] as const];
  });
  return { station: stationOf(header), bins: Object.fromEntries(bins) };
}
