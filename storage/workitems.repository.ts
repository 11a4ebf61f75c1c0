// Workitems: from the images of a closed study to the rows of its results. SQL stands beside what it is for.
import type { DataSource, EntityManager } from 'typeorm';
import { archiveResult, refreshCounts } from './archive-index.ts';
import type { Dataset } from './dicom/dataset.ts';
import { keepSample, type DriftSample } from './drift.repository.ts';
import type { LeftOutModel } from './entities/instance.ts';
import type { Analysis, RegionRow, Workitem } from './entities/workitem.ts';
import type { Result } from './entities/result.ts';
import { FRAMES_TO_ANALYZE } from './frames-to-analyze.ts';
import { COMPLETED_HEADER } from './modality-worklist.repository.ts';
import { notifyStudy } from './study-events.ts';
import { refreshStudy, ROUTED_IMAGES } from './study-outcome.ts';
import { isProgressDue, showNewWorkitem, showWorkitems } from './ups/workitem-steps.ts';

export interface ImageRow {
  id: string;
  sopInstanceUid: string;
  sopClassUid: string;
  seriesInstanceUid: string;
  studyInstanceUid: string;
  digest: string;
  frames: number;
  route: string;
  current: boolean;
  header: Dataset;
  receivedAt: Date;
}

/** What was said of an image already, so that a repeated job need not say it again. */
export interface AnalyzedFrame {
  frame: number;
  modelSha256: string;
  settingsDigest: string;
}

export type ImageToAnalyze = ImageRow & {
  analyzed: AnalyzedFrame[];
  /** Of its closed workitem. */
  worker: Workitem['worker'];
};

const IMAGE_COLUMNS = `instances.id, sop_instance_uid as "sopInstanceUid", sop_class_uid as "sopClassUid", series_instance_uid as "seriesInstanceUid",
  instances.study_instance_uid as "studyInstanceUid", digest, frames, instances.route, current, ${COMPLETED_HEADER} as header, received_at as "receivedAt"`;

export type NewAnalysis = Omit<Analysis, 'id' | 'analyzedAt'> & { regions: Omit<RegionRow, 'id' | 'analysis' | 'ordinal'>[]; sample?: DriftSample | undefined };
export type StoredAnalysis = Analysis & { regions: RegionRow[] };

/** Who judges an image: the settings digests of models in use, each of one version; none where the route is gone. */
export type ModelsOf = (route: string, header: Dataset) => string[];

/** Which models of its route judge an image, and which do not. */
export interface RecordedChoice {
  instance: string;
  /** Their settings digests. */
  judgedBy: string[];
  leftOut: LeftOutModel[];
}

/** Enqueues the job that a change of rows causes, in the same transaction. */
export type Enqueue = (transaction: EntityManager) => Promise<void>;

export interface Closing {
  /** The study is not quiet yet: to be asked again then. */
  notBefore?: Date;
  /** It was closed now, and this is its workitem, if any route takes it. */
  workitem?: string;
}

/** What a closed study goes on with; each enqueues its job in the same transaction. */
export interface Next {
  whenReady(workitem: string, transaction: EntityManager): Promise<void>;
  analyze(images: string[], transaction: EntityManager): Promise<void>;
  /** Whether a worker from outside is meant to take the studies of a route. */
  isOutside(route: string): boolean;
  /** The step waits for such a worker. */
  publish(workitem: string, transaction: EntityManager): Promise<void>;
}

export interface WorkitemContent {
  workitem: Workitem;
  conflict: string | null;
  images: ImageRow[];
  /** Of each image, frame and model with its settings. */
  analyses: StoredAnalysis[];
  /** Current reports of the study, which new ones replace. */
  reports: Result[];
  /** How often the study was purged: what was said of it then may be at destinations, and is another document. */
  purges: number;
}

export type NewResult = Omit<Result, 'bytes' | 'current' | 'header' | 'transferSyntaxUid' | 'instanceNumber' | 'returned' | 'deletedAt'> & { bytes: number; header: Dataset };
export interface NewDelivery {
  sopInstanceUid: string;
  destination: string;
  deadlineAt: Date;
}

/** SQL: a route was made from another by an order (gateway/pipeline/models-in-use.ts has their names). */
const isOrderedOf = (route: string, base: string): string => `starts_with(${route}::text, ${base}::text || ' (ordered: ')`;

export class WorkitemsRepository {
  readonly #dataSource: DataSource;

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  /** The instance to analyse; undefined where its study waits for a person, or a newer version has come. */
  async imageToAnalyze(instanceId: string): Promise<ImageToAnalyze | undefined> {
    const [row]: ImageToAnalyze[] = await this.#dataSource.query(
      `select ${IMAGE_COLUMNS},
         (select coalesce(json_agg(json_build_object('frame', frame, 'modelSha256', model_sha256, 'settingsDigest', settings_digest)), '[]')
          from analyses where instance = instances.id) as analyzed,
         (select worker from workitems where workitems.study_instance_uid = instances.study_instance_uid and state = 'running'
            and instances.id = any(workitems.instances)) as worker
       from instances join studies using (study_instance_uid)
       where instances.id = $1 and current and studies.conflict is null and instances.route is not null`,
      [instanceId],
    );
    return row;
  }

  /** Keeps who judges an image, before they do. */
  async recordChoice(studyInstanceUid: string, choice: RecordedChoice): Promise<void> {
    await this.#dataSource.transaction(async (transaction) => {
      await lockStudy(transaction, studyInstanceUid);
      if (!(await recordChoices(transaction, [choice]))) return;
      await refreshStudy(transaction, studyInstanceUid);
      await notifyStudy(transaction, studyInstanceUid);
    });
  }

  /** Stores what a model said of a frame, once; a repeated analysis changes nothing. */
  async saveAnalysis(
    studyInstanceUid: string,
    analysis: NewAnalysis,
    modelsOf: ModelsOf,
    whenReady: (workitem: string, transaction: EntityManager) => Promise<void>,
  ): Promise<void> {
    await this.#dataSource.transaction(async (transaction) => {
      await lockStudy(transaction, studyInstanceUid);
      const [row]: { id: string }[] = await transaction.query(
        `insert into analyses (instance, frame, model_name, model_version, model_sha256, settings_digest, status, reason, label,
           finding, sought, probability, threshold, positive, scores, provider, milliseconds, severity, analyzed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, now()) on conflict do nothing returning id`,
        [
          analysis.instance, analysis.frame, analysis.modelName, analysis.modelVersion, analysis.modelSha256, analysis.settingsDigest,
          analysis.status, analysis.reason, analysis.label, analysis.finding, analysis.sought, analysis.probability, analysis.threshold, analysis.positive,
          JSON.stringify(analysis.scores), analysis.provider, analysis.milliseconds, analysis.severity && JSON.stringify(analysis.severity),
        ],
      );
      if (row)
        for (const [ordinal, region] of analysis.regions.entries())
          await transaction.query(
            `insert into regions (analysis, ordinal, x, y, width, height, label, score, tracking_uid) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
            [row.id, ordinal, region.x, region.y, region.width, region.height, region.label, region.score, region.trackingUid],
          );
      if (row && analysis.sample) await keepSample(transaction, analysis, analysis.sample);
      await refreshStudy(transaction, studyInstanceUid);
      const running: { id: string; route: string }[] = await transaction.query(
        `select id, route from workitems where study_instance_uid = $1 and state = 'running' and instances @> array[$2::uuid]`,
        [studyInstanceUid, analysis.instance],
      );
      for (const { id, route } of running)
        if (!(await hasSilentImage(transaction, id)) && (await unanalyzed(transaction, id, route, modelsOf)).length === 0) await whenReady(id, transaction);
      if (await isProgressDue(transaction, running.map(({ id }) => id))) await showWorkitems(transaction, studyInstanceUid);
      await notifyStudy(transaction, studyInstanceUid);
    });
  }

  /**
   * Closes a study whose quiet period is over. An image that has no analysis by each model is asked for again: its job may have
   * ended while the study was held, or the route may have got another model since.
   */
  async closeStudy(
    studyInstanceUid: string,
    modelsOf: ModelsOf,
    next: Next,
  ): Promise<Closing> {
    return this.#dataSource.transaction(async (transaction) => {
      await lockStudy(transaction, studyInstanceUid);
      const [study]: { due_at: Date | null; quiet: boolean; conflict: string | null }[] = await transaction.query(
        `select due_at, due_at <= now() as quiet, conflict from studies where study_instance_uid = $1`,
        [studyInstanceUid],
      );
      if (!study?.due_at) return {};
      if (!study.quiet) return { notBefore: study.due_at };
      await transaction.query(`update studies set intake = 'complete', due_at = null where study_instance_uid = $1`, [studyInstanceUid]);
      const [[workitem]]: [{ id: string; route: string }[], number] = await transaction.query(
        `update workitems set state = 'running', closed_at = now(), instances = array(
           select id from instances
           where ${ROUTED_IMAGES}
           order by received_at, id)
         where study_instance_uid = $1 and state = 'waiting' returning id, route`,
        [studyInstanceUid],
      );
      // Models that were ordered for the study judge its late images as well.
      if (workitem) await transaction.query(`update instances set route = $2 where ${ROUTED_IMAGES} and ${isOrderedOf('$2', 'route')}`, [studyInstanceUid, workitem.route]);
      await refreshStudy(transaction, studyInstanceUid);
      await notifyStudy(transaction, studyInstanceUid);
      if (!workitem) return {};
      // What an earlier one still waits for comes in this one's report; were both to go on, the older could end as the current one.
      await transaction.query(
        `with taken as (
           update workitems set state = 'completed', completed_at = now(), reason = 'taken over by the next version'
           where study_instance_uid = $1 and state = 'running' and id <> $2 returning id)
         update ups set workitem = $2 where origin = 'order' and workitem in (select id from taken)`,
        [studyInstanceUid, workitem.id],
      );
      const outside = study.conflict === null && next.isOutside(workitem.route);
      if (outside) await transaction.query(`update workitems set worker = 'outside' where id = $1`, [workitem.id]);
      await showWorkitems(transaction, studyInstanceUid);
      if (outside) {
        await next.publish(workitem.id, transaction);
        return { workitem: workitem.id };
      }
      const open = study.conflict === null ? await unanalyzed(transaction, workitem.id, workitem.route, modelsOf) : [];
      if (open.length > 0) await next.analyze(open, transaction);
      else await next.whenReady(workitem.id, transaction);
      return { workitem: workitem.id };
    });
  }

  /** A person has looked: a study that was held for a contradiction is analysed after all. @returns its images */
  async release(studyInstanceUid: string, enqueue: (images: string[], transaction: EntityManager) => Promise<void>): Promise<string[] | undefined> {
    return this.#dataSource.transaction(async (transaction) => {
      await lockStudy(transaction, studyInstanceUid);
      const [released]: [{ route: string | null }[], number] = await transaction.query(
        `update studies set conflict = null, flagged = 'released by a person: ' || conflict, due_at = now(), intake = 'receiving', analysis = 'waiting'
         where study_instance_uid = $1 and conflict is not null returning route`,
        [studyInstanceUid],
      );
      if (!released[0]) return undefined;
      const images: { id: string }[] = await transaction.query(
        `select id from instances where ${ROUTED_IMAGES}`,
        [studyInstanceUid],
      );
      await openWorkitem(transaction, studyInstanceUid, null);
      await enqueue(images.map(({ id }) => id), transaction);
      await notifyStudy(transaction, studyInstanceUid);
      return images.map(({ id }) => id);
    });
  }

  /** Everything that the results of a workitem are made from; undefined once they are made. */
  async content(workitemId: string): Promise<WorkitemContent | undefined> {
    return this.#dataSource.transaction('REPEATABLE READ', async (transaction) => {
      const workitem = await transaction.findOneBy<Workitem>('Workitem', { id: workitemId });
      if (!workitem || workitem.state !== 'running') return undefined;
      const [study]: { conflict: string | null }[] = await transaction.query('select conflict from studies where study_instance_uid = $1', [workitem.studyInstanceUid]);
      const images: ImageRow[] = await transaction.query(
        `select ${IMAGE_COLUMNS} from instances where id = any($1) order by array_position($1, id)`,
        [workitem.instances],
      );
      const reports = await transaction.findBy<Result>('Result', { studyInstanceUid: workitem.studyInstanceUid, kind: 'structured-report', current: true });
      const [purged]: { times: number }[] = await transaction.query('select times from purged_studies where study_instance_uid = $1', [workitem.studyInstanceUid]);
      return { workitem, conflict: study?.conflict ?? null, images, analyses: await newestAnalyses(transaction, workitem.instances), reports, purges: purged?.times ?? 0 };
    });
  }

  /**
   * Stores the rows of results whose bytes are durable, makes them the current ones, and opens their deliveries.
   * @param choices who judged each image; the study's outcome is theirs
   */
  async complete(workitem: Workitem, results: NewResult[], deliveries: NewDelivery[], choices: RecordedChoice[], reason: string | null, enqueue: Enqueue): Promise<void> {
    await this.#dataSource.transaction(async (transaction) => {
      await lockStudy(transaction, workitem.studyInstanceUid);
      const [done]: [unknown[], number] = await transaction.query(
        `update workitems set state = 'completed', completed_at = now(), reason = $2 where id = $1 and state = 'running' returning id`,
        [workitem.id, reason],
      );
      if (done.length === 0) return; // another run of this job was quicker
      await transaction.query('update results set current = false where study_instance_uid = $1', [workitem.studyInstanceUid]);
      for (const result of results) await insertResult(transaction, workitem.id, result);
      await refreshCounts(transaction, workitem.studyInstanceUid);
      for (const delivery of deliveries)
        await transaction.query(
          `insert into deliveries (sop_instance_uid, destination, state, created_at, next_attempt_at, deadline_at)
           values ($1, $2, 'pending', now(), now(), $3) on conflict do nothing`,
          [delivery.sopInstanceUid, delivery.destination, delivery.deadlineAt],
        );
      await recordChoices(transaction, choices);
      await refreshStudy(transaction, workitem.studyInstanceUid);
      await showWorkitems(transaction, workitem.studyInstanceUid);
      await enqueue(transaction);
      await notifyStudy(transaction, workitem.studyInstanceUid);
    });
  }
}

export async function insertResult(transaction: EntityManager, workitem: string, result: NewResult): Promise<void> {
  // The overlay of an image that did not change is the one that was made before: it becomes current again.
  await transaction.query(
    `insert into results (sop_instance_uid, study_instance_uid, series_instance_uid, sop_class_uid, kind, source_sop_instance_uid,
       alternative_to, predecessor, blob, digest, bytes, model_name, model_version, model_sha256, current, created_at, header, frames, instance_number, returned)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, true, $15, $16::jsonb, $17, dicom_integer($16::jsonb #>> '{00200013,Value,0}'),
       exists (select from instances where instances.sop_instance_uid = $1))
     on conflict (sop_instance_uid) do update set current = true, deleted_at = null`,
    [
      result.sopInstanceUid, result.studyInstanceUid, result.seriesInstanceUid, result.sopClassUid, result.kind, result.sourceSopInstanceUid,
      result.alternativeTo, result.predecessor, result.blob, result.digest, result.bytes, result.modelName, result.modelVersion,
      result.modelSha256, result.createdAt, JSON.stringify(result.header), result.frames,
    ],
  );
  await archiveResult(transaction, result.sopInstanceUid);
  await transaction.query('insert into workitem_results (workitem, sop_instance_uid) values ($1, $2) on conflict do nothing', [workitem, result.sopInstanceUid]);
}

/**
 * Opens the study's next workitem, unless one is open already.
 * @param route null: the study's own; without any, none is opened
 * @param show whether it gets a Unified Procedure Step; one that was ordered has the caller's
 */
export async function openWorkitem(transaction: EntityManager, studyInstanceUid: string, route: string | null, show = true): Promise<void> {
  const opened: unknown[] = await transaction.query(
    `insert into workitems (study_instance_uid, version, route, state, created_at)
     select $1, (select coalesce(max(version), 0) + 1 from workitems where study_instance_uid = $1),
       coalesce(case when ${isOrderedOf('route', '$2')} then route end, $2, route), 'waiting', now()
     from studies where study_instance_uid = $1 and coalesce($2, route) is not null
     on conflict (study_instance_uid) where state = 'waiting' do nothing returning 1`,
    [studyInstanceUid, route],
  );
  if (show && opened.length > 0) await showNewWorkitem(transaction, studyInstanceUid);
}

/** Intake and analysis of one study take turns: the same lock as indexing. */
export async function lockStudy(transaction: EntityManager, studyInstanceUid: string): Promise<void> {
  await transaction.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [studyInstanceUid]);
}

/** @returns whether any was another before */
async function recordChoices(transaction: EntityManager, choices: RecordedChoice[]): Promise<boolean> {
  const [changed]: [unknown[], number] = await transaction.query(
    `update instances set judged_by = array(select jsonb_array_elements_text(choice->'judgedBy')), left_out = choice->'leftOut'
     from jsonb_array_elements($1::jsonb) as choice
     where id = (choice->>'instance')::uuid
       and (judged_by, left_out) is distinct from (array(select jsonb_array_elements_text(choice->'judgedBy')), choice->'leftOut')
     returning 1`,
    [JSON.stringify(choices)],
  );
  return changed.length > 0;
}

/** Whether an image has no analysis at all: told without its header, of which there may be many in a study. */
async function hasSilentImage(transaction: EntityManager, workitem: string): Promise<boolean> {
  const rows: unknown[] = await transaction.query(
    `select 1 from workitems join instances on instances.id = any(workitems.instances)
     where workitems.id = $1 and not exists (select from analyses where instance = instances.id) limit 1`,
    [workitem],
  );
  return rows.length > 0;
}

/** The images of a workitem of which a frame has no analysis by one of the models that judge it; by any, where the route is gone. */
async function unanalyzed(transaction: EntityManager, workitem: string, route: string, modelsOf: ModelsOf): Promise<string[]> {
  const rows: { id: string; header: Dataset; frames: number; spoken: Record<string, number> }[] = await transaction.query(
    `select instances.id, ${COMPLETED_HEADER} as header, ${FRAMES_TO_ANALYZE} as frames,
       (select coalesce(json_object_agg(settings_digest, frames), '{}') from (
          select settings_digest, count(distinct frame) as frames from analyses where instance = instances.id group by settings_digest) as said) as spoken
     from workitems join instances on instances.id = any(workitems.instances) where workitems.id = $1`,
    [workitem],
  );
  const isOpen = ({ header, frames, spoken }: (typeof rows)[number]): boolean => {
    const judges = modelsOf(route, header);
    const isDone = (digest: string): boolean => (spoken[digest] ?? 0) >= frames;
    return judges.length > 0 ? !judges.every(isDone) : !Object.keys(spoken).some(isDone);
  };
  return rows.filter(isOpen).map(({ id }) => id);
}

async function newestAnalyses(transaction: EntityManager, instances: string[]): Promise<StoredAnalysis[]> {
  const analyses: StoredAnalysis[] = await transaction
    .getRepository<StoredAnalysis>('Analysis')
    .createQueryBuilder('analysis')
    .distinctOn(['analysis.instance', 'analysis.frame', 'analysis.settingsDigest'])
    .where('analysis.instance = any(:instances)', { instances })
    .orderBy({ 'analysis.instance': 'ASC', 'analysis.frame': 'ASC', 'analysis.settingsDigest': 'ASC', 'analysis.id': 'DESC' })
    .getMany();
  const regions = await transaction
    .getRepository<RegionRow>('Region')
    .createQueryBuilder('region')
    .where('region.analysis = any(:analyses)', { analyses: analyses.map(({ id }) => id) })
    .orderBy('region.ordinal')
    .getMany();
  return analyses.map((analysis) => ({ ...analysis, regions: regions.filter((region) => region.analysis === analysis.id) }));
}
