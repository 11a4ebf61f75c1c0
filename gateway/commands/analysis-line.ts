// One line of `hilum analyze`: as JSON for programs (docs/operations.md), or in words for people.
import type { AnalysisOutcome, Region } from '../../ai/analysis.ts';
import { wholePercent } from '../../ai/results/severity-wording.ts';
import { severityAnswer } from '../worklist/severity-answer.ts';
import type { SeverityAnswer } from '../worklist/worklist.ts';

/** What does not apply is null; severity stands only where the lungs were to be measured. */
export interface AnalysisLine extends Partial<SeverityAnswer> {
  file: string;
  sopInstanceUid: string | null;
  /** From 1. */
  frame: number | null;
  model: { name: string; version: string } | null;
  status: AnalysisOutcome['status'];
  reason: string | null;
  label: string | null;
  positive: boolean | null;
  threshold: number | null;
  probability: number | null;
  scores: Record<string, number> | null;
  regions: Region[];
  milliseconds: number | null;
}
export type LineSubject = Pick<AnalysisLine, 'file' | 'sopInstanceUid' | 'frame' | 'model'>;

export function analysisLine(subject: LineSubject, outcome: AnalysisOutcome): AnalysisLine {
  if (outcome.status === 'analyzed') {
    const { status, label, positive, threshold, probability, scores, regions, milliseconds, severity } = outcome;
    return { ...subject, status, reason: null, label, positive, threshold, probability, scores, regions, ...(severity && severityAnswer(severity)), milliseconds };
  }
  const nothing = { label: null, positive: null, threshold: null, probability: null, scores: null, regions: [], milliseconds: null };
  return { ...subject, status: outcome.status, reason: outcome.reason, ...nothing };
}

const FILE_COLUMNS = 44;
const MODEL_COLUMNS = 18;

/** One row for the image, and one for each region. */
export function lineInWords(line: AnalysisLine): string {
  const file = shortened(line.frame !== null && line.frame > 1 ? `${line.file} [${line.frame}]` : line.file);
  const model = line.model ? `${line.model.name} ${line.model.version}` : '';
  const rows = [`${file.padEnd(FILE_COLUMNS)}  ${model.padEnd(MODEL_COLUMNS)}  ${outcomeInWords(line)}`];
  for (const { x, y, width, height, score } of line.regions)
    rows.push(indented(`${width} x ${height} pixels at ${x}, ${y} (${percent(score)})`));
  if (line.severity) rows.push(indented(shareInWords(line.severity)));
  if (line.severityReason) rows.push(indented(`opaque share not measured: ${line.severityReason}`));
  return rows.join('\n');
}

function shareInWords({ right, left, both, basis }: NonNullable<AnalysisLine['severity']>): string {
  return `opaque: right ${wholePercent(right)}, left ${wholePercent(left)}, both ${wholePercent(both)}, by ${BASIS[basis]}`;
}

const BASIS = { boxes: 'boxes, which overstate it', map: "the model's map" };

function indented(words: string): string {
  return `${' '.repeat(FILE_COLUMNS + MODEL_COLUMNS + 4)}  ${words}`;
}

function outcomeInWords(line: AnalysisLine): string {
  if (line.status === 'failed') return `failed: ${line.reason}`;
  if (line.status === 'not-analyzable') return `not analysable: ${line.reason}`;
  const { probability = 0, threshold = 0 } = line as { probability: number; threshold: number };
  const finding = line.positive ? line.label : 'nothing found';
  return `${finding}, ${percent(probability)} (threshold ${percent(threshold)}), ${line.milliseconds} ms`;
}

export interface Tally {
  images: number;
  positive: number;
  notAnalyzable: number;
  failed: number;
}

export function tallyInWords({ images, positive, notAnalyzable, failed }: Tally): string {
  return `${images} analyses: ${positive} positive, ${images - positive - notAnalyzable - failed} negative, ${notAnalyzable} not analysable, ${failed} failed`;
}

function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(1)} %`;
}

/** The end of a path says more than its beginning. */
function shortened(path: string): string {
  return path.length <= FILE_COLUMNS ? path : `…${path.slice(1 - FILE_COLUMNS)}`;
}
