// The job `outside`: what has become of a study that waits for a worker from outside. What the worker stored goes where the route
// delivers; where none claimed the step, or did not end it, the study comes back: silence is never an outcome.
import type { Logger } from 'pino';
import { items, text, type Dataset } from '../../storage/dicom/dataset.ts';
import { cancellationOf, type OutsideOutcome, type OutsideRepository, type PublishedWorkitem, type StoredOutput } from '../../storage/outside.repository.ts';
import type { NewDelivery } from '../../storage/workitems.repository.ts';
import { routeNamed, type ModelsInUse } from './models-in-use.ts';
import type { JobQueue } from './queue.ts';
import { statementOf } from './outside-report.ts';

export interface OutsideOptions extends ModelsInUse {
  outside: OutsideRepository;
  queue: JobQueue;
  log: Logger;
}

export async function followOutside(workitemId: string, options: OutsideOptions): Promise<void> {
  const { outside, queue } = options;
  const published = await outside.published(workitemId);
  if (!published) return;
  const { workitem, step } = published;
  const { claimMinutes, finishMinutes } = options.settings().ups.outside;
  if (step.state === 'COMPLETED') return collect(published, options);
  if (step.state === 'CANCELED') return takeBack(published, cancellationOf(step.dataset) ?? 'the worker gave it up', options);
  const [since, minutes] = step.state === 'IN PROGRESS' ? [step.claimedAt, finishMinutes] : [workitem.closedAt, claimMinutes];
  const deadline = new Date((since ?? workitem.createdAt).getTime() + minutes * 60_000);
  if (deadline.getTime() > Date.now()) return queue.send('outside', { workitemId }, { startAfter: deadline });
  const what = step.state === 'IN PROGRESS' ? `the worker did not finish within ${minutes} minutes` : `no worker claimed it within ${minutes} minutes`;
  return takeBack(published, what, options);
}

async function takeBack(published: PublishedWorkitem, reason: string, { outside, queue, settings, log }: OutsideOptions): Promise<void> {
  const worker = settings().ups.outside.otherwise === 'analyze' ? 'hilum' : 'nobody';
  const done = await outside.takeBack(published, worker, reason, async (images, transaction) => {
    for (const instanceId of images) await queue.send('analyze', { instanceId }, { transaction });
  });
  log.warn({ study: published.workitem.studyInstanceUid, step: published.step.uid, reason, worker, done }, 'a study came back from outside');
}

async function collect(published: PublishedWorkitem, options: OutsideOptions): Promise<void> {
  const { outside, queue, log } = options;
  const { workitem, step } = published;
  const performed = items(step.dataset, 'UnifiedProcedureStepPerformedProcedureSequence');
  const named = performed.flatMap((item) => items(item, 'OutputInformationSequence')).flatMap((output) => items(output, 'ReferencedSOPSequence'));
  const outputs = await outside.outputs(workitem.studyInstanceUid, named.flatMap((reference) => text(reference, 'ReferencedSOPInstanceUID') ?? []));
  const route = routeNamed(workitem.route, options);
  const deliveries = openDeliveries(outputs, route?.deliver.map(({ to }) => to) ?? [], options);
  await outside.complete(published, outcomeOf(performed, outputs), outputs, deliveries, async (transaction) => {
    for (const destination of new Set(deliveries.map((delivery) => delivery.destination))) await queue.send('deliver', { destination }, { transaction });
  });
  log.info({ study: workitem.studyInstanceUid, step: step.uid, named: named.length, outputs: outputs.length }, 'a worker from outside has analysed a study');
}

function openDeliveries(outputs: StoredOutput[], destinations: string[], { settings }: OutsideOptions): NewDelivery[] {
  return destinations.flatMap((destination) => {
    const hours = settings().destinations.find(({ name }) => name === destination)?.retry.hours ?? 24;
    return outputs.map(({ sopInstanceUid }) => ({ sopInstanceUid, destination, deadlineAt: new Date(Date.now() + hours * 3_600_000) }));
  });
}

/** The worker's name, and what its reports say in codes that we know; without that a person must look, which the reason says. */
function outcomeOf(performed: Dataset[], outputs: StoredOutput[]): OutsideOutcome {
  const statements = outputs.flatMap(({ header }) => statementOf(header) ?? []);
  const best = statements.toSorted((a, b) => Number(b.positive) - Number(a.positive) || b.probability - a.probability)[0];
  const station = performed.flatMap((item) => items(item, 'PerformedStationNameCodeSequence'))[0];
  const maker = outputs.map(({ header }) => text(header, 'ManufacturerModelName') ?? text(header, 'Manufacturer')).find((name) => name !== undefined);
  const modelName = maker ?? (station && (text(station, 'CodeMeaning') ?? text(station, 'CodeValue'))) ?? 'worker from outside';
  const what = outputs.length === 0 ? 'stored no object here' : 'said nothing in codes that are read here: look at its own objects';
  return {
    modelName,
    modelVersion: outputs.flatMap(({ header }) => text(header, 'SoftwareVersions') ?? [])[0] ?? '',
    statement: best ?? null,
    reason: best ? null : `${modelName} analysed the study from outside and ${what}`,
  };
}
