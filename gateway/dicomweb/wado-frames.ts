// GET …/instances/{instance}/frames/{list} (PS3.18 10.4.1.1.6), and …/pixeldata at all three levels (10.4.1.1.5).
import type { Request, Response } from 'express';
import type { ArchivedInstance } from '../../storage/archive.ts';
import { HttpError } from '../http/errors.ts';
import { callerSignal } from '../http/response-body.ts';
import { wantedOf, type Wanted } from './accept.ts';
import { sendParts, type ContentPart } from './bulk-response.ts';
import type { RetrieveOptions } from './instance-file.ts';
import { isVideo } from './media-types.ts';
import { CACHE_CONTROL } from './not-modified.ts';
import { frameParts, isOnePart, pixelDataParts, type PixelPart } from './pixel-content.ts';
import { noPixelRepresentation, pixelRepresentations, type PixelRepresentation } from './pixel-negotiation.ts';
import { instanceAddress, selectInstances } from './selection.ts';
import { serviceRoot } from './service-root.ts';

export async function retrieveFrames(request: Request, response: Response, options: RetrieveOptions): Promise<void> {
  const frames = frameList(String(request.params['frames']));
  const [instance] = await selectInstances(request, options.archive);
  if (instance.frames === 0) throw new HttpError(404, 'This instance has no pixel data.');
  const missing = frames.filter((frame) => frame > instance.frames);
  if (missing.length > 0) throw new HttpError(404, `There is no frame ${missing.join(', ')}: this instance has ${instance.frames === 1 ? 'one' : instance.frames}.`);
  if (isVideo(instance.transferSyntaxUid)) throw noPixelRepresentation(instance, options.transcoder, 'Frames of a video stand in one stream, which …/pixeldata gives. ');
  const one = frames.length === 1;
  const representation = pixelRepresentations(wantedOf(request), instance, options.transcoder).find(({ form }) => form !== 'single' || one);
  if (!representation) throw noPixelRepresentation(instance, options.transcoder);
  const { form, mediaType, transferSyntaxUid } = representation;
  const address = instanceAddress(serviceRoot(request), instance);
  await sendParts(request, response, {
    single: form === 'single', one, none: 'There are no such frames.', cacheControl: CACHE_CONTROL,
    parts: located(frameParts(instance, frames, representation, options, callerSignal(response)), address),
    identity: [address, instance.digest, instance.path, mediaType, transferSyntaxUid, frames.join()],
    asKept: transferSyntaxUid === instance.transferSyntaxUid,
  });
}

/** @throws {HttpError} 400 */
function frameList(text: string): number[] {
  const frames = text.split(',').map((piece) => (/^[1-9]\d{0,8}$/.test(piece) ? Number(piece) : Number.NaN));
  if (frames.some(Number.isNaN)) throw new HttpError(400, `"${text.slice(0, 100)}" is not a list of frame numbers from 1, separated by commas.`);
  if (new Set(frames).size < frames.length) throw new HttpError(400, `"${text.slice(0, 100)}" names a frame twice.`);
  return frames;
}

async function* located(parts: AsyncIterable<PixelPart>, address: string): AsyncGenerator<ContentPart, void, undefined> {
  for await (const { path, ...part } of parts) yield { ...part, location: `${address}/${path}` };
}

export async function retrievePixelData(request: Request, response: Response, options: RetrieveOptions): Promise<void> {
  const images = (await selectInstances(request, options.archive)).filter(({ frames }) => frames > 0);
  await sendPixelData(request, response, images, options);
}

/** Also what a BulkDataURI of pixel data gives. @throws {HttpError} 404 where there are no images; 406 */
export async function sendPixelData(request: Request, response: Response, images: readonly ArchivedInstance[], options: RetrieveOptions): Promise<void> {
  const [first] = images;
  if (!first) throw new HttpError(404, 'There is no pixel data.');
  const wanted = wantedOf(request);
  const chosen = images.flatMap((instance) => {
    const representation = pixelDataRepresentation(wanted, instance, images.length === 1, options);
    return representation ? [{ instance, representation }] : [];
  });
  const { form } = chosen[0]?.representation ?? raise(noPixelRepresentation(first, options.transcoder));
  const root = serviceRoot(request);
  const caller = callerSignal(response);
  const parts = async function* (): AsyncGenerator<ContentPart, void, undefined> {
    for (const { instance, representation } of chosen) yield* pixelDataOfInstance(instance, representation, root, options, caller);
  };
  await sendParts(request, response, {
    single: form === 'single', one: images.length === 1 && isOnePart(first, chosen[0]!.representation), none: 'There is no pixel data.', cacheControl: CACHE_CONTROL,
    parts: parts(),
    identity: [root, ...chosen.map(({ instance, representation }) => `${instance.sopInstanceUid} ${instance.digest} ${instance.path} ${representation.mediaType} ${representation.transferSyntaxUid}`)],
    asKept: chosen.every(({ instance, representation }) => instance.transferSyntaxUid === representation.transferSyntaxUid),
    left: { count: images.length - chosen.length, of: images.length, what: 'images' },
  });
}

/** @param alone nothing else is sent with it: it can be one part without multipart/related */
export function pixelDataRepresentation(wanted: readonly Wanted[], instance: ArchivedInstance, alone: boolean, { transcoder }: RetrieveOptions): PixelRepresentation | undefined {
  return pixelRepresentations(wanted, instance, transcoder).find((found) => found.form !== 'single' || (alone && isOnePart(instance, found)));
}

export function pixelDataOfInstance(instance: ArchivedInstance, representation: PixelRepresentation, root: string, options: RetrieveOptions, caller: AbortSignal): AsyncGenerator<ContentPart, void, undefined> {
  return located(pixelDataParts(instance, representation, options, caller), instanceAddress(root, instance));
}

function raise(error: Error): never {
  throw error;
}
