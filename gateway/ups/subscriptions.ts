// Subscribe, Unsubscribe, Suspend Global Subscription: /dicomweb/workitems/{workitem}/subscribers/{aetitle} (PS3.18 11.10 to 11.12, PS3.4
// CC.2.3), for one step, for the whole worklist, or for what a filter lets through.
import type { Request, Response } from 'express';
import type { QueryKey } from '../../storage/archive.ts';
import { FILTERED_WORKLIST_UID, WORKLIST_UID } from '../../storage/ups/step.ts';
import { parseSearch } from '../dicomweb/query-parameters.ts';
import { serviceRoot } from '../dicomweb/service-root.ts';
import { requireUid } from '../dicomweb/uid-path.ts';
import { HttpError } from '../http/errors.ts';
import { noSuchStep, type UpsService } from './service.ts';

/** 201; Content-Location says where events are to be had. @throws {HttpError} 400, 404 */
export async function subscribe(request: Request, response: Response, { steps }: UpsService): Promise<void> {
  const uid = requireUid(request, 'workitem');
  const aeTitle = requireAeTitle(request.params['aetitle']);
  const lock = deletionLock(request);
  if (uid === WORKLIST_UID) await steps.subscribeToAll(aeTitle, lock, undefined);
  else if (uid === FILTERED_WORKLIST_UID) await steps.subscribeToAll(aeTitle, lock, filterOf(request));
  else if (!(await steps.subscribe(uid, aeTitle, lock))) throw noSuchStep();
  const channel = `${serviceRoot(request).replace(/^http/, 'ws')}/subscribers/${encodeURIComponent(aeTitle)}`;
  response.status(201).set({ 'Content-Location': channel, 'Cache-Control': 'no-store' }).end();
}

export async function unsubscribe(request: Request, response: Response, { steps }: UpsService): Promise<void> {
  const uid = requireUid(request, 'workitem');
  const aeTitle = requireAeTitle(request.params['aetitle']);
  const done = isWorklist(uid) ? await steps.unsubscribeFromAll(aeTitle) : await steps.unsubscribe(uid, aeTitle);
  if (!done) throw new HttpError(404, `${aeTitle} has no such subscription.`);
  response.status(200).set('Cache-Control', 'no-store').end();
}

/** Steps to come are not subscribed to any more; those that there are stay. */
export async function suspend(request: Request, response: Response, { steps }: UpsService): Promise<void> {
  const uid = requireUid(request, 'workitem');
  const aeTitle = requireAeTitle(request.params['aetitle']);
  if (!isWorklist(uid)) throw new HttpError(400, `Only a subscription to the worklist (${WORKLIST_UID}, ${FILTERED_WORKLIST_UID}) can be suspended.`);
  if (!(await steps.suspend(aeTitle))) throw new HttpError(404, `${aeTitle} has no such subscription.`);
  response.status(200).set('Cache-Control', 'no-store').end();
}

const isWorklist = (uid: string): boolean => uid === WORKLIST_UID || uid === FILTERED_WORKLIST_UID;

/** VR AE (PS3.5 6.2). @throws {HttpError} 400 */
export function requireAeTitle(value: unknown): string {
  const title = typeof value === 'string' ? value.trim() : '';
  if (!/^[\x20-\x5b\x5d-\x7e]{1,16}$/.test(title)) throw new HttpError(400, 'The AE title in the address must have 1 to 16 printable ASCII characters without backslash.');
  return title;
}

function deletionLock(request: Request): boolean {
  const value = request.query['deletionlock'] ?? 'false';
  if (value !== 'true' && value !== 'false') throw new HttpError(400, 'deletionlock must be true or false.');
  return value === 'true';
}

/** Matching keys as `filter=attribute=value,…`, or each as a parameter of its own, as the editions before 2019b had it. */
function filterOf(request: Request): QueryKey[] {
  const { filter, deletionlock: _, ...others } = request.query;
  if (Object.values(request.query).flat().join('').includes('\0')) throw new HttpError(400, 'The filter holds NUL, which no attribute does.');
  const pairs = filter === undefined ? Object.entries(others).map(([name, value]) => [name, String(value)]) : [filter].flat().join(',').split(',').map((pair) => pair.split(/=(.*)/s).slice(0, 2));
  const { query, warnings } = parseSearch({ level: 'instance' }, pairs.map(([name = '', value = '']) => `${encodeURIComponent(name.trim())}=${encodeURIComponent(value)}`).join('&'));
  if (warnings.length > 0) throw new HttpError(400, `The filter is not understood: ${warnings.join('; ')}.`);
  if (query.keys.length === 0) throw new HttpError(400, 'A filtered subscription needs a filter: filter=WorklistLabel=chest');
  return query.keys;
}
