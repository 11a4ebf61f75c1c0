// The job `order`: an analysis that a caller ordered as a Unified Procedure Step (IHE AI Workflow for Imaging) becomes a workitem, or
// is canceled with the reason why it cannot be one.
import type { Logger } from 'pino';
import type { EntityManager } from 'typeorm';
import type { Settings } from '../../config/settings.ts';
import { items, text, type Dataset } from '../../storage/dicom/dataset.ts';
import type { OrderedStudy, OrderPlan, OrdersRepository } from '../../storage/orders.repository.ts';
import type { UpsRepository } from '../../storage/ups.repository.ts';
import { spanOf } from '../../storage/ups/matching.ts';
import { codeIs, MODEL_CONCEPT, ROUTE_CONCEPT } from '../../storage/ups/step.ts';
import type { InputFetcher } from '../sources/order-input.ts';
import { routeNamed, withModels, type ModelsInUse } from './models-in-use.ts';
import type { Jobs, JobQueue } from './queue.ts';
import { explainNoRoute, matchRoute } from './routes.ts';

/** Between looks at a study that is being fetched. */
const LOOK_MILLISECONDS = 1000;

export interface OrderOptions extends ModelsInUse {
  orders: OrdersRepository;
  steps: UpsRepository;
  queue: JobQueue;
  log: Logger;
  input: InputFetcher;
}

interface Order {
  studyInstanceUid: string;
  seriesInstanceUids: string[];
  sopInstanceUids: string[];
  models: string[];
  route: string | undefined;
}

/** @param retrieval of its input, where that has to be fetched */
export async function takeOrder({ stepUid, retrieval }: Jobs['order'], options: OrderOptions): Promise<void> {
  const { orders, steps, queue, log, input } = options;
  const step = await steps.find(stepUid);
  if (step?.origin !== 'order' || step.state !== 'SCHEDULED' || step.workitem !== null) return;
  // Whoever makes its input ready enqueues it again.
  if (text(step.dataset, 'InputReadinessState') !== 'READY') return;
  const start = startOf(step.dataset);
  if (start !== undefined && start.getTime() > Date.now()) return queue.send('order', { stepUid, ...(retrieval !== undefined && { retrieval }) }, { startAfter: start });
  const order = orderOf(step.dataset);
  if ('refusal' in order) return refuse(order.refusal);
  const { studyInstanceUid } = order;
  const fetched = retrieval === undefined ? undefined : await input.look(retrieval);
  if (fetched?.kind === 'waiting') return later(fetched.retrieval);
  if (fetched?.kind === 'failed') return refuse(fetched.reason);
  const close = (transaction: EntityManager): Promise<void> => queue.send('close', { studyInstanceUid }, { transaction });
  const outcome = await orders.take(stepUid, order, (study) => planOf(order, study, options), close);
  if (outcome.kind === 'taken') log.info({ step: stepUid, study: studyInstanceUid, workitem: outcome.workitem }, 'order taken');
  if (outcome.kind === 'refused') return refuse(outcome.reason);
  if (outcome.kind !== 'no-images') return;
  if (retrieval !== undefined && fetched?.kind === 'here' && !fetched.isLate) return later(retrieval);
  const asked = retrieval === undefined ? await input.fetch(studyInstanceUid, items(step.dataset, 'InputInformationSequence')) : fetched;
  if (asked?.kind === 'waiting') return later(asked.retrieval);
  return refuse(`none of the images that were ordered of study ${studyInstanceUid} is here`);

  function later(id: string): Promise<void> {
    return queue.send('order', { stepUid, retrieval: id }, { startAfter: new Date(Date.now() + LOOK_MILLISECONDS) });
  }

  async function refuse(reason: string): Promise<void> {
    await orders.refuse(stepUid, reason);
    log.warn({ step: stepUid, reason }, 'order cannot be done');
  }
}

/** When it may begin, where it says so in a moment that is one everywhere; a time without its zone may be anybody's. */
function startOf(step: Dataset): Date | undefined {
  const written = text(step, 'ScheduledProcedureStepStartDateTime') ?? '';
  const [start] = (/[+-]\d{4}$/.test(written) && spanOf(written, 'DT')) || [];
  return start === undefined ? undefined : new Date(start);
}

/** What a step asks for: its input, and the models or the route that its processing parameters name. */
function orderOf(step: Dataset): Order | { refusal: string } {
  const input = items(step, 'InputInformationSequence');
  const named = [...input.map((item) => text(item, 'StudyInstanceUID')), ...(input.length === 0 ? [text(step, 'StudyInstanceUID')] : [])];
  const studies = [...new Set(named.filter((uid) => uid !== undefined))];
  const [studyInstanceUid] = studies;
  if (studyInstanceUid === undefined) return { refusal: 'neither Input Information Sequence nor Study Instance UID names a study' };
  if (studies.length > 1) return { refusal: `the input is of ${studies.length} studies; an analysis is of one` };
  const sopUids = (item: Dataset): string[] => items(item, 'ReferencedSOPSequence').flatMap((reference) => text(reference, 'ReferencedSOPInstanceUID') ?? []);
  const routes = parameters(step, ROUTE_CONCEPT);
  return {
    studyInstanceUid,
    // An item that names a series and instances of it means the instances.
    seriesInstanceUids: input.filter((item) => sopUids(item).length === 0).flatMap((item) => text(item, 'SeriesInstanceUID') ?? []),
    sopInstanceUids: input.flatMap(sopUids),
    models: [...new Set(parameters(step, MODEL_CONCEPT))],
    route: routes[0],
  };
}

function parameters(step: Dataset, concept: Dataset): string[] {
  return items(step, 'ScheduledProcessingParametersSequence')
    .filter((item) => items(item, 'ConceptNameCodeSequence').some((name) => codeIs(name, concept)))
    .flatMap((item) => text(item, 'TextValue') ?? []);
}

/** The route that took the study goes on judging it, together with the models that were ordered. */
function planOf({ models, route }: Order, study: OrderedStudy, options: ModelsInUse): OrderPlan {
  const settings: Settings = options.settings();
  const unknown = models.filter((name) => !options.models().some(({ manifest }) => manifest.name === name && manifest.purpose === 'finding'));
  if (unknown.length > 0) return { refusal: `there is no model "${unknown.join('", "')}" here` };
  if (route !== undefined && !routeNamed(route, options)) return { refusal: `there is no route "${route}" here` };
  const [header] = study.unrouted;
  const base = study.route ?? route ?? (header && matchRoute(settings.routes, header)?.name) ?? null;
  if (base === null && models.length === 0) return { refusal: header ? `${explainNoRoute(settings.routes, header)}; the order names no model either` : 'the order names no model' };
  // Of a study that one route took, another one's models are ordered by its name.
  const more = route === undefined || route === base ? models : [...(routeNamed(route, options)?.models ?? []), ...models];
  return { route: withModels(base, more, settings) };
}
