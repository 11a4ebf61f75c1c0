// GET /dicomweb/studies/{study}[/series/{series}[/instances/{instance}[/frames/{frame}]]]/thumbnail (PS3.18 10.4.1.1.5): one small
// picture that stands for all of it.
import type { Request, Response } from 'express';
import { canDecode } from '../../ai/imaging/decode.ts';
import type { Archive } from '../../storage/archive.ts';
import { HttpError } from '../http/errors.ts';
import { wantedOf } from './accept.ts';
import { sendPicture } from './rendered.ts';
import { imageTypeOf, renderingOf } from './rendering-parameters.ts';
import { selectInstances } from './selection.ts';

/** Of either side, where the caller says nothing. */
const SIDE = 200;

export async function renderThumbnail(request: Request, response: Response, { archive }: { archive: Archive }): Promise<void> {
  const { frames } = request.params;
  if (frames !== undefined && !/^[1-9]\d{0,8}$/.test(String(frames))) throw new HttpError(400, 'A thumbnail is of one frame; frames are counted from 1.');
  const type = wantedOf(request).filter(({ form }) => form !== 'multipart').map(imageTypeOf).find((known) => known !== undefined);
  if (!type) throw new HttpError(406, 'A thumbnail is served as image/jpeg, image/png or image/gif.');
  const rendering = renderingOf(request, type);
  const instances = await selectInstances(request, archive);
  const image = instances.find(({ frames: count, transferSyntaxUid }) => count > 0 && canDecode(transferSyntaxUid));
  if (!image) throw new HttpError(404, 'There is no image in it that a thumbnail could be made of.');
  // The middle of a run of frames shows more than its beginning.
  const frame = frames === undefined ? Math.ceil(image.frames / 2) : Number(frames);
  await sendPicture(request, response, { instance: image, frame }, { viewport: { width: SIDE, height: SIDE }, ...rendering }, archive);
}
