// Short JSON bodies of the API.
import type { Request, Response } from 'express';
import { HttpError } from './errors.ts';
import { readShortBody } from './short-body.ts';

/** A body of a few words needs no more. */
const MAX_BODY_BYTES = 16 * 1024;
const BODY_MILLISECONDS = 10_000;

/** @throws {HttpError} 415, 413 or 400 where it is not JSON, or too long */
export async function readJson(request: Request, response: Response): Promise<unknown> {
  if (!/^application\/(merge-patch\+)?json\b/i.test(request.headers['content-type'] ?? '')) throw new HttpError(415, 'The request is sent as application/json.');
  const body = await readShortBody(request, response, MAX_BODY_BYTES, BODY_MILLISECONDS, () => new HttpError(413, `The request is longer than ${MAX_BODY_BYTES} bytes.`));
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch (error) {
    throw new HttpError(400, 'The request is not JSON.', {}, { cause: error });
  }
}
