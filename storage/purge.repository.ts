// Purging the recycle bin: rows first, with the names of their files in the same transaction, then the files. A crash in between
// leaves names whose files the next purge removes; a file is never missed by rows that are still there.
import type { DataSource, EntityManager } from 'typeorm';
import { refreshCounts } from './archive-index.ts';
import { record, type Requester } from './recycle.repository.ts';
import { lockStudy } from './workitems.repository.ts';

/** Files removed between two looks at the table. */
const PAGE = 500;

export interface Purged {
  instances: number;
  results: number;
}

export class PurgeRepository {
  readonly #dataSource: DataSource;

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  /** Studies with something in the recycle bin since before then; all of it, or one study's. */
  async studies(before: Date, studyInstanceUid?: string): Promise<string[]> {
    const rows: { study: string }[] = await this.#dataSource.query(
      `select distinct study_instance_uid as study from instances where deleted_at < $1 and ($2::text is null or study_instance_uid = $2) order by 1`,
      [before, studyInstanceUid ?? null],
    );
    return rows.map(({ study }) => study);
  }

  /** The rows of a study's instances that were deleted before then; with the last of them goes everything that is known of the study. */
  async purge(studyInstanceUid: string, before: Date, requester: Requester): Promise<Purged> {
    return this.#dataSource.transaction(async (transaction) => {
      await lockStudy(transaction, studyInstanceUid);
      const rows: { id: string }[] = await transaction.query('select id from instances where study_instance_uid = $1 and deleted_at < $2', [studyInstanceUid, before]);
      const ids = rows.map(({ id }) => id);
      if (ids.length === 0) return { instances: 0, results: 0 };
      await purgeInstances(transaction, ids);
      const [left]: unknown[] = await transaction.query('select 1 from instances where study_instance_uid = $1 limit 1', [studyInstanceUid]);
      const results = left ? 0 : await purgeStudy(transaction, studyInstanceUid);
      if (left) await refreshCounts(transaction, studyInstanceUid);
      const purged = { instances: ids.length, results };
      await record(transaction, 'purge', { studyInstanceUid }, purged, requester);
      return purged;
    });
  }

  /** Files whose rows are gone. @param remove no error when it is not there @returns how many there were */
  async removeFiles(remove: (id: string) => Promise<void>): Promise<number> {
    for (let removed = 0; ; ) {
      const rows: { id: string }[] = await this.#dataSource.query(`select id from purged_blobs order by id limit ${PAGE}`);
      for (const { id } of rows) await remove(id);
      await this.#dataSource.query('delete from purged_blobs where id = any($1)', [rows.map(({ id }) => id)]);
      removed += rows.length;
      if (rows.length < PAGE) return removed;
    }
  }

  /** Files that the next purge removes. */
  async waitingFiles(): Promise<string[]> {
    const rows: { id: string }[] = await this.#dataSource.query('select id from purged_blobs order by id');
    return rows.map(({ id }) => id);
  }
}

async function purgeInstances(transaction: EntityManager, ids: readonly string[]): Promise<void> {
  await transaction.query('delete from regions where analysis in (select id from analyses where instance = any($1))', [ids]);
  for (const table of ['analyses', 'shadow_analyses']) await transaction.query(`delete from ${table} where instance = any($1)`, [ids]);
  await transaction.query('insert into purged_blobs select id from instances where id = any($1) on conflict do nothing', [ids]);
  await transaction.query('delete from instances where id = any($1)', [ids]);
}

/** @returns how many results of our own there were */
async function purgeStudy(transaction: EntityManager, studyInstanceUid: string): Promise<number> {
  const ofStudy = 'where study_instance_uid = $1';
  const ofResults = `where sop_instance_uid in (select sop_instance_uid from results ${ofStudy})`;
  // Steps of others that are still open are theirs to end.
  await transaction.query(`delete from ups where workitem in (select id from workitems ${ofStudy}) or (study_instance_uid = $1 and state in ('COMPLETED', 'CANCELED'))`, [studyInstanceUid]);
  await transaction.query(`delete from deliveries ${ofResults}`, [studyInstanceUid]);
  await transaction.query(`delete from workitem_results ${ofResults}`, [studyInstanceUid]);
  // An object that a worker from outside stored has its file as an instance.
  await transaction.query(`insert into purged_blobs select blob from results ${ofStudy} on conflict do nothing`, [studyInstanceUid]);
  const [results]: [unknown[], number] = await transaction.query(`delete from results ${ofStudy} returning 1`, [studyInstanceUid]);
  for (const table of ['workitems', 'study_completions', 'series', 'archive_series', 'archive_studies']) await transaction.query(`delete from ${table} ${ofStudy}`, [studyInstanceUid]);
  const [[study]]: [{ patient: string | null }[], number] = await transaction.query(`delete from studies ${ofStudy} returning patient`, [studyInstanceUid]);
  await transaction.query('delete from patients where id = $1 and not exists (select from studies where patient = $1)', [study?.patient ?? null]);
  await transaction.query(
    `insert into purged_studies (study_instance_uid, times) values ($1, 1) on conflict (study_instance_uid) do update set times = purged_studies.times + 1`,
    [studyInstanceUid],
  );
  return results.length;
}
