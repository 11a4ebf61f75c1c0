// An analysis that a caller ordered: its step gets a workitem, a new one where no other does what is wanted, under the same lock and
// with the same jobs as a study that comes in.
import type { DataSource, EntityManager } from 'typeorm';
import { dataset, type Dataset } from './dicom/dataset.ts';
import type { Workitem } from './entities/workitem.ts';
import { notifyStudy } from './study-events.ts';
import { refreshStudy, ROUTED_IMAGES } from './study-outcome.ts';
import { progressReport, stateReport } from './ups/events.ts';
import { dicomDateTime, DISCONTINUED, STATION_CODE, ANALYSIS_CODE, type Step } from './ups/step.ts';
import { showWorkitems } from './ups/workitem-steps.ts';
import { applyChange } from './ups.repository.ts';
import { lockStudy, openWorkitem } from './workitems.repository.ts';

/** Which images of a study are to be analysed: those named, or those of the series named; nothing named is all. */
export interface OrderedImages {
  studyInstanceUid: string;
  seriesInstanceUids: readonly string[];
  sopInstanceUids: readonly string[];
}

export interface OrderedStudy {
  /** That took the study; null: none did. */
  route: string | null;
  /** Of the ordered images that no route took. */
  unrouted: Dataset[];
}

/** The route that is to judge the study, by name, or why none can. */
export type OrderPlan = { route: string } | { refusal: string };

/** no-images: there is no such study here, or none of these images; taken: it has a workitem; over: nothing is left to do. */
export type OrderOutcome = { kind: 'no-images' } | { kind: 'refused'; reason: string } | { kind: 'taken'; workitem: string } | { kind: 'over' };

export class OrdersRepository {
  readonly #dataSource: DataSource;

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  /**
   * Takes an order that is still scheduled.
   * @param plan asked once it is known what there is
   * @param close enqueues the job that closes the study
   */
  async take(uid: string, images: OrderedImages, plan: (study: OrderedStudy) => OrderPlan, close: (transaction: EntityManager) => Promise<void>): Promise<OrderOutcome> {
    const { studyInstanceUid } = images;
    return this.#dataSource.transaction(async (transaction) => {
      await lockStudy(transaction, studyInstanceUid);
      const step = await scheduledOrder(transaction, uid);
      if (!step) return { kind: 'over' };
      const [study]: { route: string | null; conflict: string | null }[] = await transaction.query('select route, conflict from studies where study_instance_uid = $1', [studyInstanceUid]);
      const ordered = study ? await orderedImages(transaction, images) : [];
      if (!study || ordered.length === 0) return { kind: 'no-images' };
      if (study.conflict !== null) return { kind: 'refused', reason: study.conflict };
      const planned = plan({ route: study.route, unrouted: ordered.filter(({ route }) => route === null).map(({ header }) => header) });
      if ('refusal' in planned) return { kind: 'refused', reason: planned.refusal };
      const workitem = await workitemFor(transaction, studyInstanceUid, planned.route, ordered.map(({ id }) => id), close);
      await attach(transaction, step, workitem);
      await showWorkitems(transaction, studyInstanceUid);
      await notifyStudy(transaction, studyInstanceUid);
      return { kind: 'taken', workitem: workitem.id };
    });
  }

  /** Ends an order that cannot be done, with the reason; one that is over stays as it is. */
  async refuse(uid: string, reason: string): Promise<void> {
    await this.#dataSource.transaction(async (transaction) => {
      const step = await scheduledOrder(transaction, uid);
      if (!step) return;
      const inProgress = { ...step.dataset, ...dataset({ ProcedureStepState: 'IN PROGRESS' }) };
      const canceled = canceledDataset(step.dataset, reason);
      await applyChange(transaction, step, { dataset: canceled, performer: 'hilum', events: [stateReport(inProgress), progressReport(canceled), stateReport(canceled)] });
    });
  }
}

/** A step that ends without an outcome: what it was and why. */
export function canceledDataset(step: Dataset, reason: string): Dataset {
  const now = dicomDateTime(new Date());
  const why = reason.slice(0, 1024);
  const progress = dataset({ ProcedureStepProgressDescription: why, ProcedureStepCancellationDateTime: now, ReasonForCancellation: why, ProcedureStepDiscontinuationReasonCodeSequence: [DISCONTINUED] });
  return { ...step, ...dataset({ ProcedureStepState: 'CANCELED', ProcedureStepProgressInformationSequence: [progress], ScheduledProcedureStepModificationDateTime: now }) };
}

async function scheduledOrder(transaction: EntityManager, uid: string): Promise<Pick<Step, 'uid' | 'dataset'> | undefined> {
  const [step]: Pick<Step, 'uid' | 'dataset'>[] = await transaction.query(
    `select sop_instance_uid as uid, dataset from ups
     where sop_instance_uid = $1 and origin = 'order' and state = 'SCHEDULED' and workitem is null for no key update`,
    [uid],
  );
  return step;
}

async function orderedImages(transaction: EntityManager, { studyInstanceUid, seriesInstanceUids, sopInstanceUids }: OrderedImages): Promise<{ id: string; route: string | null; header: Dataset }[]> {
  return transaction.query(
    `select id, route, header from instances
     where study_instance_uid = $1 and current and deleted_at is null and origin = 'source' and frames > 0
       and ((cardinality($2::text[]) = 0 and cardinality($3::text[]) = 0) or series_instance_uid = any($2) or sop_instance_uid = any($3))`,
    [studyInstanceUid, seriesInstanceUids, sopInstanceUids],
  );
}

/** The study's workitem that does, or did, what is ordered; or its next one. */
async function workitemFor(transaction: EntityManager, studyInstanceUid: string, route: string, images: string[], close: (transaction: EntityManager) => Promise<void>): Promise<Workitem> {
  const newest = await transaction.findOne<Workitem>('Workitem', { where: { studyInstanceUid }, order: { version: 'DESC' } });
  const isDone = newest?.route === route && newest.reason === null && images.every((image) => newest.instances.includes(image));
  if (newest && newest.state !== 'waiting' && isDone) return newest;
  await transaction.query(`update instances set route = $3 where (${ROUTED_IMAGES}) or id = any($2)`, [studyInstanceUid, images, route]);
  if (newest?.state === 'waiting') {
    await transaction.query('update workitems set route = $2 where id = $1', [newest.id, route]);
    return { ...newest, route };
  }
  // Nothing more is waited for: whoever orders says that the images are there.
  await transaction.query(
    `update studies set route = $2, intake = 'receiving', due_at = date_trunc('milliseconds', now()), analysis = 'waiting', reason = null where study_instance_uid = $1`,
    [studyInstanceUid, route],
  );
  await openWorkitem(transaction, studyInstanceUid, route, false);
  await refreshStudy(transaction, studyInstanceUid);
  await close(transaction);
  const opened = await transaction.findOneByOrFail<Workitem>('Workitem', { studyInstanceUid, state: 'waiting' });
  return opened;
}

/** From now on the step shows the workitem. One that is running or done already is begun first. */
async function attach(transaction: EntityManager, step: Pick<Step, 'uid' | 'dataset'>, workitem: Workitem): Promise<void> {
  await transaction.query(`update ups set workitem = $2, study_instance_uid = $3, performer = 'hilum', claimed_at = now() where sop_instance_uid = $1`, [step.uid, workitem.id, workitem.studyInstanceUid]);
  if (workitem.state !== 'completed') return;
  const now = dicomDateTime(new Date());
  const performed = dataset({ PerformedStationNameCodeSequence: [STATION_CODE], PerformedProcedureStepStartDateTime: now, PerformedWorkitemCodeSequence: [ANALYSIS_CODE], OutputInformationSequence: null });
  const begun = { ...step.dataset, ...dataset({ ProcedureStepState: 'IN PROGRESS', UnifiedProcedureStepPerformedProcedureSequence: [performed] }) };
  await applyChange(transaction, step, { dataset: begun, events: [stateReport(begun)] });
}
