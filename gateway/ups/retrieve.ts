// Retrieve Workitem: GET /dicomweb/workitems/{workitem} (PS3.18 11.5).
import type { Request, Response } from 'express';
import { serviceRoot } from '../dicomweb/service-root.ts';
import { requireUid } from '../dicomweb/uid-path.ts';
import { sendStep, wantedType } from './payload.ts';
import { withRetrieval } from './retrieval.ts';
import { noSuchStep, type UpsService } from './service.ts';

export async function retrieveWorkitem(request: Request, response: Response, { steps, aeTitle }: UpsService): Promise<void> {
  const uid = requireUid(request, 'workitem');
  const type = wantedType(request, 'one');
  const step = await steps.find(uid);
  if (!step) throw noSuchStep();
  sendStep(response, type, step.origin === 'other' ? step.dataset : withRetrieval(step.dataset, serviceRoot(request), aeTitle));
}
