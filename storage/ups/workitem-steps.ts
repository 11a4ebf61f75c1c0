// The AI workitems as Unified Procedure Steps: each is shown as its rows are, in the transaction that changes them. A step says
// nothing that the workitem does not, so that both can never disagree.
import type { EntityManager } from 'typeorm';
import { dataset, text, type Dataset } from '../dicom/dataset.ts';
import { deriveUid } from '../dicom/uids.ts';
import { applyChange, insertStep } from '../ups.repository.ts';
import { progressReport, stateReport, type StepEvent } from './events.ts';
import { UPS_PUSH_CLASS, workitemStepUid, type Step } from './step.ts';
import { stepOf, type WorkitemFacts } from './workitem-dataset.ts';

const OF_WORKITEM = `workitems.id, workitems.version, workitems.route, workitems.state, workitems.reason, workitems.worker,
  workitems.created_at as "createdAt", workitems.closed_at as "closedAt", workitems.completed_at as "completedAt"`;
const OF_STUDY = `studies.study_instance_uid as "studyInstanceUid", patient_name as "patientName", coalesce(patients.patient_id, '') as "patientId", coalesce(issuer, '') as issuer,
  patient_birth_date as "birthDate", patient_sex as sex, accession_number as "accessionNumber", studies.analysis, studies.reason as "outcomeReason", studies.positive`;
const reference = (table: string): string => `json_build_object('seriesInstanceUid', ${table}.series_instance_uid, 'sopClassUid', ${table}.sop_class_uid, 'sopInstanceUid', ${table}.sop_instance_uid)`;
const OF_WORK = `
  (select json_agg(${reference('instances')} order by received_at, instances.id) from instances where instances.id = any(workitems.instances)) as inputs,
  (select count(*)::int from unnest(workitems.instances) as image where exists (select from analyses where instance = image)) as analyzed,
  (select json_agg(distinct jsonb_build_object('name', model_name, 'version', model_version)) from analyses where instance = any(workitems.instances)) as models,
  (select json_agg(${reference('results')} order by kind desc, results.sop_instance_uid)
    from workitem_results join results using (sop_instance_uid) where workitem = workitems.id and alternative_to is null) as outputs`;
const SOURCES = `workitems join studies using (study_instance_uid) left join patients on patients.id = studies.patient`;

type StepRow = Pick<Step, 'uid' | 'dataset' | 'state' | 'origin' | 'performer' | 'workitem'>;

/** Whether steps under way have not told of their progress lately: of a study of thousands of images, not each is worth an event. */
export async function isProgressDue(transaction: EntityManager, workitems: string[]): Promise<boolean> {
  const rows: unknown[] = workitems.length === 0 ? [] : await transaction.query(
    `select 1 from ups where workitem = any($1) and state = 'IN PROGRESS' and changed_at < now() - interval '1 second' limit 1`,
    [workitems],
  );
  return rows.length > 0;
}

/** A workitem was opened: nothing has been done in it, and it has no step yet. On the way of every study into the index, so that it is short. */
export async function showNewWorkitem(transaction: EntityManager, studyInstanceUid: string): Promise<void> {
  const opened: WorkitemFacts[] = await transaction.query(
    `select ${OF_WORKITEM}, ${OF_STUDY}, null as inputs, 0 as analyzed, null as models, null as outputs from ${SOURCES}
     where workitems.study_instance_uid = $1 and workitems.state = 'waiting'`,
    [studyInstanceUid],
  );
  for (const facts of opened) await addStep(transaction, facts, []);
}

/** Brings the steps of a study's workitems up to date; under the study's lock. */
export async function showWorkitems(transaction: EntityManager, studyInstanceUid: string): Promise<void> {
  const open: WorkitemFacts[] = await transaction.query(
    `select ${OF_WORKITEM}, ${OF_STUDY}, ${OF_WORK} from ${SOURCES} where workitems.study_instance_uid = $1
       and (workitems.state <> 'completed' or exists (select from ups where ups.workitem = workitems.id and ups.state in ('SCHEDULED', 'IN PROGRESS')))`,
    [studyInstanceUid],
  );
  if (open.length === 0) return;
  const steps: StepRow[] = await transaction.query(
    `select sop_instance_uid as uid, dataset, state, origin, performer, workitem from ups where workitem = any($1) order by sop_instance_uid for no key update`,
    [open.map(({ id }) => id)],
  );
  for (const facts of open) {
    const shown = steps.filter(({ workitem }) => workitem === facts.id);
    const own = shown.filter(({ origin }) => origin === 'workitem');
    // A worker from outside that gave up has ended its step; who does the work after all does it in one that replaces it.
    const isOrdered = shown.length > own.length;
    if (facts.state !== 'completed' && !isOrdered && own.every(({ state }) => state === 'CANCELED')) await addStep(transaction, facts, own.map(({ uid }) => uid));
    for (const step of shown) if (step.state === 'SCHEDULED' || step.state === 'IN PROGRESS') await showChange(transaction, step, facts);
  }
}

async function addStep(transaction: EntityManager, facts: WorkitemFacts, replaced: string[]): Promise<void> {
  const uid = replaced.length === 0 ? workitemStepUid(facts.id) : deriveUid('2.25', 'step', facts.id, String(replaced.length));
  const performer = facts.worker === 'outside' || facts.state === 'waiting' ? null : 'hilum';
  const replaces = dataset({ ReplacedProcedureStepSequence: replaced.map((uid) => dataset({ ReferencedSOPClassUID: UPS_PUSH_CLASS, ReferencedSOPInstanceUID: uid })) });
  const step = { ...stepOf(facts, false), ...(replaced.length > 0 && replaces) };
  await insertStep(transaction, { uid, dataset: step, origin: 'workitem', workitem: facts.id, transactionUid: null, performer });
}

/** What an outside worker holds is its own to write; the workitem follows it, not the other way round. */
async function showChange(transaction: EntityManager, step: StepRow, facts: WorkitemFacts): Promise<void> {
  if (step.performer === 'outside' && facts.worker === 'outside' && facts.state !== 'completed') return;
  const shown = { ...step.dataset, ...stepOf(facts, step.origin === 'order') };
  const state = text(shown, 'ProcedureStepState');
  // Nobody is told of a step that ended without having begun (PS3.4 table CC.1.1-2).
  const begun = step.state === 'SCHEDULED' && (state === 'COMPLETED' || state === 'CANCELED');
  const events: StepEvent[] = begun ? [stateReport({ ...shown, ...dataset({ ProcedureStepState: 'IN PROGRESS' }) })] : [];
  const changed = (keyword: string): boolean => text(shown, keyword) !== text(step.dataset, keyword);
  if (changed('ProcedureStepState') || changed('InputReadinessState')) events.push(stateReport(shown));
  if (state === 'IN PROGRESS' && JSON.stringify(progressOf(shown)) !== JSON.stringify(progressOf(step.dataset))) events.push(progressReport(shown));
  if (events.length === 0) return;
  const ours = facts.state === 'waiting' || facts.worker === 'outside' ? {} : { performer: 'hilum' as const };
  await applyChange(transaction, step, { dataset: shown, events, ...ours });
}

const progressOf = (dataset: Dataset): unknown => dataset['00741002']?.Value?.[0];
