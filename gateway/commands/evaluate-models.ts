// Which models `hilum evaluate` judges: the one that the user names, by name or by folder, else those that the routes choose.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EvaluationInputError } from '../../ai/evaluation/cases/case.ts';
import { loadPackage } from '../../ai/runtime/manifest.ts';
import type { ModelPackage } from '../../ai/runtime/manifest.ts';
import type { Settings } from '../../config/settings.ts';

/** @throws {ModelPackageError} @throws {EvaluationInputError} when there is no such model, or it finds nothing */
export async function modelsToEvaluate(settings: Settings, named: string | undefined): Promise<ModelPackage[]> {
  if (named !== undefined && (await isPackage(named))) return [judgeable(await loadPackage(named))];
  const models = await Promise.all(settings.models.map(loadPackage));
  const wanted = new Set(named === undefined ? settings.routes.flatMap((route) => route.models) : [named]);
  for (const name of wanted)
    if (!models.some(({ manifest }) => manifest.name === name))
      throw new EvaluationInputError(`there is no model "${name}": neither the settings nor a folder have it (the settings have ${models.map(({ manifest }) => manifest.name).join(', ')})`);
  return models.filter(({ manifest }) => wanted.has(manifest.name)).map(judgeable);
}

function isPackage(folder: string): Promise<boolean> {
  return stat(join(folder, 'manifest.yaml')).then((entry) => entry.isFile(), () => false);
}

function judgeable(model: ModelPackage): ModelPackage {
  const { name, purpose } = model.manifest;
  if (purpose !== 'finding') throw new EvaluationInputError(`model ${name} (${model.folder}) has the purpose ${purpose}: it has no finding to judge`);
  return model;
}
