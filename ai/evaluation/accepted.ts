// The figures that a model was accepted with (`figures` of its manifest, which are free) beside those of this site.
import type { Figure } from './figures/bootstrap.ts';
import type { AcceptedFigure, ImageFigures } from './model-evaluation.ts';

/** Names that manifests have for what we measure, in the form of plainName. */
const NAMES: Readonly<Record<string, string>> = {
  auc: 'auc', auroc: 'auc', rocauc: 'auc',
  averageprecision: 'averagePrecision', ap: 'averagePrecision',
  accuracy: 'accuracy', sensitivity: 'sensitivity', recall: 'sensitivity', specificity: 'specificity',
  precision: 'ppv', ppv: 'ppv', npv: 'npv', f1: 'f1',
  calibrationerror: 'calibrationError', ece: 'calibrationError', brier: 'brier',
  ap50: 'ap50',
};
const LOWER_IS_BETTER = new Set(['calibrationError', 'brier']);

function plainName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

/** @param figures of the manifest: { SET: { NAME: number or { value } } }, or { NAME: number } */
export function compareAccepted(figures: Record<string, unknown>, here: ImageFigures, boxes: Record<string, Figure> | undefined): AcceptedFigure[] {
  const measured: Record<string, Figure | undefined> = { ...here, ap50: boxes?.['ap50'] };
  return Object.entries(figures).flatMap(([set, value]) => {
    const entries = typeof value === 'number' ? [[set, value] as const] : isRecord(value) ? Object.entries(value) : [];
    return entries.flatMap(([name, entry]) => {
      const accepted = numberOf(entry);
      const known = NAMES[plainName(name)];
      const figure = known === undefined ? undefined : measured[known];
      if (accepted === undefined || known === undefined || figure === undefined || figure.value === null) return [];
      return [{ set: typeof value === 'number' ? '' : set, name: known, accepted, here: figure, verdict: verdictOf(accepted, figure, LOWER_IS_BETTER.has(known)) }];
    });
  });
}

function verdictOf(accepted: number, { low, high }: Figure, lowerIsBetter: boolean): AcceptedFigure['verdict'] {
  if (low === null || high === null || (low <= accepted && accepted <= high)) return 'within';
  return high < accepted === lowerIsBetter ? 'better' : 'worse';
}

function numberOf(entry: unknown): number | undefined {
  const value = isRecord(entry) ? entry['value'] : entry;
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
