// Short JSON bodies of the API.
import type { Request, Response } from 'express';
import { continueBody } from './answer.ts';
import { HttpError } from './errors.ts';

/** A body of a few words needs no more. */
const MAX_BODY_BYTES = 16 * 1024;
const BODY_MILLISECONDS = 10_000;

/** @throws {HttpError} 415, 413 or 400 where it is not JSON, or too long */
export async function readJson(request: Request, response: Response): Promise<unknown> {
  if (!/^application\/(merge-patch\+)?json\b/i.test(request.headers['content-type'] ?? '')) throw new HttpError(415, 'The request is sent as application/json.');
  continueBody(request, response);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // A caller that sends a few bytes a minute must not hold the connection.
  const timer = setTimeout(() => request.destroy(), BODY_MILLISECONDS);
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) throw new HttpError(413, `The request is longer than ${MAX_BODY_BYTES} bytes.`);
      chunks.push(chunk);
    }
  } finally {
    clearTimeout(timer);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  } catch (error) {
    throw new HttpError(400, 'The request is not JSON.', {}, { cause: error });
  }
}
