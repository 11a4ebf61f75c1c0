// The predictions of one model beside the truth, as rows and as the columns that the figures are measured on.
import type { ModelPackage } from '../runtime/manifest.ts';
import { AGE_BANDS, SEXES, VIEWS } from './attributes.ts';
import { bandsOf } from './bands.ts';
import type { WordMap } from './cases/meaning.ts';
import type { LocatedImage } from './figures/boxes.ts';
import type { Classified } from './figures/classes.ts';
import type { Attribute } from './figures/subgroups.ts';
import { reportedLabel, reportedRegions } from './opened-model.ts';
import type { Analyzed, Prediction } from './run.ts';
import { truthOf } from './truth.ts';
import type { Truth } from './truth.ts';

/** One analysed image. */
export interface Row {
  prediction: Prediction;
  result: Analyzed;
  truth: Truth;
}

/** The analysed images as columns. */
export interface Scored {
  probability: Float64Array;
  /** 1 positive, 0 negative. */
  truth: Uint8Array;
  threshold: number;
  /** Number of each image's patient, from 0. */
  patients: Int32Array;
}

export interface Judged {
  rows: Row[];
  scored: Scored;
  unanalyzed: { name: string; status: 'not-analyzable' | 'failed'; positive: boolean; reason: string }[];
}

export function judged({ manifest }: ModelPackage, predictions: readonly Prediction[], map: WordMap): Judged {
  const rows: Row[] = [];
  const unanalyzed: Judged['unanalyzed'] = [];
  for (const prediction of predictions) {
    const { case: told, result } = prediction;
    const truth = truthOf(told, manifest, map);
    if (!truth) continue;
    if (result.status === 'analyzed') rows.push({ prediction, truth, result });
    else unanalyzed.push({ name: told.name, status: result.status, positive: truth.positive, reason: result.reason });
  }
  return { rows, unanalyzed, scored: scoredOf(rows, manifest.operatingPoint.threshold) };
}

/** A patient who is not known is one of his own. */
function scoredOf(rows: readonly Row[], threshold: number): Scored {
  const numbers = new Map<string, number>();
  const numberOf = (key: string): number => {
    const known = numbers.get(key) ?? numbers.size;
    numbers.set(key, known);
    return known;
  };
  return {
    probability: Float64Array.from(rows, ({ result }) => result.probability),
    truth: Uint8Array.from(rows, ({ truth }) => Number(truth.positive)),
    threshold,
    patients: Int32Array.from(rows, ({ prediction }, index) => numberOf(prediction.patient === undefined ? `image ${index}` : `patient ${prediction.patient}`)),
  };
}

/** Patients with an image of which the condition holds. */
export function patientsWhere({ patients }: Scored, holds: (image: number) => boolean): number {
  return new Set(patients.filter((_, image) => holds(image))).size;
}

/** undefined for a model with one label, or where of no image the class is known. */
export function classifiedOf({ manifest }: ModelPackage, rows: readonly Row[]): Classified | undefined {
  const classes = manifest.labels.map(({ name }) => name);
  const truth = Int8Array.from(rows, ({ truth: { label } }) => (label === undefined ? -1 : classes.indexOf(label)));
  if (classes.length < 2 || truth.every((actual) => actual < 0)) return undefined;
  return {
    classes,
    truth,
    told: Int8Array.from(rows, ({ result }) => classes.indexOf(reportedLabel(manifest, result) ?? '')),
    scores: classes.map((name) => Float64Array.from(rows, ({ result }) => result.scores[name] ?? 0)),
  };
}

/** The images all of whose opacities are known; undefined where the list has no box, or the model gives no region. */
export function locatedOf({ manifest }: ModelPackage, rows: readonly Row[]): LocatedImage[] | undefined {
  const { boxes, mask } = manifest.outputs;
  if (!boxes && !mask) return undefined;
  if (!rows.some(({ truth }) => (truth.boxes?.length ?? 0) > 0)) return undefined;
  return rows.flatMap(({ truth, result: { probability, candidates } }, image) =>
    truth.boxes ? [{ image, truth: truth.boxes, candidates, reported: reportedRegions(manifest, probability, candidates) }] : [],
  );
}

/** Those of which at least one image tells. @param by columns of the list */
export function attributesOf(rows: readonly Row[], by: readonly string[]): Attribute[] {
  const valuesOf = (name: string): string[] => rows.map(({ prediction }) => prediction.attributes[name] ?? '');
  const known: Attribute[] = [
    { name: 'sex', values: valuesOf('sex'), order: SEXES },
    { name: 'age', values: valuesOf('age'), order: AGE_BANDS },
    { name: 'view', values: valuesOf('view'), order: VIEWS },
    { name: 'manufacturer', values: valuesOf('manufacturer') },
    { name: 'kind', values: rows.map(({ prediction, truth }) => (truth.positive ? (prediction.attributes['kind'] ?? '') : '')), ofPositives: true },
  ];
  const columns = by.map((column) => bandsOf(column, rows.map(({ prediction }) => prediction.case.columns[column] ?? '')));
  return [...known, ...columns].filter(({ values }) => values.some((value) => value !== ''));
}
