// The study's outcome, derived from the newest analyses of its current images and kept in its row, where the worklist orders by it.
import type { EntityManager } from 'typeorm';

/**
 * The outcome is the highest probability of any image that could be analysed: a lateral that cannot be never overrides it.
 * A positive stays a positive whatever else happened; without one, a failure leaves the study unknown, not negative.
 * What was said before patients were found to contradict each other no longer counts: whose it is, nobody knows.
 * While an image waits, the outcome so far counts: a sick patient does not wait for the rest of the study.
 */
export async function refreshStudy(transaction: EntityManager, studyInstanceUid: string): Promise<void> {
  await transaction.query(REFRESH, [studyInstanceUid]);
}

/** The images of study $1 that its outcome is made of. */
export const ROUTED_IMAGES = `study_instance_uid = $1 and current and origin = 'source' and route is not null and frames > 0`;

const REFRESH = `
  with images as (
    select id from instances
    where ${ROUTED_IMAGES}
  ), newest as (
    select distinct on (instance, frame, model_name) *
    from analyses where instance in (select id from images)
    order by instance, frame, model_name, id desc
  ), best as (
    select probability, threshold, positive, severity from newest
    where status = 'analyzed' and not exists (select from studies where study_instance_uid = $1 and conflict is not null)
    order by positive desc, probability desc limit 1
  ), summary as (
    select count(*) as analyses,
      count(*) filter (where status = 'analyzed') as analyzed,
      count(*) filter (where status = 'failed') as failed,
      (select count(*) from images where id not in (select instance from newest)) as waiting,
      (select count(*) from regions where analysis in (select id from newest) and exists (select from best)) as regions,
      min(reason) filter (where status = 'failed') as failure,
      min(reason) filter (where status = 'not-analyzable') as refusal
    from newest
  )
  update studies set
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
