// Create Workitem: POST /dicomweb/workitems[?{workitem}] (PS3.18 11.4, PS3.4 CC.2.5).
import { randomUUID } from 'node:crypto';
import type { Request, Response } from 'express';
import { dataset, text, type Dataset } from '../../storage/dicom/dataset.ts';
import { isUid } from '../../storage/dicom/uids.ts';
import { dicomDateTime, workitemStepUid } from '../../storage/ups/step.ts';
import { serviceRoot } from '../dicomweb/service-root.ts';
import { HttpError } from '../http/errors.ts';
import { readStep } from './payload.ts';
import { creationProblems, withWorklistLabel } from './requirements.ts';
import { warning, type UpsService } from './service.ts';
import { uidInQuery } from './uid-in-query.ts';

/** The UID comes in the request, which is not stored: Affected SOP Instance UID and the like are of the message. */
const OF_THE_MESSAGE = /^0000/;

/** 201 with Location. @throws {HttpError} 400 naming what the step lacks, 409 where the UID is taken */
export async function createWorkitem(request: Request, response: Response, service: UpsService): Promise<void> {
  const root = serviceRoot(request);
  const asked = uidInQuery(request, ['workitem', 'affectedsopinstanceuid', 'sopinstanceuid']);
  const body = await readStep(request, response);
  const uid = asked ?? text(body, 'AffectedSOPInstanceUID') ?? text(body, 'SOPInstanceUID') ?? workitemStepUid(randomUUID());
  if (!isUid(uid)) throw new HttpError(400, `"${uid.slice(0, 64)}" is not a UID.`);
  const problems = creationProblems(body);
  if (problems.length > 0) throw new HttpError(400, `The workitem cannot be created: ${problems.join('; ')}.`);
  const { step, changed } = withWorklistLabel(storable(body), service.aeTitle);
  const isOrder = service.claims(step);
  const created = await service.steps.create(
    { uid, dataset: step, origin: isOrder ? 'order' : 'other', workitem: null, transactionUid: null, performer: null },
    (transaction) => (isOrder ? service.order(uid, transaction) : Promise.resolve()),
  );
  if (!created) throw new HttpError(409, `There is a workitem ${uid} already.`);
  const location = `${root}/workitems/${uid}`;
  response
    .status(201)
    .set({ Location: location, 'Content-Location': location, 'Cache-Control': 'no-store', ...(changed && warning(root, 'The Workitem was created with modifications.')) })
    .end();
}

function storable(body: Dataset): Dataset {
  const kept = Object.fromEntries(Object.entries(body).filter(([tag]) => !OF_THE_MESSAGE.test(tag)));
  delete kept['00081195'];
  const empty = ['ProcedureStepProgressInformationSequence', 'UnifiedProcedureStepPerformedProcedureSequence'];
  return { ...kept, ...dataset({ SpecificCharacterSet: 'ISO_IR 192', ScheduledProcedureStepModificationDateTime: dicomDateTime(new Date()), ...Object.fromEntries(empty.map((keyword) => [keyword, null])) }) };
}
