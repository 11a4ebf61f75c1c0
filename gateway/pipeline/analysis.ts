// The job `analyze`: the models of the route that are meant for the patient, on every frame of an image.
import type { Logger } from 'pino';
import type { AnalysisOutcome } from '../../ai/analysis.ts';
import type { Analyzer } from '../../ai/analyzer.ts';
import { sampleOf } from '../../ai/drift/sample.ts';
import { foundOrSought, soughtIn } from '../../ai/results/wording.ts';
import { chooseModels } from '../../ai/runtime/choice.ts';
import type { ModelPackage } from '../../ai/runtime/manifest.ts';
import type { Route } from '../../config/settings.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { framesToAnalyze, MAX_FRAMES } from '../../storage/frames-to-analyze.ts';
import type { ImageToAnalyze, WorkitemsRepository } from '../../storage/workitems.repository.ts';
import { judgesOf, modelsOfRoute, recordOf, routeNamed, type ModelsInUse } from './models-in-use.ts';
import type { JobQueue } from './queue.ts';

export interface AnalysisOptions extends ModelsInUse {
  analyzer: Analyzer;
  workitems: WorkitemsRepository;
  queue: JobQueue;
  blobs: BlobStore;
  log: Logger;
  onAnalysis?: (model: string, outcome: AnalysisOutcome) => void;
}

export async function analyzeImage(instanceId: string, options: AnalysisOptions): Promise<void> {
  const { workitems, queue, log } = options;
  const image = await workitems.imageToAnalyze(instanceId);
  const route = image && routeNamed(image.route, options);
  if (!route) return;
  // Until a worker from outside has given it up, the study is that worker's alone.
  if (route.worker === 'outside' && image.worker !== 'hilum' && image.worker !== 'nobody') return;
  const choice = chooseModels(modelsOfRoute(route, options), image.header);
  const record = recordOf(image.id, choice, options);
  await workitems.recordChoice(image.studyInstanceUid, record);
  if (record.leftOut.length > 0) log.info({ study: image.studyInstanceUid, instance: image.sopInstanceUid, leftOut: record.leftOut }, 'models left out by age');
  const frames = Array.from({ length: framesToAnalyze(image.frames) }, (_, index) => index + 1);
  await Promise.all(choice.judges.flatMap((model) => frames.map((frame) => analyzeFrame(image, frame, model, route, options))));
  if (route.shadow.length > 0) await queue.send('shadow', { instanceId });
}

async function analyzeFrame(image: ImageToAnalyze, frame: number, { manifest }: ModelPackage, { severity }: Route, options: AnalysisOptions): Promise<void> {
  const { analyzer, workitems, queue, blobs, log } = options;
  const { name: modelName, labels } = manifest;
  const settingsDigest = options.settingsDigest(modelName);
  if (image.analyzed.some((done) => done.frame === frame && done.modelSha256 === manifest.sha256 && done.settingsDigest === settingsDigest)) return;
  const outcome: AnalysisOutcome =
    image.worker === 'nobody'
      ? { status: 'failed', reason: 'no worker from outside took the study and finished it within the time that the settings give' }
      : image.frames > MAX_FRAMES
        ? { status: 'not-analyzable', reason: `the image has ${image.frames} frames; more than ${MAX_FRAMES} are no radiograph` }
        : await analyzer.analyze({ path: blobs.path(image.id), frame, model: modelName, digest: image.digest, severity });
  const analyzed = outcome.status === 'analyzed' ? outcome : undefined;
  await workitems.saveAnalysis(
    image.studyInstanceUid,
    {
      instance: image.id,
      frame,
      modelName,
      modelVersion: manifest.version,
      modelSha256: manifest.sha256,
      settingsDigest,
      status: outcome.status,
      reason: 'reason' in outcome ? outcome.reason : null,
      label: analyzed?.label ?? null,
      finding: analyzed ? foundOrSought(labels, analyzed) : null,
      sought: analyzed ? soughtIn(labels) : null,
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
    judgesOf(options),
    (workitemId, transaction) => queue.send('report', { workitemId }, { transaction }),
  );
  options.onAnalysis?.(modelName, outcome);
  log.info({ study: image.studyInstanceUid, instance: image.sopInstanceUid, frame, model: modelName, status: outcome.status, milliseconds: analyzed?.milliseconds }, 'analyzed');
}
