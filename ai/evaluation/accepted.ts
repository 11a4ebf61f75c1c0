// The figures that a model was accepted with (`figures` of its manifest, which are free) beside those of this site.
import type { Figure } from './figures/bootstrap.ts';
import type { AcceptedFigure, ModelEvaluation } from './model-evaluation.ts';

/** Names that manifests have for what we measure, beside our own; all in the form of plainName. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  auroc: 'auc',
  rocauc: 'auc',
  ap: 'averageprecision',
  recall: 'sensitivity',
  precision: 'ppv',
  ece: 'calibrationerror',
  ap50: 'regionsap50',
};
const LOWER_IS_BETTER = new Set(['calibrationError', 'brier', 'regions falseAnImage']);

function plainName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

type Measured = Pick<ModelEvaluation, 'figures' | 'classes' | 'boxes'>;

/** What a set of one class alone can show: the rest follows from what it lacks. */
const OF_ONE_CLASS = new Set(['sensitivity', 'specificity', 'regions falseAnImage']);

/** @param accepted of the manifest: { SET: { NAME: number, [number, low, high] or { value } } }; sets may hold further records */
export function compareAccepted(accepted: Record<string, unknown>, measured: Measured): AcceptedFigure[] {
  const oneClass = measured.figures['auc']?.value === null;
  const here = new Map([...figuresOf(measured)].map(([name, figure]) => [plainName(name), { name, figure }]));
  return Object.entries(accepted).flatMap(([set, content]) => {
    if (!isRecord(content)) return [];
    const told = [...numbersOf(content, '')];
    // What counts as a hit must be the same: these are counted at IoU 0.3 where hitRate is among them.
    const sameHits = told.some(([name]) => plainName(name) === 'regionshitrate');
    return told.flatMap(([name, number]) => {
      const plain = plainName(name);
      const found = here.get(OTHER_NAMES[plain] ?? plain);
      if (!found || found.figure.value === null || (plain === 'regionsfalseanimage' && !sameHits)) return [];
      if (oneClass && !OF_ONE_CLASS.has(found.name)) return [];
      return [{ set, name: found.name, accepted: number, here: found.figure, verdict: verdictOf(number, found.figure, LOWER_IS_BETTER.has(found.name)) }];
    });
  });
}

/** By the names that `train export` writes. */
function* figuresOf({ figures, classes, boxes }: Measured): Generator<[string, Figure]> {
  yield* Object.entries(figures);
  if (classes) {
    yield ['accuracy of labels', classes.accuracy];
    for (const { name, figure } of classes.auc) yield [`auc ${name}`, figure];
    for (const { one, other, auc, accuracy } of classes.pairs) {
      yield [`auc ${one} against ${other}`, auc];
      yield [`accuracy ${one} against ${other}`, accuracy];
    }
  }
  if (boxes) {
    for (const name of ['ap50', 'ap30', 'rsnaMap', 'hitRate', 'falseAnImage']) yield [`regions ${name}`, boxes.figures[name]!];
    yield ['regions recallAtOneFalse30', boxes.figures['froc 1']!];
  }
}

function* numbersOf(content: Record<string, unknown>, within: string): Generator<[string, number]> {
  for (const [name, entry] of Object.entries(content)) {
    const number = Array.isArray(entry) ? entry[0] : isRecord(entry) && 'value' in entry ? entry['value'] : entry;
    if (typeof number === 'number' && Number.isFinite(number)) yield [`${within}${name}`, number];
    else if (isRecord(entry)) yield* numbersOf(entry, `${within}${name} `);
  }
}

function verdictOf(accepted: number, { low, high }: Figure, lowerIsBetter: boolean): AcceptedFigure['verdict'] {
  if (low === null || high === null || (low <= accepted && accepted <= high)) return 'within';
  return high < accepted === lowerIsBetter ? 'better' : 'worse';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
