// What a watch on a source has seen, so that each study is fetched once and again only where it grew; and whose turn it is to ask.
import type { DataSource, EntityManager } from 'typeorm';
import { requestRetrieval } from './retrievals.repository.ts';

export interface SeenStudy {
  studyInstanceUid: string;
  /** That the source has of it. */
  instances: number;
}

export interface WatchState {
  source: string;
  nextAt: Date;
  /** When the source last answered a whole round. */
  lastAnswerAt: Date | null;
  /** Rounds in a row that failed. */
  failures: number;
  lastError: string | null;
}

/** A study that no round has shown for so long is forgotten; were it shown again, what is here of it would not be fetched twice. */
const KEEP = `interval '400 days'`;

export class WatchesRepository {
  readonly #dataSource: DataSource;

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  /**
   * Takes the turn where it is due: of several processes that ask, one gets it.
   * @param leaseSeconds the turn is free again after so long, were the process to die in it
   * @returns the rounds in a row that failed before; undefined where it is not due
   */
  async claim(source: string, leaseSeconds: number): Promise<number | undefined> {
    const rows: { failures: number }[] = await this.#dataSource.query(
      `insert into watches (source, next_at) values ($1, now() + make_interval(secs => $2))
       on conflict (source) do update set next_at = excluded.next_at where watches.next_at <= now() returning failures`,
      [source, leaseSeconds],
    );
    return rows[0]?.failures;
  }

  async answered(source: string, pauseSeconds: number): Promise<void> {
    await this.#dataSource.query(
      `update watches set next_at = now() + make_interval(secs => $2), last_answer_at = now(), failures = 0, last_error = null where source = $1`,
      [source, pauseSeconds],
    );
    await this.#dataSource.query(`delete from watched_studies where source = $1 and last_seen_at < now() - ${KEEP}`, [source]);
  }

  /** A round that was broken off, by nobody's fault. */
  async giveBack(source: string): Promise<void> {
    await this.#dataSource.query('update watches set next_at = now() where source = $1', [source]);
  }

  async failed(source: string, reason: string, pauseSeconds: number): Promise<void> {
    await this.#dataSource.query(
      `update watches set next_at = now() + make_interval(secs => $2), failures = failures + 1, last_error = $3 where source = $1`,
      [source, pauseSeconds, reason],
    );
  }

  /**
   * Keeps what a round showed, and asks for the retrieval of each study that is new or has grown.
   * @param studies each at most once
   * @returns those asked for
   */
  async seen(source: string, studies: SeenStudy[], hours: number, enqueue: (transaction: EntityManager) => Promise<void>): Promise<string[]> {
    return this.#dataSource.transaction(async (transaction) => {
      const rows: { uid: string }[] = await transaction.query(
        `with seen as (select * from jsonb_to_recordset($2) as study(uid text, instances integer)),
         kept as (
           insert into watched_studies (source, study_instance_uid, instances, first_seen_at, last_seen_at, changed_at)
           select $1, uid, instances, now(), now(), clock_timestamp() from seen order by uid
           on conflict (source, study_instance_uid) do update set instances = excluded.instances, last_seen_at = now(),
             changed_at = case when excluded.instances > watched_studies.instances then clock_timestamp() else watched_studies.changed_at end)
         select uid from seen left join watched_studies as known on known.source = $1 and known.study_instance_uid = uid
         where known.instances is null or seen.instances > known.instances`,
        [source, JSON.stringify(studies.map(({ studyInstanceUid, instances }) => ({ uid: studyInstanceUid, instances })))],
      );
      for (const { uid } of rows) await requestRetrieval(transaction, { source, studyInstanceUid: uid, purpose: 'study', requestedBy: 'watch', hours });
      if (rows.length > 0) await enqueue(transaction);
      return rows.map(({ uid }) => uid);
    });
  }

  async states(): Promise<WatchState[]> {
    return this.#dataSource.query(`select source, next_at as "nextAt", last_answer_at as "lastAnswerAt", failures, last_error as "lastError" from watches order by source`);
  }
}
