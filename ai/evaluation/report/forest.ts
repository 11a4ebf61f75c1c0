// The sub-groups as a forest plot: a row each, with its figures and their intervals against those of all images.
import type { Figure } from '../figures/bootstrap.ts';
import { JUDGED } from '../figures/subgroups.ts';
import type { GroupFigures, Judged } from '../figures/subgroups.ts';
import type { ModelEvaluation } from '../model-evaluation.ts';
import { figureInWords } from '../words.ts';
import { escaped } from './svg.ts';

const NAMES: Record<Judged, string> = { auc: 'AUC', sensitivity: 'sensitivity', specificity: 'specificity' };
const WIDTH = 170;
const HEIGHT = 22;

export function forestTable({ subgroups, figures, images }: ModelEvaluation): string {
  const all = [...subgroups.flatMap(({ groups }) => groups.map((group) => group.figures)), figures];
  // Of a small group the interval may leave the scale: its numbers stand beside it.
  const least = Math.max(0, Math.floor(Math.min(0.9, ...all.flatMap((each) => JUDGED.map((name) => each[name].value ?? 1))) * 10 - 1) / 10);
  const bar = (figure: Figure, name: Judged, style: string): string => barOf(figure, figures[name].value, least, style);
  const head = JUDGED.map((name) => `<th colspan="2">${NAMES[name]} <span class="scale">${least.toFixed(1)} to 1</span></th>`).join('');
  const overall = JUDGED.map((name) => cells(figures[name], bar(figures[name], name, 'all'))).join('');
  const rows = subgroups.flatMap(({ attribute, groups, unknown }) => [
    attributeRow(attribute, [...(groups.length === 1 ? [`${groups[0]!.images} images, all ${groups[0]!.value}`] : []), ...(unknown > 0 ? [`not known of ${unknown} images`] : [])]),
    // A group without a rest is what all images are.
    ...(groups.length === 1 ? [] : groups.map((group) => groupRow(group, bar))),
  ]);
  return [
    `<table class="forest"><thead><tr><th></th><th>images</th><th>positive</th>${head}</tr></thead><tbody>`,
    `<tr class="all"><th>all</th><td>${images.analyzed}</td><td>${images.positive}</td>${overall}</tr>`,
    ...rows,
    '</tbody></table>',
  ].join('\n');
}

function attributeRow(attribute: string, notes: readonly string[]): string {
  return `<tr class="attribute"><th colspan="9">${escaped(attribute)} <span class="scale">${escaped(notes.join('; '))}</span></th></tr>`;
}

function groupRow(group: GroupFigures, bar: (figure: Figure, name: Judged, style: string) => string): string {
  const columns = JUDGED.map((name) => {
    const warning = group.warnings.find(({ figure }) => figure === name);
    const style = warning ? 'off' : group.difference[name] ? 'fine' : 'small';
    return cells(group.figures[name], bar(group.figures[name], name, style), warning ? 'off' : group.difference[name] ? '' : 'small');
  });
  return `<tr><th>${escaped(group.value)}</th><td>${group.images}</td><td>${group.positive}</td>${columns.join('')}</tr>`;
}

function cells(figure: Figure, bar: string, style = ''): string {
  return `<td class="bar">${bar}</td><td class="figure ${style}">${figureInWords(figure, 2)}</td>`;
}

function barOf({ value, low, high }: Figure, overall: number | null, least: number, style: string): string {
  if (value === null) return '';
  const place = (figure: number): number => Math.round((4 + ((Math.max(figure, least) - least) / (1 - least)) * (WIDTH - 8)) * 10) / 10;
  const middle = HEIGHT / 2;
  return [
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" aria-hidden="true">`,
    overall === null ? '' : `<line class="overall" x1="${place(overall)}" y1="0" x2="${place(overall)}" y2="${HEIGHT}"/>`,
    low === null || high === null ? '' : `<line class="line ${style}" x1="${place(low)}" y1="${middle}" x2="${place(high)}" y2="${middle}"/>`,
    `<rect class="mark ${style}" x="${place(value) - 4}" y="${middle - 4}" width="8" height="8"/></svg>`,
  ].join('');
}
