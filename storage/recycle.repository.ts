// Deleting and restoring. What is deleted is no current version any more, so that nothing that asks for one sees it; its rows and
// files stay until they are purged (purge.repository.ts). Everything happens under the study's lock, as intake and analysis do.
import type { DataSource, EntityManager } from 'typeorm';
import { refreshCounts } from './archive-index.ts';
import { describeAnew } from './describe-study.ts';
import { notifyStudy } from './study-events.ts';
import { refreshStudy, ROUTED_IMAGES } from './study-outcome.ts';
import { showWorkitems } from './ups/workitem-steps.ts';
import { lockStudy, openWorkitem } from './workitems.repository.ts';

/** A study, a series of it, or an instance of that. */
export interface DeletionTarget {
  studyInstanceUid: string;
  seriesInstanceUid?: string;
  sopInstanceUid?: string;
}

/** Who wants it: an address or a command, and the request by which the log names it. */
export interface Requester {
  requestedBy: string;
  requestId?: string;
}

export interface Deleted {
  instances: number;
  /** Of our own. */
  results: number;
  /** Nothing of the study is left. */
  wholeStudy: boolean;
}

export interface RecycledStudy {
  studyInstanceUid: string;
  instances: number;
  results: number;
  deletedAt: Date;
  wholeStudy: boolean;
  requestedBy: string | null;
}

/** Enqueues the job that closes a study, in the same transaction. */
export type EnqueueClose = (studyInstanceUid: string, transaction: EntityManager) => Promise<void>;

/** On workitems and deliveries that a deletion ended. */
export const DELETED_REASON = 'the images were deleted';

const WITHIN = `study_instance_uid = $1 and ($2::text is null or series_instance_uid = $2) and ($3::text is null or sop_instance_uid = $3)`;

interface TouchedInstance {
  sop_instance_uid: string;
  is_image: boolean;
}

export class RecycleRepository {
  readonly #dataSource: DataSource;

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  /** @returns undefined where there is nothing of it, or nothing any more */
  async delete(target: DeletionTarget, requester: Requester, close: EnqueueClose): Promise<Deleted | undefined> {
    const { studyInstanceUid } = target;
    const within = [studyInstanceUid, target.seriesInstanceUid ?? null, target.sopInstanceUid ?? null];
    return this.#dataSource.transaction(async (transaction) => {
      await lockStudy(transaction, studyInstanceUid);
      const [instances]: [TouchedInstance[], number] = await transaction.query(
        `update instances set deleted_at = now(), current = false where ${WITHIN} and deleted_at is null
         returning sop_instance_uid, (origin = 'source' and route is not null and frames > 0) as is_image`,
        within,
      );
      const [own]: [unknown[], number] = await transaction.query(`update results set deleted_at = now() where ${WITHIN} and deleted_at is null returning 1`, within);
      if (instances.length + own.length === 0) return undefined;
      const { whole, images } = await whatIsLeft(transaction, studyInstanceUid);
      if (whole) await transaction.query('update instances set deleted_at = now(), current = false where study_instance_uid = $1 and deleted_at is null', [studyInstanceUid]);
      const alsoGone = whole || images === 0 ? null : instances.map((instance) => instance.sop_instance_uid);
      const [followed]: [unknown[], number] = await transaction.query(
        // What was said of images that are gone goes with them; a report that others are in as well is replaced by the next one.
        `update results set deleted_at = now() where study_instance_uid = $1 and deleted_at is null
           and case when $2::text[] is null then $3 else source_sop_instance_uid = any($2) end returning 1`,
        [studyInstanceUid, alsoGone, instances.length > 0],
      );
      await transaction.query(
        `update deliveries set state = 'failed', last_error = $2 from results
         where results.sop_instance_uid = deliveries.sop_instance_uid and study_instance_uid = $1 and deleted_at is not null and state = 'pending'`,
        [studyInstanceUid, DELETED_REASON],
      );
      const lostAnImage = instances.some(({ is_image }) => is_image);
      if (whole) await transaction.query('update studies set deleted_at = now(), due_at = null where study_instance_uid = $1', [studyInstanceUid]);
      if (whole || (lostAnImage && images === 0)) await endWorkitems(transaction, studyInstanceUid);
      else if (lostAnImage) await reopen(transaction, studyInstanceUid, close);
      await settle(transaction, studyInstanceUid);
      const deleted = { instances: instances.length, results: own.length + followed.length, wholeStudy: whole };
      await record(transaction, 'delete', target, deleted, requester);
      return deleted;
    });
  }

  /**
   * Brings back what was deleted of a study, series or instance, whichever the UID names.
   * @returns the studies that it is in, each with how many instances; none where nothing of it is in the recycle bin
   */
  async restore(uid: string, requester: Requester, close: EnqueueClose): Promise<{ studyInstanceUid: string; instances: number; results: number }[]> {
    const studies: { study: string }[] = await this.#dataSource.query(
      `select study_instance_uid as study from instances where deleted_at is not null and $1 in (study_instance_uid, series_instance_uid, sop_instance_uid)
       union select study_instance_uid from results where deleted_at is not null and $1 in (study_instance_uid, series_instance_uid, sop_instance_uid) order by 1`,
      [uid],
    );
    const restored = [];
    for (const { study } of studies) restored.push({ studyInstanceUid: study, ...(await this.#restoreIn(study, uid, requester, close)) });
    return restored.filter(({ instances, results }) => instances + results > 0);
  }

  /** Newest first. */
  async list(limit: number): Promise<RecycledStudy[]> {
    return this.#dataSource.query(
      `select study_instance_uid as "studyInstanceUid", sum(instances)::int as instances, sum(results)::int as results, max(deleted_at) as "deletedAt",
         coalesce((select deleted_at is not null from studies where studies.study_instance_uid = bin.study_instance_uid), false) as "wholeStudy",
         (select requested_by from deletions where deletions.study_instance_uid = bin.study_instance_uid and action = 'delete' order by id desc limit 1) as "requestedBy"
       from (select study_instance_uid, 1 as instances, 0 as results, deleted_at from instances where deleted_at is not null
         union all select study_instance_uid, 0, 1, deleted_at from results where deleted_at is not null) as bin
       group by study_instance_uid order by max(deleted_at) desc, study_instance_uid limit $1`,
      [limit],
    );
  }

  async #restoreIn(studyInstanceUid: string, uid: string, requester: Requester, close: EnqueueClose): Promise<{ instances: number; results: number }> {
    return this.#dataSource.transaction(async (transaction) => {
      await lockStudy(transaction, studyInstanceUid);
      const named = `study_instance_uid = $1 and deleted_at is not null and $2 in (study_instance_uid, series_instance_uid, sop_instance_uid)`;
      const [instances]: [TouchedInstance[], number] = await transaction.query(
        `update instances set deleted_at = null where ${named} returning sop_instance_uid, (origin = 'source' and route is not null and frames > 0) as is_image`,
        [studyInstanceUid, uid],
      );
      const uids = [...new Set(instances.map((instance) => instance.sop_instance_uid))];
      await makeCurrent(transaction, uids);
      const [results]: [unknown[], number] = await transaction.query(
        `update results set deleted_at = null where (${named}) or (study_instance_uid = $1 and deleted_at is not null and source_sop_instance_uid = any($3)) returning 1`,
        [studyInstanceUid, uid, uids],
      );
      await transaction.query(
        `update deliveries set state = 'pending', last_error = null, next_attempt_at = now(), deadline_at = now() + (deadline_at - deliveries.created_at) from results
         where results.sop_instance_uid = deliveries.sop_instance_uid and study_instance_uid = $1 and deleted_at is null and state = 'failed' and last_error = $2`,
        [studyInstanceUid, DELETED_REASON],
      );
      if (instances.length > 0) await transaction.query('update studies set deleted_at = null where study_instance_uid = $1', [studyInstanceUid]);
      if (instances.some(({ is_image }) => is_image) && !(await isReported(transaction, studyInstanceUid))) await reopen(transaction, studyInstanceUid, close);
      await settle(transaction, studyInstanceUid);
      const counts = { instances: instances.length, results: results.length };
      await record(transaction, 'restore', { studyInstanceUid, ...(uid !== studyInstanceUid && { sopInstanceUid: uid }) }, counts, requester);
      return counts;
    });
  }
}

/** Of versions that are there again the newest counts, unless another does. */
export async function makeCurrent(transaction: EntityManager, sopInstanceUids: readonly string[]): Promise<void> {
  await transaction.query(
    `update instances set current = true
     where id in (select distinct on (sop_instance_uid) id from instances where sop_instance_uid = any($1) and deleted_at is null order by sop_instance_uid, received_at desc)
       and not exists (select from instances as other where other.sop_instance_uid = instances.sop_instance_uid and other.current)`,
    [sopInstanceUids],
  );
}

export async function record(
  transaction: EntityManager,
  action: 'delete' | 'restore' | 'purge',
  target: DeletionTarget,
  counts: { instances: number; results: number },
  { requestedBy, requestId }: Requester,
): Promise<void> {
  await transaction.query(
    `insert into deletions (action, study_instance_uid, series_instance_uid, sop_instance_uid, instances, results, requested_by, request_id) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [action, target.studyInstanceUid, target.seriesInstanceUid ?? null, target.sopInstanceUid ?? null, counts.instances, counts.results, requestedBy, requestId ?? null],
  );
}

/** A study that has only results of our own is gone: what they speak of is. */
async function whatIsLeft(transaction: EntityManager, studyInstanceUid: string): Promise<{ whole: boolean; images: number }> {
  const [left]: { others: number; images: number }[] = await transaction.query(
    `select count(*) filter (where deleted_at is null and origin <> 'own-result')::int as others, count(*) filter (where ${ROUTED_IMAGES})::int as images
     from instances where study_instance_uid = $1`,
    [studyInstanceUid],
  );
  return { whole: (left?.others ?? 0) === 0, images: left?.images ?? 0 };
}

/** Whether the last report is of just these images. */
async function isReported(transaction: EntityManager, studyInstanceUid: string): Promise<boolean> {
  const rows: unknown[] = await transaction.query(
    `select 1 from (select * from workitems where study_instance_uid = $1 order by version desc limit 1) as newest
     where state = 'completed' and reason is distinct from $2
       and (select array_agg(id order by id) from instances where ${ROUTED_IMAGES}) = (select array_agg(id order by id) from unnest(instances) as id)`,
    [studyInstanceUid, DELETED_REASON],
  );
  return rows.length > 0;
}

/** Its images are others than before: they are reported again, those without an analysis analysed first. */
async function reopen(transaction: EntityManager, studyInstanceUid: string, close: EnqueueClose): Promise<void> {
  await transaction.query(
    `update studies set intake = 'receiving', due_at = date_trunc('milliseconds', now()), analysis = 'waiting' where study_instance_uid = $1`,
    [studyInstanceUid],
  );
  await openWorkitem(transaction, studyInstanceUid, null);
  await close(studyInstanceUid, transaction);
}

async function endWorkitems(transaction: EntityManager, studyInstanceUid: string): Promise<void> {
  await transaction.query(
    `update workitems set state = 'completed', completed_at = now(), reason = $2 where study_instance_uid = $1 and state in ('waiting', 'running')`,
    [studyInstanceUid, DELETED_REASON],
  );
}

async function settle(transaction: EntityManager, studyInstanceUid: string): Promise<void> {
  await describeAnew(transaction, studyInstanceUid);
  await refreshStudy(transaction, studyInstanceUid);
  await showWorkitems(transaction, studyInstanceUid);
  await refreshCounts(transaction, studyInstanceUid);
  await notifyStudy(transaction, studyInstanceUid);
}
