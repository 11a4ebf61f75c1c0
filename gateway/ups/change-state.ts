// Change Workitem State: PUT /dicomweb/workitems/{workitem}/state (PS3.18 11.7, PS3.4 CC.2.1): a worker claims a step, completes it, or
// gives it up.
import type { Request, Response } from 'express';
import { dataset, text, type Dataset } from '../../storage/dicom/dataset.ts';
import { isUid } from '../../storage/dicom/uids.ts';
import { stateReport } from '../../storage/ups/events.ts';
import { dicomDateTime, isFinal, type Step, type StepState } from '../../storage/ups/step.ts';
import type { StepChange } from '../../storage/ups.repository.ts';
import { serviceRoot } from '../dicomweb/service-root.ts';
import { requireUid } from '../dicomweb/uid-path.ts';
import { HttpError } from '../http/errors.ts';
import { readStep } from './payload.ts';
import { finalStateProblems } from './requirements.ts';
import { noSuchStep, refused, warning, warningOf, type UpsService } from './service.ts';
import { transitionOf, type StepRequest } from './state-machine.ts';

const REQUESTED = ['IN PROGRESS', 'COMPLETED', 'CANCELED', 'SCHEDULED'] as const;

/** 200, with a warning where it was so already. @throws {HttpError} 400, 404, 409 by PS3.4 table CC.1.1-2 */
export async function changeWorkitemState(request: Request, response: Response, service: UpsService): Promise<void> {
  const root = serviceRoot(request);
  const uid = requireUid(request, 'workitem');
  const body = await readStep(request, response);
  const requested = REQUESTED.find((state) => state === text(body, 'ProcedureStepState'));
  if (!requested) throw new HttpError(400, `ProcedureStepState (0074,1000) must be ${REQUESTED.slice(0, 3).join(', ')}.`);
  const transactionUid = text(body, 'TransactionUID');
  if (transactionUid === undefined || !isUid(transactionUid)) throw new HttpError(400, 'TransactionUID (0008,1195) must be a UID.', warning(root, 'The Transaction UID is missing.'));
  let headers: Record<string, string> = {};
  const step = await service.steps.change(uid, (current) => {
    const decided = decide(current, requested, transactionUid, root, service);
    headers = decided.headers;
    return decided.change;
  });
  if (!step) throw noSuchStep();
  response.status(200).set({ 'Cache-Control': 'no-store', 'Content-Location': `${root}/workitems/${uid}`, ...headers }).end();
}

function decide(step: Step, requested: StepRequest, transactionUid: string, root: string, service: UpsService): { change: StepChange | undefined; headers: Record<string, string> } {
  // A step that the gateway performs has a Transaction UID that nobody else can know.
  const ours = !isFinal(step.state) && !mayBeClaimed(step);
  const transition = transitionOf(step.state, requested, !ours && (step.transactionUid === null ? step.state === 'SCHEDULED' : step.transactionUid === transactionUid));
  switch (transition.kind) {
    case 'warning':
      return { change: undefined, headers: warningOf(root, transition.code) };
    case 'refusal':
      throw refused(root, transition.code, ours ? 'The step is performed by the gateway itself.' : undefined);
    case 'finish': {
      const problems = finalStateProblems(step.dataset, transition.to);
      if (problems.length > 0) throw refused(root, 'C304', `The step does not meet what ${transition.to} requires: ${problems.join('; ')}.`);
      return { change: stateChange(step, transition.to, {}, service), headers: {} };
    }
    default:
      return { change: stateChange(step, 'IN PROGRESS', { transactionUid, performer: 'outside' }, service), headers: {} };
  }
}

/** Steps of others, and studies that a route leaves to a worker from outside: those wait in this state once they are complete. */
function mayBeClaimed(step: Step): boolean {
  if (step.performer !== null || step.origin === 'other') return step.performer !== 'hilum';
  return step.origin === 'workitem' && step.state === 'SCHEDULED' && text(step.dataset, 'InputReadinessState') === 'READY';
}

function stateChange(step: Step, state: StepState, claim: Pick<StepChange, 'transactionUid' | 'performer'>, service: UpsService): StepChange {
  const changed: Dataset = { ...step.dataset, ...dataset({ ProcedureStepState: state, ScheduledProcedureStepModificationDateTime: dicomDateTime(new Date()) }) };
  const { workitem } = step;
  return { dataset: changed, ...claim, events: [stateReport(changed)], ...(workitem !== null && { after: (transaction) => service.follow(workitem, transaction) }) };
}
