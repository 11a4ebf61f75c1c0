// Retrievals: one row for each study that is to be fetched from a source, with the state that decides whether and when it is tried.
// waiting -> running -> completed | waiting again (a try failed, or the study grew meanwhile) | failed (given up).
import type { DataSource, EntityManager } from 'typeorm';
import type { Dataset } from './dicom/dataset.ts';

/** `prior`: an earlier study of a patient, not to be analysed. `find-priors`: to ask for those of this study, each then a row of its own. */
export type RetrievalPurpose = 'study' | 'prior' | 'find-priors';
/** Who wanted it: somebody at a command, over the API or by an order (UPS), or the gateway itself. */
export type RequestedBy = 'command' | 'api' | 'order' | OwnRequest;
type OwnRequest = (typeof OWN_REQUESTS)[number];
const OWN_REQUESTS = ['watch', 'priors', 'route'] as const;

export function isOwnRequest(requestedBy: RequestedBy): boolean {
  return (OWN_REQUESTS as readonly string[]).includes(requestedBy);
}

export type RetrievalState = 'waiting' | 'running' | 'completed' | 'failed';

export interface Retrieval {
  id: string;
  source: string;
  studyInstanceUid: string;
  purpose: RetrievalPurpose;
  /** Study Instance UID of the study whose prior it is. */
  priorTo: string | null;
  requestedBy: RequestedBy;
  state: RetrievalState;
  attempts: number;
  /** Of the last try that failed, or why instances were refused for good. */
  lastError: string | null;
  /** How many the source has of it; null until it was asked. */
  instances: number | null;
  /** Taken by intake, over all tries. */
  fetched: number;
  /** Instances that intake or the source refused. */
  refused: number;
  requestedAt: Date;
  nextAttemptAt: Date;
  deadlineAt: Date;
  finishedAt: Date | null;
}

export type RetrievalRequest = Pick<Retrieval, 'source' | 'studyInstanceUid' | 'purpose' | 'requestedBy'> & {
  priorTo?: string;
  /** Hours until it is given up. */
  hours: number;
};

export interface RetrievalCounts {
  instances: number;
  fetched: number;
  refused: number;
  /** Why some were refused; null where none was. */
  detail: string | null;
}

const COLUMNS = `id, source, study_instance_uid as "studyInstanceUid", purpose, prior_to as "priorTo", requested_by as "requestedBy", state, attempts,
  last_error as "lastError", instances, fetched, refused, requested_at as "requestedAt", next_attempt_at as "nextAttemptAt", deadline_at as "deadlineAt",
  finished_at as "finishedAt"`;

const KEEP = `interval '90 days'`;
/** C-STOREs of a C-MOVE may be indexed somewhat after it has ended. */
const MOVED_LATELY = `interval '1 hour'`;

export class RetrievalsRepository {
  readonly #dataSource: DataSource;

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  /**
   * @param enqueue sends the source's job in the same transaction
   * @returns the retrieval that is open for the same, now due, where there is one
   */
  async request(request: RetrievalRequest, enqueue: (transaction: EntityManager) => Promise<void>): Promise<Retrieval> {
    return this.#dataSource.transaction(async (transaction) => {
      const retrieval = await requestRetrieval(transaction, request);
      await enqueue(transaction);
      return retrieval;
    });
  }

  /** Asks for it where a route has taken the study, and never a second time. */
  async requestForRouted(request: RetrievalRequest, enqueue: (transaction: EntityManager) => Promise<void>): Promise<void> {
    await this.#dataSource.transaction(async (transaction) => {
      const wanted: unknown[] = await transaction.query(
        `select 1 from studies where study_instance_uid = $2 and route is not null and purpose is null
           and not exists (select from retrievals where source = $1 and study_instance_uid = $2 and purpose = $3)`,
        [request.source, request.studyInstanceUid, request.purpose],
      );
      if (wanted.length === 0) return;
      await requestRetrieval(transaction, request);
      await enqueue(transaction);
    });
  }

  async get(id: string): Promise<Retrieval | undefined> {
    const [row]: Retrieval[] = await this.#dataSource.query(`select ${COLUMNS} from retrievals where id = $1`, [id]);
    return row;
  }

  /** The next one of a source, begun: studies before priors, oldest first. What a process that died left running is due as well. */
  async begin(source: string): Promise<Retrieval | undefined> {
    const [rows]: [Retrieval[], number] = await this.#dataSource.query(
      `update retrievals set state = 'running', started_at = now() where id = (
         select id from retrievals where source = $1 and state in ('waiting', 'running') and next_attempt_at <= now()
         order by purpose <> 'study', purpose <> 'find-priors', requested_at, id limit 1)
       returning ${COLUMNS}`,
      [source],
    );
    return rows[0];
  }

  /** When the next one of a source is due; null: none waits. */
  async nextDue(source: string): Promise<Date | null> {
    const [row]: { next: Date | null }[] = await this.#dataSource.query(
      `select min(next_attempt_at) as next from retrievals where source = $1 and state in ('waiting', 'running')`,
      [source],
    );
    return row?.next ?? null;
  }

  /** All that the source has is here. Where a watch saw the study grow since this try began, it is due once more. */
  async completed(id: string, { instances, fetched, refused, detail }: RetrievalCounts): Promise<RetrievalState> {
    const [rows]: [{ state: RetrievalState }[], number] = await this.#dataSource.query(
      `update retrievals as done set instances = $2, fetched = fetched + $3, refused = $4, last_error = $5, attempts = attempts + 1,
         state = case when grown then 'waiting' else 'completed' end, next_attempt_at = now(), finished_at = case when grown then null else now() end
       from (select exists (select from watched_studies join retrievals using (source, study_instance_uid)
         where id = $1 and purpose = 'study' and changed_at > started_at) as grown) as watched
       where done.id = $1 returning done.state`,
      [id, instances, fetched, refused, detail],
    );
    return rows[0]?.state ?? 'completed';
  }

  /** @param nextAttemptAt null: it is given up */
  async failed(id: string, reason: string, nextAttemptAt: Date | null, counts?: Partial<RetrievalCounts>): Promise<void> {
    await this.#dataSource.query(
      `update retrievals set state = case when $3::timestamptz is null then 'failed' else 'waiting' end, attempts = attempts + 1, last_error = $2,
         next_attempt_at = coalesce($3, next_attempt_at), finished_at = case when $3::timestamptz is null then now() end,
         instances = coalesce($4, instances), fetched = fetched + $5, refused = $6
       where id = $1`,
      [id, reason, nextAttemptAt, counts?.instances ?? null, counts?.fetched ?? 0, counts?.refused ?? 0],
    );
  }

  /** Shutting down in the middle: due at the next start, without having failed. */
  async putBack(id: string): Promise<void> {
    await this.#dataSource.query(`update retrievals set state = 'waiting' where id = $1 and state = 'running'`, [id]);
  }

  /** What ended long ago is of no more interest. */
  async forget(): Promise<void> {
    await this.#dataSource.query(`delete from retrievals where finished_at < now() - ${KEEP}`);
  }

  async summary(): Promise<{ source: string; purpose: RetrievalPurpose; state: RetrievalState; count: number }[]> {
    return this.#dataSource.query('select source, purpose, state, count(*)::int from retrievals group by source, purpose, state order by source, purpose, state');
  }

  /**
   * SOP Instance UIDs of a study that are here: whatever was received, and results of our own, which a source may have got from us.
   * @param deleted those in the recycle bin as well: what a person has thrown away comes back only when a person asks for it
   */
  async known(studyInstanceUid: string, deleted: boolean): Promise<Set<string>> {
    const rows: { uid: string }[] = await this.#dataSource.query(
      `select sop_instance_uid as uid from instances where study_instance_uid = $1 and (current or ($2 and deleted_at is not null))
       union select sop_instance_uid from results where study_instance_uid = $1 and (deleted_at is null or $2)`,
      [studyInstanceUid, deleted],
    );
    return new Set(rows.map(({ uid }) => uid));
  }

  /** The header of the image that describes the study: the newest; undefined where there is none. */
  async anyHeader(studyInstanceUid: string): Promise<Dataset | undefined> {
    const [row]: { header: Dataset }[] = await this.#dataSource.query(
      `select header from instances where study_instance_uid = $1 and current and origin = 'source' order by received_at desc limit 1`,
      [studyInstanceUid],
    );
    return row?.header;
  }

  /** Whether what a C-MOVE of ours brings of this study comes as a prior: nobody wants the study for itself. */
  async isMovedAsPrior(studyInstanceUid: string): Promise<boolean> {
    const [row]: { prior: boolean }[] = await this.#dataSource.query(
      `select coalesce(bool_and(purpose = 'prior'), false) as prior from retrievals
       where study_instance_uid = $1 and purpose <> 'find-priors' and (finished_at is null or finished_at > now() - ${MOVED_LATELY})`,
      [studyInstanceUid],
    );
    return row?.prior ?? false;
  }
}

/** In a transaction of the caller's, who also enqueues the source's job in it. */
export async function requestRetrieval(transaction: EntityManager, request: RetrievalRequest): Promise<Retrieval> {
  const [row]: Retrieval[] = await transaction.query(
    `insert into retrievals (source, study_instance_uid, purpose, prior_to, requested_by, state, requested_at, next_attempt_at, deadline_at)
     values ($1, $2, $3, $4, $5, 'waiting', now(), now(), now() + make_interval(secs => $6))
     on conflict (source, study_instance_uid, purpose) where state in ('waiting', 'running')
       do update set next_attempt_at = now(), deadline_at = greatest(retrievals.deadline_at, excluded.deadline_at),
         requested_by = case when excluded.requested_by = any($7) then retrievals.requested_by else excluded.requested_by end
     returning ${COLUMNS}`,
    [request.source, request.studyInstanceUid, request.purpose, request.priorTo ?? null, request.requestedBy, request.hours * 3600, OWN_REQUESTS],
  );
  return row!;
}
