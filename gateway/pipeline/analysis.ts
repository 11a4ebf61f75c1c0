// The job `analyze`: the models of the route on every frame of an image.
import type { Logger } from 'pino';
import type { AnalysisOutcome } from '../../ai/analysis.ts';
import type { Analyzer } from '../../ai/analyzer.ts';
import { sampleOf } from '../../ai/drift/sample.ts';
import type { Settings } from '../../config/settings.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { framesToAnalyze, MAX_FRAMES, type AnalyzedFrame, type ImageRow, type ModelsOf, type WorkitemsRepository } from '../../storage/workitems.repository.ts';
import type { JobQueue } from './queue.ts';

export interface AnalysisOptions {
  settings: () => Settings;
  analyzer: Analyzer;
  workitems: WorkitemsRepository;
  queue: JobQueue;
  blobs: BlobStore;
  /** Digest of what decides a model's outcome beside the image, by model name. */
  settingsDigest: (model: string) => string;
  log: Logger;
  onAnalysis?: (model: string, outcome: AnalysisOutcome) => void;
}

export async function analyzeImage(instanceId: string, options: AnalysisOptions): Promise<void> {
  const { workitems, settings } = options;
  const image = await workitems.imageToAnalyze(instanceId);
  if (!image) return;
  const route = settings().routes.find(({ name }) => name === image.route);
  const frames = framesToAnalyze(image.frames);
  await Promise.all(
    (route?.models ?? []).flatMap((model) => Array.from({ length: frames }, (_, index) => analyzeFrame(image, index + 1, model, options))),
  );
}

async function analyzeFrame(image: ImageRow & { analyzed: AnalyzedFrame[] }, frame: number, modelName: string, options: AnalysisOptions): Promise<void> {
  const { analyzer, workitems, queue, blobs, log } = options;
  const model = analyzer.models().find(({ manifest }) => manifest.name === modelName);
  if (!model) throw new Error(`route "${image.route}" wants model "${modelName}", which is not loaded`);
  const settingsDigest = options.settingsDigest(modelName);
  if (image.analyzed.some((done) => done.frame === frame && done.modelSha256 === model.manifest.sha256 && done.settingsDigest === settingsDigest)) return;
  const outcome: AnalysisOutcome =
    image.frames > MAX_FRAMES
      ? { status: 'not-analyzable', reason: `the image has ${image.frames} frames; more than ${MAX_FRAMES} are no radiograph` }
      : await analyzer.analyze({ path: blobs.path(image.id), frame, model: modelName, digest: image.digest });
  const analyzed = outcome.status === 'analyzed' ? outcome : undefined;
  await workitems.saveAnalysis(
    image.studyInstanceUid,
    {
      instance: image.id,
      frame,
      modelName,
      modelVersion: model.manifest.version,
      modelSha256: model.manifest.sha256,
      settingsDigest,
      status: outcome.status,
      reason: 'reason' in outcome ? outcome.reason : null,
      label: analyzed?.label ?? null,
      probability: analyzed?.probability ?? null,
      threshold: analyzed?.threshold ?? null,
      positive: analyzed?.positive ?? null,
      scores: analyzed?.scores ?? null,
      provider: analyzed?.provider ?? null,
      milliseconds: analyzed?.milliseconds ?? null,
      severity: analyzed?.severity ?? null,
      regions: analyzed?.regions ?? [],
      sample: sampleOf(outcome, image.header),
    },
    modelsOf(options),
    (workitemId, transaction) => queue.send('report', { workitemId }, { transaction }),
  );
  options.onAnalysis?.(modelName, outcome);
  log.info({ study: image.studyInstanceUid, instance: image.sopInstanceUid, frame, model: modelName, status: outcome.status, milliseconds: analyzed?.milliseconds }, 'analyzed');
}

/** A workitem is analysed when each model of its route, as it is now, has spoken of each frame: a model that was replaced counts no more. */
export function modelsOf({ settings, settingsDigest }: Pick<AnalysisOptions, 'settings' | 'settingsDigest'>): ModelsOf {
  return (route) => settings().routes.find(({ name }) => name === route)?.models.map(settingsDigest) ?? [];
}
