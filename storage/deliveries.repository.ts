// Deliveries: one row for each result and destination, with the state that decides whether and when it is tried again.
import type { DataSource } from 'typeorm';
import { notifyStudy } from './study-events.ts';

export interface DueDelivery {
  id: string;
  sopInstanceUid: string;
  studyInstanceUid: string;
  sopClassUid: string;
  transferSyntaxUid: string;
  blob: string;
  /** Comprehensive SR for destinations that refuse Comprehensive 3D SR. */
  alternative: { sopInstanceUid: string; sopClassUid: string; blob: string } | null;
  attempts: number;
  createdAt: Date;
  deadlineAt: Date;
}

export interface DeliverySummary {
  destination: string;
  state: string;
  count: number;
}

export class DeliveriesRepository {
  readonly #dataSource: DataSource;

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  /** What waits for a destination and is due, oldest first, so that a report comes after the one that it replaces. */
  async due(destination: string, limit: number): Promise<DueDelivery[]> {
    return this.#dataSource.query(
      `select deliveries.id, results.sop_instance_uid as "sopInstanceUid", results.study_instance_uid as "studyInstanceUid",
         results.sop_class_uid as "sopClassUid", results.transfer_syntax_uid as "transferSyntaxUid", results.blob, attempts, deliveries.created_at as "createdAt", deadline_at as "deadlineAt",
         (select json_build_object('sopInstanceUid', other.sop_instance_uid, 'sopClassUid', other.sop_class_uid, 'blob', other.blob)
          from results as other where other.alternative_to = results.sop_instance_uid) as alternative
       from deliveries join results using (sop_instance_uid)
       where destination = $1 and state = 'pending' and next_attempt_at <= now() and results.deleted_at is null
       order by deliveries.id limit $2`,
      [destination, limit],
    );
  }

  /** When the next delivery of a destination is due; null: none waits. */
  async nextDue(destination: string): Promise<Date | null> {
    const [row]: { next: Date | null }[] = await this.#dataSource.query(
      `select min(next_attempt_at) as next from deliveries where destination = $1 and state = 'pending'`,
      [destination],
    );
    return row?.next ?? null;
  }

  /** @param toCommit the destination is to be asked to answer for it (commitments.repository.ts) */
  async delivered(id: string, studyInstanceUid: string, deliveredSopInstanceUid: string, toCommit: boolean): Promise<void> {
    await this.#update(studyInstanceUid,
      `update deliveries set state = 'delivered', attempts = attempts + 1, delivered_at = now(), delivered_sop_instance_uid = $2, last_error = null,
         commitment = case when $3 then 'wanted' end where id = $1`,
      [id, deliveredSopInstanceUid, toCommit]);
  }

  /** @param nextAttemptAt null: no further try, it becomes a dead letter */
  async failed(id: string, studyInstanceUid: string, reason: string, nextAttemptAt: Date | null): Promise<void> {
    await this.#update(studyInstanceUid,
      `update deliveries set state = case when $3::timestamptz is null then 'failed' else 'pending' end,
         attempts = attempts + 1, last_error = $2, next_attempt_at = coalesce($3, next_attempt_at) where id = $1`,
      [id, reason, nextAttemptAt]);
  }

  /** Dead letters and waiting deliveries are due now, with a new deadline. @returns how many */
  async resend(filter: { destination?: string; studyInstanceUid?: string }, hours: number): Promise<number> {
    const [rows]: [unknown[], number] = await this.#dataSource.query(
      `update deliveries set state = 'pending', next_attempt_at = now(), deadline_at = now() + make_interval(secs => $3)
       from results where results.sop_instance_uid = deliveries.sop_instance_uid and deliveries.state <> 'delivered' and results.deleted_at is null
         and ($1::text is null or destination = $1) and ($2::text is null or results.study_instance_uid = $2) returning deliveries.id`,
      [filter.destination ?? null, filter.studyInstanceUid ?? null, hours * 3600],
    );
    return rows.length;
  }

  /** The newest of those that were given up, with the destination's own reason. */
  async deadLetters(limit: number): Promise<{ destination: string; sopInstanceUid: string; lastError: string | null }[]> {
    return this.#dataSource.query(
      `select destination, sop_instance_uid as "sopInstanceUid", last_error as "lastError" from deliveries join results using (sop_instance_uid)
       where state = 'failed' and deleted_at is null order by deliveries.id desc limit $1`,
      [limit],
    );
  }

  async summary(): Promise<DeliverySummary[]> {
    return this.#dataSource.query('select destination, state, count(*)::int as count from deliveries join results using (sop_instance_uid) where deleted_at is null group by 1, 2 order by 1, 2');
  }

  async #update(studyInstanceUid: string, sql: string, parameters: unknown[]): Promise<void> {
    await this.#dataSource.transaction(async (transaction) => {
      await transaction.query(sql, parameters);
      await notifyStudy(transaction, studyInstanceUid);
    });
  }
}
