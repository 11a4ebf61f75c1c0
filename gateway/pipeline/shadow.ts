// The job `shadow`: candidates beside the models in use. It is enqueued when those have spoken of an image, waits for whatever
// they still have to do, and what comes of it is kept apart (docs/model-packages.md).
import type { Logger } from 'pino';
import type { AnalysisOutcome } from '../../ai/analysis.ts';
import type { Analyzer } from '../../ai/analyzer.ts';
import { sampleOf } from '../../ai/drift/sample.ts';
import type { ModelPackage } from '../../ai/runtime/manifest.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { framesToAnalyze, MAX_FRAMES } from '../../storage/frames-to-analyze.ts';
import type { ShadowRepository } from '../../storage/shadow.repository.ts';
import type { ImageRow, WorkitemsRepository } from '../../storage/workitems.repository.ts';
import { routeNamed, type ModelsInUse } from './models-in-use.ts';

export interface ShadowOptions extends ModelsInUse {
  analyzer: Analyzer;
  workitems: WorkitemsRepository;
  shadows: ShadowRepository;
  blobs: BlobStore;
  log: Logger;
  /** Gives up what has not begun. */
  signal: AbortSignal;
  onShadow?: (model: string, outcome: AnalysisOutcome) => void;
}

/** Below what the models in use are asked with, on which the analyzer lets it wait for them. */
const PRIORITY = -1;

export async function shadowImage(instanceId: string, options: ShadowOptions): Promise<void> {
  const image = await options.workitems.imageToAnalyze(instanceId);
  const route = image && routeNamed(image.route, options);
  // Not a radiograph: the models in use have refused it without a look.
  if (!route || image.frames > MAX_FRAMES) return;
  const candidates = options.models().filter(({ manifest }) => route.shadow.includes(manifest.name));
  const missing = route.shadow.filter((name) => !candidates.some(({ manifest }) => manifest.name === name));
  if (missing.length > 0) options.log.warn({ route: route.name, missing }, 'candidates in the shadow that are not loaded: packages count after a restart');
  for (const candidate of candidates)
    for (let frame = 1; frame <= framesToAnalyze(image.frames); frame++) await shadowFrame(image, frame, candidate, options);
}

async function shadowFrame(image: ImageRow, frame: number, { manifest }: ModelPackage, options: ShadowOptions): Promise<void> {
  const { analyzer, shadows, blobs, log, signal } = options;
  const { name: modelName, version: modelVersion, sha256: modelSha256 } = manifest;
  const run = { instance: image.id, frame, modelName, modelVersion, modelSha256, settingsDigest: options.settingsDigest(modelName) };
  if (await shadows.isKnown(run)) return;
  const request = { path: blobs.path(image.id), frame, model: modelName, digest: image.digest, priority: PRIORITY, severity: false, signal };
  const outcome = await analyzer.analyze(request);
  await shadows.save(run, outcome, sampleOf(outcome, image.header));
  options.onShadow?.(modelName, outcome);
  log.info({ study: image.studyInstanceUid, instance: image.sopInstanceUid, frame, model: modelName, status: outcome.status }, 'analysed in the shadow');
}
