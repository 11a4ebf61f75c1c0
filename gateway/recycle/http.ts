// The recycle bin over HTTP: DELETE of studies, series and instances below /dicomweb (an extension: PS3.18 has no such
// transaction for them), and /api/recycle-bin.
import type { Request, Response } from 'express';
import { z } from 'zod';
import { HttpError } from '../http/errors.ts';
import { requireUid } from '../dicomweb/uid-path.ts';
import type { Requester } from '../../storage/recycle.repository.ts';
import type { RecycleSource } from './bin.ts';

const page = z.object({ limit: z.coerce.number().int().min(1).max(1000).default(100) });

/** DELETE /dicomweb/studies/{study}[/series/{series}[/instances/{instance}]]: into the recycle bin, where the settings allow it. */
export async function deleteResource(request: Request, response: Response, bin: RecycleSource): Promise<void> {
  const target = {
    studyInstanceUid: requireUid(request, 'study'),
    ...(request.params['series'] !== undefined && { seriesInstanceUid: requireUid(request, 'series') }),
    ...(request.params['instance'] !== undefined && { sopInstanceUid: requireUid(request, 'instance') }),
  };
  if (bin.mode() === 'off') throw new HttpError(403, 'Nothing can be deleted here: dicomweb.delete is off in the settings. Set it to recycle to allow it.');
  const deleted = await bin.delete(target, requesterOf(request, response));
  if (!deleted) throw new HttpError(404, 'There is no such study, series or instance, or it was deleted already.');
  response.json({ ...target, ...deleted });
}

/** GET /api/recycle-bin?limit: `{ studies }`, what was deleted last first. */
export async function listRecycleBin(request: Request, response: Response, bin: RecycleSource): Promise<void> {
  const { limit } = page.parse(request.query);
  response.json({ studies: await bin.list(limit) });
}

/** POST /api/recycle-bin/{uid}/restore: the study, series or instance of this UID. */
export async function restoreFromBin(request: Request, response: Response, bin: RecycleSource): Promise<void> {
  const restored = await bin.restore(requireUid(request, 'uid'), requesterOf(request, response));
  if (restored.length === 0) throw new HttpError(404, 'Nothing of this UID is in the recycle bin.');
  response.json({ restored });
}

function requesterOf(request: Request, response: Response): Requester {
  return { requestedBy: request.ip ?? '', requestId: String(response.locals['requestId']) };
}
