// `hilum evaluate --data DIR|CSV`: the acceptance test at the user's own site. The images go through the gateway's own pipeline;
// what comes out is set against the truth of the list (docs/evaluation.md).
import { mkdtemp, readdir, rmdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pino } from 'pino';
import { startAnalyzer } from '../../ai/analyzer.ts';
import type { Analyzer } from '../../ai/analyzer.ts';
import { bandsOf } from '../../ai/evaluation/bands.ts';
import { EvaluationInputError } from '../../ai/evaluation/cases/case.ts';
import type { CaseList, EvaluationCase } from '../../ai/evaluation/cases/case.ts';
import { readCases } from '../../ai/evaluation/cases/read-cases.ts';
import { evaluateModel } from '../../ai/evaluation/evaluate-model.ts';
import type { Evaluation } from '../../ai/evaluation/model-evaluation.ts';
import { openedModel } from '../../ai/evaluation/opened-model.ts';
import { runCases } from '../../ai/evaluation/run.ts';
import type { Prediction } from '../../ai/evaluation/run.ts';
import { truthOf } from '../../ai/evaluation/truth.ts';
import { chooseModels } from '../../ai/runtime/choice.ts';
import { ModelPackageError } from '../../ai/runtime/manifest.ts';
import type { ModelPackage } from '../../ai/runtime/manifest.ts';
import type { Settings } from '../../config/settings.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { modelsOfRoute } from '../pipeline/models-in-use.ts';
import { explainNoRoute, matchRoute } from '../pipeline/routes.ts';
import { modelsToEvaluate } from './evaluate-models.ts';
import { readEvaluateOptions, USAGE } from './evaluate-options.ts';
import type { EvaluateOptions } from './evaluate-options.ts';
import { writeEvaluation } from './evaluate-output.ts';
import { ProgressLine } from './progress-line.ts';
import { evaluationTable } from './evaluation-table.ts';

/** Exit status, as docs/operations.md has it. */
const DONE = 0;
const SOME_FAILED = 1;
const COULD_NOT_RUN = 2;
/** As a shell has it for a program that SIGINT ended. */
const INTERRUPTED = 130;

/** @returns the exit status: 0 when done, 1 when any image failed, 2 when it could not run, 130 when it was interrupted */
export async function evaluateCommand(args: string[], settings: Settings): Promise<number> {
  let options: EvaluateOptions;
  try {
    options = readEvaluateOptions(args);
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    return COULD_NOT_RUN;
  }
  const interrupted = new AbortController();
  const stop = (): void => interrupted.abort(new Interruption());
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  try {
    return await evaluate(options, settings, interrupted.signal);
  } catch (error) {
    if (interrupted.signal.aborted) {
      console.error('hilum evaluate: interrupted, nothing was written');
      return INTERRUPTED;
    }
    if (!(error instanceof EvaluationInputError || error instanceof ModelPackageError)) throw error;
    console.error(`hilum evaluate: ${error.message}`);
    return COULD_NOT_RUN;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop);
  }
}

class Interruption extends Error {}

async function evaluate(options: EvaluateOptions, settings: Settings, signal: AbortSignal): Promise<number> {
  if (options.out !== undefined) await checkFree(options.out);
  const models = await modelsToEvaluate(settings, options.model);
  const list = await readCases(options.data, options.by);
  const cases = casesToRun(list, models, options);
  const analyzer = await startAnalyzer({
    models: models.map((model) => openedModel(model, options.model !== undefined)),
    inference: settings.inference,
    uidRoot: settings.uidRoot,
    log: pino({ level: 'error' }, pino.destination({ dest: 2, sync: true })),
  });
  // What is under way then ends at once, rather than when it is done.
  signal.addEventListener('abort', () => void analyzer.close(), { once: true });
  let predictions: Prediction[];
  try {
    predictions = await runAll(cases, analyzer, options, settings, signal);
  } finally {
    await analyzer.close();
  }
  const evaluation = await judgeAll(models, predictions, { list, options, analyzer, signal });
  if (options.out !== undefined) await writeEvaluation(options.out, evaluation, { models, predictions, map: options.map, by: options.by });
  console.log(options.json ? JSON.stringify(evaluation, null, 1) : evaluationTable(evaluation, options.out));
  return predictions.some(({ result }) => result.status === 'failed') ? SOME_FAILED : DONE;
}

/** Before the first image, since the last may come hours later. @throws {EvaluationInputError} where no report could be written */
async function checkFree(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new EvaluationInputError(`--out ${folder}: ${error.code === 'ENOTDIR' ? 'is a file' : error.message}`, { cause: error });
  });
  if (names.length > 0) throw new EvaluationInputError(`--out ${folder}: the folder is not empty, and nothing is written over`);
  await checkWritable(dirname(resolve(folder)), folder);
}

/** @param parent of the wanted folder; the nearest one that is there must take a new entry */
async function checkWritable(parent: string, wanted: string): Promise<void> {
  let trial: string;
  try {
    trial = await mkdtemp(join(parent, '.hilum-'));
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !(await exists(parent)) && dirname(parent) !== parent) return checkWritable(dirname(parent), wanted);
    throw new EvaluationInputError(`--out ${wanted}: ${parent} cannot be written to (${message})`, { cause });
  }
  await rmdir(trial);
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}

/** What the list says, tried on every model before the first image; images that the map skips for all of them are left out. */
function casesToRun(list: CaseList, models: readonly ModelPackage[], { map, by }: EvaluateOptions): EvaluationCase[] {
  for (const column of by) bandsOf(column, list.cases.map(({ columns }) => columns[column] ?? ''));
  const cases = list.cases.filter((each) => models.map(({ manifest }) => truthOf(each, manifest, map)).some((truth) => truth !== undefined));
  const kept = new Set(cases);
  for (const { name } of list.cases.filter((each) => !kept.has(each))) list.leftOut.push({ name, reason: 'skipped by --map' });
  if (cases.length === 0) throw new EvaluationInputError(`${list.source}: there is no image to judge by`);
  return cases;
}

async function runAll(cases: EvaluationCase[], analyzer: Analyzer, options: EvaluateOptions, settings: Settings, signal: AbortSignal): Promise<Prediction[]> {
  const modelsFor = (header: Dataset): { models: readonly string[] } | { reason: string } => {
    if (options.model !== undefined) return { models: analyzer.models().map(({ manifest }) => manifest.name) };
    const route = matchRoute(settings.routes, header);
    if (!route) return { reason: explainNoRoute(settings.routes, header) };
    return { models: chooseModels(modelsOfRoute(route, analyzer), header).judges.map(({ manifest }) => manifest.name) };
  };
  const progress = new ProgressLine('images', cases.length);
  const predictions: Prediction[] = [];
  let done = 0;
  try {
    for await (const found of runCases({ cases, analyzer, modelsFor, signal })) {
      predictions.push(...found);
      progress.show((done += 1));
    }
  } finally {
    progress.end();
  }
  return predictions;
}

interface Judging {
  list: CaseList;
  options: EvaluateOptions;
  analyzer: Analyzer;
  signal: AbortSignal;
}

async function judgeAll(models: readonly ModelPackage[], predictions: readonly Prediction[], { list, options, analyzer, signal }: Judging): Promise<Evaluation> {
  const { sensitivity, prevalence, by, map, bootstrap, seed } = options;
  const evaluation: Evaluation = {
    madeAt: new Date().toISOString(),
    hilum: packageJson.version,
    data: { source: list.source, digest: list.digest, images: list.cases.length, leftOut: list.leftOut },
    options: { model: options.model ?? null, sensitivity, bootstrap, seed, prevalence: prevalence ?? null, by, map: Object.fromEntries(map) },
    models: [],
  };
  for (const model of models) {
    const { name } = model.manifest;
    const own = predictions.filter((prediction) => prediction.model === undefined || prediction.model === name);
    const provider = analyzer.providers().find((report) => report.model === name)?.chosen ?? '';
    const progress = new ProgressLine(`resamples for ${name}`, bootstrap);
    try {
      const show = (done: number): void => progress.show(done);
      evaluation.models.push(await evaluateModel(model, own, { wantedSensitivity: sensitivity, prevalence, map, by, provider, count: bootstrap, seed, signal, progress: show }));
    } finally {
      progress.end();
    }
  }
  return evaluation;
}
