// What others say about the completeness of a study: performed procedure steps (PS3.4 annex F) and notifications of available
// instances (PS3.4 annex R). Where all that was announced is here, and all that is here was announced, nobody waits any longer.
import type { DataSource, EntityManager } from 'typeorm';
import type { Dataset } from './dicom/dataset.ts';
import { lockStudy } from './workitems.repository.ts';

export type ProcedureStepStatus = 'IN PROGRESS' | 'COMPLETED' | 'DISCONTINUED';

export interface ProcedureStep {
  sopInstanceUid: string;
  status: ProcedureStepStatus;
  attributes: Dataset;
  studyInstanceUids: string[];
}

/** Enqueues the job that closes a study, in the same transaction. */
type Close = (studyInstanceUid: string, transaction: EntityManager) => Promise<void>;

export class CompletionRepository {
  readonly #dataSource: DataSource;

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  async procedureStep(sopInstanceUid: string): Promise<ProcedureStep | undefined> {
    const [row]: ProcedureStep[] = await this.#dataSource.query(
      `select sop_instance_uid as "sopInstanceUid", status, attributes,
         array(select study_instance_uid from procedure_step_studies as studies where studies.sop_instance_uid = steps.sop_instance_uid) as "studyInstanceUids"
       from procedure_steps as steps where sop_instance_uid = $1`,
      [sopInstanceUid],
    );
    return row;
  }

  /** @returns false where a step of this UID is known */
  async createProcedureStep(step: ProcedureStep, callingAe: string): Promise<boolean> {
    return this.#dataSource.transaction(async (transaction) => {
      const created: unknown[] = await transaction.query(
        `insert into procedure_steps (sop_instance_uid, status, attributes, calling_ae) values ($1, $2, $3, $4) on conflict do nothing returning 1`,
        [step.sopInstanceUid, step.status, JSON.stringify(step.attributes), callingAe],
      );
      if (created.length === 0) return false;
      await transaction.query(`insert into procedure_step_studies (sop_instance_uid, study_instance_uid) select $1, unnest($2::text[]) on conflict do nothing`, [step.sopInstanceUid, step.studyInstanceUids]);
      return true;
    });
  }

  /**
   * A step as it is now, unless it was ended before. One that is completed announces its instances in each of its studies.
   * @returns false where it is not in progress any more
   */
  async changeProcedureStep(step: ProcedureStep, instances: readonly string[], close: Close): Promise<boolean> {
    return this.#dataSource.transaction(async (transaction) => {
      const [changed]: [unknown[], number] = await transaction.query(
        `update procedure_steps set status = $2, attributes = $3, updated_at = now() where sop_instance_uid = $1 and status = 'IN PROGRESS' returning 1`,
        [step.sopInstanceUid, step.status, JSON.stringify(step.attributes)],
      );
      if (changed.length === 0) return false;
      for (const study of step.studyInstanceUids.toSorted()) {
        if (step.status === 'COMPLETED') await announceIn(transaction, study, `procedure step ${step.sopInstanceUid}`, instances);
        await closeIfComplete(transaction, study, close);
      }
      return true;
    });
  }

  /** Says that a study consists of these instances. @param source who says so, for a person */
  async announce(studyInstanceUid: string, source: string, instances: readonly string[], close: Close): Promise<void> {
    await this.#dataSource.transaction(async (transaction) => {
      await announceIn(transaction, studyInstanceUid, source, instances);
      await closeIfComplete(transaction, studyInstanceUid, close);
    });
  }
}

async function announceIn(transaction: EntityManager, studyInstanceUid: string, source: string, instances: readonly string[]): Promise<void> {
  await transaction.query(`insert into announcements (study_instance_uid, source, instances) values ($1, $2, $3)`, [studyInstanceUid, source, instances]);
}

async function closeIfComplete(transaction: EntityManager, studyInstanceUid: string, close: Close): Promise<void> {
  await lockStudy(transaction, studyInstanceUid);
  if (await endQuietPeriod(transaction, studyInstanceUid)) await close(studyInstanceUid, transaction);
}

/**
 * Ends the quiet period of a study of which everything that was announced is here, and everything that is here was announced. A step
 * in progress holds it open for as long as its route's quiet period would. A step that was discontinued says nothing.
 * An announcement may name instances of several studies, where its step had several; each waits for all.
 * @returns when it ends, now; undefined where it does not
 */
export async function endQuietPeriod(transaction: EntityManager, studyInstanceUid: string): Promise<Date | undefined> {
  const [rows]: [{ due_at: Date }[], number] = await transaction.query(
    `update studies set due_at = date_trunc('milliseconds', now())
     where study_instance_uid = $1 and due_at > now()
       and exists (select from announcements where study_instance_uid = $1)
       and not exists (select from procedure_step_studies as studies join procedure_steps using (sop_instance_uid) where studies.study_instance_uid = $1 and status = 'IN PROGRESS')
       and not exists (
         select from announcements, unnest(announcements.instances) as announced (uid)
         where study_instance_uid = $1 and not exists (select from instances where sop_instance_uid = uid and deleted_at is null))
       and not exists (
         select from instances where study_instance_uid = $1 and origin = 'source' and current
           and sop_instance_uid <> all (select unnest(announcements.instances) from announcements where study_instance_uid = $1))
     returning due_at`,
    [studyInstanceUid],
  );
  return rows[0]?.due_at;
}
