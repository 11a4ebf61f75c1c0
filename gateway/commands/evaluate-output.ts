// The files of `hilum evaluate --out FOLDER`: written beside it and moved there whole, so that there is a report or none.
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Evaluation } from '../../ai/evaluation/model-evaluation.ts';
import { predictionLines } from '../../ai/evaluation/predictions-csv.ts';
import type { WordMap } from '../../ai/evaluation/cases/meaning.ts';
import { reportPage } from '../../ai/evaluation/report/page.ts';
import type { Prediction } from '../../ai/evaluation/run.ts';
import type { ModelPackage } from '../../ai/runtime/manifest.ts';

export interface JudgedPredictions {
  models: readonly ModelPackage[];
  predictions: readonly Prediction[];
  map: WordMap;
  by: readonly string[];
}

/** @param folder not there yet, or empty */
export async function writeEvaluation(folder: string, evaluation: Evaluation, { models, predictions, map, by }: JudgedPredictions): Promise<void> {
  const target = resolve(folder);
  const partial = `${target}.partial-${process.pid}`;
  await mkdir(dirname(target), { recursive: true });
  await mkdir(partial);
  try {
    await pipeline(Readable.from(predictionLines(models, predictions, map, by)), createWriteStream(join(partial, 'predictions.csv')));
    await writeFile(join(partial, 'report.json'), `${JSON.stringify(evaluation, null, 1)}\n`);
    await writeFile(join(partial, 'report.html'), reportPage(evaluation));
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}
