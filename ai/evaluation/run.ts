// Every image of the list through the pipeline, in the order of the list; a bounded number is under way at a time, and what is
// kept of each is a few numbers.
import { setMaxListeners } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { num } from '../../storage/dicom/dataset.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { frameCount } from '../../storage/dicom/frames.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import type { AnalysisOutcome } from '../analysis.ts';
import type { Analyzer } from '../analyzer.ts';
import { attributesOf, patientOf } from './attributes.ts';
import type { Attributes } from './attributes.ts';
import { EvaluationInputError } from './cases/case.ts';
import type { EvaluationCase } from './cases/case.ts';
import type { ScoredRectangle } from './figures/boxes.ts';
import { outsideImage } from './opened-model.ts';
import { isPicture, wrapImage } from './wrap-image.ts';

/** What one model made of one image; `model` is undefined where none was asked. */
export interface Prediction {
  case: EvaluationCase;
  model: string | undefined;
  patient: string | undefined;
  attributes: Attributes;
  result: Analyzed | { status: 'not-analyzable' | 'failed'; reason: string };
}
export interface Analyzed {
  status: 'analyzed';
  probability: number;
  scores: Record<string, number>;
  /** All that the opened model found, best first, in pixels of the stored image. */
  candidates: ScoredRectangle[];
}

export interface RunOptions {
  cases: readonly EvaluationCase[];
  analyzer: Analyzer;
  /** The models for an image by its header, or why there is none. */
  modelsFor(header: Dataset): { models: readonly string[] } | { reason: string };
  signal: AbortSignal;
}

/** Enough under way that decoders and inference are busy while the next file is read. */
const AHEAD = 4 * availableParallelism() + 16;

/**
 * @throws {EvaluationInputError} when the list contradicts an image
 * @throws the signal's reason
 */
export async function* runCases(options: RunOptions): AsyncGenerator<Prediction[]> {
  const folder = await mkdtemp(join(tmpdir(), 'hilum-evaluate-'));
  const underWay: Promise<Prediction[]>[] = [];
  // Each image under way may wait with it for its turn, once for each model.
  setMaxListeners(0, options.signal);
  try {
    for (const [index, each] of options.cases.entries()) {
      options.signal.throwIfAborted();
      const run = runCase(each, join(folder, `${index}.dcm`), options);
      // Held until its turn; a rejection is thrown there and is not unhandled meanwhile.
      run.catch(() => undefined);
      underWay.push(run);
      if (underWay.length >= AHEAD) yield await underWay.shift()!;
    }
    while (underWay.length > 0) yield await underWay.shift()!;
  } finally {
    await Promise.allSettled(underWay);
    await rm(folder, { recursive: true, force: true });
  }
}

async function runCase(told: EvaluationCase, temporary: string, options: RunOptions): Promise<Prediction[]> {
  let opened: { path: string; header: Dataset };
  try {
    opened = await openCase(told, temporary);
  } catch (error) {
    const result = { status: 'failed' as const, reason: (error as Error).message };
    return [{ case: told, model: undefined, patient: told.patient, attributes: attributesOf(told, {}), result }];
  }
  const { path, header } = opened;
  try {
    return await analyzeCase(told, path, header, options);
  } finally {
    if (path === temporary) await rm(temporary, { force: true });
  }
}

async function openCase(told: EvaluationCase, temporary: string): Promise<{ path: string; header: Dataset }> {
  if (!(await isPicture(told.path))) return { path: told.path, header: (await readPart10(told.path)).dataset };
  const { header, bytes } = await wrapImage(told);
  await writeFile(temporary, bytes);
  return { path: temporary, header };
}

async function analyzeCase(told: EvaluationCase, path: string, header: Dataset, options: RunOptions): Promise<Prediction[]> {
  checkAgainstImage(told, header);
  const known = { case: told, patient: patientOf(told, header), attributes: attributesOf(told, header) };
  const chosen = options.modelsFor(header);
  if ('reason' in chosen) return [{ ...known, model: undefined, result: { status: 'not-analyzable', reason: chosen.reason } }];
  const { analyzer, signal } = options;
  return Promise.all(
    chosen.models.map(async (model) => {
      const outcome = await analyzer.analyze({ path, frame: told.frame, model, severity: false, signal });
      return { ...known, model, result: resultOf(outcome) };
    }),
  );
}

function checkAgainstImage({ told, name, boxes, frame }: EvaluationCase, header: Dataset): void {
  const [columns, rows] = [num(header, 'Columns'), num(header, 'Rows')];
  if (columns === undefined || rows === undefined) return;
  const problem = boxes.map((box) => outsideImage(box, columns, rows)).find((each) => each !== undefined);
  if (problem !== undefined) throw new EvaluationInputError(`${told}: ${problem} (${name}); boxes are in pixels of the stored image`);
  if (frame > frameCount(header)) throw new EvaluationInputError(`${told}: there is no frame ${frame} (${name} has ${frameCount(header)})`);
}

function resultOf(outcome: AnalysisOutcome): Prediction['result'] {
  if (outcome.status !== 'analyzed') return outcome;
  const { probability, scores, regions } = outcome;
  const candidates = regions.map(({ x, y, width, height, score }) => ({ x, y, width, height, score }));
  return { status: 'analyzed', probability, scores, candidates };
}
