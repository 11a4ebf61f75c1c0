// predictions.csv: what each model said of each image, and what is true, for whoever wants to work out the figures again.
import type { ModelPackage } from '../runtime/manifest.ts';
import type { WordMap } from './cases/meaning.ts';
import { reportedLabel, reportedRegions } from './opened-model.ts';
import type { Prediction } from './run.ts';
import { truthOf } from './truth.ts';

const HEAD = ['file', 'frame', 'patient', 'truth', 'positive', 'model', 'status', 'reason', 'probability', 'told', 'label', 'regions', 'sex', 'age', 'view', 'manufacturer'];

/** @param classes names of the labels of all models: a column each @returns lines, each with its end */
export function* predictionLines(models: readonly ModelPackage[], predictions: readonly Prediction[], map: WordMap, by: readonly string[]): Generator<string> {
  const classes = [...new Set(models.flatMap(({ manifest }) => manifest.labels.map(({ name }) => name)))];
  yield line([...HEAD, ...classes.map((name) => `score ${name}`), ...by]);
  for (const { manifest } of models)
    for (const prediction of predictions) {
      const { model, case: told, patient, attributes, result } = prediction;
      if (model !== undefined && model !== manifest.name) continue;
      const truth = truthOf(told, manifest, map);
      if (!truth) continue;
      const analyzed = result.status === 'analyzed' ? result : undefined;
      const regions = analyzed && reportedRegions(manifest, analyzed.probability, analyzed.candidates);
      yield line([
        told.name,
        String(told.frame),
        patient ?? '',
        told.words.join(' | '),
        String(Number(truth.positive)),
        manifest.name,
        result.status,
        analyzed ? '' : (result as { reason: string }).reason,
        number(analyzed?.probability),
        analyzed ? String(Number(analyzed.probability >= manifest.operatingPoint.threshold)) : '',
        (analyzed && reportedLabel(manifest, analyzed)) ?? '',
        (regions ?? []).map(({ x, y, width, height, score }) => `${x} ${y} ${width} ${height} ${number(score)}`).join('; '),
        ...['sex', 'age', 'view', 'manufacturer'].map((name) => attributes[name] ?? ''),
        ...classes.map((name) => number(analyzed?.scores[name])),
        ...by.map((column) => told.columns[column] ?? ''),
      ]);
    }
}

/** Six decimals tell any two images apart that a threshold does. */
function number(value: number | undefined): string {
  return value === undefined ? '' : String(Number(value.toFixed(6)));
}

function line(fields: readonly string[]): string {
  return `${fields.map((field) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(',')}\n`;
}
