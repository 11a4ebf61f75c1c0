// The index: a durable instance becomes rows. One transaction an instance, one study at a time.
import type { DataSource, EntityManager } from 'typeorm';
import { archiveInstance } from './archive-index.ts';
import { describedBy, DESCRIPTION_COLUMNS } from './describe-study.ts';
import { endQuietPeriod } from './completion.repository.ts';
import { num, text, type Dataset } from './dicom/dataset.ts';
import type { InstanceOrigin } from './entities/instance.ts';
import { patientContradiction } from './identity.ts';
import type { DurableInstance } from './receive.ts';
import type { HasSameContent } from './same-content.ts';
import { notifyStudy } from './study-events.ts';
import { refreshStudy } from './study-outcome.ts';
import { lockStudy, openWorkitem } from './workitems.repository.ts';

export interface IndexRequest {
  instance: DurableInstance;
  origin: InstanceOrigin;
  /** 0 where there is no pixel data. */
  frames: number;
  /** The route that takes it, if any. */
  route: { name: string } | undefined;
  /** Why none takes an image; null where one does, or where there is no image. */
  noRouteReason: string | null;
  /** It comes as an earlier study of a patient: a study that is nothing else waits for nobody. */
  prior?: boolean;
  /** Seconds of quiet until its study counts as complete. */
  completeAfterSeconds: number;
  /** Offset of the source's clock: +0100. */
  sourceTimezone: string;
  /** Asked of a version with another digest: the same dataset in another encoding is no other version. */
  hasSameContent?: HasSameContent;
}

/**
 * `replayed`: this very blob was indexed before; `duplicate`: the same dataset is there under another blob, perhaps in another
 * encoding, which stays the only copy; `new-version`: another dataset under a known SOP Instance UID; `revived`: the same dataset was deleted, and is
 * there again under its old blob.
 */
export type IndexOutcome = 'new' | 'new-version' | 'duplicate' | 'replayed' | 'revived';

export interface IndexedInstance {
  outcome: IndexOutcome;
  instanceId: string;
  studyInstanceUid: string;
  /** It is a source image of a route, in a study without contradictions. */
  analyze: boolean;
  /** When the study's quiet period ends; null where this instance opens nothing. */
  dueAt: Date | null;
  /** The study was fetched as a prior, and this source instance did not come as one: see `promote`. */
  promotes: boolean;
}

/** Runs in the same transaction as the rows: here the jobs that they cause are enqueued. */
export type AfterIndexing = (transaction: EntityManager, indexed: IndexedInstance) => Promise<void>;

interface KnownInstance {
  id: string;
  digest: string;
  transferSyntaxUid: string;
  version: number;
  study_instance_uid: string;
  header: Dataset;
  received_at: Date;
  deleted_at: Date | null;
}

export class IntakeRepository {
  readonly #dataSource: DataSource;

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  async index(request: IndexRequest, after: AfterIndexing): Promise<IndexedInstance> {
    return this.#dataSource.transaction(async (transaction) => {
      const indexed = { ...(await indexIn(transaction, request)), promotes: request.origin === 'source' && !request.prior && (await isPrior(transaction, request.instance)) };
      if (['new', 'new-version', 'revived'].includes(indexed.outcome)) await after(transaction, indexed);
      return indexed;
    });
  }

  /** Whether another dataset is known under this SOP Instance UID, and this one is not. */
  async isKnownOtherwise(sopInstanceUid: string, digest: string, hasSameContent?: HasSameContent): Promise<boolean> {
    const rows: { id: string; digest: string; transferSyntaxUid: string }[] = await this.#dataSource.query(
      `select id, digest, transfer_syntax_uid as "transferSyntaxUid" from instances where sop_instance_uid = $1 and deleted_at is null`,
      [sopInstanceUid],
    );
    if (rows.length === 0 || rows.some((row) => row.digest === digest)) return false;
    return (await sameAmong(rows, hasSameContent)) === undefined;
  }

  /**
   * A study that was fetched as a prior is wanted for itself: its images take their routes, as though they came now.
   * @param routeOf an image's, and the quiet period until the study counts as complete
   * @param reasonOf why no route takes an image
   * @param after enqueues the jobs of its images, in the same transaction
   * @returns whether it was a prior until now
   */
  async promote(
    studyInstanceUid: string,
    routeOf: (header: Dataset) => { name: string; completeAfterSeconds: number } | undefined,
    reasonOf: (header: Dataset) => string,
    after: (transaction: EntityManager, images: string[], dueAt: Date) => Promise<void>,
  ): Promise<boolean> {
    return this.#dataSource.transaction(async (transaction) => {
      await lockStudy(transaction, studyInstanceUid);
      const study = await takePrior(transaction, studyInstanceUid);
      if (!study) return false;
      const routed = study.images.flatMap(({ id, header }) => {
        const route = routeOf(header);
        return route ? [{ id, ...route }] : [];
      });
      const [first] = routed;
      if (first) {
        for (const { id, name } of routed) await transaction.query('update instances set route = $2 where id = $1', [id, name]);
        const [[{ due_at }]]: [[{ due_at: Date }], number] = await transaction.query(
          `update studies set intake = 'receiving', analysis = 'waiting', reason = null, route = coalesce(route, $2),
             due_at = date_trunc('milliseconds', now()) + make_interval(secs => $3) where study_instance_uid = $1 returning due_at`,
          [studyInstanceUid, first.name, Math.max(...routed.map(({ completeAfterSeconds }) => completeAfterSeconds))],
        );
        await openWorkitem(transaction, studyInstanceUid, first.name);
        await after(transaction, study.conflict === null ? routed.map(({ id }) => id) : [], due_at);
      } else if (study.images[0]) await transaction.query('update studies set reason = $2 where study_instance_uid = $1', [studyInstanceUid, reasonOf(study.images[0].header)]);
      await refreshStudy(transaction, studyInstanceUid);
      await notifyStudy(transaction, studyInstanceUid);
      return true;
    });
  }

  /** Every blob that the index knows, with what it must contain; in order of id, `limit` at a time. */
  async blobs(after: string | undefined, limit: number): Promise<{ id: string; digest: string; kind: 'instance' | 'result' }[]> {
    return this.#dataSource.query(
      `select id, digest, kind from (
         select id, digest, 'instance' as kind from instances union all select blob, digest, 'result' from results where kind <> 'outside') as known
       where $1::uuid is null or id > $1::uuid order by id limit $2`,
      [after ?? null, limit],
    );
  }
}

/** What of a study decides how it is promoted. */
interface PromotedStudy {
  conflict: string | null;
  images: { id: string; header: Dataset }[];
}

async function isPrior(transaction: EntityManager, { studyInstanceUid }: DurableInstance): Promise<boolean> {
  const rows: unknown[] = await transaction.query(`select 1 from studies where study_instance_uid = $1 and purpose = 'prior'`, [studyInstanceUid]);
  return rows.length > 0;
}

async function indexIn(transaction: EntityManager, request: IndexRequest): Promise<Omit<IndexedInstance, 'promotes'>> {
  const { instance, origin } = request;
  const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = instance;
  const dataset = instance.header.dataset;
  // Versions of one instance, and instances of one study, are judged against each other: one at a time.
  await transaction.query(
    `select pg_advisory_xact_lock(key) from (select hashtextextended(uid, 0) as key from unnest($1::text[]) as uid order by key) as keys`,
    [[...new Set([studyInstanceUid, sopInstanceUid])]],
  );
  const known: KnownInstance[] = await transaction.query(
    `select id, digest, transfer_syntax_uid as "transferSyntaxUid", version, study_instance_uid, header, received_at, deleted_at from instances where sop_instance_uid = $1 order by version desc`,
    [sopInstanceUid],
  );
  const same = known.find((row) => row.id === instance.blobId || row.digest === instance.digest) ?? (await sameAmong(known, request.hasSameContent));
  // What comes from the journal again was deleted since it came.
  const revived = same && same.deleted_at !== null && same.id !== instance.blobId ? same : undefined;
  if (same && !revived)
    return {
      outcome: same.id === instance.blobId ? 'replayed' : 'duplicate',
      instanceId: same.id,
      studyInstanceUid: same.study_instance_uid,
      analyze: false,
      dueAt: null,
    };

  const there = known.filter((row) => row.deleted_at === null);
  const conflict = await findConflict(transaction, request, there[0]);
  // After an outage the journal may hold versions, and they are indexed in any order.
  const newest = there.every((row) => row.received_at.toISOString() <= instance.receivedAt);
  const describes = origin === 'source' && newest && conflict === undefined;
  await upsertStudy(transaction, request, describes);
  await transaction.query(
    `insert into series (study_instance_uid, series_instance_uid, modality, body_part, description, number)
     values ($1, $2, $3, $4, $5, $6) on conflict do nothing`,
    [
      studyInstanceUid, seriesInstanceUid, text(dataset, 'Modality') ?? null, text(dataset, 'BodyPartExamined') ?? null,
      text(dataset, 'SeriesDescription') ?? null, integer(num(dataset, 'SeriesNumber')),
    ],
  );
  if (revived) await reviveInstance(transaction, revived.id, request, newest);
  else await insertInstance(transaction, request, (known[0]?.version ?? 0) + 1, newest);
  if (origin === 'source') await transaction.query('update studies set deleted_at = null where study_instance_uid = $1 and deleted_at is not null', [studyInstanceUid]);
  const row = { id: revived?.id ?? instance.blobId, sopInstanceUid, studyInstanceUid, seriesInstanceUid };
  await archiveInstance(transaction, row, describes, known.map((version) => version.study_instance_uid));
  const study = origin === 'source' ? await advanceStudy(transaction, request, conflict, there.length > 0) : undefined;
  await notifyStudy(transaction, studyInstanceUid);
  return {
    outcome: revived ? 'revived' : there.length > 0 ? 'new-version' : 'new',
    instanceId: row.id,
    studyInstanceUid,
    analyze: newest && study !== undefined && study.conflict === null && request.frames > 0 && request.route !== undefined,
    dueAt: (study?.due_at && (await endQuietPeriod(transaction, studyInstanceUid))) ?? study?.due_at ?? null,
  };
}

/** A version that has another digest only because it is encoded in another way. */
async function sameAmong<T extends { id: string; transferSyntaxUid: string }>(versions: readonly T[], hasSameContent: HasSameContent | undefined): Promise<T | undefined> {
  if (hasSameContent) for (const version of versions) if (await hasSameContent(version)) return version;
  return undefined;
}

/** The study is a prior no longer. @returns undefined where it was none */
async function takePrior(transaction: EntityManager, studyInstanceUid: string): Promise<PromotedStudy | undefined> {
  const [studies]: [{ conflict: string | null }[], number] = await transaction.query(
    `update studies set purpose = null where study_instance_uid = $1 and purpose = 'prior' returning conflict`,
    [studyInstanceUid],
  );
  if (!studies[0]) return undefined;
  const images: PromotedStudy['images'] = await transaction.query(
    `select id, header from instances where study_instance_uid = $1 and current and origin = 'source' and route is null and frames > 0 order by received_at, id`,
    [studyInstanceUid],
  );
  return { conflict: studies[0].conflict, images };
}

/** @returns why a person must look at the study before it is analysed */
async function findConflict(transaction: EntityManager, request: IndexRequest, previous: KnownInstance | undefined): Promise<string | undefined> {
  const { instance, origin } = request;
  if (origin !== 'source') return undefined;
  const dataset = instance.header.dataset;
  if (previous) {
    if (previous.study_instance_uid !== instance.studyInstanceUid) {
      const reason = `instance ${instance.sopInstanceUid} was sent for another study as well`;
      await transaction.query('update studies set conflict = coalesce(conflict, $2) where study_instance_uid = $1', [previous.study_instance_uid, reason]);
      await refreshStudy(transaction, previous.study_instance_uid);
      return reason;
    }
    const changed = patientContradiction(previous.header, dataset);
    if (changed) return `a changed version of an image speaks of another patient: ${changed}`;
  }
  const others: { header: Dataset }[] = await transaction.query(
    `select header from instances
     where study_instance_uid = $1 and origin = 'source' and current and sop_instance_uid <> $2 order by received_at limit 1`,
    [instance.studyInstanceUid, instance.sopInstanceUid],
  );
  const contradiction = others[0] && patientContradiction(others[0].header, dataset);
  return contradiction ? `images of different patients in one study: ${contradiction}` : undefined;
}

/**
 * The study as its newest image describes it; a result that comes back, an older version, or an image that contradicts the patient
 * describes nothing.
 */
async function upsertStudy(transaction: EntityManager, { instance, prior = false }: IndexRequest, describes: boolean): Promise<void> {
  const columns = DESCRIPTION_COLUMNS.split(', ');
  await transaction.query(
    `insert into studies (study_instance_uid, ${DESCRIPTION_COLUMNS}, first_received_at, intake, analysis, purpose)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'receiving', 'not-routed', case when $12 then 'prior' end)
     on conflict (study_instance_uid) do update set ${columns.map((column) => `${column} = excluded.${column}`).join(', ')}
     where $11 and studies.conflict is null`,
    [instance.studyInstanceUid, ...(await describedBy(transaction, instance.header.dataset)), instance.receivedAt, describes, prior],
  );
}

async function insertInstance(transaction: EntityManager, request: IndexRequest, version: number, newest: boolean): Promise<void> {
  const { instance } = request;
  const { context } = instance;
  if (newest) await transaction.query('update instances set current = false where sop_instance_uid = $1 and current', [instance.sopInstanceUid]);
  await transaction.query(
    `insert into instances (id, sop_instance_uid, version, current, study_instance_uid, series_instance_uid, sop_class_uid,
       transfer_syntax_uid, digest, bytes, header, origin, frames, route, calling_ae, called_ae, address, transport, association_id,
       received_at, source_timezone, instance_number)
     values ($1, $2, $3, $21, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, dicom_integer($10::jsonb #>> '{00200013,Value,0}'))`,
    [
      instance.blobId, instance.sopInstanceUid, version, instance.studyInstanceUid, instance.seriesInstanceUid, instance.sopClassUid,
      instance.header.transferSyntaxUid, instance.digest, instance.bytes, JSON.stringify(instance.header.dataset), request.origin,
      request.frames, request.route?.name ?? null, context.callingAe ?? null, context.calledAe ?? null, context.address,
      context.transport, context.associationId, instance.receivedAt, request.sourceTimezone, newest,
    ],
  );
}

/** The row that was deleted is there again, taken by the route that takes it now. */
async function reviveInstance(transaction: EntityManager, id: string, { instance, route, frames }: IndexRequest, newest: boolean): Promise<void> {
  if (newest) await transaction.query('update instances set current = false where sop_instance_uid = $1 and current', [instance.sopInstanceUid]);
  await transaction.query('update instances set deleted_at = null, current = $2, route = $3, frames = $4, received_at = $5 where id = $1', [id, newest, route?.name ?? null, frames, instance.receivedAt]);
}

/**
 * A source instance keeps its study open for another quiet period. An image of a route opens the study's next workitem, and so
 * does a contradiction, whose report says why nothing was analysed; an object without pixels does not reopen a study that was
 * closed, and neither does what was fetched as a prior. The end of the quiet period is in whole milliseconds, as its job is: a job
 * that came a fraction too early would find the study not quiet, and no other would come.
 */
async function advanceStudy(
  transaction: EntityManager,
  request: IndexRequest,
  conflict: string | undefined,
  changed: boolean,
): Promise<{ due_at: Date | null; conflict: string | null } | undefined> {
  const { instance, route, frames, prior } = request;
  const opens = !prior && ((route !== undefined && frames > 0) || conflict !== undefined);
  const [study]: { due_at: Date | null; conflict: string | null }[] = (
    await transaction.query(
      `update studies set
         last_source_at = greatest(last_source_at, $2),
         due_at = case when intake = 'receiving' or $3 then date_trunc('milliseconds', now()) + make_interval(secs => $4) end,
         intake = case when $3 then 'receiving' else intake end,
         route = case when $3 then coalesce(route, $5) else route end,
         analysis = case when $3 then 'waiting' else analysis end,
         conflict = coalesce(conflict, $6),
         reason = case when $3 then null when analysis = 'not-routed' then coalesce($8, reason) else reason end,
         flagged = case when $7 then 'an image was sent again with other content or in another encoding; the newest version counts' else flagged end
       where study_instance_uid = $1 returning due_at, conflict`,
      [instance.studyInstanceUid, instance.receivedAt, opens, request.completeAfterSeconds, route?.name ?? null, conflict ?? null, changed, request.noRouteReason],
    )
  )[0];
  if (opens) await openWorkitem(transaction, instance.studyInstanceUid, route?.name ?? null);
  return study;
}

const integer = (value: number | undefined): number | null => (value === undefined || !Number.isSafeInteger(value) || Math.abs(value) > 2 ** 31 - 1 ? null : value);
