// Retrieve transactions of instances (PS3.18 10.4): GET /dicomweb/studies/{study}[/series/{series}[/instances/{instance}]] as
// multipart/related, one alone as application/dicom, or all in a zip file.
import type { Request, Response } from 'express';
import type { ArchivedInstance } from '../../storage/archive.ts';
import { inFile, type Chunk } from '../../storage/file-bytes.ts';
import { contentRange, isNotModified, requestedRange } from '../http/conditional.ts';
import { covers } from '../http/header-parameters.ts';
import { callerSignal, sendBody, type BodyHead } from '../http/response-body.ts';
import { wantedOf, type Wanted } from './accept.ts';
import { openInstance, openKept, type RetrieveOptions } from './instance-file.ts';
import { DICOM, ZIP, negotiate, type ChosenInstance, type Representation } from './instance-negotiation.ts';
import { OCTET_STREAM } from './media-types.ts';
import { boundaryOf, multipartBody, multipartLength, multipartType, type OutgoingPart } from './multipart-writer.ts';
import { CACHE_CONTROL, notModified } from './not-modified.ts';
import { instanceAddress, selectInstances } from './selection.ts';
import { serviceRoot } from './service-root.ts';
import { retrieveBulkData } from './wado-bulkdata.ts';
import { zipOf } from './zip.ts';

export async function retrieveInstances(request: Request, response: Response, options: RetrieveOptions): Promise<void> {
  const wanted = wantedOf(request);
  if (wantsValues(wanted)) return retrieveBulkData(request, response, options);
  const instances = await selectInstances(request, options.archive);
  const representation = negotiate(wanted, instances, options.transcoder);
  const etag = etagOf(representation);
  const [first] = representation.chosen;
  if (representation.form === 'single' && first && first.syntaxes[0] === first.instance.transferSyntaxUid)
    return sendFile(request, response, first.instance, etag, options);
  const headers = { ETag: etag, 'Cache-Control': CACHE_CONTROL, Vary: 'Accept', Warning: warningOf(representation, instances.length) };
  if (isNotModified(request, { etag })) return notModified(response, headers);
  const caller = callerSignal(response);
  const send = ({ status, headers: own }: BodyHead, body: AsyncIterable<Chunk>) => sendBody(request, response, { status, headers: { ...headers, ...own } }, body);
  const status = representation.left > 0 ? 206 : 200;
  if (representation.form === 'single' && first) {
    await using file = await openInstance(first, options, caller);
    return await send({ status, headers: { 'Content-Type': dicomType(file.transferSyntaxUid) } }, file.body);
  }
  if (representation.form === 'zip') {
    const { length, body } = zipOf(representation.chosen, options, caller);
    const name = `${Object.values(request.params).at(-1)}.zip`;
    return send({ status, headers: { 'Content-Type': ZIP, 'Content-Length': length, 'Content-Disposition': `attachment; filename="${name}"` } }, body);
  }
  const root = serviceRoot(request);
  const boundary = boundaryOf(root, etag);
  const length = multipartLength(representation.chosen.map((chosen) => expectedPart(chosen, root)), boundary);
  return send({ status, headers: { 'Content-Type': multipartType(DICOM, boundary), 'Content-Length': length } }, multipartBody(partsOf(representation.chosen, root, options, caller), boundary));
}

/** Where no file is accepted, but parts of another type, it is their values that are wanted (PS3.18 annex B.10). */
function wantsValues(wanted: readonly Wanted[]): boolean {
  const files = wanted.some(({ form, type }) => form === 'either' || [DICOM, ZIP].some((file) => covers({ type, parameters: new Map() }, file)));
  return !files && wanted.some(({ form, type }) => form === 'multipart' && (type === OCTET_STREAM || /^(image|video)\//.test(type)));
}

/** Strong where the bytes are those that are kept: the same tag, the same bytes, which ranges can be taken from. */
function etagOf({ form, chosen }: Representation): string {
  const asKept = chosen.every(({ instance, syntaxes }) => syntaxes[0] === instance.transferSyntaxUid);
  const content = chosen.map(({ instance, syntaxes }) => `${instance.sopInstanceUid} ${instance.digest} ${instance.path} ${syntaxes[0]}`);
  const tag = `"${boundaryOf(form, ...content).slice('hilum-'.length)}"`;
  return asKept && form !== 'zip' ? tag : `W/${tag}`;
}

function warningOf({ left }: Representation, all: number): string | undefined {
  return left === 0 ? undefined : `299 hilum "${left} of ${all} instances cannot be sent in a transfer syntax that is accepted, and are left out"`;
}

const dicomType = (transferSyntaxUid: string): string => `${DICOM}; transfer-syntax=${transferSyntaxUid}`;

/** One file as it is kept, or a range of its bytes. */
async function sendFile(request: Request, response: Response, instance: ArchivedInstance, etag: string, { archive }: RetrieveOptions): Promise<void> {
  const file = await openKept(instance, archive);
  try {
    const { mtime } = await file.stat();
    const validators = { etag, lastModified: new Date(Math.floor(mtime.getTime() / 1000) * 1000) };
    const headers = { ETag: etag, 'Last-Modified': validators.lastModified.toUTCString(), 'Cache-Control': CACHE_CONTROL, Vary: 'Accept', 'Accept-Ranges': 'bytes' };
    if (isNotModified(request, validators)) return notModified(response, headers);
    const range = requestedRange(request, instance.bytes, validators);
    const { start, end } = range ?? { start: 0, end: instance.bytes };
    const head: BodyHead = {
      status: range ? 206 : 200,
      headers: {
        ...headers,
        'Content-Type': dicomType(instance.transferSyntaxUid),
        'Content-Length': end - start,
        'Content-Location': instanceAddress(serviceRoot(request), instance),
        'Content-Range': range && contentRange(range, instance.bytes),
      },
    };
    await sendBody(request, response, head, inFile(file, start, end));
  } finally {
    await file.close();
  }
}

function expectedPart({ instance, syntaxes }: ChosenInstance, root: string): OutgoingPart {
  const [transferSyntaxUid = ''] = syntaxes;
  const length = transferSyntaxUid === instance.transferSyntaxUid ? instance.bytes : undefined;
  return { type: dicomType(transferSyntaxUid), location: instanceAddress(root, instance), length };
}

/** Each is opened when it is its turn, and closed before the next: a file that has vanished by then breaks the response off. */
async function* partsOf(chosen: readonly ChosenInstance[], root: string, options: RetrieveOptions, caller: AbortSignal) {
  for (const one of chosen) {
    await using file = await openInstance(one, options, caller);
    const part: OutgoingPart = { type: dicomType(file.transferSyntaxUid), location: instanceAddress(root, one.instance), length: file.length };
    yield { part, body: file.body };
  }
}
