// The study's outcome, derived from the newest analyses of its current images and kept in its row, where the worklist orders by it.
import type { EntityManager } from 'typeorm';
import { FRAMES_TO_ANALYZE } from './frames-to-analyze.ts';

/**
 * The outcome is the highest probability of any image that could be analysed: a lateral that cannot be never overrides it.
 * A positive stays a positive whatever else happened; without one, a failure leaves the study unknown, not negative.
 * What was said before patients were found to contradict each other no longer counts: whose it is, nobody knows.
 * While an image waits, the outcome so far counts: a sick patient does not wait for the rest of the study.
 * Of several models in use each counts as it was calibrated: one that is positive at its own threshold makes the study positive,
 * and the most probable of those that are, or else of all, gives the probability. A model that was replaced counts until its
 * successor has spoken.
 */
export async function refreshStudy(transaction: EntityManager, studyInstanceUid: string): Promise<void> {
  await transaction.query(REFRESH, [studyInstanceUid]);
}

/** The images of study $1 that its outcome is made of. */
export const ROUTED_IMAGES = `study_instance_uid = $1 and current and origin = 'source' and route is not null and frames > 0`;

const REFRESH = `
  with images as (
    select id, judged_by, (select count(distinct (frame, settings_digest)) from analyses
        where instance = instances.id and (judged_by is null or settings_digest = any(judged_by)))
      >= ${FRAMES_TO_ANALYZE} * greatest(1, cardinality(judged_by)) as judged
    from instances
    where ${ROUTED_IMAGES}
  ), newest as (
    select distinct on (instance, frame, model_name) analyses.*
    from analyses join images on images.id = instance
    where not judged or judged_by is null or settings_digest = any(judged_by)
    order by instance, frame, model_name, analyses.id desc
  ), best as (
    select model_name, finding, sought, probability, threshold, positive, severity from newest
    where status = 'analyzed' and not exists (select from studies where study_instance_uid = $1 and conflict is not null)
    order by positive desc, probability desc, id limit 1
  ), summary as (
    select count(*) as analyses,
      count(*) filter (where status = 'analyzed') as analyzed,
      count(*) filter (where status = 'failed') as failed,
      (select count(*) from images where not judged) as waiting,
      (select count(*) from regions where analysis in (select newest.id from newest join best using (model_name))) as regions,
      min(reason) filter (where status = 'failed') as failure,
      min(reason) filter (where status = 'not-analyzable') as refusal
    from newest
  )
  update studies set
    finding = best.finding, sought = best.sought,
    probability = best.probability, threshold = best.threshold, positive = best.positive, severity = best.severity, regions = summary.regions,
    analysis = case
      when studies.conflict is not null then 'not-analyzable'
      when not exists (select from images) then 'not-routed'
      when summary.analyses = 0 then 'waiting'
      when summary.waiting > 0 then 'running'
      when best.positive then 'analyzed'
      when summary.failed > 0 then 'failed'
      when summary.analyzed > 0 then 'analyzed'
      else 'not-analyzable' end,
    reason = case
      when studies.conflict is not null then studies.conflict
      when not exists (select from images) then studies.reason
      when best.positive then null
      when summary.failed > 0 then summary.failure
      when summary.analyzed > 0 then null
      else summary.refusal end
  from summary left join best on true
  where study_instance_uid = $1`;
