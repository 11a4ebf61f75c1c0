// Rendered resources: …/instances/{instance}/rendered and …/frames/{frame}/rendered (PS3.18 10.4.1.1.3) as PNG.
import { createHash } from 'node:crypto';
import type { Request, Response } from 'express';
import { z } from 'zod';
import { NotAnalyzableError } from '../../storage/errors.ts';
import { HttpError } from '../http/errors.ts';
import { covers, parseAccept } from '../http/header-parameters.ts';
import { renderInWorker } from './render-pool.ts';
import type { DicomwebSource } from './source.ts';
import { findInstance } from './wado-rs.ts';

/** PS3.18 8.3.5.1.3: the size that the image must fit into, without enlarging; no screen needs more. */
const viewport = z.object({
  viewport: z
    .string()
    .regex(/^\d{1,4},\d{1,4}$/, 'must be WIDTH,HEIGHT in pixels')
    .transform((text) => text.split(',').map(Number) as [number, number])
    .refine(([width, height]) => width >= 16 && height >= 16 && width <= 4096 && height <= 4096, 'must be between 16 and 4096 pixels')
    .default([4096, 4096]),
});
const frameNumber = z.coerce.number().int().min(1).default(1);

export async function renderInstance(request: Request, response: Response, source: DicomwebSource): Promise<void> {
  if (!parseAccept(request.headers.accept).some((range) => covers(range, 'image/png'))) throw new HttpError(406, 'Rendered images are served as image/png.');
  const [width, height] = viewport.parse(request.query).viewport;
  const frame = frameNumber.parse(request.params['frame']);
  const instance = await findInstance(request, source);
  // A blob's path is its own for ever, so that path, frame and size name the picture.
  const tag = `"${createHash('sha256').update(`${instance.path} ${frame} ${width} ${height}`).digest('base64url').slice(0, 22)}"`;
  response.setHeader('ETag', tag);
  response.setHeader('Cache-Control', 'private, no-cache');
  if (request.headers['if-none-match'] === tag) {
    response.status(304).end();
    return;
  }
  try {
    const png = await renderInWorker({ path: instance.path, transferSyntaxUid: instance.transferSyntaxUid, frame, width, height });
    response.setHeader('Content-Type', 'image/png');
    response.end(png);
  } catch (error) {
    response.removeHeader('ETag');
    if (error instanceof NotAnalyzableError) throw new HttpError(406, `This instance cannot be shown as an image: ${error.message}.`, {}, { cause: error });
    throw error;
  }
}
