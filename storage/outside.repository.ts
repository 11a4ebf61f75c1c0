// Workitems that wait for a worker from outside: what became of their steps, what the worker stored, and the way back where nobody
// came. Under the same lock as everything else that happens to a study.
import type { DataSource, EntityManager } from 'typeorm';
import { text, type Dataset } from './dicom/dataset.ts';
import type { Workitem } from './entities/workitem.ts';
import { FRAMES_TO_ANALYZE } from './frames-to-analyze.ts';
import { canceledDataset } from './orders.repository.ts';
import { notifyStudy } from './study-events.ts';
import { refreshStudy } from './study-outcome.ts';
import { stateReport } from './ups/events.ts';
import type { Step, StepState } from './ups/step.ts';
import { showWorkitems } from './ups/workitem-steps.ts';
import { applyChange } from './ups.repository.ts';
import { insertResult, lockStudy, type Enqueue, type NewDelivery } from './workitems.repository.ts';

export interface PublishedWorkitem {
  workitem: Workitem;
  step: Pick<Step, 'uid' | 'dataset'> & { state: StepState; claimedAt: Date | null };
}

/** An instance that a worker stored, with what a row of results needs. */
export interface StoredOutput {
  id: string;
  sopInstanceUid: string;
  seriesInstanceUid: string;
  studyInstanceUid: string;
  sopClassUid: string;
  transferSyntaxUid: string;
  digest: string;
  bytes: string;
  frames: number;
  header: Dataset;
}

/** What a worker found in the study as a whole. */
export interface OutsideOutcome {
  modelName: string;
  modelVersion: string;
  /** Null where its report has no such statement; the reason then says so. */
  statement: { finding: string; probability: number; positive: boolean } | null;
  reason: string | null;
}

export class OutsideRepository {
  readonly #dataSource: DataSource;

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  /** Undefined once the workitem has gone on. */
  async published(workitemId: string): Promise<PublishedWorkitem | undefined> {
    const workitem = await this.#dataSource.manager.findOneBy<Workitem>('Workitem', { id: workitemId, state: 'running', worker: 'outside' });
    const step = workitem ? await publishedStep(this.#dataSource.manager, workitemId) : undefined;
    return workitem && step ? { workitem, step } : undefined;
  }

  /** Those of these instances that we have. */
  async outputs(studyInstanceUid: string, sopInstanceUids: string[]): Promise<StoredOutput[]> {
    return this.#dataSource.query(
      `select id, sop_instance_uid as "sopInstanceUid", series_instance_uid as "seriesInstanceUid", study_instance_uid as "studyInstanceUid", sop_class_uid as "sopClassUid",
         transfer_syntax_uid as "transferSyntaxUid", digest, bytes, frames, header from instances
       where study_instance_uid = $1 and sop_instance_uid = any($2) and current and deleted_at is null and origin <> 'own-result'
       order by array_position($2, sop_instance_uid)`,
      [studyInstanceUid, sopInstanceUids],
    );
  }

  /** Keeps what the worker did as the study's outcome, and opens the deliveries of its objects. */
  async complete({ workitem, step }: PublishedWorkitem, outcome: OutsideOutcome, outputs: StoredOutput[], deliveries: NewDelivery[], enqueue: Enqueue): Promise<void> {
    const { studyInstanceUid } = workitem;
    await this.#dataSource.transaction(async (transaction) => {
      await lockStudy(transaction, studyInstanceUid);
      const [done]: [unknown[], number] = await transaction.query(
        `update workitems set state = 'completed', completed_at = now(), reason = $2 where id = $1 and state = 'running' and worker = 'outside' returning id`,
        [workitem.id, outcome.reason],
      );
      if (done.length === 0) return;
      await keepOutcome(transaction, workitem, `outside ${step.uid}`, outcome);
      await transaction.query('update results set current = false where study_instance_uid = $1', [studyInstanceUid]);
      for (const output of outputs) {
        await insertResult(transaction, workitem.id, {
          ...output, kind: 'outside', sourceSopInstanceUid: null, alternativeTo: null, predecessor: null, blob: output.id, bytes: Number(output.bytes),
          modelName: outcome.modelName, modelVersion: outcome.modelVersion, modelSha256: '', createdAt: new Date(),
        });
        await transaction.query('update results set transfer_syntax_uid = $2 where sop_instance_uid = $1', [output.sopInstanceUid, output.transferSyntaxUid]);
      }
      for (const delivery of deliveries)
        await transaction.query(
          `insert into deliveries (sop_instance_uid, destination, state, created_at, next_attempt_at, deadline_at) values ($1, $2, 'pending', now(), now(), $3) on conflict do nothing`,
          [delivery.sopInstanceUid, delivery.destination, delivery.deadlineAt],
        );
      await refreshStudy(transaction, studyInstanceUid);
      // The worker's own step has ended; whoever ordered the same has a step as well.
      await showWorkitems(transaction, studyInstanceUid);
      await enqueue(transaction);
      await notifyStudy(transaction, studyInstanceUid);
    });
  }

  /**
   * The study is no longer a worker's from outside: our models judge it, or nobody does and its report says so.
   * @param seen state of the step that led here; where it has changed since, nothing happens
   */
  async takeBack({ workitem, step: { uid, state: seen } }: PublishedWorkitem, worker: 'hilum' | 'nobody', reason: string, analyze: (images: string[], transaction: EntityManager) => Promise<void>): Promise<boolean> {
    return this.#dataSource.transaction(async (transaction) => {
      await lockStudy(transaction, workitem.studyInstanceUid);
      const step = await publishedStep(transaction, workitem.id, uid);
      if (step?.state !== seen) return false;
      const [taken]: [unknown[], number] = await transaction.query(
        `update workitems set worker = $2 where id = $1 and state = 'running' and worker = 'outside' returning 1`,
        [workitem.id, worker],
      );
      if (taken.length === 0) return false;
      if (step.state === 'IN PROGRESS') {
        const canceled = canceledDataset(step.dataset, reason);
        await applyChange(transaction, step, { dataset: canceled, events: [stateReport(canceled)] });
      }
      await showWorkitems(transaction, workitem.studyInstanceUid);
      await analyze(workitem.instances, transaction);
      await notifyStudy(transaction, workitem.studyInstanceUid);
      return true;
    });
  }
}

async function publishedStep(manager: EntityManager, workitemId: string, uid: string | null = null): Promise<PublishedWorkitem['step'] | undefined> {
  const [step]: PublishedWorkitem['step'][] = await manager.query(
    `select sop_instance_uid as uid, dataset, state, claimed_at as "claimedAt" from ups
     where workitem = $1 and origin = 'workitem' and ($2::text is null or sop_instance_uid = $2) order by ordinal desc limit 1 for no key update`,
    [workitemId, uid],
  );
  return step;
}

/** The worker spoke of the study: each frame of its images has that as its analysis, so that no image counts as silent. */
async function keepOutcome(transaction: EntityManager, { instances }: Workitem, settingsDigest: string, { modelName, modelVersion, statement, reason }: OutsideOutcome): Promise<void> {
  await transaction.query(
    `insert into analyses (instance, frame, model_name, model_version, model_sha256, settings_digest, status, reason, label, finding, sought, probability, positive, analyzed_at)
     select instances.id, frame, $2, $3, '', $4, $5, $6, $7, $7, $7, $8, $9, now() from instances, generate_series(1, ${FRAMES_TO_ANALYZE}) as frame
     where instances.id = any($1) on conflict do nothing`,
    [instances, modelName, modelVersion, settingsDigest, statement ? 'analyzed' : 'failed', reason, statement?.finding ?? null, statement?.probability ?? null, statement?.positive ?? null],
  );
  await transaction.query('update instances set judged_by = array[$2], left_out = null where id = any($1)', [instances, settingsDigest]);
}

/** Reason For Cancellation of a step that its performer gave up. */
export function cancellationOf(step: Dataset): string | undefined {
  const [progress] = (step['00741002']?.Value ?? []) as Dataset[];
  return progress && text(progress, 'ReasonForCancellation');
}
