// Request Cancellation: POST /dicomweb/workitems/{workitem}/cancelrequest (PS3.18 11.8, PS3.4 CC.2.2): somebody who does not perform a
// step wants it to be given up.
import type { Request, Response } from 'express';
import { dataset, items, text, type Dataset } from '../../storage/dicom/dataset.ts';
import { cancelRequest, progressReport, stateReport } from '../../storage/ups/events.ts';
import { dicomDateTime, DISCONTINUED, type Step } from '../../storage/ups/step.ts';
import type { StepChange } from '../../storage/ups.repository.ts';
import { serviceRoot } from '../dicomweb/service-root.ts';
import { requireUid } from '../dicomweb/uid-path.ts';
import { HttpError } from '../http/errors.ts';
import { readStepIfAny } from './payload.ts';
import { noSuchStep, refused, warning, warningOf, type UpsService } from './service.ts';
import { transitionOf } from './state-machine.ts';

/** What stands for a caller that has no AE title (VR AE). */
const NO_AE = 'UPS-RS';

/** 202. @throws {HttpError} 404, and 409 where the step is completed, the performer will not, or cannot be told */
export async function requestCancellation(request: Request, response: Response, { steps }: UpsService): Promise<void> {
  const root = serviceRoot(request);
  const uid = requireUid(request, 'workitem');
  const body = await readStepIfAny(request, response);
  const heard = await steps.isWatched(uid);
  let headers: Record<string, string> = {};
  const step = await steps.change(uid, (current) => {
    const transition = transitionOf(current.state, 'cancel request', true);
    if (transition.kind === 'refusal') throw refused(root, transition.code);
    if (transition.kind === 'warning') {
      headers = warningOf(root, transition.code);
      return undefined;
    }
    if (isOurs(current)) throw new HttpError(409, 'The gateway performs this step and does not give it up: every study of a route gets its outcome.', warning(root, 'Performer chooses not to cancel.'));
    if (transition.kind === 'change') return canceled(current, body);
    if (!heard) throw new HttpError(409, 'Nobody has subscribed to this step, so that its performer cannot be told.', warning(root, 'The performer cannot be contacted.'));
    return { events: [cancelRequest(text(body, 'RequestingAE') ?? NO_AE, body)] };
  });
  if (!step) throw noSuchStep();
  response.status(202).set({ 'Cache-Control': 'no-store', ...headers }).end();
}

function isOurs({ origin, performer, workitem }: Step): boolean {
  return performer === 'hilum' || (performer === null && (origin === 'workitem' || workitem !== null));
}

/** Nobody has begun: it goes through IN PROGRESS, as its subscribers are told (PS3.4 CC.2.2.3). */
function canceled(step: Step, body: Dataset): StepChange {
  const now = dicomDateTime(new Date());
  const codes = items(body, 'ProcedureStepDiscontinuationReasonCodeSequence');
  const reason = text(body, 'ReasonForCancellation');
  const uri = text(body, 'ContactURI');
  const progress = dataset({
    ProcedureStepCancellationDateTime: now,
    ReasonForCancellation: reason,
    ProcedureStepDiscontinuationReasonCodeSequence: codes.length > 0 ? codes : [DISCONTINUED],
    ProcedureStepCommunicationsURISequence: uri === undefined ? undefined : [dataset({ ContactURI: uri, ContactDisplayName: text(body, 'ContactDisplayName') })],
  });
  const begun = { ...step.dataset, ...dataset({ ProcedureStepState: 'IN PROGRESS' }) };
  const ended = { ...begun, ...dataset({ ProcedureStepState: 'CANCELED', ProcedureStepProgressInformationSequence: [progress], ScheduledProcedureStepModificationDateTime: now }) };
  return { dataset: ended, events: [stateReport(begun), progressReport(ended), stateReport(ended)] };
}
