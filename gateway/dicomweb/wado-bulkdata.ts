// GET …/instances/{instance}/bulkdata/{path}, what a BulkDataURI gives, and …/bulkdata at all three levels (PS3.18 10.4.1.1.5).
import type { Request, Response } from 'express';
import type { ArchivedInstance } from '../../storage/archive.ts';
import { bytesOf, text, type Dataset, type DicomElement } from '../../storage/dicom/dataset.ts';
import { listFragments } from '../../storage/dicom/frames.ts';
import { transferSyntax } from '../../storage/dicom/uids.ts';
import { HttpError } from '../http/errors.ts';
import { covers } from '../http/header-parameters.ts';
import { callerSignal } from '../http/response-body.ts';
import { wantedOf, type Wanted } from './accept.ts';
import { inlineContent, keptContent, type BulkContent, type Stretch } from './bulk-content.ts';
import { bulkPaths, elementAt, leftOutAt, parseBulkPath, pixelDataOf, type BulkPath } from './bulk-data-uri.ts';
import { sendParts, type ContentPart } from './bulk-response.ts';
import type { RetrieveOptions } from './instance-file.ts';
import { OCTET_STREAM } from './media-types.ts';
import { CACHE_CONTROL } from './not-modified.ts';
import { readKept } from './pixel-content.ts';
import { instanceAddress, selectInstances, selectionOf } from './selection.ts';
import { serviceRoot } from './service-root.ts';
import { pixelDataOfInstance, pixelDataRepresentation, sendPixelData } from './wado-frames.ts';

const ENCAPSULATED_DOCUMENT = '00420011';
const PIXEL_DATA = '7FE00010';

export async function retrieveBulkValue(request: Request, response: Response, options: RetrieveOptions): Promise<void> {
  const pieces = request.params['path'];
  const path = parseBulkPath(Array.isArray(pieces) ? pieces : []);
  if (!path) throw new HttpError(400, 'What follows bulkdata/ in the address is not TAG, or TAG/ITEM/TAG within sequences: eight hexadecimal digits, and numbers from 1.');
  await selectInstances(request, options.archive);
  const { instance, header } = await headerOf(request, options);
  if (path.length === 1 && instance.frames > 0 && path[0] === pixelDataOf(header, instance.transferSyntaxUid).tag) return sendPixelData(request, response, [instance], options);
  const element = elementAt(header, path);
  if (!element) throw new HttpError(404, `This instance has no ${path.join('/')}.`);
  const types = mediaTypesOf(header, path);
  const chosen = chooseType(wantedOf(request), types);
  if (!chosen) throw new HttpError(406, `This bulk data is served as ${types.join(' or ')}, alone or in multipart/related.`);
  const content = await contentOf(instance, element, path, options);
  if (!content) throw new HttpError(404, `The value of ${path.join('/')} is in the metadata of this instance.`);
  const location = `${instanceAddress(serviceRoot(request), instance)}/bulkdata/${path.join('/')}`;
  const parts = async function* (): AsyncGenerator<ContentPart, void, undefined> {
    yield { ...content, type: chosen.type, location };
  };
  await sendParts(request, response, {
    single: chosen.form !== 'multipart', one: true, parts: parts(), identity: [location, instance.digest, instance.path, chosen.type], asKept: true, none: '', cacheControl: CACHE_CONTROL,
  });
}

async function headerOf(request: Request, { archive }: RetrieveOptions): Promise<{ instance: ArchivedInstance; header: Dataset }> {
  for await (const found of archive.headers(selectionOf(request))) return found;
  throw new HttpError(410, 'This instance has just been deleted.');
}

/** A document can be had as what it is (PS3.3 C.24.2). */
function mediaTypesOf(header: Dataset, path: BulkPath): string[] {
  const document = path.length === 1 && path[0] === ENCAPSULATED_DOCUMENT ? text(header, 'MIMETypeOfEncapsulatedDocument') : undefined;
  return document !== undefined && /^[\w.+-]+\/[\w.+-]+$/.test(document) ? [document.toLowerCase(), OCTET_STREAM] : [OCTET_STREAM];
}

/** Of ranges the value's own type comes first. */
function chooseType(wanted: readonly Wanted[], types: readonly string[]): { form: Wanted['form']; type: string } | undefined {
  for (const { form, type: range } of wanted) {
    const type = types.find((one) => covers({ type: range, parameters: new Map() }, one));
    if (type !== undefined) return { form, type };
  }
  return undefined;
}

async function contentOf(instance: ArchivedInstance, element: DicomElement, path: BulkPath, options: RetrieveOptions): Promise<BulkContent | undefined> {
  if (element.BulkDataURI === undefined) {
    const bytes = bytesOf(element);
    return bytes && inlineContent(bytes);
  }
  const stretch = leftOutAt(element);
  const encapsulated = path.at(-1) === PIXEL_DATA && transferSyntax(instance.transferSyntaxUid).encapsulated;
  return keptContent(instance, encapsulated ? await codestream(instance, stretch, options) : [stretch], element.vr, options.archive);
}

/** Of an icon: without its fragments' heads; of one that is not encapsulated although the rest is, all of it. */
async function codestream(instance: ArchivedInstance, stretch: Stretch, options: RetrieveOptions): Promise<Stretch[]> {
  const [table, ...fragments] = await listFragments(await readKept(instance, options), { offset: stretch.start, length: stretch.length });
  return table && table.start + table.length <= stretch.start + stretch.length && fragments.length > 0 ? fragments : [stretch];
}

export async function retrieveBulkData(request: Request, response: Response, options: RetrieveOptions): Promise<void> {
  const instances = await selectInstances(request, options.archive);
  const wanted = wantedOf(request).filter(({ form }) => form !== 'single');
  const values = chooseType(wanted, [OCTET_STREAM]) !== undefined;
  const pixels = new Map(instances.filter(({ frames }) => frames > 0).map((instance) => [instance.sopInstanceUid, pixelDataRepresentation(wanted, instance, false, options)]));
  const represented = [...pixels.values()].filter((found) => found !== undefined);
  if (!values && represented.length === 0) throw new HttpError(406, `All bulk data together is served as multipart/related; type="${OCTET_STREAM}"; …/pixeldata gives images.`);
  const root = serviceRoot(request);
  const caller = callerSignal(response);
  const parts = async function* (): AsyncGenerator<ContentPart, void, undefined> {
    for await (const { instance, header } of options.archive.headers(selectionOf(request))) {
      const address = instanceAddress(root, instance);
      for (const path of values ? bulkPaths(header) : []) {
        const content = await contentOf(instance, elementAt(header, path)!, path, options);
        if (content) yield { ...content, type: OCTET_STREAM, location: `${address}/bulkdata/${path.join('/')}` };
      }
      const representation = pixels.get(instance.sopInstanceUid);
      if (representation) yield* pixelDataOfInstance(instance, representation, root, options, caller);
    }
  };
  await sendParts(request, response, {
    single: false, one: false, parts: parts(), none: 'There is no bulk data.', cacheControl: CACHE_CONTROL,
    identity: [root, String(values), ...instances.map(({ sopInstanceUid, digest, path }) => `${sopInstanceUid} ${digest} ${path} ${pixels.get(sopInstanceUid)?.mediaType} ${pixels.get(sopInstanceUid)?.transferSyntaxUid}`)],
    asKept: false,
    left: { count: pixels.size - represented.length + (values ? 0 : 1), of: pixels.size + 1, what: 'kinds of bulk data' },
  });
}
