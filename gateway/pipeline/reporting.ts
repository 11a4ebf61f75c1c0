// The job `report`: from the analyses of a closed study to stored results and open deliveries. Bytes are durable before their
// rows are, rows before the first delivery; a repetition finds the same UIDs and, where they are there already, the same bytes.
import type { Logger } from 'pino';
import { outcomeOf, type AnalysisOutcome } from '../../ai/analysis.ts';
import type { KeptResult } from '../../ai/results/keep.ts';
import type { StudyOutcome } from '../../ai/results/outcome.ts';
import { chooseModels } from '../../ai/runtime/choice.ts';
import type { ModelPackage } from '../../ai/runtime/manifest.ts';
import type { Route, Settings } from '../../config/settings.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { Result } from '../../storage/entities/result.ts';
import { framesToAnalyze } from '../../storage/frames-to-analyze.ts';
import type { ImageRow, NewDelivery, NewResult, StoredAnalysis, WorkitemContent, WorkitemsRepository } from '../../storage/workitems.repository.ts';
import { modelsOfRoute, recordOf, routeNamed, type ModelsInUse } from './models-in-use.ts';
import type { JobQueue } from './queue.ts';

export interface ReportingOptions extends ModelsInUse {
  workitems: WorkitemsRepository;
  queue: JobQueue;
  blobs: BlobStore;
  /** Makes the results and their bytes durable. */
  encode: (outcome: StudyOutcome) => Promise<KeptResult[]>;
  log: Logger;
}

/** Which models speak of an image in the results. */
interface Judged {
  image: ImageRow;
  judges: ModelPackage[];
  leftOut: { model: ModelPackage; reason: string }[];
}

export async function makeResults(workitemId: string, options: ReportingOptions): Promise<void> {
  const { workitems, queue, settings, log } = options;
  const content = await workitems.content(workitemId);
  if (!content) return;
  const { workitem } = content;
  const route = routeNamed(workitem.route, options);
  const judged = judgedImages(content, route, options);
  const unanalyzed = content.conflict === null && route ? imagesWithout(content, judged, options) : [];
  if (unanalyzed.length > 0) {
    // A model was replaced since: its successor speaks first, and the last of its analyses brings this job again.
    for (const instanceId of unanalyzed) await queue.send('analyze', { instanceId });
    return;
  }
  const results: NewResult[] = [];
  for (const model of speakers(judged, content)) results.push(...(await resultsOf(model, judged, content, options)));
  const deliveries = openDeliveries(results, route?.deliver.map(({ to }) => to) ?? [], settings());
  const choices = route ? judged.map(({ image, ...choice }) => recordOf(image.id, choice, options)) : [];
  await workitems.complete(workitem, results, deliveries, choices, content.conflict, async (transaction) => {
    for (const destination of new Set(deliveries.map((delivery) => delivery.destination))) await queue.send('deliver', { destination }, { transaction });
  });
  log.info({ study: workitem.studyInstanceUid, workitem: workitem.id, version: workitem.version, results: results.length }, 'results stored');
}

/** By the route, whether or not a person must look first; where the route is gone, those that spoke of the image. */
function judgedImages({ images, analyses }: WorkitemContent, route: Route | undefined, options: ReportingOptions): Judged[] {
  if (route) {
    const models = modelsOfRoute(route, options);
    return images.map((image) => ({ image, ...chooseModels(models, image.header) }));
  }
  const spokeOf = (image: ImageRow, { manifest }: ModelPackage): boolean =>
    analyses.some(({ instance, settingsDigest }) => instance === image.id && settingsDigest === options.settingsDigest(manifest.name));
  return images.map((image) => ({ image, judges: options.models().filter((model) => spokeOf(image, model)), leftOut: [] }));
}

function imagesWithout({ analyses }: WorkitemContent, judged: Judged[], { settingsDigest }: ReportingOptions): string[] {
  const spoken = new Set(analyses.map((analysis) => `${analysis.instance} ${analysis.settingsDigest}`));
  const isOpen = ({ image, judges }: Judged): boolean => judges.some(({ manifest }) => !spoken.has(`${image.id} ${settingsDigest(manifest.name)}`));
  return judged.filter(isOpen).map(({ image }) => image.id);
}

/** The models that judge an image; and one that is left out now but spoke of the study before, which takes that back. */
function speakers(judged: Judged[], { reports }: WorkitemContent): ModelPackage[] {
  const judges = judged.flatMap((image) => image.judges);
  const silenced = judged.flatMap(({ leftOut }) => leftOut.map(({ model }) => model)).filter(({ manifest }) => reports.some(({ modelName }) => modelName === manifest.name));
  return [...new Set([...judges, ...silenced])];
}

async function resultsOf(model: ModelPackage, judged: Judged[], content: WorkitemContent, options: ReportingOptions): Promise<NewResult[]> {
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
    ...(content.purges > 0 && { purges: content.purges }),
    version: workitem.version,
    model: model.identity,
    labels: model.manifest.labels,
    intendedUse: model.manifest.intendedUse,
    images: judged.flatMap(({ image, judges, leftOut }) => {
      const unjudged = content.conflict ?? leftOut.find((each) => each.model === model)?.reason ?? null;
      return unjudged !== null || judges.includes(model) ? imagesOf(image, analyses, unjudged, blobs) : [];
    }),
    ...(content.conflict !== null && { reason: content.conflict }),
  };
  const kept = await options.encode(outcome);
  return kept.map((result) => rowOf(result, model, workitem.studyInstanceUid, predecessor, outcome.createdAt));
}

/** @param unjudged why no model may speak of it, or this one does not */
function imagesOf(image: ImageRow, analyses: StoredAnalysis[], unjudged: string | null, blobs: BlobStore): StudyOutcome['images'] {
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
      outcome: spokenOf(analysis, unjudged),
    };
  });
}

function spokenOf(analysis: StoredAnalysis | undefined, unjudged: string | null): AnalysisOutcome {
  if (unjudged !== null) return { status: 'not-analyzable', reason: unjudged };
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
    header: kept.header,
    frames: kept.kind === 'overlay' ? 1 : 0,
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
