// The worklist of Unified Procedure Steps in Postgres, and who is told of what. A step is changed under the lock of its row, with
// the events and jobs that the change causes in the same transaction. SQL stands beside what it is for.
import type { DataSource, EntityManager } from 'typeorm';
import type { QueryKey } from './archive.ts';
import { text, type Dataset } from './dicom/dataset.ts';
import { assignedReport, eventReport, stateReport, tell, UPS_CHANNEL, type StepEvent } from './ups/events.ts';
import { matches } from './ups/matching.ts';
import { UPS_PUSH_CLASS, WORKLIST_UID, type Step } from './ups/step.ts';

/** A page of a search: some hundred kilobytes of steps. */
const PAGE = 200;
/** What a subscriber that stays away may find when it is back: more than a busy day brings. */
const MAX_EVENTS = 2000;
const KEEP_EVENTS = '24 hours';

/** Advisory: a step that is added while somebody subscribes to all is either seen by the subscription or sees it. */
const SUBSCRIBING = 7_411_244;

const COLUMNS = `sop_instance_uid as uid, dataset, state, transaction_uid as "transactionUid", performer, origin, workitem`;

export type NewStep = Omit<Step, 'state'>;

/** What is another about a step after a request; `after` runs in the same transaction. */
export interface StepChange {
  dataset?: Dataset;
  transactionUid?: string;
  performer?: NonNullable<Step['performer']>;
  events: StepEvent[];
  after?: (transaction: EntityManager) => Promise<void>;
}

export interface StepSearch {
  keys: readonly QueryKey[];
  fuzzy: boolean;
  limit: number;
  offset: number;
}

export class UpsRepository {
  readonly #dataSource: DataSource;

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  /** @returns false where there is a step of this UID already */
  async create(step: NewStep, after?: (transaction: EntityManager) => Promise<void>): Promise<boolean> {
    return this.#dataSource.transaction(async (transaction) => {
      const created = await insertStep(transaction, step);
      if (created) await after?.(transaction);
      return created;
    });
  }

  async find(uid: string): Promise<Step | undefined> {
    const [row]: Step[] = await this.#dataSource.query(`select ${COLUMNS} from ups where sop_instance_uid = $1`, [uid]);
    return row;
  }

  /**
   * Changes a step as it is at that moment. @param decide what becomes of it; undefined: nothing. What it throws is thrown.
   * @returns the step as it was; undefined where there is none
   */
  async change(uid: string, decide: (step: Step) => StepChange | undefined): Promise<Step | undefined> {
    return this.#dataSource.transaction(async (transaction) => {
      const [step]: Step[] = await transaction.query(`select ${COLUMNS} from ups where sop_instance_uid = $1 for no key update`, [uid]);
      const change = step && decide(step);
      if (step && change) await applyChange(transaction, step, change);
      return step;
    });
  }

  /** Whether anybody hears of what happens to a step. */
  async isWatched(uid: string): Promise<boolean> {
    const rows: unknown[] = await this.#dataSource.query('select 1 from ups_subscriptions where ups = $1 limit 1', [uid]);
    return rows.length > 0;
  }

  /** Oldest first. */
  async *search({ keys, fuzzy, limit, offset }: StepSearch): AsyncGenerator<Pick<Step, 'dataset' | 'origin'>> {
    const { conditions, parameters } = indexed(keys);
    let skip = offset;
    let left = limit;
    for (let after = '0'; left > 0; ) {
      const rows: (Pick<Step, 'dataset' | 'origin'> & { ordinal: string })[] = await this.#dataSource.query(
        `select ordinal, origin, dataset from ups where ordinal > $1${conditions} order by ordinal limit ${PAGE}`,
        [after, ...parameters],
      );
      for (const row of rows) {
        if (!matches(row.dataset, keys, fuzzy) || skip-- > 0) continue;
        yield row;
        if (--left === 0) return;
      }
      if (rows.length < PAGE) return;
      after = rows.at(-1)!.ordinal;
    }
  }

  /** Subscribes an AE to one step, and tells it how that stands. @returns false where there is no such step */
  async subscribe(uid: string, aeTitle: string, deletionLock: boolean): Promise<boolean> {
    return this.#dataSource.transaction(async (transaction) => {
      const [step]: Step[] = await transaction.query(`select ${COLUMNS} from ups where sop_instance_uid = $1 for no key update`, [uid]);
      if (!step) return false;
      await transaction.query(
        `insert into ups_subscriptions (ups, ae_title, deletion_lock) values ($1, $2, $3) on conflict (ups, ae_title) do update set deletion_lock = $3`,
        [uid, aeTitle, deletionLock],
      );
      await transaction.query(`insert into ups_events (ae_title, event) values ($1, $2)`, [aeTitle, JSON.stringify(eventReport(uid, stateReport(step.dataset)))]);
      await transaction.query('select pg_notify($1, $2)', [UPS_CHANNEL, aeTitle]);
      return true;
    });
  }

  /**
   * Subscribes an AE to all steps that there are and will be, or to those that meet a filter. With a lock it is told how each
   * stands (PS3.4 CC.2.4.3).
   */
  async subscribeToAll(aeTitle: string, deletionLock: boolean, filter: readonly QueryKey[] | undefined): Promise<void> {
    await this.#dataSource.transaction(async (transaction) => {
      await transaction.query('select pg_advisory_xact_lock($1)', [SUBSCRIBING]);
      await transaction.query(
        `insert into ups_subscribers (ae_title, deletion_lock, filter) values ($1, $2, $3)
         on conflict (ae_title) do update set deletion_lock = $2, filter = $3, suspended = false`,
        [aeTitle, deletionLock, filter ? JSON.stringify(filter) : null],
      );
      const chosen = filter ? await matching(transaction, filter) : undefined;
      await transaction.query(
        `insert into ups_subscriptions (ups, ae_title, deletion_lock) select sop_instance_uid, $1, $2 from ups
         where $3::text[] is null or sop_instance_uid = any($3) order by ordinal
         on conflict (ups, ae_title) do update set deletion_lock = $2`,
        [aeTitle, deletionLock, chosen ?? null],
      );
      if (!deletionLock) return;
      await transaction.query(
        `insert into ups_events (ae_title, event)
         select $1, $3::jsonb || jsonb_build_object('00001000', jsonb_build_object('vr', 'UI', 'Value', jsonb_build_array(sop_instance_uid)),
           '00741000', dataset->'00741000', '00404041', dataset->'00404041')
         from (select * from ups where $2::text[] is null or sop_instance_uid = any($2) order by ordinal desc limit ${MAX_EVENTS}) as newest order by ordinal`,
        [aeTitle, chosen ?? null, JSON.stringify(eventReport('', stateReport({})))],
      );
      await transaction.query('select pg_notify($1, $2)', [UPS_CHANNEL, aeTitle]);
    });
  }

  /** @returns false where it had not subscribed to it, or there is no such step */
  async unsubscribe(uid: string, aeTitle: string): Promise<boolean> {
    const [rows]: [unknown[], number] = await this.#dataSource.query('delete from ups_subscriptions where ups = $1 and ae_title = $2 returning 1', [uid, aeTitle]);
    return rows.length > 0;
  }

  /** Ends the subscription to all, and those to each step with it. */
  async unsubscribeFromAll(aeTitle: string): Promise<boolean> {
    return this.#dataSource.transaction(async (transaction) => {
      const [global]: [unknown[], number] = await transaction.query('delete from ups_subscribers where ae_title = $1 returning 1', [aeTitle]);
      if (global.length > 0) await transaction.query('delete from ups_subscriptions where ae_title = $1', [aeTitle]);
      return global.length > 0;
    });
  }

  /** Steps to come are no longer subscribed to; those that there are stay so. */
  async suspend(aeTitle: string): Promise<boolean> {
    const [rows]: [unknown[], number] = await this.#dataSource.query('update ups_subscribers set suspended = true where ae_title = $1 returning 1', [aeTitle]);
    return rows.length > 0;
  }

  /** What an AE has still to be told, oldest first. */
  async events(aeTitle: string, limit: number): Promise<{ id: string; event: Dataset }[]> {
    return this.#dataSource.query('select id, event from ups_events where ae_title = $1 order by id limit $2', [aeTitle, limit]);
  }

  async told(ids: string[]): Promise<void> {
    await this.#dataSource.query('delete from ups_events where id = any($1)', [ids]);
  }

  /** Tells everybody who has subscribed to anything, in words of the worklist as a whole (SCP Status Change). */
  async tellAll(event: StepEvent): Promise<void> {
    await this.#dataSource.query(
      `with told as (
         insert into ups_events (ae_title, event) select ae_title, $1::jsonb from (select ae_title from ups_subscribers union select ae_title from ups_subscriptions) as known returning ae_title)
       select pg_notify($2, ae_title) from told`,
      [JSON.stringify(eventReport(WORKLIST_UID, event)), UPS_CHANNEL],
    );
  }

  /** Drops what nobody came for: all but the newest of each AE, and what is a day old. */
  async forget(): Promise<void> {
    await this.#dataSource.query(
      `delete from ups_events where created_at < now() - interval '${KEEP_EVENTS}'
         or id in (select id from (select id, row_number() over (partition by ae_title order by id desc) as place from ups_events) as placed where place > ${MAX_EVENTS})`,
    );
  }
}

/** Adds a step, subscribes to it whoever wants to hear of it, and tells them. @returns false where its UID is taken */
export async function insertStep(transaction: EntityManager, step: NewStep): Promise<boolean> {
  const kept = { ...step.dataset, '00080016': { vr: 'UI', Value: [UPS_PUSH_CLASS] }, '00080018': { vr: 'UI', Value: [step.uid] } };
  const inserted: unknown[] = await transaction.query(
    `insert into ups (sop_instance_uid, dataset, study_instance_uid, origin, workitem, transaction_uid, performer, created_at, changed_at)
     values ($1, $2, $3, $4, $5, $6, $7, now(), now()) on conflict do nothing returning 1`,
    [step.uid, JSON.stringify(kept), text(kept, 'StudyInstanceUID') ?? null, step.origin, step.workitem, step.transactionUid, step.performer],
  );
  if (inserted.length === 0) return false;
  await transaction.query('select pg_advisory_xact_lock_shared($1)', [SUBSCRIBING]);
  const subscribers: { ae_title: string; deletion_lock: boolean; filter: QueryKey[] | null }[] = await transaction.query(
    'select ae_title, deletion_lock, filter from ups_subscribers where not suspended',
  );
  for (const { ae_title, deletion_lock, filter } of subscribers)
    if (filter === null || matches(kept, filter))
      await transaction.query('insert into ups_subscriptions (ups, ae_title, deletion_lock) values ($1, $2, $3)', [step.uid, ae_title, deletion_lock]);
  const assigned = assignedReport(kept);
  if (subscribers.length > 0) await tell(transaction, step.uid, [stateReport(kept), ...(assigned ? [assigned] : [])]);
  return true;
}

/** Under the lock of the step's row. */
export async function applyChange(transaction: EntityManager, step: Pick<Step, 'uid' | 'dataset'>, change: StepChange): Promise<void> {
  const kept = change.dataset ?? step.dataset;
  await transaction.query(
    `update ups set dataset = $2, changed_at = now(), transaction_uid = coalesce($3, transaction_uid), performer = coalesce($4, performer),
       claimed_at = case when $4::text is not null and claimed_at is null then now() else claimed_at end
     where sop_instance_uid = $1`,
    [step.uid, JSON.stringify(kept), change.transactionUid ?? null, change.performer ?? null],
  );
  await tell(transaction, step.uid, change.events);
  await change.after?.(transaction);
}

/** Those keys that Postgres has an index for, or that leave few rows. */
function indexed(keys: readonly QueryKey[]): { conditions: string; parameters: unknown[] } {
  const columns: Record<string, string> = { '00741000': 'state', '00741202': 'worklist_label', '00741200': 'priority', '00100020': 'patient_id', '0020000D': 'study_instance_uid', '00080018': 'sop_instance_uid' };
  const parameters: unknown[] = [];
  const conditions = keys.flatMap(({ tag, matching: key }) => {
    const column = columns[tag];
    // Wildcards are matched afterwards; text that Postgres cannot hold matches nothing.
    if (column === undefined || key.kind !== 'values' || key.values.some((value) => /[*?\0]/.test(value) || !value.isWellFormed())) return [];
    parameters.push(key.values);
    // Said in words that the index of open steps knows.
    const open = tag === '00741000' && key.values.every((value) => value === 'SCHEDULED' || value === 'IN PROGRESS');
    return [` and ${column} = any($${parameters.length + 1}::text[])${open ? ` and state in ('SCHEDULED', 'IN PROGRESS')` : ''}`];
  });
  return { conditions: conditions.join(''), parameters };
}

async function matching(transaction: EntityManager, filter: readonly QueryKey[]): Promise<string[]> {
  const { conditions, parameters } = indexed(filter);
  const found: string[] = [];
  for (let after = '0'; ; ) {
    const rows: { ordinal: string; uid: string; dataset: Dataset }[] = await transaction.query(
      `select ordinal, sop_instance_uid as uid, dataset from ups where ordinal > $1${conditions} order by ordinal limit ${PAGE}`,
      [after, ...parameters],
    );
    for (const { uid, dataset } of rows) if (matches(dataset, filter)) found.push(uid);
    if (rows.length < PAGE) return found;
    after = rows.at(-1)!.ordinal;
  }
}
