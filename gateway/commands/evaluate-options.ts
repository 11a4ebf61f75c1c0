// The arguments of `hilum evaluate`, read and checked before anything else is done.
import { parseArgs } from 'node:util';
import { EvaluationInputError } from '../../ai/evaluation/cases/case.ts';
import { plain } from '../../ai/evaluation/cases/meaning.ts';

export const USAGE = `usage: hilum evaluate --data DIR|CSV [--model NAME|FOLDER] [--out FOLDER] [--json]
  --data DIR|CSV       a folder with a folder for each class, or with labels.csv; or a list (docs/evaluation.md)
  --model NAME|FOLDER  a model of the settings, or a package; else those that the routes choose
  --out FOLDER         write report.html, report.json and predictions.csv there; the folder must be new or empty
  --json               print the report as JSON
  --sensitivity 0.95   the sensitivity that a threshold is wanted for
  --prevalence SHARE   share of your own patients with the finding, for predictive values
  --by COLUMN          sub-groups by a column of the list, too; may be given several times
  --map WORD=MEANING   what a label of the list means: positive, negative, skip, or a label of the model; several times
  --bootstrap 1000     resamples for the intervals
  --seed 1             of the resamples`;

export interface EvaluateOptions {
  data: string;
  model: string | undefined;
  out: string | undefined;
  json: boolean;
  sensitivity: number;
  prevalence: number | undefined;
  by: string[];
  map: Map<string, string>;
  bootstrap: number;
  seed: number;
}

/** More takes hours and changes no digit that is shown. */
const MOST_RESAMPLES = 100_000;

/** @throws {EvaluationInputError} */
export function readEvaluateOptions(args: string[]): EvaluateOptions {
  const values = parsed(args);
  if (values.data === undefined) throw new EvaluationInputError('--data is missing');
  return {
    data: values.data,
    model: values.model,
    out: values.out,
    json: values.json,
    sensitivity: share('sensitivity', values.sensitivity),
    prevalence: values.prevalence === undefined ? undefined : share('prevalence', values.prevalence),
    by: [...new Set(values.by)],
    map: wordMap(values.map),
    bootstrap: whole('bootstrap', values.bootstrap, 100, MOST_RESAMPLES),
    seed: whole('seed', values.seed, 0, 2 ** 32 - 1),
  };
}

function parsed(args: string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args,
      options: {
        data: text,
        model: text,
        out: text,
        json: { type: 'boolean', default: false },
        sensitivity: { ...text, default: '0.95' },
        prevalence: text,
        by: { ...text, multiple: true, default: [] },
        map: { ...text, multiple: true, default: [] },
        bootstrap: { ...text, default: '1000' },
        seed: { ...text, default: '1' },
      },
    }).values;
  } catch (cause) {
    throw new EvaluationInputError((cause as Error).message, { cause });
  }
}

function share(name: string, value: string): number {
  const number = value.trim() === '' ? Number.NaN : Number(value);
  if (!(number > 0 && number < 1)) throw new EvaluationInputError(`--${name} ${value}: must be between 0 and 1`);
  return number;
}

function whole(name: string, value: string, least: number, most: number): number {
  const number = value.trim() === '' ? Number.NaN : Number(value);
  if (!Number.isInteger(number) || number < least || number > most) throw new EvaluationInputError(`--${name} ${value}: must be a whole number from ${least} to ${most}`);
  return number;
}

function wordMap(entries: readonly string[]): Map<string, string> {
  return new Map(
    entries.map((entry) => {
      const at = entry.lastIndexOf('=');
      const [word, meaning] = [plain(entry.slice(0, Math.max(at, 0))), entry.slice(at + 1).trim()];
      if (at < 1 || word === '' || meaning === '') throw new EvaluationInputError(`--map ${entry}: must be WORD=positive, =negative, =skip or =LABEL`);
      return [word, meaning];
    }),
  );
}
