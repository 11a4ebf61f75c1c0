// From the predictions of one model to its report: figures, each with its interval from the same resamples of the patients.
import type { ModelPackage } from '../runtime/manifest.ts';
import { compareAccepted } from './accepted.ts';
import type { WordMap } from './cases/meaning.ts';
import { bootstrap } from './figures/bootstrap.ts';
import type { BootstrapOptions, Measure, Resamples } from './figures/bootstrap.ts';
import { boxMeasure, looseDetections } from './figures/box-measure.ts';
import { frocCurve } from './figures/boxes.ts';
import type { LocatedImage } from './figures/boxes.ts';
import { classMeasure, classPairs, confusionMatrix } from './figures/classes.ts';
import type { Classified } from './figures/classes.ts';
import { precisionRecallCurve, rankingOf, rocCurve } from './figures/ranking.ts';
import { countsAt } from './figures/rates.ts';
import { groupMeasure, groupsOf, judgeGroups } from './figures/subgroups.ts';
import { adviceFor, adviceMeasure } from './figures/threshold-advice.ts';
import { atPrevalence, binMeasure, histogramOf, imageFigures, imageMeasure, missesCounted, reliabilityFigures } from './image-figures.ts';
import { attributesOf, classifiedOf, judged, locatedOf, patientsWhere } from './judged.ts';
import type { Judged, Row } from './judged.ts';
import type { BoxFigures, ClassFigures, ImageCounts, Mistake, ModelEvaluation } from './model-evaluation.ts';
import type { Prediction } from './run.ts';
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

/** Sensitivities beside the wanted one of which the threshold is told. */
const OTHER_SENSITIVITIES = [0.9, 0.95, 0.98];
const MOST_MISTAKES = 15;

/** @param predictions of this model, and those of images that came to no model @throws the signal's reason */
export async function evaluateModel(model: ModelPackage, predictions: readonly Prediction[], options: ModelEvaluationOptions): Promise<ModelEvaluation> {
  const { wantedSensitivity, prevalence } = options;
  const found = judged(model, predictions, options.map);
  const { rows, scored, unanalyzed } = found;
  const { probability, truth, threshold } = scored;
  const classified = classifiedOf(model, rows);
  const located = locatedOf(model, rows);
  const groups = groupsOf(attributesOf(rows, options.by));
  const wanted = [...new Set([wantedSensitivity, ...OTHER_SENSITIVITIES])].sort((one, other) => one - other);
  const measures = {
    image: imageMeasure(scored, prevalence),
    bins: binMeasure(scored),
    classes: classified ? classMeasure(classified) : nothing,
    boxes: located ? boxMeasure(located) : nothing,
    groups: groupMeasure(groups, scored),
    advice: adviceMeasure(wanted, scored),
  } satisfies Record<string, Measure>;
  const resamples = await bootstrap(measures, scored.patients, options);

  const figures = imageFigures(resamples.image, scored);
  const classes = classified ? classFigures(classified, resamples.classes) : null;
  const boxes = located ? boxFigures(located, resamples.boxes, rows) : null;
  const ranking = rankingOf(probability, truth);
  const confusion = countsAt(probability, truth, threshold, new Uint8Array(rows.length).fill(1));
  const { name, version, sha256, deviceUid } = model.identity;
  const report = {
    model: { name, version, sha256, deviceUid, provider: options.provider, labels: model.manifest.labels.map((label) => label.name) },
    threshold,
    images: imageCounts(found),
    figures,
    confusion,
    missesCounted: missesCounted(confusion, unanalyzed),
    atPrevalence: prevalence === undefined ? null : atPrevalence(resamples.image, figures, prevalence),
    reliability: reliabilityFigures(scored, resamples.bins),
    curves: { roc: rocCurve(ranking), precisionRecall: precisionRecallCurve(ranking) },
    histogram: histogramOf(scored),
    classes,
    boxes,
    subgroups: judgeGroups(groups, scored, resamples.groups),
    advice: wanted.map((sensitivity) => adviceFor(sensitivity, resamples.advice, scored)),
    accepted: compareAccepted(model.manifest.figures, { figures, classes, boxes }),
    unanalyzed,
    mistakes: mistakesOf(rows, threshold),
  };
  const patients = { positive: patientsWhere(scored, (image) => truth[image] === 1), negative: patientsWhere(scored, (image) => truth[image] === 0) };
  return { ...report, warnings: warningsOf(report, { wantedSensitivity, patients }) };
}

const nothing: Measure = () => ({});

function imageCounts({ rows, scored, unanalyzed }: Judged): ImageCounts {
  const positive = rows.filter(({ truth }) => truth.positive).length;
  const notAnalyzable = unanalyzed.filter(({ status }) => status === 'not-analyzable').length;
  return {
    listed: rows.length + unanalyzed.length,
    analyzed: rows.length,
    positive,
    negative: rows.length - positive,
    patients: new Set(scored.patients).size,
    notAnalyzable,
    failed: unanalyzed.length - notAnalyzable,
    withoutPatient: rows.filter(({ prediction }) => prediction.patient === undefined).length,
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
    pairs: classPairs(classified).map(({ one, other }) => ({ one, other, auc: resamples.figure(`auc ${one} / ${other}`), accuracy: resamples.figure(`accuracy ${one} / ${other}`) })),
  };
}

function boxFigures(located: readonly LocatedImage[], resamples: Resamples, rows: readonly Row[]): BoxFigures {
  const { rsnaCut, ...figures } = resamples.point;
  return {
    images: located.length,
    trueBoxes: located.reduce((sum, { truth }) => sum + truth.length, 0),
    withoutBoxes: rows.length - located.length,
    figures: Object.fromEntries(Object.keys(figures).map((name) => [name, resamples.figure(name)])),
    rsnaCut: rsnaCut!,
    froc: frocCurve(looseDetections(located)),
  };
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
