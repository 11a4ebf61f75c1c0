// Update Workitem: POST /dicomweb/workitems/{workitem}[?{transaction-uid}] (PS3.18 11.6, PS3.4 CC.2.6).
import type { Request, Response } from 'express';
import { dataset, text, type Dataset } from '../../storage/dicom/dataset.ts';
import { assignedReport, progressReport, stateReport, type StepEvent } from '../../storage/ups/events.ts';
import { dicomDateTime, isFinal, type Step } from '../../storage/ups/step.ts';
import type { StepChange } from '../../storage/ups.repository.ts';
import { serviceRoot } from '../dicomweb/service-root.ts';
import { requireUid } from '../dicomweb/uid-path.ts';
import { HttpError } from '../http/errors.ts';
import { readStep } from './payload.ts';
import { updateProblems } from './requirements.ts';
import { noSuchStep, refused, warning, type UpsService } from './service.ts';
import { uidInQuery } from './uid-in-query.ts';

const INCONSISTENT = 'The submitted request is inconsistent with the current state of the Workitem.';
const NOT_CLAIMED = 'The target URI did not reference a claimed Workitem.';

/** 200. @throws {HttpError} 400 naming what cannot be changed, 404, 409 where the state or the Transaction UID does not allow it */
export async function updateWorkitem(request: Request, response: Response, service: UpsService): Promise<void> {
  const root = serviceRoot(request);
  const uid = requireUid(request, 'workitem');
  const inQuery = uidInQuery(request, ['transaction-uid', 'transaction', 'transactionuid']);
  const { '00081195': _, ...body } = await readStep(request, response);
  const transactionUid = inQuery ?? text(_ ? { '00081195': _ } : {}, 'TransactionUID');
  const problems = updateProblems(body);
  if (problems.length > 0) throw new HttpError(400, `The workitem cannot be changed so: ${problems.join('; ')}.`, warning(root, INCONSISTENT));
  const step = await service.steps.change(uid, (current) => {
    requireUpdatable(current, transactionUid, root);
    return changeOf(current, body, service);
  });
  if (!step) throw noSuchStep();
  response.status(200).set({ 'Cache-Control': 'no-store', 'Content-Location': `${root}/workitems/${uid}` }).end();
}

function requireUpdatable(step: Step, transactionUid: string | undefined, root: string): void {
  if (isFinal(step.state)) throw new HttpError(409, `The step is ${step.state} and can no longer be changed.`, warning(root, INCONSISTENT));
  if (step.performer === 'hilum' || (step.origin === 'workitem' && step.performer === null))
    throw new HttpError(409, 'The step is kept by the gateway, which performs it.', warning(root, step.state === 'SCHEDULED' ? INCONSISTENT : NOT_CLAIMED));
  if (step.state === 'SCHEDULED') {
    if (transactionUid !== undefined) throw new HttpError(409, 'The step has not been claimed and has no Transaction UID.', warning(root, NOT_CLAIMED));
    return;
  }
  if (transactionUid === undefined) throw new HttpError(409, 'The step is in progress: only its performer changes it, with its Transaction UID.', warning(root, 'The Transaction UID is missing.'));
  if (transactionUid !== step.transactionUid) throw refused(root, 'C301');
}

function changeOf(step: Step, body: Dataset, service: UpsService): StepChange {
  const changed = { ...step.dataset, ...body, ...dataset({ ScheduledProcedureStepModificationDateTime: dicomDateTime(new Date()) }) };
  const differs = (...tags: string[]): boolean => tags.some((tag) => JSON.stringify(changed[tag]) !== JSON.stringify(step.dataset[tag]));
  const assigned = differs('00404025', '00404034') ? assignedReport(changed) : undefined;
  const becameReady = step.origin === 'order' && differs('00404041') && text(changed, 'InputReadinessState') === 'READY';
  const events: StepEvent[] = [
    ...(differs('00404041') ? [stateReport(changed)] : []),
    ...(differs('00741002') && step.state === 'IN PROGRESS' ? [progressReport(changed)] : []),
    ...(assigned ? [assigned] : []),
  ];
  return { dataset: changed, events, ...(becameReady && { after: (transaction) => service.order(step.uid, transaction) }) };
}
