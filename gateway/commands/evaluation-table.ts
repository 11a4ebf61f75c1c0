// What `hilum evaluate` says on the terminal: the figures that decide, and where a person must look.
import type { Evaluation, ModelEvaluation } from '../../ai/evaluation/model-evaluation.ts';
import { figureInWords, percent } from '../../ai/evaluation/words.ts';

/** @param out where the whole report is; undefined where it was not wanted */
export function evaluationTable({ models, data }: Evaluation, out: string | undefined): string {
  const lines = models.flatMap((model) => [...modelLines(model), '']);
  if (data.leftOut.length > 0) lines.push(`${data.leftOut.length} entries of ${data.source} were left out (${[...new Set(data.leftOut.map(({ reason }) => reason))].join('; ')})`);
  lines.push(out === undefined ? 'the whole report: --out FOLDER' : `the whole report: ${out}/report.html`);
  return lines.join('\n');
}

function modelLines({ model, threshold, images, figures, boxes, classes, advice, subgroups, warnings, missesCounted }: ModelEvaluation): string[] {
  const wanted = advice.map(({ wantedSensitivity, threshold: told, specificity, ppv }) => [
    `for sensitivity ${percent(wantedSensitivity)}`,
    `threshold ${figureInWords(told)}: specificity ${figureInWords(specificity)}, PPV ${figureInWords(ppv)}`,
  ]);
  const unanalyzed = images.notAnalyzable + images.failed;
  const rows = [
    ['images', `${images.analyzed} analysed (${images.positive} positive, ${images.negative} negative) of ${images.patients} patients; ${images.notAnalyzable} not analysable, ${images.failed} failed`],
    ['AUC', figureInWords(figures.auc)],
    [`at threshold ${threshold}`, `sensitivity ${figureInWords(figures.sensitivity)}, specificity ${figureInWords(figures.specificity)}`],
    ['', `PPV ${figureInWords(figures.ppv)}, NPV ${figureInWords(figures.npv)}, accuracy ${figureInWords(figures.accuracy)}, F1 ${figureInWords(figures.f1)}`],
    ...(unanalyzed > 0 ? [['if misses counted', `sensitivity ${missesCounted.sensitivity?.toFixed(3) ?? '-'}, specificity ${missesCounted.specificity?.toFixed(3) ?? '-'}`]] : []),
    ['average precision', figureInWords(figures.averagePrecision)],
    ['calibration error', figureInWords(figures.calibrationError)],
    ...(classes ? classes.pairs.map(({ one, other, auc }) => [`AUC ${one} / ${other}`, figureInWords(auc)]) : []),
    ...(boxes ? boxRows(boxes.figures) : []),
    ...wanted,
    ...subgroups.filter(({ groups }) => groups.length > 1).flatMap(({ attribute, groups }) =>
      groups.map(({ value, images: count, figures: { auc, sensitivity, specificity } }) => [
        `${attribute} ${value}`,
        `${count} images, AUC ${figureInWords(auc)}, sensitivity ${figureInWords(sensitivity)}, specificity ${figureInWords(specificity)}`,
      ]),
    ),
  ];
  const width = Math.max(...rows.map(([name]) => name!.length));
  return [`${model.name} ${model.version}`, ...rows.map(([name, value]) => `  ${name!.padEnd(width)}  ${value}`), ...warnings.map((warning) => `  ! ${warning}`)];
}

function boxRows(figures: NonNullable<ModelEvaluation['boxes']>['figures']): string[][] {
  const of = (name: string): string => figureInWords(figures[name]!);
  return [
    ['regions', `AP at IoU 0.5 ${of('ap50')}, RSNA mAP ${of('rsnaMap')}`],
    ['', `${of('hitRate')} of the opacities hit (IoU 0.3) with ${of('falseAnImage')} false regions an image`],
  ];
}
