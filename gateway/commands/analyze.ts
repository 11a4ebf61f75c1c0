// `hilum analyze FILE… [--json] [--out FOLDER] [--model NAME]`: the models on files, without the gateway.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { startAnalyzer } from '../../ai/analyzer.ts';
import type { Analyzer } from '../../ai/analyzer.ts';
import { chooseModels } from '../../ai/runtime/choice.ts';
import { loadPackage, ModelPackageError } from '../../ai/runtime/manifest.ts';
import type { ModelPackage } from '../../ai/runtime/manifest.ts';
import type { Settings } from '../../config/settings.ts';
import { text } from '../../storage/dicom/dataset.ts';
import { frameCount } from '../../storage/dicom/frames.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import type { Part10 } from '../../storage/dicom/part10.ts';
import { modelsOfRoute } from '../pipeline/models-in-use.ts';
import { explainNoRoute, matchRoute } from '../pipeline/routes.ts';
import { analysisLine, lineInWords, tallyInWords } from './analysis-line.ts';
import type { AnalysisLine, LineSubject } from './analysis-line.ts';
import { ResultWriter } from './analysis-results.ts';
import { filesOf } from './dicom-files.ts';

const USAGE = `usage: hilum analyze FILE… [--json] [--out FOLDER] [--model NAME]
  FILE          DICOM file, or a folder of them
  --json        one line of JSON for each frame and model
  --out FOLDER  write the report and the overlays there, as DICOM
  --model NAME  this model; else those that the routes of the settings choose`;

/** Exit status, as docs/operations.md has it. */
const DONE = 0;
const SOME_FAILED = 1;
const COULD_NOT_RUN = 2;

interface Options {
  files: string[];
  json: boolean;
  out: string | undefined;
  model: string | undefined;
}

/** @returns the exit status: 0 when every line is analyzed or not-analyzable, 1 when any failed, 2 when it could not run */
export async function analyzeCommand(args: string[], settings: Settings): Promise<number> {
  const options = readOptions(args);
  if (typeof options === 'string') {
    console.error(`${options}\n${USAGE}`);
    return COULD_NOT_RUN;
  }
  let analyzer: Analyzer;
  try {
    analyzer = await startAnalyzer({
      models: await wantedModels(settings, options.model),
      inference: settings.inference,
      uidRoot: settings.uidRoot,
      log: pino({ level: 'error' }, pino.destination({ dest: 2, sync: true })),
    });
  } catch (error) {
    if (!(error instanceof ModelPackageError || error instanceof RangeError)) throw error;
    console.error(error.message);
    return COULD_NOT_RUN;
  }
  try {
    return await analyzeFiles(options, settings, analyzer);
  } finally {
    await analyzer.close();
  }
}

function readOptions(args: string[]): Options | string {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false }, out: { type: 'string' }, model: { type: 'string' } },
    });
    if (positionals.length === 0) return 'no file was given';
    return { files: positionals, json: values.json, out: values.out, model: values.model };
  } catch (error) {
    return (error as Error).message;
  }
}

/** With the model of the lungs, where the settings have one.
 * @throws {ModelPackageError} @throws {RangeError} when the settings have no such model */
async function wantedModels(settings: Settings, name: string | undefined): Promise<ModelPackage[]> {
  const models = await Promise.all(settings.models.map(loadPackage));
  const wanted = new Set(name === undefined ? settings.routes.flatMap((route) => route.models) : [name]);
  for (const each of wanted)
    if (!models.some(({ manifest: { name, purpose } }) => name === each && purpose === 'finding')) throw new RangeError(`the settings have no model "${each}"`);
  const used = models.filter(({ manifest }) => wanted.has(manifest.name) || manifest.purpose === 'lungs');
  return name === undefined ? used : used.map(forAnyAge);
}

/** Whoever names the model knows the patient: an age that the file does not tell is no reason to refuse. */
function forAnyAge(model: ModelPackage): ModelPackage {
  const { manifest } = model;
  return { ...model, manifest: { ...manifest, applicability: { ...manifest.applicability, ageUnknown: 'accept' } } };
}

async function analyzeFiles(options: Options, settings: Settings, analyzer: Analyzer): Promise<number> {
  const results = options.out === undefined ? undefined : await ResultWriter.open(options.out, settings, analyzer.models());
  const tally = { images: 0, positive: 0, notAnalyzable: 0, failed: 0 };
  for await (const line of inOrder(analyses(options, settings, analyzer, results))) {
    tally.images += 1;
    if (line.positive) tally.positive += 1;
    if (line.status === 'not-analyzable') tally.notAnalyzable += 1;
    if (line.status === 'failed') tally.failed += 1;
    console.log(options.json ? JSON.stringify(line) : lineInWords(line));
    if (process.stderr.isTTY && !process.stdout.isTTY) process.stderr.write(`\r${tallyInWords(tally)}`);
  }
  if (process.stderr.isTTY && !process.stdout.isTTY) process.stderr.write('\n');
  if (tally.images === 0) throw new Error(`there is no file in ${options.files.join(', ')}`);
  if (!options.json) console.log(tallyInWords(tally));
  const written = (await results?.write()) ?? [];
  if (!options.json) for (const path of written) console.log(path);
  return tally.failed > 0 ? SOME_FAILED : DONE;
}

/** In an object, because a generator waits for a promise that it yields. */
interface Started {
  line: Promise<AnalysisLine>;
}

/** Starts analyses as long as they are asked for, in the order of the files. */
async function* analyses(
  options: Options,
  settings: Settings,
  analyzer: Analyzer,
  results: ResultWriter | undefined,
): AsyncGenerator<Started> {
  for await (const path of filesOf(options.files)) {
    const unread: LineSubject = { file: path, sopInstanceUid: null, frame: null, model: null };
    let file: Part10;
    let digest: string;
    try {
      file = await readPart10(path);
      digest = await digestOf(file);
    } catch (error) {
      yield { line: Promise.resolve(analysisLine(unread, { status: 'failed', reason: fileProblem(error as Error) })) };
      continue;
    }
    const sopInstanceUid = text(file.dataset, 'SOPInstanceUID') ?? null;
    const route = options.model === undefined ? matchRoute(settings.routes, file.dataset) : undefined;
    if (!route && options.model === undefined) {
      const reason = explainNoRoute(settings.routes, file.dataset);
      yield { line: Promise.resolve(analysisLine({ ...unread, sopInstanceUid }, { status: 'not-analyzable', reason })) };
      continue;
    }
    const models = route ? chooseModels(modelsOfRoute(route, analyzer), file.dataset).judges : analyzer.models();
    for (let frame = 1; frame <= frameCount(file.dataset); frame++)
      for (const { manifest: { name, version } } of models) {
        const analysis = analyzer.analyze({ path, frame, model: name, digest, severity: route?.severity ?? true });
        const line = analysis.then((outcome) => {
          results?.add({ file, digest, frame, model: name, outcome });
          return analysisLine({ file: path, sopInstanceUid, frame, model: { name, version } }, outcome);
        });
        yield { line };
      }
  }
}

function fileProblem(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return 'there is no such file';
  if (error.code === 'EACCES') return 'the file may not be read';
  return error.message;
}

/** Of the dataset without file meta, as intake keeps it. */
async function digestOf(file: Part10): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file.path, { start: file.datasetOffset })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Enough under way that decoders and inference are busy while the next file is read. */
const AHEAD = 4 * availableParallelism() + 16;

async function* inOrder(started: AsyncIterable<Started>): AsyncGenerator<AnalysisLine> {
  const underWay: Promise<AnalysisLine>[] = [];
  for await (const { line } of started) {
    // Held until its turn; a rejection is thrown there and is not unhandled meanwhile.
    line.catch(() => undefined);
    underWay.push(line);
    if (underWay.length >= AHEAD) yield await underWay.shift()!;
  }
  while (underWay.length > 0) yield await underWay.shift()!;
}
