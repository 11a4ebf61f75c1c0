// Storage commitment (PS3.4 annex J), both ways: what others want us to answer for, and what we want a destination to answer for.
import type { DataSource } from 'typeorm';
import { notifyStudy } from './study-events.ts';

export interface InstanceReference {
  sopClassUid: string;
  sopInstanceUid: string;
}

export interface CommitmentRequest {
  id: string;
  transactionUid: string;
  callingAe: string;
  calledAe: string;
  instances: InstanceReference[];
  attempts: number;
  receivedAt: Date;
}

/** An instance as it is kept; the same SOP instance of another class is not what was asked for. */
export interface KeptInstance extends InstanceReference {
  blob: string;
}

/** A delivered result whose destination is to say that it keeps it. */
export interface OpenCommitment extends InstanceReference {
  delivery: string;
}

export class CommitmentsRepository {
  readonly #dataSource: DataSource;

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  /** @returns its id; undefined where this AE used the transaction UID before */
  async receive(request: Pick<CommitmentRequest, 'transactionUid' | 'callingAe' | 'calledAe' | 'instances'>): Promise<string | undefined> {
    const [row]: { id: string }[] = await this.#dataSource.query(
      `insert into commitment_requests (transaction_uid, calling_ae, called_ae, instances) values ($1, $2, $3, $4) on conflict do nothing returning id`,
      [request.transactionUid, request.callingAe, request.calledAe, JSON.stringify(request.instances)],
    );
    return row?.id;
  }

  /** One that was not answered yet. */
  async pending(id: string): Promise<CommitmentRequest | undefined> {
    const [row]: CommitmentRequest[] = await this.#dataSource.query(
      `select id, transaction_uid as "transactionUid", calling_ae as "callingAe", called_ae as "calledAe", instances, attempts, received_at as "receivedAt"
       from commitment_requests where id = $1 and state = 'pending'`,
      [id],
    );
    return row;
  }

  /** The instances among these that are kept, ours included. */
  async kept(sopInstanceUids: readonly string[]): Promise<KeptInstance[]> {
    return this.#dataSource.query(
      `select sop_instance_uid as "sopInstanceUid", sop_class_uid as "sopClassUid", id as blob from instances
       where current and deleted_at is null and sop_instance_uid = any($1)
       union all
       select sop_instance_uid, sop_class_uid, blob from results where deleted_at is null and sop_instance_uid = any($1)`,
      [sopInstanceUids],
    );
  }

  async reported(id: string): Promise<void> {
    await this.#dataSource.query(`update commitment_requests set state = 'reported', reported_at = now(), attempts = attempts + 1, last_error = null where id = $1`, [id]);
  }

  /** @param final nobody will be told any more */
  async notReported(id: string, reason: string, final: boolean): Promise<void> {
    await this.#dataSource.query(`update commitment_requests set state = case when $3 then 'failed' else state end, attempts = attempts + 1, last_error = $2 where id = $1`, [id, reason, final]);
  }

  /**
   * Results at a destination for which commitment is asked now, as one transaction: those that were not asked for yet, and those
   * whose answer is overdue, which are asked for again under a new transaction UID.
   * @param overdueSeconds after which an answer does not come any more
   */
  async open(destination: string, transactionUid: string, overdueSeconds: number, limit: number): Promise<OpenCommitment[]> {
    const [rows]: [OpenCommitment[], number] = await this.#dataSource.query(
      `update deliveries set commitment = 'requested', commitment_transaction = $2, commitment_at = now()
       from results
       where results.sop_instance_uid = coalesce(deliveries.delivered_sop_instance_uid, deliveries.sop_instance_uid) and deliveries.id in (
         select id from deliveries where destination = $1 and state = 'delivered'
           and (commitment = 'wanted' or (commitment = 'requested' and commitment_at < now() - make_interval(secs => $3)))
         order by id limit $4 for update skip locked)
       returning deliveries.id as delivery, results.sop_instance_uid as "sopInstanceUid", results.sop_class_uid as "sopClassUid"`,
      [destination, transactionUid, overdueSeconds, limit],
    );
    return rows;
  }

  /** The request did not reach the destination: it is asked for again later. */
  async notRequested(transactionUid: string): Promise<void> {
    await this.#dataSource.query(`update deliveries set commitment = 'wanted', commitment_transaction = null where commitment_transaction = $1 and commitment = 'requested'`, [transactionUid]);
  }

  /** When the answer that is due first is overdue; null where none is awaited, and nothing is to be asked for. */
  async nextRequest(destination: string, overdueSeconds: number): Promise<Date | null> {
    const [row]: { next: Date | null }[] = await this.#dataSource.query(
      `select min(case when commitment = 'wanted' then now() else commitment_at + make_interval(secs => $2) end) as next
       from deliveries where destination = $1 and state = 'delivered' and commitment in ('wanted', 'requested')`,
      [destination, overdueSeconds],
    );
    return row?.next ?? null;
  }

  /**
   * What a destination says of a transaction of ours. What it does not keep is due for delivery again, until the delivery's deadline.
   * @returns destinations where something is due again; undefined where no such transaction is awaited
   */
  async answered(transactionUid: string, committed: readonly string[], failed: readonly { sopInstanceUid: string; reason: string }[]): Promise<string[] | undefined> {
    return this.#dataSource.transaction(async (transaction) => {
      const [kept]: [{ study: string; destination: string }[], number] = await transaction.query(
        `update deliveries set commitment = 'committed', commitment_at = now() from results
         where results.sop_instance_uid = deliveries.sop_instance_uid and commitment_transaction = $1 and commitment = 'requested'
           and coalesce(delivered_sop_instance_uid, deliveries.sop_instance_uid) = any($2)
         returning study_instance_uid as study, destination`,
        [transactionUid, committed],
      );
      const [lost]: [{ study: string; destination: string }[], number] = await transaction.query(
        `update deliveries set commitment = 'failed', commitment_at = now(), last_error = 'storage commitment: ' || reason,
           state = case when deadline_at > now() then 'pending' else 'failed' end,
           next_attempt_at = now() + make_interval(secs => least(600, power(2, least(attempts, 10))))
         from results, unnest($2::text[], $3::text[]) as refused (uid, reason)
         where results.sop_instance_uid = deliveries.sop_instance_uid and commitment_transaction = $1 and commitment = 'requested'
           and coalesce(delivered_sop_instance_uid, deliveries.sop_instance_uid) = uid
         returning study_instance_uid as study, destination`,
        [transactionUid, failed.map(({ sopInstanceUid }) => sopInstanceUid), failed.map(({ reason }) => reason)],
      );
      for (const study of new Set([...kept, ...lost].map((row) => row.study))) await notifyStudy(transaction, study);
      return kept.length + lost.length === 0 ? undefined : [...new Set(lost.map(({ destination }) => destination))];
    });
  }
}
