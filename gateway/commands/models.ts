// `hilum models [--json]`: the model packages of the settings, each checked against its manifest and run once. `models compare` is
// another.
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { loadPackage, ModelPackageError } from '../../ai/runtime/manifest.ts';
import type { ModelPackage } from '../../ai/runtime/manifest.ts';
import type { DeclaredTensor } from '../../ai/runtime/onnx-graph.ts';
import { tryModel } from '../../ai/runtime/providers.ts';
import type { LoadedSettings } from '../../config/load.ts';
import { compareModelsCommand } from './models-compare.ts';

const USAGE = 'usage: hilum models [--json] | models compare CANDIDATE [--json]';

/** @returns the exit status: 0 when every package is good, 1 when any is refused, 2 when it could not run */
export async function modelsCommand(args: string[], settings: LoadedSettings): Promise<number> {
  if (args[0] === 'compare') return compareModelsCommand(args.slice(1), settings);
  let json: boolean;
  try {
    json = parseArgs({ args, options: { json: { type: 'boolean', default: false } } }).values.json;
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  let refused = 0;
  for (const folder of settings.models) {
    try {
      const model = await loadPackage(folder);
      await tryModel(model, { threads: 1, log: pino({ level: 'silent' }) });
      console.log(json ? JSON.stringify(modelRecord(model)) : modelInWords(model));
    } catch (error) {
      if (!(error instanceof ModelPackageError)) throw error;
      refused += 1;
      console.error(`refused: ${error.message}`);
    }
  }
  return refused > 0 ? 1 : 0;
}

function modelRecord({ folder, size, manifest, inputs, outputs }: ModelPackage): object {
  return { folder, bytes: size, tensors: { inputs, outputs }, ...manifest };
}

function modelInWords({ folder, size, manifest, inputs, outputs }: ModelPackage): string {
  const { modalities, views, bodyParts, ageYears, ageUnknown } = manifest.applicability;
  const finding: [string, string][] = [
    ['task', `${manifest.task}: ${manifest.labels.map(({ name, positive }) => (positive ? `${name} (a finding)` : name)).join(', ')}`],
    ['threshold', `${manifest.operatingPoint.threshold} (${manifest.operatingPoint.chosenFor})`],
  ];
  const rows: [string, string][] = [
    ['folder', folder],
    ['checksum', `sha256 ${manifest.sha256} (agrees)`],
    ['size', `${(size / 1e6).toFixed(1)} MB`],
    ...(manifest.purpose === 'lungs' ? [['task', 'shows where the lungs are, which findings are measured by'] as [string, string]] : finding),
    ['input', inputs.map(tensorInWords).join('; ')],
    ['outputs', outputs.map(tensorInWords).join('; ')],
    ['meant for', [modalities, bodyParts, views].map((values) => values.filter((value) => value !== '').join(', ')).join('; ')],
    ...(ageYears ? [['ages', `${ageYears.min} to ${ageYears.max} years${ageUnknown === 'refuse' ? ', and known' : ''}`] as [string, string]] : []),
    ['use', manifest.intendedUse],
    ['licence', manifest.licence],
    ...Object.entries(manifest.figures).map(([name, value]): [string, string] => ['figure', `${name}: ${valueInWords(value)}`]),
  ];
  return [`${manifest.name} ${manifest.version}`, ...rows.map(([name, value]) => `  ${name.padEnd(10)} ${value}`)].join('\n');
}

function tensorInWords({ name, shape }: DeclaredTensor): string {
  return `${name} [${shape.map((size) => size ?? '?').join(', ')}]`;
}

function valueInWords(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
