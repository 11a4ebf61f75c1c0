// What candidates said in the shadow of the models in use, and how it compares. In a table of its own, which nothing that decides
// about a patient reads.
import type { DataSource } from 'typeorm';
import { keepSample, type DriftSample } from './drift.repository.ts';
import type { Analysis } from './entities/workitem.ts';

export type ShadowRun = Pick<Analysis, 'instance' | 'frame' | 'modelName' | 'modelVersion' | 'modelSha256' | 'settingsDigest'>;

/** As ai/analysis.ts has it. */
export interface ShadowOutcome {
  status: 'analyzed' | 'not-analyzable' | 'failed';
  reason?: string;
  label?: string;
  probability?: number;
  threshold?: number;
  positive?: boolean;
  scores?: Record<string, number>;
  regions?: readonly object[];
  provider?: string;
  milliseconds?: number;
}

/** A candidate beside one model in use, on the images that both were asked about. */
export interface PairCounts {
  candidate: { name: string; version: string; sha256: string };
  model: { name: string; version: string; sha256: string };
  bothPositive: number;
  onlyCandidatePositive: number;
  onlyModelPositive: number;
  bothNegative: number;
  /** Images that the candidate could analyse and the model could not, and the other way round. */
  onlyCandidateAnalyzed: number;
  onlyModelAnalyzed: number;
  /** Mean of candidate minus model; null where there is no image. */
  meanDifference: number | null;
  /** Pearson's; null where either never varies. */
  correlation: number | null;
}

export interface DifferingImage {
  studyInstanceUid: string;
  sopInstanceUid: string;
  frame: number;
  candidate: { probability: number; positive: boolean };
  model: { probability: number; positive: boolean };
}

/**
 * Pairs of one image, one candidate ($1: by name, as it was set up last) and one model in use: current images alone, and of their
 * models those whose word counts.
 */
const PAIRS = `
  with candidate as (
    select distinct on (instance, frame) shadow_analyses.*, study_instance_uid, sop_instance_uid, judged_by
    from shadow_analyses join instances on instances.id = instance
    where current and model_name = $1
      and settings_digest = (select settings_digest from shadow_analyses where model_name = $1 order by id desc limit 1)
    order by instance, frame, shadow_analyses.id desc
  ), pairs as (
    select distinct on (analyses.instance, analyses.frame, analyses.model_name)
      candidate.study_instance_uid, candidate.sop_instance_uid, candidate.frame,
      candidate.model_version as candidate_version, candidate.model_sha256 as candidate_sha256,
      candidate.status as candidate_status, candidate.probability as candidate_probability, candidate.positive as candidate_positive,
      analyses.model_name, analyses.model_version, analyses.model_sha256, analyses.status, analyses.probability, analyses.positive
    from candidate join analyses on analyses.instance = candidate.instance and analyses.frame = candidate.frame
      and analyses.settings_digest = any(candidate.judged_by) and analyses.model_name <> $1
    order by analyses.instance, analyses.frame, analyses.model_name, analyses.id desc
  )`;
const BOTH = `candidate_status = 'analyzed' and status = 'analyzed'`;

export class ShadowRepository {
  readonly #dataSource: DataSource;

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  async isKnown({ instance, frame, modelSha256, settingsDigest }: ShadowRun): Promise<boolean> {
    const rows: unknown[] = await this.#dataSource.query(
      'select 1 from shadow_analyses where instance = $1 and frame = $2 and model_sha256 = $3 and settings_digest = $4',
      [instance, frame, modelSha256, settingsDigest],
    );
    return rows.length > 0;
  }

  /** Stores what a candidate said of a frame, once; a repeated analysis changes nothing. */
  async save(run: ShadowRun, outcome: ShadowOutcome, sample?: DriftSample): Promise<void> {
    await this.#dataSource.transaction(async (transaction) => {
      const rows: unknown[] = await transaction.query(
        `insert into shadow_analyses (instance, frame, model_name, model_version, model_sha256, settings_digest, status, reason, label,
           probability, threshold, positive, scores, regions, provider, milliseconds, analyzed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, now()) on conflict do nothing returning 1`,
        [
          run.instance, run.frame, run.modelName, run.modelVersion, run.modelSha256, run.settingsDigest, outcome.status, outcome.reason ?? null,
          outcome.label ?? null, outcome.probability ?? null, outcome.threshold ?? null, outcome.positive ?? null,
          outcome.scores ? JSON.stringify(outcome.scores) : null, JSON.stringify(outcome.regions ?? []), outcome.provider ?? null, outcome.milliseconds ?? null,
        ],
      );
      if (rows.length > 0 && sample) await keepSample(transaction, run, sample);
    });
  }

  /** Names of all candidates that ever spoke. */
  async candidates(): Promise<string[]> {
    const rows: { name: string }[] = await this.#dataSource.query('select distinct model_name as name from shadow_analyses order by name');
    return rows.map(({ name }) => name);
  }

  /** One for each model in use and version, the one with the most images first. */
  async compare(candidate: string): Promise<PairCounts[]> {
    return this.#dataSource.query(
      `${PAIRS}
       select json_build_object('name', $1::text, 'version', candidate_version, 'sha256', candidate_sha256) as candidate,
         json_build_object('name', model_name, 'version', model_version, 'sha256', model_sha256) as model,
         (count(*) filter (where ${BOTH} and candidate_positive and positive))::int as "bothPositive",
         (count(*) filter (where ${BOTH} and candidate_positive and not positive))::int as "onlyCandidatePositive",
         (count(*) filter (where ${BOTH} and not candidate_positive and positive))::int as "onlyModelPositive",
         (count(*) filter (where ${BOTH} and not candidate_positive and not positive))::int as "bothNegative",
         (count(*) filter (where candidate_status = 'analyzed' and status <> 'analyzed'))::int as "onlyCandidateAnalyzed",
         (count(*) filter (where candidate_status <> 'analyzed' and status = 'analyzed'))::int as "onlyModelAnalyzed",
         avg(candidate_probability - probability) filter (where ${BOTH}) as "meanDifference",
         round((corr(candidate_probability, probability) filter (where ${BOTH}))::numeric, 12)::float8 as correlation
       from pairs group by candidate_version, candidate_sha256, model_name, model_version, model_sha256 order by count(*) desc, model_name, model_version`,
      [candidate],
    );
  }

  /** The images on which a candidate and one model in use differ most in their probability, the widest apart first. */
  async differing(candidate: string, { name, sha256 }: { name: string; sha256: string }, limit: number): Promise<DifferingImage[]> {
    return this.#dataSource.query(
      `${PAIRS}
       select study_instance_uid as "studyInstanceUid", sop_instance_uid as "sopInstanceUid", frame,
         json_build_object('probability', candidate_probability, 'positive', candidate_positive) as candidate,
         json_build_object('probability', probability, 'positive', positive) as model
       from pairs where ${BOTH} and model_name = $2 and model_sha256 = $3
       order by abs(candidate_probability - probability) desc, study_instance_uid, sop_instance_uid, frame limit $4`,
      [candidate, name, sha256, limit],
    );
  }
}
