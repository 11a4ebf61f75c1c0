// The worklist over HTTP: /api/worklist and /api/studies/{uid}.
import type { Request, Response } from 'express';
import { z } from 'zod';
import { HttpError } from '../http/errors.ts';
import { readJson } from '../http/read-json.ts';
import { requireUid } from '../dicomweb/uid-path.ts';
import { READING_STATES, type WorklistSource } from './worklist.ts';

const page = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  after: z.string().min(1).max(1000).optional(),
});
const change = z.strictObject({ reading: z.enum(READING_STATES) });

/** GET /api/worklist?limit&after: `{ entries, next }`, in reading order. */
export async function listWorklist(request: Request, response: Response, worklist: WorklistSource): Promise<void> {
  const wanted = page.parse(request.query);
  try {
    response.json(await worklist.list(wanted));
  } catch (error) {
    if (error instanceof RangeError) throw new HttpError(400, error.message, {}, { cause: error });
    throw error;
  }
}

/** GET /api/studies/{uid}: the entry with its instances, analyses, results and deliveries. */
export async function showStudy(request: Request, response: Response, worklist: WorklistSource): Promise<void> {
  const study = await worklist.study(requireUid(request, 'study'));
  if (study === undefined) throw new HttpError(404, 'There is no such study.');
  response.json(study);
}

/** PATCH /api/studies/{uid} `{ "reading": "unread" | "claimed" | "read" }`: the study as it is after that. */
export async function changeStudy(request: Request, response: Response, worklist: WorklistSource): Promise<void> {
  const uid = requireUid(request, 'study');
  const { reading } = change.parse(await readJson(request, response));
  if (!(await worklist.setReading(uid, reading))) throw new HttpError(404, 'There is no such study.');
  await showStudy(request, response, worklist);
}
