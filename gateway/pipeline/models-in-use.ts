// Which models judge an image, as the settings are now: those of its route, chosen by the patient's age.
import { chooseModels, type Choice } from '../../ai/runtime/choice.ts';
import type { ModelPackage } from '../../ai/runtime/manifest.ts';
import type { Route, Settings } from '../../config/settings.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import type { ModelsOf, RecordedChoice } from '../../storage/workitems.repository.ts';

export interface ModelsInUse {
  settings: () => Settings;
  models: () => ModelPackage[];
  /** Digest of what decides a model's outcome beside the image, by model name. */
  settingsDigest: (model: string) => string;
}

export function routeNamed(name: string, { settings }: Pick<ModelsInUse, 'settings'>): Route | undefined {
  return settings().routes.find((route) => route.name === name) ?? orderedRoute(name, settings());
}

const ORDERED = /^(?:(.*) )?\(ordered: ([^()]+)\)$/;

/**
 * The name of a route to which models were added by an order, or that an order alone made.
 * @param base name of the route that took the study, which goes on judging it: null where none did
 */
export function withModels(base: string | null, models: readonly string[], settings: Settings): string {
  const route = base === null ? undefined : routeNamed(base, { settings: () => settings });
  const more = models.filter((model) => route?.models.includes(model) !== true);
  if (more.length === 0 && base !== null) return base;
  const [, first, before] = ORDERED.exec(base ?? '') ?? [undefined, base ?? undefined];
  return [first, `(ordered: ${[...(before?.split(', ') ?? []), ...more].join(', ')})`].filter(Boolean).join(' ');
}

/** Such a route by its name; it is otherwise as the one that it was made from. */
function orderedRoute(name: string, settings: Settings): Route | undefined {
  const [, base, models] = ORDERED.exec(name) ?? [];
  if (models === undefined) return undefined;
  const route = settings.routes.find((candidate) => candidate.name === base);
  const alone: Route = { name, when: {}, completeAfterSeconds: 0, models: [], worker: 'hilum', shadow: [], severity: true, deliver: settings.ups.deliver };
  return { ...(route ?? alone), name, worker: 'hilum', models: [...new Set([...(route?.models ?? []), ...models.split(', ')])] };
}

/** @throws {Error} naming the model of the route that is not loaded */
export function modelsOfRoute({ name: route, models: names }: Route, loaded: Pick<ModelsInUse, 'models'>): ModelPackage[] {
  return names.map((name) => {
    const model = loaded.models().find(({ manifest }) => manifest.name === name);
    if (!model) throw new Error(`route "${route}" wants model "${name}", which is not loaded`);
    return model;
  });
}

/**
 * A workitem is analysed when each model that judges its images now has spoken of each frame: a model that was replaced counts no
 * more. One that is not loaded is waited for.
 */
export function judgesOf(options: ModelsInUse): ModelsOf {
  return (name, header: Dataset) => {
    const wanted = routeNamed(name, options)?.models ?? [];
    const loaded = options.models().filter(({ manifest }) => wanted.includes(manifest.name));
    const missing = wanted.filter((model) => !loaded.some(({ manifest }) => manifest.name === model));
    return [...chooseModels(loaded, header).judges.map(({ manifest }) => manifest.name), ...missing].map(options.settingsDigest);
  };
}

/** The choice as it is kept with the image. */
export function recordOf(instance: string, { judges, leftOut }: Choice, { settingsDigest }: Pick<ModelsInUse, 'settingsDigest'>): RecordedChoice {
  return {
    instance,
    judgedBy: judges.map(({ manifest }) => settingsDigest(manifest.name)),
    leftOut: leftOut.map(({ model: { manifest }, reason }) => ({ model: { name: manifest.name, version: manifest.version }, reason })),
  };
}
