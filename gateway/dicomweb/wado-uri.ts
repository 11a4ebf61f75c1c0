// GET /wado?requestType=WADO&studyUID=…&seriesUID=…&objectUID=… (PS3.18 9): one instance as a picture, a document or a DICOM file, for
// viewers from before DICOMweb.
import type { Request, Response } from 'express';
import type { Archive, ArchivedInstance } from '../../storage/archive.ts';
import { EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, isUid } from '../../storage/dicom/uids.ts';
import { PRESENTATION_STATES } from '../../ai/imaging/rendering/presentation-state.ts';
import { HttpError } from '../http/errors.ts';
import { covers, parseAccept, type MediaType } from '../http/header-parameters.ts';
import { callerSignal, sendBody } from '../http/response-body.ts';
import { sendDocument } from './document.ts';
import { openInstance, type RetrieveOptions } from './instance-file.ts';
import { CACHE_CONTROL } from './not-modified.ts';
import type { Rendering } from './render-pool.ts';
import { presented, sendPicture, type Picture } from './rendered.ts';
import { ParameterError, annotationOf, decimal, imageTypeOf, parameter, qualityOf, renderingOf, side, windowWith, type ImageType } from './rendering-parameters.ts';

const DICOM = 'application/dicom';

export async function retrieveByUri(request: Request, response: Response, options: RetrieveOptions): Promise<void> {
  if (request.query['requestType'] !== 'WADO') throw new HttpError(400, 'The query parameter requestType must be WADO.');
  const instance = await findObject(request, options.archive);
  if (parameter(request, 'anonymize', (text) => text) !== undefined) throw new HttpError(400, 'The query parameter anonymize cannot be served: this archive gives instances as they are.');
  requireUtf8(request);
  const state = PRESENTATION_STATES.has(instance.sopClassUid);
  const isImage = instance.frames > 0 || state;
  for (const range of wantedTypes(request, instance)) {
    if (range.type === DICOM) return sendFile(request, response, instance, options);
    const type = isImage ? imageTypeOf(range) : undefined;
    if (type) {
      const rendering = renderingByUri(request, type);
      return sendPicture(request, response, await pictureOf(request, instance, state, options.archive), rendering, options.archive);
    }
    const document = !isImage && /^(text|application)\//.test(range.type);
    if (document) return sendDocument(request, response, instance, [{ form: 'single', type: range.type, transferSyntax: undefined, quality: 1 }], options.archive);
  }
  throw new HttpError(406, `This instance is served as ${isImage ? 'image/jpeg, image/png, image/gif' : 'text/html'} or ${DICOM}.`);
}

/** @throws {HttpError} 400, 404 */
async function findObject(request: Request, archive: Archive): Promise<ArchivedInstance> {
  const [study, series, object] = ['studyUID', 'seriesUID', 'objectUID'].map((name) => requiredUid(request, name)) as [string, string, string];
  const found = await first(archive, study, series, object);
  if (!found) throw new HttpError(404, `There is no instance ${object} in series ${series} of study ${study}.`);
  return found;
}

async function first(archive: Archive, study: string, series: string, object: string): Promise<ArchivedInstance | undefined> {
  for await (const found of archive.select({ studyInstanceUids: [study], seriesInstanceUids: [series], sopInstanceUids: [object] })) return found;
  return undefined;
}

function requiredUid(request: Request, name: string): string {
  const value = parameter(request, name, uidOf);
  if (value === undefined) throw new HttpError(400, `The query parameter ${name} is missing.`);
  return value;
}

function uidOf(text: string): string {
  if (!isUid(text)) throw new ParameterError('a UID');
  return text;
}

/** Everything is sent in UTF-8 (PS3.18 9.4.2.1). @throws {HttpError} 406 */
function requireUtf8(request: Request): void {
  const charset = parameter(request, 'charset', (text) => text.toLowerCase());
  if (charset !== undefined && !charset.split(',').some((name) => /^(utf-8|\*)$/.test(name.split(';')[0]!.trim()))) throw new HttpError(406, 'Text is served in UTF-8.');
}

/** Of contentType, or else the default of the object (PS3.18 8.7.4): a picture of one frame, a page of a report, a file of the rest. */
function wantedTypes(request: Request, { frames, sopClassUid }: ArchivedInstance): MediaType[] {
  const contentType = parameter(request, 'contentType', (text) => text);
  if (contentType) return parseAccept(contentType);
  const type = frames === 1 || PRESENTATION_STATES.has(sopClassUid) || request.query['frameNumber'] !== undefined ? 'image/jpeg' : isReport(sopClassUid) ? 'text/html' : DICOM;
  const wanted = { type, parameters: new Map<string, string>() };
  const accepted = parseAccept(request.headers.accept);
  // A browser's image element, which says what it takes, is given it.
  return accepted.some((range) => covers(range, type)) ? [wanted] : accepted;
}

function isReport(sopClassUid: string): boolean {
  return sopClassUid.startsWith('1.2.840.10008.5.1.4.1.1.88.');
}

/** @throws {HttpError} 400, 404 */
async function pictureOf(request: Request, instance: ArchivedInstance, isState: boolean, archive: Archive): Promise<Picture> {
  const number = parameter(request, 'frameNumber', frameOf) ?? 1;
  if (isState) {
    const pictures = await presented(instance, archive);
    const picture = pictures[number - 1];
    if (!picture) throw new HttpError(400, `The query parameter frameNumber is ${number}, and the presentation state is for ${pictures.length} pictures.`);
    return picture;
  }
  if (number > instance.frames) throw new HttpError(400, `The query parameter frameNumber is ${number}, and the instance has ${instance.frames} frames.`);
  const [seriesUid, uid] = [parameter(request, 'presentationSeriesUID', uidOf), parameter(request, 'presentationUID', uidOf)];
  if (uid === undefined && seriesUid === undefined) return { instance, frame: number };
  if (uid === undefined || seriesUid === undefined) throw new HttpError(400, 'The query parameters presentationSeriesUID and presentationUID go together.');
  const beside = ['windowCenter', 'windowWidth', 'region'].find((name) => request.query[name] !== undefined);
  if (beside !== undefined) throw new HttpError(400, `The query parameter ${beside} cannot stand beside a presentation state, which says so itself.`);
  const presentation = await first(archive, instance.studyInstanceUid, seriesUid, uid);
  if (!presentation || !PRESENTATION_STATES.has(presentation.sopClassUid)) throw new HttpError(404, `There is no presentation state ${uid} in series ${seriesUid}.`);
  return { instance, frame: number, presentation };
}

function frameOf(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new ParameterError('a number of 1 or more');
  return Number(text);
}

/** PS3.18 9.5.1.2. @throws {HttpError} 400 */
function renderingByUri(request: Request, mediaType: ImageType): Rendering {
  const [center, width] = [parameter(request, 'windowCenter', numberOf), parameter(request, 'windowWidth', widthOf)];
  if ((center === undefined) !== (width === undefined)) throw new HttpError(400, 'The query parameters windowCenter and windowWidth go together.');
  const [rows, columns] = [parameter(request, 'rows', sideOf), parameter(request, 'columns', sideOf)];
  const region = parameter(request, 'region', regionOf);
  const { withProfile } = renderingOf(request, mediaType);
  return {
    mediaType,
    withProfile,
    quality: parameter(request, 'imageQuality', qualityOf) ?? 90,
    ...(center !== undefined && width !== undefined && { window: windowWith(center, width, 'LINEAR') }),
    // One alone leaves the other to the image's proportions.
    ...((rows ?? columns) !== undefined && { viewport: { width: columns ?? UNBOUNDED, height: rows ?? UNBOUNDED } }),
    ...(region && { region }),
    annotation: parameter(request, 'annotation', annotationOf) ?? [],
  };
}

/** Larger than what a picture of the largest side in the other direction can come to. */
const UNBOUNDED = 65_535;

function numberOf(text: string): number {
  const value = decimal(text);
  if (value === undefined) throw new ParameterError('a number');
  return value;
}

function widthOf(text: string): number {
  const value = numberOf(text);
  if (value < 1) throw new ParameterError('a number of 1 or more');
  return value;
}

function sideOf(text: string): number {
  const value = side(text);
  if (value === undefined) throw new ParameterError('a whole number of 1 to 8192');
  return value;
}

/** PS3.18 9.5.1.2: left, top, right and bottom, each as a share of the image. */
function regionOf(text: string): NonNullable<Rendering['region']> {
  const [left, top, right, bottom, ...more] = text.split(',').map((part) => decimal(part.trim()) ?? Number.NaN);
  const wrong = more.length > 0 || [left, top, right, bottom].some((value) => value === undefined || !(value >= 0 && value <= 1));
  if (wrong || right! <= left! || bottom! <= top!) throw new ParameterError('LEFT,TOP,RIGHT,BOTTOM, each from 0 to 1');
  return { unit: 'share', x: left!, y: top!, width: right! - left!, height: bottom! - top! };
}

/**
 * In the transfer syntax that is asked for, or else, as the standard has it, in Explicit VR Little Endian; only what cannot be
 * decoded is sent as it is kept.
 */
async function sendFile(request: Request, response: Response, instance: ArchivedInstance, options: RetrieveOptions): Promise<void> {
  const wanted = parameter(request, 'transferSyntax', uidOf);
  const never = wanted === IMPLICIT_VR_LITTLE_ENDIAN || wanted === EXPLICIT_VR_BIG_ENDIAN;
  const kept = instance.transferSyntaxUid;
  const order = [...(wanted === undefined || never ? [] : [wanted]), EXPLICIT_VR_LITTLE_ENDIAN, kept];
  const syntaxes = [...new Set(order)].filter((uid) => options.transcoder.canTranscode(kept, uid));
  await using file = await openInstance({ instance, syntaxes }, options, callerSignal(response));
  const headers = { 'Content-Type': `${DICOM}; transfer-syntax=${file.transferSyntaxUid}`, 'Content-Length': file.length, 'Cache-Control': CACHE_CONTROL, Vary: 'Accept' };
  await sendBody(request, response, { status: 200, headers }, file.body);
}
