// The parts of the report of one model, each as HTML.
import type { Figure } from '../figures/bootstrap.ts';
import { FALSE_REGIONS } from '../figures/boxes.ts';
import { LEAST_DIFFERENCE, LEAST_PATIENTS } from '../figures/subgroups.ts';
import type { Mistake, ModelEvaluation } from '../model-evaluation.ts';
import { figureInWords, percent } from '../words.ts';
import { forestTable } from './forest.ts';
import { escaped } from './svg.ts';

/** More are in predictions.csv, which has all. */
const MOST_LISTED = 100;

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (tag: 'td' | 'th', values: readonly string[]): string => `<tr>${values.map((value) => `<${tag}>${value}</${tag}>`).join('')}</tr>`;
  return `<table>${head.length > 0 ? `<thead>${cells('th', head)}</thead>` : ''}<tbody>${rows.map((row) => cells('td', row)).join('\n')}</tbody></table>`;
}

export function tiles({ figures, images, threshold }: ModelEvaluation): string {
  const tile = (name: string, figure: Figure): string =>
    `<div class="tile"><span>${name}</span><b>${figure.value === null ? '–' : figure.value.toFixed(3)}</b><span>${figure.low === null || figure.high === null ? '' : `95 % interval ${figure.low.toFixed(3)} to ${figure.high.toFixed(3)}`}</span></div>`;
  const unanalyzed = images.notAnalyzable + images.failed;
  return `<div class="tiles">${tile('AUC', figures.auc)}${tile(`sensitivity at threshold ${threshold}`, figures.sensitivity)}${tile(`specificity at threshold ${threshold}`, figures.specificity)}
<div class="tile"><span>images analysed</span><b>${images.analyzed}</b><span>${images.positive} positive, ${images.negative} negative, ${images.patients} patients${unanalyzed > 0 ? `; <b style="display:inline;font-size:13px">${unanalyzed} without outcome</b>` : ''}</span></div></div>`;
}

export function warningBox(warnings: readonly string[]): string {
  if (warnings.length === 0) return '<div class="none">Nothing in these figures calls for a second look. Whether they are good enough for your use is yours to judge.</div>';
  return `<div class="warnings"><b>Look at these before going live</b><ul>${warnings.map((warning) => `<li>${escaped(warning)}</li>`).join('')}</ul></div>`;
}

export function figureSection({ figures, confusion, missesCounted, atPrevalence, images, threshold }: ModelEvaluation): string {
  const { truePositive, falsePositive, trueNegative, falseNegative } = confusion;
  const rows: [string, Figure][] = [
    ['AUC', figures.auc],
    ['average precision', figures.averagePrecision],
    ['sensitivity', figures.sensitivity],
    ['specificity', figures.specificity],
    [`PPV at the ${percent(images.positive / Math.max(1, images.analyzed))} positive of this set`, figures.ppv],
    ['NPV, likewise', figures.npv],
    ['accuracy', figures.accuracy],
    ['F1', figures.f1],
    ['calibration error (ten bins)', figures.calibrationError],
    ['mean probability less share positive', figures.calibrationInTheLarge],
    ['Brier score', figures.brier],
  ];
  if (atPrevalence) rows.push([`PPV at a prevalence of ${percent(atPrevalence.prevalence)}`, atPrevalence.ppv], [`NPV at a prevalence of ${percent(atPrevalence.prevalence)}`, atPrevalence.npv]);
  const told = (value: number | null): string => value?.toFixed(3) ?? '–';
  const unanalyzed = images.notAnalyzable + images.failed;
  const prevalenceNote = atPrevalence ? '' : '<p class="soft">PPV and NPV hold for the share of positives in this set. For your own patients give it by <code>--prevalence</code>.</p>';
  return `<div class="two"><div>${table(['figure', 'here, with 95 % interval'], rows.map(([name, figure]) => [name, figureInWords(figure)]))}${prevalenceNote}</div>
<div><h3>At threshold ${threshold}</h3><table class="matrix"><thead><tr><th></th><th>called positive</th><th>called negative</th></tr></thead><tbody>
<tr><th>is positive</th><td class="right">${truePositive}</td><td class="wrong">${falseNegative}</td></tr><tr><th>is negative</th><td class="wrong">${falsePositive}</td><td class="right">${trueNegative}</td></tr></tbody></table>
<h3>Images without an outcome</h3><p>${images.notAnalyzable} not analysable and ${images.failed} failed, of ${images.listed}. ${
    unanalyzed === 0
      ? ''
      : `If each counted as called the wrong way: sensitivity ${told(missesCounted.sensitivity)}, specificity ${told(missesCounted.specificity)}, accuracy ${told(missesCounted.accuracy)}.`
  }</p></div></div>`;
}

export function adviceSection({ advice, threshold, figures }: ModelEvaluation, wantedSensitivity: number): string {
  const share = (value: number | null): string => value?.toFixed(3) ?? '–';
  const rows = advice.map(({ wantedSensitivity: wanted, threshold: told, sensitivity, specificity, ppv, expected }) => {
    const cells = [percent(wanted), figureInWords(told), figureInWords(sensitivity), figureInWords(specificity), figureInWords(ppv), `${share(expected.sensitivity)} / ${share(expected.specificity)}`];
    return `<tr class="${wanted === wantedSensitivity ? 'wanted' : ''}">${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  const now = ['as it is', String(threshold), figureInWords(figures.sensitivity), figureInWords(figures.specificity), figureInWords(figures.ppv), ''];
  return `<p>The highest threshold that reaches the wanted sensitivity on these images, and what it costs. Its interval says where other patients of this site might have put it. The last column is what to expect of new patients: each resample chose its own threshold, which was then tried on the patients that it did not hold.</p>
<table class="advice"><thead><tr><th>wanted sensitivity</th><th>threshold</th><th>sensitivity here</th><th>specificity here</th><th>PPV here</th><th>sensitivity / specificity on new patients</th></tr></thead><tbody>
${rows.join('\n')}<tr>${now.map((cell) => `<td>${cell}</td>`).join('')}</tr></tbody></table>
<p class="soft">A threshold is set by <code>operatingPoint.threshold</code> in the package's manifest.yaml. Confirm it on images that it was not chosen on.</p>`;
}

export function groupSection(report: ModelEvaluation): string {
  const { subgroups } = report;
  if (subgroups.length === 0) return '<p>Neither the images nor the list tell sex, age, view or manufacturer.</p>';
  return `<p>Dashed: all images. Red falls off: lower than the rest of the attribute by at least ${LEAST_DIFFERENCE}, and the 95 % interval of the difference, from the same resamples, excludes 0. Grey is too small to judge: fewer than ${LEAST_PATIENTS} patients with (for the specificity, without) the finding in the group or in its rest.</p>${forestTable(report)}`;
}

const BOX_NAMES: readonly [string, string][] = [
  ['ap50', 'average precision at IoU 0.5'],
  ['ap30', 'average precision at IoU 0.3'],
  ['hitRate', 'opacities hit (IoU 0.3) by what is reported'],
  ['hitRate50', 'the same at IoU 0.5'],
  ['precision', 'reported regions that hit (IoU 0.3)'],
  ['falseAnImage', 'false regions an image, as reported'],
  ['rsnaMap', 'RSNA challenge mAP (IoU 0.4 to 0.75), as reported'],
];

export function boxSection({ boxes }: ModelEvaluation): string {
  if (!boxes) return '';
  const rows = BOX_NAMES.map(([name, words]) => [words, figureInWords(boxes.figures[name]!)]);
  const best = [`the same with regions from score ${boxes.rsnaCut} on in every image (best cut on these very images)`, figureInWords(boxes.figures['rsnaMapBest']!)];
  const froc = FALSE_REGIONS.map((level) => [String(level), figureInWords(boxes.figures[`froc ${level}`]!)]);
  const without = boxes.withoutBoxes > 0 ? ` ${boxes.withoutBoxes} positive images have no box in the list and are left out here.` : '';
  return `<p>${boxes.trueBoxes} opacities in ${boxes.images} images.${without} Average precision and the free-response curve take every region that the model proposes; the others only those that the gateway reports.</p>
<div class="two"><div>${table(['figure', 'here, with 95 % interval'], [...rows, best])}</div><div>${table(['false regions an image', 'opacities hit (IoU 0.3)'], froc)}</div></div>`;
}

export function classSection({ classes }: ModelEvaluation): string {
  if (!classes) return '';
  const sums = classes.confusion.map((row) => row.reduce((sum, count) => sum + count, 0));
  const rows = classes.confusion.map((row, actual) => {
    const cells = row.map((count, told) => `<td class="${actual === told ? 'right' : count > 0 ? 'wrong' : ''}">${count} <span class="scale">${sums[actual]! > 0 ? percent(count / sums[actual]!) : ''}</span></td>`);
    return `<tr><th>is ${escaped(classes.names[actual]!)}</th>${cells.join('')}</tr>`;
  });
  const head = classes.names.map((name) => `<th>called ${escaped(name)}</th>`).join('');
  const areas = [
    ...classes.auc.map(({ name, figure }) => [`${escaped(name)} against the rest`, figureInWords(figure)]),
    ...classes.pairs.map(({ one, other, auc, accuracy }) => [`${escaped(one)} against ${escaped(other)}, of these alone`, `${figureInWords(auc)}; accuracy ${figureInWords(accuracy)}`]),
  ];
  return `<p>${classes.images} images whose class is known; ${figureInWords(classes.accuracy)} of them called right.</p><div class="two"><div><table class="matrix"><thead><tr><th></th>${head}</tr></thead><tbody>${rows.join('\n')}</tbody></table></div><div>${table(['AUC', 'here, with 95 % interval'], areas)}</div></div>`;
}

export function acceptedSection({ accepted }: ModelEvaluation): string {
  if (accepted.length === 0) return '<p>The manifest holds no figures to compare with.</p>';
  const rows = accepted.map(({ set, name, accepted: figure, here, verdict }) => [
    escaped(set),
    escaped(name),
    String(figure),
    figureInWords(here),
    verdict === 'within' ? 'within the interval' : `<span class="${verdict}">${verdict} here</span>`,
  ]);
  return `<p>Other patients, other devices and another share of positives move figures; a gap says that this site is not like that set, not which of the two is wrong.</p>${table(['set', 'figure', 'accepted with', 'here, with 95 % interval', ''], rows)}`;
}

export function listSection({ unanalyzed, mistakes, threshold }: ModelEvaluation): string {
  const listed = (title: string, found: readonly Mistake[]): string =>
    `<div><h3>${title}</h3>${found.length === 0 ? '<p>none</p>' : table(['image', 'probability'], found.map(({ name, probability }) => [escaped(name), probability.toFixed(4)]))}</div>`;
  const reasons = Object.entries(Object.groupBy(unanalyzed, ({ status, reason }) => `${status === 'failed' ? 'failed' : 'not analysable'}: ${reason}`));
  const without = unanalyzed.slice(0, MOST_LISTED).map(({ name, status, positive, reason }) => [escaped(name), positive ? 'positive' : 'negative', status === 'failed' ? 'failed' : 'not analysable', escaped(reason)]);
  const rest = unanalyzed.length > MOST_LISTED ? `<p>${unanalyzed.length - MOST_LISTED} more are in predictions.csv.</p>` : '';
  return `<div class="two">${listed(`Positive, called negative (below ${threshold}), the lowest first`, mistakes.missed)}${listed('Negative, called positive, the highest first', mistakes.falseAlarms)}</div>
<h3>Without an outcome</h3>${unanalyzed.length === 0 ? '<p>none</p>' : `${table(['reason', 'images'], reasons.map(([reason, images]) => [escaped(reason), String(images?.length ?? 0)]))}${table(['image', 'truth', 'status', 'reason'], without)}${rest}`}`;
}
