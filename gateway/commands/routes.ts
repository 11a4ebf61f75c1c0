// hilum routes test FILE…: which route takes a file, before a modality sends it.
import type { LoadedSettings } from '../../config/load.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { explainNoRoute, matchRoute } from '../pipeline/routes.ts';

export async function routesCommand([action, ...files]: string[], settings: LoadedSettings): Promise<number> {
  if (action !== 'test' || files.length === 0) throw new Error('usage: routes test FILE…');
  let status = 0;
  for (const file of files) {
    try {
      const { dataset } = await readPart10(file);
      const route = matchRoute(settings.routes, dataset);
      const fate = route ? `"${route.name}": ${route.models.join(', ')} -> ${route.deliver.map(({ to }) => to).join(', ') || 'no destination'}` : explainNoRoute(settings.routes, dataset);
      console.log(`${file}: ${fate}`);
    } catch (error) {
      console.error(`${file}: ${(error as Error).message}`);
      status = 1;
    }
  }
  return status;
}
