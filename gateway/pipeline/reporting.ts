// The job `report`: from the analyses of a closed study to stored results and open deliveries. Bytes are durable before their
// rows are, rows before the first delivery; a repetition finds the same UIDs and, where they are there already, the same bytes.
import type { Logger } from 'pino';
import { outcomeOf, type AnalysisOutcome } from '../../ai/analysis.ts';
import type { KeptResult } from '../../ai/results/keep.ts';
import type { StudyOutcome } from '../../ai/results/outcome.ts';
import type { ModelPackage } from '../../ai/runtime/manifest.ts';
import type { Route, Settings } from '../../config/settings.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { Result } from '../../storage/entities/result.ts';
import { framesToAnalyze, type ImageRow, type NewDelivery, type NewResult, type StoredAnalysis, type WorkitemContent, type WorkitemsRepository } from '../../storage/workitems.repository.ts';
import type { JobQueue } from './queue.ts';

export interface ReportingOptions {
  settings: () => Settings;
  models: () => ModelPackage[];
  settingsDigest: (model: string) => string;
  workitems: WorkitemsRepository;
  queue: JobQueue;
  blobs: BlobStore;
  /** Makes the results and their bytes durable. */
  encode: (outcome: StudyOutcome) => Promise<KeptResult[]>;
  log: Logger;
}

export async function makeResults(workitemId: string, options: ReportingOptions): Promise<void> {
  const { workitems, queue, settings, log } = options;
  const content = await workitems.content(workitemId);
  if (!content) return;
  const { workitem } = content;
  const route = settings().routes.find(({ name }) => name === workitem.route);
  const models = modelsOf(content, route, options);
  const unanalyzed = content.conflict === null && route ? imagesWithout(content, models.map(({ manifest }) => options.settingsDigest(manifest.name))) : [];
  if (unanalyzed.length > 0) {
    // A model was replaced since: its successor speaks first, and the last of its analyses brings this job again.
    for (const instanceId of unanalyzed) await queue.send('analyze', { instanceId });
    return;
  }
  const results: NewResult[] = [];
  for (const model of models) results.push(...(await resultsOf(model, content, options)));
  const deliveries = openDeliveries(results, route?.deliver.map(({ to }) => to) ?? [], settings());
  await workitems.complete(workitem, results, deliveries, content.conflict, async (transaction) => {
    for (const destination of new Set(deliveries.map((delivery) => delivery.destination))) await queue.send('deliver', { destination }, { transaction });
  });
  log.info({ study: workitem.studyInstanceUid, workitem: workitem.id, version: workitem.version, results: results.length }, 'results stored');
}

/** The models of the route, whether or not a person must look first; where the route is gone, those that spoke of the study. */
function modelsOf({ analyses }: WorkitemContent, route: Route | undefined, { models, settingsDigest }: ReportingOptions): ModelPackage[] {
  if (!route) return models().filter(({ manifest }) => analyses.some((analysis) => analysis.settingsDigest === settingsDigest(manifest.name)));
  return route.models.map((name) => {
    const model = models().find(({ manifest }) => manifest.name === name);
    if (!model) throw new Error(`model "${name}" is not loaded, so its results cannot be made`);
    return model;
  });
}

function imagesWithout({ images, analyses }: WorkitemContent, digests: string[]): string[] {
  const spoken = new Set(analyses.map(({ instance, settingsDigest }) => `${instance} ${settingsDigest}`));
  return images.filter(({ id }) => digests.some((digest) => !spoken.has(`${id} ${digest}`))).map(({ id }) => id);
}

async function resultsOf(model: ModelPackage, content: WorkitemContent, options: ReportingOptions): Promise<NewResult[]> {
  const { settings, blobs } = options;
  const { workitem } = content;
  const settingsDigest = options.settingsDigest(model.manifest.name);
  const analyses = content.analyses.filter((analysis) => analysis.settingsDigest === settingsDigest);
  const predecessor = content.reports.find((report) => report.modelName === model.manifest.name && report.alternativeTo === null);
  const outcome: StudyOutcome = {
    uidRoot: settings().uidRoot,
    timezone: settings().timezone,
    settingsDigest,
    createdAt: (workitem.closedAt ?? workitem.createdAt).toISOString(),
    ...(predecessor && { predecessor }),
    version: workitem.version,
    model: model.identity,
    labels: model.manifest.labels,
    intendedUse: model.manifest.intendedUse,
    images: content.images.flatMap((image) => imagesOf(image, analyses, content.conflict, blobs)),
    ...(content.conflict !== null && { reason: content.conflict }),
  };
  const kept = await options.encode(outcome);
  return kept.map((result) => rowOf(result, model, workitem.studyInstanceUid, predecessor, outcome.createdAt));
}

function imagesOf(image: ImageRow, analyses: StoredAnalysis[], conflict: string | null, blobs: BlobStore): StudyOutcome['images'] {
  const frames = framesToAnalyze(image.frames);
  return Array.from({ length: frames }, (_, index) => {
    const analysis = analyses.find((candidate) => candidate.instance === image.id && candidate.frame === index + 1);
    return {
      path: blobs.path(image.id),
      header: image.header,
      digest: image.digest,
      sopInstanceUid: image.sopInstanceUid,
      sopClassUid: image.sopClassUid,
      seriesInstanceUid: image.seriesInstanceUid,
      frame: index + 1,
      frames: image.frames,
      analyzedAt: (analysis?.analyzedAt ?? image.receivedAt).toISOString(),
      outcome: spokenOf(analysis, conflict),
    };
  });
}

function spokenOf(analysis: StoredAnalysis | undefined, conflict: string | null): AnalysisOutcome {
  if (conflict !== null) return { status: 'not-analyzable', reason: conflict };
  if (!analysis) throw new Error('a frame of a closed workitem has no analysis');
  return outcomeOf(analysis);
}

function rowOf(kept: KeptResult, model: ModelPackage, studyInstanceUid: string, predecessor: Result | undefined, createdAt: string): NewResult {
  return {
    sopInstanceUid: kept.sopInstanceUid,
    studyInstanceUid,
    seriesInstanceUid: kept.seriesInstanceUid,
    sopClassUid: kept.sopClassUid,
    kind: kept.kind,
    sourceSopInstanceUid: kept.sourceSopInstanceUid ?? null,
    alternativeTo: kept.alternativeTo ?? null,
    predecessor: kept.kind === 'structured-report' ? (predecessor?.sopInstanceUid ?? null) : null,
    blob: kept.blob,
    digest: kept.digest,
    bytes: kept.bytes,
    modelName: model.manifest.name,
    modelVersion: model.manifest.version,
    modelSha256: model.manifest.sha256,
    createdAt: new Date(createdAt),
  };
}

/** Every preferred form to every destination of the route; its alternative goes where that is refused. */
function openDeliveries(results: NewResult[], destinations: string[], settings: Settings): NewDelivery[] {
  return destinations.flatMap((destination) => {
    const hours = settings.destinations.find(({ name }) => name === destination)?.retry.hours ?? 24;
    return results
      .filter(({ alternativeTo }) => alternativeTo === null)
      .map(({ sopInstanceUid }) => ({ sopInstanceUid, destination, deadlineAt: new Date(Date.now() + hours * 3_600_000) }));
  });
}
