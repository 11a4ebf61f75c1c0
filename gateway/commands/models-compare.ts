// hilum models compare CANDIDATE [--json]: what a candidate in the shadow says beside the models in use.
import { parseArgs } from 'node:util';
import type { LoadedSettings } from '../../config/load.ts';
import type { DifferingImage } from '../../storage/shadow.repository.ts';
import { ShadowRepository } from '../../storage/shadow.repository.ts';
import { StoredComparisons, type ComparisonReport, type ModelComparison } from '../comparison/comparison.ts';
import { withDatabase } from './database.ts';

const USAGE = 'usage: hilum models compare CANDIDATE [--json]';

/** @returns the exit status: 0 compared, 1 there is nothing to compare yet */
export async function compareModelsCommand(args: string[], settings: LoadedSettings): Promise<number> {
  const { positionals: [candidate, ...rest], values } = parseArgs({ args, options: { json: { type: 'boolean', default: false } }, allowPositionals: true });
  if (candidate === undefined || rest.length > 0) throw new Error(USAGE);
  return withDatabase(settings, async (dataSource) => {
    const report = await new StoredComparisons(new ShadowRepository(dataSource)).report(candidate);
    if (!report) {
      const isShadow = settings.routes.some(({ shadow }) => shadow.includes(candidate));
      console.error(isShadow ? `"${candidate}" has judged no image yet` : `no route has "${candidate}" in its shadow, and it has judged no image`);
      return 1;
    }
    console.log(values.json ? JSON.stringify(report) : inWords(report));
    return 0;
  });
}

function inWords({ candidate, comparisons }: ComparisonReport): string {
  if (comparisons.length === 0) return `${candidate}: no image that a model in use has judged as well`;
  return comparisons.map(comparisonInWords).join('\n\n');
}

function comparisonInWords(of: ModelComparison): string {
  const { candidate, model, images, differing } = of;
  const rows: [string, string][] = [
    ['images', `${images}, besides ${of.onlyCandidateAnalyzed} that only the candidate could analyse, and ${of.onlyModelAnalyzed} that only the model in use could`],
    ['agreement', `${percent(of.agreement)}: ${of.bothPositive} positive for both, ${of.bothNegative} for neither, ${of.onlyCandidatePositive} for the candidate alone, ${of.onlyModelPositive} for the model in use alone`],
    ['kappa', decimal(of.kappa)],
    ['probability', `${signed(of.meanDifference)} on average, correlation ${decimal(of.correlation)}`],
  ];
  const head = `${candidate.name} ${candidate.version} beside ${model.name} ${model.version}`;
  const apart = differing.length > 0 ? ['  widest apart (candidate, model in use)', ...differing.map(imageInWords)] : [];
  return [head, ...rows.map(([name, value]) => `  ${name.padEnd(12)} ${value}`), ...apart].join('\n');
}

function imageInWords({ studyInstanceUid, sopInstanceUid, frame, candidate, model }: DifferingImage): string {
  const said = ({ probability, positive }: DifferingImage['model']): string => `${percent(probability).padStart(6)}${positive ? ' +' : '  '}`;
  return `    ${said(candidate)}  ${said(model)}   study ${studyInstanceUid}, image ${sopInstanceUid}${frame > 1 ? `, frame ${frame}` : ''}`;
}

const percent = (share: number | null): string => (share === null ? 'unknown' : `${(share * 100).toFixed(1)} %`);
const decimal = (value: number | null): string => (value === null ? 'undefined' : value.toFixed(3));
const signed = (value: number | null): string => (value === null ? 'unknown' : `${value < 0 ? '' : '+'}${value.toFixed(3)}`);
