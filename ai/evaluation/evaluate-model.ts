// From the predictions of one model to its report: figures, each with its interval from the same resamples of the patients.
import type { ModelPackage } from '../runtime/manifest.ts';
import { compareAccepted } from './accepted.ts';
import { AGE_BANDS, SEXES, VIEWS } from './attributes.ts';
import type { WordMap } from './cases/meaning.ts';
import { bootstrap } from './figures/bootstrap.ts';
import type { BootstrapOptions, Measure, Resamples } from './figures/bootstrap.ts';
import { boxMeasure, looseDetections } from './figures/box-measure.ts';
import { frocCurve } from './figures/boxes.ts';
import type { LocatedImage } from './figures/boxes.ts';
import { brierScore, calibrationError, calibrationInTheLarge, reliability } from './figures/calibration.ts';
import { classMeasure, classPairs, confusionMatrix } from './figures/classes.ts';
import type { Classified } from './figures/classes.ts';
import { areaUnderRoc, averagePrecision, precisionRecallCurve, rankingOf, rocCurve } from './figures/ranking.ts';
import { countsAt, predictiveValues, ratesOf } from './figures/rates.ts';
import { groupMeasure, groupsOf, judgeGroups } from './figures/subgroups.ts';
import type { Attribute } from './figures/subgroups.ts';
import { adviceFor, adviceMeasure } from './figures/threshold-advice.ts';
import { bandsOf } from './bands.ts';
import { IMAGE_FIGURES } from './model-evaluation.ts';
import type { BoxFigures, ClassFigures, ImageFigures, Mistake, ModelEvaluation } from './model-evaluation.ts';
import { reportedLabel, reportedRegions } from './opened-model.ts';
import type { Analyzed, Prediction } from './run.ts';
import { truthOf } from './truth.ts';
import type { Truth } from './truth.ts';
import { warningsOf } from './warnings.ts';

export interface ModelEvaluationOptions extends BootstrapOptions {
  wantedSensitivity: number;
  /** Of the user's own patients, where given. */
  prevalence: number | undefined;
  map: WordMap;
  /** Columns of the list. */
  by: readonly string[];
  /** Execution provider that ran the model. */
  provider: string;
}

/** One analysed image. */
interface Row {
  prediction: Prediction;
  result: Analyzed;
  truth: Truth;
}

/** The analysed images as columns. */
interface Scored {
  probability: Float64Array;
  truth: Uint8Array;
  threshold: number;
  patients: Int32Array;
}

/** Sensitivities beside the wanted one of which the threshold is told. */
const OTHER_SENSITIVITIES = [0.9, 0.95, 0.98];
const MOST_MISTAKES = 15;
const HISTOGRAM_STEPS = 20;

/** @param predictions of this model, and those of images that came to no model @throws the signal's reason */
export async function evaluateModel(model: ModelPackage, predictions: readonly Prediction[], options: ModelEvaluationOptions): Promise<ModelEvaluation> {
  const { manifest } = model;
  const all = predictions.flatMap((prediction) => {
    const truth = truthOf(prediction.case, manifest, options.map);
    return truth ? [{ prediction, truth }] : [];
  });
  const rows = all.flatMap(({ prediction, truth }) => (prediction.result.status === 'analyzed' ? [{ prediction, truth, result: prediction.result }] : []));
  const scored = scoredOf(rows, manifest.operatingPoint.threshold);
  const classified = classifiedOf(model, rows);
  const located = locatedOf(model, rows);
  const groups = groupsOf(attributesOf(rows, options.by));
  const wanted = [...new Set([options.wantedSensitivity, ...OTHER_SENSITIVITIES])].sort((one, other) => one - other);
  const measures = {
    image: imageMeasure(scored, options.prevalence),
    bins: binMeasure(scored),
    classes: classified ? classMeasure(classified) : nothing,
    boxes: located ? boxMeasure(located) : nothing,
    groups: groupMeasure(groups, scored),
    advice: adviceMeasure(wanted, scored),
  } satisfies Record<string, Measure>;
  const resamples = await bootstrap(measures, scored.patients, options);

  const patients = patientsOf(scored);
  const figures = imageFigures(resamples.image, patients);
  const boxes = located && boxFigures(located, resamples.boxes, rows);
  const ranking = rankingOf(scored.probability, scored.truth);
  const unanalyzed = all.flatMap(({ prediction, truth }) =>
    prediction.result.status === 'analyzed' ? [] : [{ name: prediction.case.name, positive: truth.positive, ...prediction.result }],
  );
  const confusion = countsAt(scored.probability, scored.truth, scored.threshold, new Uint8Array(rows.length).fill(1));
  const report = {
    model: { ...pick(model), provider: options.provider, labels: manifest.labels.map(({ name }) => name) },
    threshold: scored.threshold,
    images: {
      listed: all.length,
      analyzed: rows.length,
      positive: rows.filter(({ truth }) => truth.positive).length,
      negative: rows.filter(({ truth }) => !truth.positive).length,
      patients: new Set(scored.patients).size,
      notAnalyzable: unanalyzed.filter(({ status }) => status === 'not-analyzable').length,
      failed: unanalyzed.filter(({ status }) => status === 'failed').length,
      withoutPatient: rows.filter(({ prediction }) => prediction.patient === undefined).length,
    },
    figures,
    confusion,
    missesCounted: missesCounted(confusion, unanalyzed),
    atPrevalence:
      options.prevalence === undefined
        ? null
        : { prevalence: options.prevalence, ppv: resamples.image.figure('ppvAtPrevalence'), npv: resamples.image.figure('npvAtPrevalence') },
    reliability: reliabilityOf(scored, resamples.bins),
    curves: { roc: rocCurve(ranking), precisionRecall: precisionRecallCurve(ranking) },
    histogram: histogramOf(scored),
    classes: classified ? classFigures(classified, resamples.classes) : null,
    boxes: boxes ?? null,
    subgroups: judgeGroups(groups, scored, resamples.groups),
    advice: wanted.map((sensitivity) => adviceFor(sensitivity, resamples.advice, patients)),
    accepted: compareAccepted(manifest.figures, figures, boxes?.figures),
    unanalyzed,
    mistakes: mistakesOf(rows, scored.threshold),
  };
  return { ...report, warnings: warningsOf(report, { wantedSensitivity: options.wantedSensitivity, patients }) };
}

const nothing: Measure = () => ({});

function pick({ identity: { name, version, sha256, deviceUid } }: ModelPackage): { name: string; version: string; sha256: string; deviceUid: string } {
  return { name, version, sha256, deviceUid };
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

function patientsOf({ patients, truth }: Scored): { positive: number; negative: number } {
  const distinct = (wanted: number): number => new Set(patients.filter((_, image) => truth[image] === wanted)).size;
  return { positive: distinct(1), negative: distinct(0) };
}

function imageMeasure({ probability, truth, threshold }: Scored, prevalence: number | undefined): Measure {
  const ranking = rankingOf(probability, truth);
  return (weights) => {
    const rates = ratesOf(countsAt(probability, truth, threshold, weights));
    const bins = reliability(probability, truth, weights);
    const at = prevalence === undefined ? undefined : predictiveValues(rates.sensitivity, rates.specificity, prevalence);
    return {
      auc: areaUnderRoc(ranking, weights),
      averagePrecision: averagePrecision(ranking, weights),
      ...rates,
      calibrationError: calibrationError(bins),
      calibrationInTheLarge: calibrationInTheLarge(bins),
      brier: brierScore(probability, truth, weights),
      ...(at && { ppvAtPrevalence: at.ppv, npvAtPrevalence: at.npv }),
    };
  };
}

function imageFigures(resamples: Resamples, { positive, negative }: { positive: number; negative: number }): ImageFigures {
  const figures = Object.fromEntries(IMAGE_FIGURES.map((name) => [name, resamples.figure(name)])) as ImageFigures;
  return { ...figures, sensitivity: resamples.share('sensitivity', positive), specificity: resamples.share('specificity', negative) };
}

function binMeasure({ probability, truth }: Scored): Measure {
  return (weights) => Object.fromEntries(reliability(probability, truth, weights).map(({ observed }, bin) => [String(bin), observed]));
}

function reliabilityOf({ probability, truth, patients }: Scored, resamples: Resamples): ModelEvaluation['reliability'] {
  const bins = reliability(probability, truth, new Uint8Array(truth.length).fill(1));
  return bins.map(({ from, to, images, predicted }, bin) => {
    const people = new Set(patients.filter((_, image) => probability[image]! >= from && (probability[image]! < to || to === 1))).size;
    return { from, to, images, predicted: Number.isNaN(predicted) ? null : predicted, observed: resamples.share(String(bin), people) };
  });
}

function histogramOf({ probability, truth }: Scored): ModelEvaluation['histogram'] {
  const steps = Array.from({ length: HISTOGRAM_STEPS }, (_, step) => ({ from: step / HISTOGRAM_STEPS, to: (step + 1) / HISTOGRAM_STEPS, positive: 0, negative: 0 }));
  probability.forEach((each, image) => {
    steps[Math.min(Math.floor(each * HISTOGRAM_STEPS), HISTOGRAM_STEPS - 1)]![truth[image] ? 'positive' : 'negative'] += 1;
  });
  return steps;
}

function missesCounted(confusion: ModelEvaluation['confusion'], unanalyzed: readonly { positive: boolean }[]): ModelEvaluation['missesCounted'] {
  const positives = unanalyzed.filter(({ positive }) => positive).length;
  const { accuracy, sensitivity, specificity } = ratesOf({
    ...confusion,
    falseNegative: confusion.falseNegative + positives,
    falsePositive: confusion.falsePositive + unanalyzed.length - positives,
  });
  const told = (rate: number): number | null => (Number.isNaN(rate) ? null : rate);
  return { accuracy: told(accuracy), sensitivity: told(sensitivity), specificity: told(specificity) };
}

/** undefined for a model with one label, or where of no image the class is known. */
function classifiedOf({ manifest }: ModelPackage, rows: readonly Row[]): Classified | undefined {
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

function classFigures(classified: Classified, resamples: Resamples): ClassFigures {
  const { classes, truth } = classified;
  return {
    names: [...classes],
    images: truth.filter((actual) => actual >= 0).length,
    confusion: confusionMatrix(classified),
    accuracy: resamples.figure('accuracy'),
    auc: classes.map((name) => ({ name, figure: resamples.figure(`auc ${name}`) })),
    pairs: classPairs(classified).map(({ one, other }) => ({ one, other, figure: resamples.figure(`auc ${one} / ${other}`) })),
  };
}

/** The images all of whose opacities are known; undefined where the list has no box, or the model gives no region. */
function locatedOf({ manifest }: ModelPackage, rows: readonly Row[]): LocatedImage[] | undefined {
  const { boxes, mask } = manifest.outputs;
  if (!boxes && !mask) return undefined;
  if (!rows.some(({ truth }) => (truth.boxes?.length ?? 0) > 0)) return undefined;
  return rows.flatMap(({ truth, result: { probability, candidates } }, image) =>
    truth.boxes ? [{ image, truth: truth.boxes, candidates, reported: reportedRegions(manifest, probability, candidates) }] : [],
  );
}

function boxFigures(located: readonly LocatedImage[], resamples: Resamples, rows: readonly Row[]): BoxFigures {
  const { challengeCut, ...figures } = resamples.point;
  return {
    images: located.length,
    trueBoxes: located.reduce((sum, { truth }) => sum + truth.length, 0),
    withoutBoxes: rows.length - located.length,
    figures: Object.fromEntries(Object.keys(figures).map((name) => [name, resamples.figure(name)])),
    challengeCut: challengeCut!,
    froc: frocCurve(looseDetections(located)),
  };
}

function attributesOf(rows: readonly Row[], by: readonly string[]): Attribute[] {
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

/** The worst first. */
function mistakesOf(rows: readonly Row[], threshold: number): ModelEvaluation['mistakes'] {
  const asMistakes = (wrong: readonly Row[]): Mistake[] =>
    wrong.slice(0, MOST_MISTAKES).map(({ prediction, result }) => ({ name: prediction.case.name, probability: result.probability }));
  const byProbability = rows.toSorted((one, other) => one.result.probability - other.result.probability);
  return {
    missed: asMistakes(byProbability.filter(({ truth, result }) => truth.positive && result.probability < threshold)),
    falseAlarms: asMistakes(byProbability.filter(({ truth, result }) => !truth.positive && result.probability >= threshold).reverse()),
  };
}
