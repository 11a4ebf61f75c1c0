// GET /dicomweb/studies/{study}[/series/{series}[/instances/{instance}[/frames/{frames}]]]/rendered (PS3.18 10.4.1.1.3): images as
// pictures, alone or as parts; a presentation state as the images that it is for; reports as HTML, documents as they are.
import type { Request, Response } from 'express';
import { canDecode } from '../../ai/imaging/decode.ts';
import { PRESENTATION_STATES } from '../../ai/imaging/rendering/presentation-state.ts';
import { referencedImages } from '../../ai/imaging/rendering/referenced-images.ts';
import type { Archive, ArchivedInstance } from '../../storage/archive.ts';
import { NotAnalyzableError } from '../../storage/errors.ts';
import { isNotModified } from '../http/conditional.ts';
import { HttpError } from '../http/errors.ts';
import { callerSignal, sendBody } from '../http/response-body.ts';
import { wantedOf, type Wanted } from './accept.ts';
import { sendDocument } from './document.ts';
import { isGone, openKept } from './instance-file.ts';
import { boundaryOf, multipartBody, multipartType, type OutgoingPart } from './multipart-writer.ts';
import { CACHE_CONTROL, notModified } from './not-modified.ts';
import { readKept } from './pixel-content.ts';
import { renderInWorker, type Rendering } from './render-pool.ts';
import { imageTypeOf, renderingOf, type ImageType } from './rendering-parameters.ts';
import { instanceAddress, selectInstances } from './selection.ts';
import { serviceRoot } from './service-root.ts';

/** One picture: a frame of an image, through a presentation state or by its own attributes. */
export interface Picture {
  instance: ArchivedInstance;
  /** From 1. */
  frame: number;
  presentation?: ArchivedInstance;
}
/** Counted up when the same request gives another picture: copies that callers hold are then out of date. */
const EDITION = '3';

export async function renderResource(request: Request, response: Response, { archive }: { archive: Archive }): Promise<void> {
  const instances = await selectInstances(request, archive);
  const alone = request.params['instance'] !== undefined;
  const [first] = instances;
  const wanted = wantedOf(request);
  if (alone && first.frames === 0 && !PRESENTATION_STATES.has(first.sopClassUid)) return sendDocument(request, response, first, wanted, archive);
  const { pictures, left } = await picturesOf(instances, alone ? framesOf(request) : undefined, archive);
  const form = chooseForm(wanted, pictures.length, request.params['frames'] !== undefined ? 'frames' : alone ? 'instance' : 'several');
  const rendering = renderingOf(request, form.type);
  const status = left > 0 ? 206 : 200;
  const warning = left > 0 ? `299 hilum "${left} of ${instances.length} instances are no images that can be shown, and are left out"` : undefined;
  if (form.single) {
    if (pictures.length > 1) response.setHeader('Warning', `299 hilum "the first of ${pictures.length} pictures; multipart/related has them all"`);
    return sendPicture(request, response, pictures[0]!, rendering, archive);
  }
  const etag = etagOf(pictures, rendering, 'multipart');
  const headers = { ETag: etag, 'Cache-Control': CACHE_CONTROL, Vary: 'Accept', Warning: warning };
  if (isNotModified(request, { etag })) return notModified(response, headers);
  const boundary = boundaryOf(etag, serviceRoot(request));
  const parts = pictureParts(pictures, rendering, serviceRoot(request), archive, callerSignal(response));
  await sendBody(request, response, { status, headers: { ...headers, 'Content-Type': multipartType(form.type, boundary) } }, multipartBody(parts, boundary));
}

/** One picture as the whole body. @throws {HttpError} 406 where it has no pixels that can be shown */
export async function sendPicture(request: Request, response: Response, picture: Picture, rendering: Rendering, archive: Archive): Promise<void> {
  const etag = etagOf([picture], rendering, 'single');
  const headers = { ETag: etag, 'Cache-Control': CACHE_CONTROL, Vary: 'Accept' };
  if (isNotModified(request, { etag })) return notModified(response, headers);
  const bytes = await render(picture, rendering, archive, callerSignal(response));
  const body = async function* (): AsyncGenerator<Uint8Array> {
    yield bytes;
  };
  await sendBody(request, response, { status: 200, headers: { ...headers, 'Content-Type': rendering.mediaType, 'Content-Length': bytes.length } }, body());
}

async function render({ instance, frame, presentation }: Picture, rendering: Rendering, archive: Archive, signal: AbortSignal): Promise<Uint8Array> {
  const { path, transferSyntaxUid } = instance;
  try {
    return await renderInWorker({ ...rendering, path, transferSyntaxUid, frame, ...(presentation && { presentation: presentation.path }) }, signal);
  } catch (error) {
    if (isGone(error)) for (const kept of [instance, ...(presentation ? [presentation] : [])]) await (await openKept(kept, archive)).close(); // says what has happened to it
    if (error instanceof NotAnalyzableError) throw new HttpError(406, `Instance ${instance.sopInstanceUid} cannot be shown as an image: ${error.message}.`, {}, { cause: error });
    throw error;
  }
}

async function* pictureParts(pictures: readonly Picture[], rendering: Rendering, root: string, archive: Archive, signal: AbortSignal): AsyncGenerator<{ part: OutgoingPart; body: AsyncIterable<Uint8Array> }> {
  for (const picture of pictures) {
    const bytes = await render(picture, rendering, archive, signal);
    const location = `${instanceAddress(root, picture.instance)}${picture.instance.frames > 1 ? `/frames/${picture.frame}` : ''}/rendered`;
    const body = async function* (): AsyncGenerator<Uint8Array> {
      yield bytes;
    };
    yield { part: { type: rendering.mediaType, location, length: bytes.length }, body: body() };
  }
}

/**
 * @param frames of the one instance; undefined for all of each
 * @returns how many instances are left out, too
 * @throws {HttpError} 404, 406 where nothing can be shown
 */
async function picturesOf(instances: readonly ArchivedInstance[], frames: readonly number[] | undefined, archive: Archive): Promise<{ pictures: Picture[]; left: number }> {
  const [first] = instances;
  if (instances.length === 1 && first && PRESENTATION_STATES.has(first.sopClassUid)) return { pictures: await presented(first, archive), left: 0 };
  const shown = instances.filter(({ frames: count, transferSyntaxUid }) => count > 0 && canDecode(transferSyntaxUid));
  // Alone, it says itself why it cannot be shown.
  const images = instances.length === 1 ? instances : shown;
  if (images.length === 0) throw new HttpError(406, 'There is no image in it that can be shown.');
  const pictures = images.flatMap((instance) => (frames ?? numbersTo(Math.max(1, instance.frames))).map((frame) => ({ instance, frame })));
  const beyond = frames?.find((frame) => frame > first!.frames);
  if (beyond !== undefined && first!.frames > 0) throw new HttpError(404, `In this instance there is no frame ${beyond}, only ${first!.frames}.`);
  return { pictures, left: instances.length - images.length };
}

/** The images that a presentation state is for, as far as they are here. @throws {HttpError} 404 */
export async function presented(state: ArchivedInstance, archive: Archive): Promise<Picture[]> {
  const references = referencedImages((await readKept(state, { archive })).dataset);
  const pictures: Picture[] = [];
  const selection = { studyInstanceUids: [state.studyInstanceUid], sopInstanceUids: references.map(({ sopInstanceUid }) => sopInstanceUid) };
  for await (const instance of archive.select(selection)) {
    const named = references.filter(({ sopInstanceUid }) => sopInstanceUid === instance.sopInstanceUid).flatMap(({ frames }) => frames);
    const frames = named.length > 0 ? named : numbersTo(instance.frames);
    for (const frame of frames) pictures.push({ instance, frame, presentation: state });
  }
  if (pictures.length === 0) throw new HttpError(404, 'None of the images that the presentation state is for is here.');
  return pictures;
}

function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/** Of the address; undefined where it names none. @throws {HttpError} 400 */
function framesOf(request: Request): number[] | undefined {
  const { frames } = request.params;
  if (frames === undefined) return undefined;
  const numbers = String(frames).split(',').map((text) => (/^\d{1,9}$/.test(text.trim()) ? Number(text) : 0));
  if (numbers.some((number) => number < 1)) throw new HttpError(400, `"${String(frames).slice(0, 100)}" is no list of frame numbers, which begin with 1.`);
  return numbers;
}

/**
 * A picture alone, or all as parts (PS3.18 8.7.4, 8.7.5). Whoever takes nothing but an image, as the image element of a page does,
 * gets the first of many; but not of frames that were listed.
 * @throws {HttpError} 406
 */
function chooseForm(wanted: readonly Wanted[], pictures: number, of: 'frames' | 'instance' | 'several'): { type: ImageType; single: boolean } {
  for (const { form, type: range } of wanted) {
    const type = imageTypeOf({ type: range });
    if (!type) continue;
    if (form !== 'multipart' && (pictures === 1 || of === 'instance' || (of === 'several' && form === 'single'))) return { type, single: true };
    if (form !== 'single') return { type, single: false };
  }
  const types = 'image/jpeg, image/png or image/gif';
  throw new HttpError(406, pictures === 1 ? `A rendered image is served as ${types}, or as multipart/related of one of them.` : `${pictures} rendered images are served as multipart/related; type="image/jpeg" (or ${types}).`);
}

function etagOf(pictures: readonly Picture[], rendering: Rendering, form: string): string {
  const content = pictures.map(({ instance, frame, presentation }) => `${instance.path} ${instance.digest} ${frame} ${presentation?.path ?? ''}`);
  return `"${boundaryOf(EDITION, form, JSON.stringify(rendering), ...content).slice('hilum-'.length)}"`;
}
