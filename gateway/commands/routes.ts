// hilum routes test FILE…: which route takes a file, and which of its models judge it, before a modality sends it.
import { whyNotApplicable } from '../../ai/runtime/applicability.ts';
import { chooseModels } from '../../ai/runtime/choice.ts';
import { loadPackage } from '../../ai/runtime/manifest.ts';
import type { LoadedSettings } from '../../config/load.ts';
import type { Route } from '../../config/settings.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { modelsOfRoute } from '../pipeline/models-in-use.ts';
import { explainNoRoute, matchRoute } from '../pipeline/routes.ts';

export async function routesCommand([action, ...files]: string[], settings: LoadedSettings): Promise<number> {
  if (action !== 'test' || files.length === 0) throw new Error('usage: routes test FILE…');
  let status = 0;
  for (const file of files) {
    try {
      const { dataset } = await readPart10(file);
      const route = matchRoute(settings.routes, dataset);
      console.log(`${file}: ${route ? await fateOf(dataset, route, settings) : explainNoRoute(settings.routes, dataset)}`);
    } catch (error) {
      console.error(`${file}: ${(error as Error).message}`);
      status = 1;
    }
  }
  return status;
}

async function fateOf(header: Dataset, route: Route, settings: LoadedSettings): Promise<string> {
  const models = await judgesInWords(header, route, settings);
  const shadow = route.shadow.length > 0 ? `, in the shadow ${route.shadow.join(', ')}` : '';
  return `"${route.name}": ${models}${shadow} -> ${route.deliver.map(({ to }) => to).join(', ') || 'no destination'}`;
}

/** Which models judge the image, which cannot, and which leave it to another. */
async function judgesInWords(header: Dataset, route: Route, settings: LoadedSettings): Promise<string> {
  const models = await Promise.all(settings.models.map((folder) => loadPackage(folder)));
  const { judges, leftOut } = chooseModels(modelsOfRoute(route, { models: () => models }), header);
  const without = leftOut.map(({ model, reason }) => ` (without ${model.manifest.name}: ${reason})`).join('');
  const judging = judges.map(({ manifest: { name, applicability } }) => {
    const problem = whyNotApplicable(header, applicability);
    return problem === undefined ? name : `${name} (not analysable: ${problem})`;
  });
  return judging.join(', ') + without;
}
