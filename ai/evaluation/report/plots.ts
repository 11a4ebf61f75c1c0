// The plots of one model.
import type { ModelEvaluation } from '../model-evaluation.ts';
import { figureInWords, percent } from '../words.ts';
import { Plot } from './svg.ts';
import type { Axis } from './svg.ts';

const FIFTHS = [0, 0.2, 0.4, 0.6, 0.8, 1];

function unit(label: string): Axis {
  return { label, from: 0, to: 1, ticks: FIFTHS };
}

/** @returns undefined where one of the two truths is missing, as below */
export function rocPlot({ curves, figures, threshold }: ModelEvaluation): string | undefined {
  const { sensitivity, specificity, auc } = figures;
  if (curves.roc.length === 0 || sensitivity.value === null || specificity.value === null) return undefined;
  const plot = new Plot(unit('1 − specificity'), unit('sensitivity'));
  plot.line([[0, 0], [1, 1]], 'guide');
  plot.line(curves.roc.map((point) => [point.falsePositiveRate, point.sensitivity] as const), 'main');
  const [x, y] = [1 - specificity.value, sensitivity.value];
  if (sensitivity.low !== null && sensitivity.high !== null) plot.line([[x, sensitivity.low], [x, sensitivity.high]], 'spread');
  if (specificity.low !== null && specificity.high !== null) plot.line([[1 - specificity.high, y], [1 - specificity.low, y]], 'spread');
  plot.dot([x, y], 'point', `threshold ${threshold}: sensitivity ${figureInWords(sensitivity)}, specificity ${figureInWords(specificity)}`);
  plot.text([0.98, 0.06], `AUC ${figureInWords(auc)}`, 'end');
  plot.text([0.98, 0.13], `● threshold ${threshold}`, 'end', 'key-point');
  return plot.svg(`ROC curve, AUC ${figureInWords(auc)}`);
}

export function precisionRecallPlot({ curves, figures, threshold, images }: ModelEvaluation): string | undefined {
  const { sensitivity, ppv, averagePrecision } = figures;
  if (curves.precisionRecall.length === 0 || images.negative === 0) return undefined;
  const prevalence = images.positive / images.analyzed;
  const plot = new Plot(unit('sensitivity (recall)'), unit('PPV (precision)'));
  plot.line([[0, prevalence], [1, prevalence]], 'guide');
  plot.line(curves.precisionRecall.map((point) => [point.recall, point.precision] as const), 'main');
  if (sensitivity.value !== null && ppv.value !== null) plot.dot([sensitivity.value, ppv.value], 'point', `threshold ${threshold}: PPV ${figureInWords(ppv)}`);
  plot.text([0.02, 0.06], `average precision ${figureInWords(averagePrecision)}`, 'start');
  plot.text([0.02, 0.13], `by chance ${percent(prevalence)}, the share of positive images`, 'start', 'key');
  return plot.svg(`Precision-recall curve, average precision ${figureInWords(averagePrecision)}`);
}

export function reliabilityPlot({ reliability, figures }: ModelEvaluation): string {
  const plot = new Plot(unit('probability told (mean of its tenth)'), unit('share of images that are positive'));
  plot.line([[0, 0], [1, 1]], 'guide');
  const told = reliability.filter(({ predicted, observed }) => predicted !== null && observed.value !== null);
  plot.line(told.map(({ predicted, observed }) => [predicted!, observed.value!] as const), 'main');
  for (const { predicted, observed, images, from, to } of told) {
    if (observed.low !== null && observed.high !== null) plot.line([[predicted!, observed.low], [predicted!, observed.high]], 'spread');
    plot.dot([predicted!, observed.value!], 'point', `${from} to ${to}: ${images} images, ${figureInWords(observed)} positive`, Math.min(7, 2 + Math.log10(1 + images) * 1.6));
  }
  plot.text([0.98, 0.06], `calibration error ${figureInWords(figures.calibrationError)}`, 'end');
  return plot.svg(`Reliability diagram, calibration error ${figureInWords(figures.calibrationError)}`);
}

/** Each truth as shares of its own images, so that the rarer one is seen as well. */
export function histogramPlot({ histogram, images, threshold }: ModelEvaluation): string {
  const shares = histogram.map(({ from, to, positive, negative }) => ({ from, to, up: positive / Math.max(1, images.positive), down: negative / Math.max(1, images.negative), positive, negative }));
  const most = Math.ceil(Math.max(0.1, ...shares.map(({ up, down }) => Math.max(up, down))) * 10) / 10;
  const ticks = [-most, -most / 2, 0, most / 2, most];
  const plot = new Plot(unit('probability told'), { label: 'share of the images of each truth', from: -most, to: most, ticks, tick: (value) => percent(Math.abs(value)) });
  for (const { from, to, up, down, positive, negative } of shares) {
    if (positive > 0) plot.box([from + 0.004, 0], [to - 0.004, up], 'positive', `${from.toFixed(2)} to ${to.toFixed(2)}: ${positive} positive images`);
    if (negative > 0) plot.box([from + 0.004, 0], [to - 0.004, -down], 'negative', `${from.toFixed(2)} to ${to.toFixed(2)}: ${negative} negative images`);
  }
  plot.line([[threshold, -most], [threshold, most]], 'threshold');
  plot.text([0.02, most * 0.9], `positive images (${images.positive})`, 'start', 'key-positive');
  plot.text([0.02, -most * 0.96], `negative images (${images.negative})`, 'start', 'key-negative');
  return plot.svg('Histogram of the probability by truth');
}

const FROC_TICKS = [0.0625, 0.125, 0.25, 0.5, 1, 2, 4, 8];
const FRACTIONS: Record<string, string> = { '0.0625': '1/16', '0.125': '1/8', '0.25': '1/4', '0.5': '1/2' };

export function frocPlot({ boxes }: ModelEvaluation): string | undefined {
  if (!boxes || boxes.froc.length === 0) return undefined;
  const x: Axis = { label: 'false regions an image', from: 1 / 16, to: 8, ticks: FROC_TICKS, logarithmic: true, tick: (value) => FRACTIONS[value] ?? String(value) };
  const plot = new Plot(x, unit('share of the opacities hit (IoU 0.3)'));
  plot.line(boxes.froc.filter(({ falseRegions }) => falseRegions >= 1 / 16 && falseRegions <= 8).map(({ falseRegions, recall }) => [falseRegions, recall] as const), 'main');
  const [recall, falseRegions] = [boxes.figures['hitRate']!, boxes.figures['falseAnImage']!];
  if (recall.value !== null && falseRegions.value !== null) {
    if (recall.low !== null && recall.high !== null) plot.line([[falseRegions.value, recall.low], [falseRegions.value, recall.high]], 'spread');
    plot.dot([falseRegions.value, recall.value], 'point', `as reported: recall ${figureInWords(recall)}, ${figureInWords(falseRegions)} false regions an image`);
  }
  plot.text([0.065, 0.94], '● what the gateway reports', 'start', 'key-point');
  return plot.svg('Free-response curve (FROC)');
}
