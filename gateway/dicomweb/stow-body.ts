// The body of a store request: of which kind its payload is, and its parts as they come (PS3.18 8.6.1, 10.5.1).
import type { Request } from 'express';
import { HttpError } from '../http/errors.ts';
import { parseMediaType } from '../http/header-parameters.ts';
import { BULK_MEDIA_TYPES } from './bulk-media-types.ts';
import { isBoundary, readMultipart, type Part } from './multipart.ts';

/** A caller that sends nothing for this long is given up; a slow line sends something. */
const IDLE_MILLISECONDS = 60_000;

const METADATA_TYPES = ['application/dicom+json', 'application/dicom+xml'];
/** What the standard has for metadata, and what clients call the same. */
const METADATA_NAMES = [...METADATA_TYPES, 'application/json', 'application/xml', 'text/xml'];

export interface StoreBody {
  /** Undefined where the Content-Type does not say: the first part does. */
  kind: 'instances' | 'metadata' | undefined;
  parts: AsyncIterable<Part>;
}

/** @throws {HttpError} for what cannot be stored, naming what can */
export function storeBody(request: Request): StoreBody {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    throw new HttpError(415, `Content-Encoding ${encoding} is not supported: pixel data is compressed by its transfer syntax.`, { 'Accept-Encoding': 'identity' });
  const stated = request.headers['content-type'];
  const type = parseMediaType(stated ?? '');
  if (type && (type.type === 'application/dicom' || METADATA_NAMES.includes(type.type))) return { kind: kindOf(type.type), parts: onePart(request, stated!) };
  const related = type?.parameters.get('type')?.toLowerCase();
  if (type?.type !== 'multipart/related' || (related !== undefined && kindOf(related) === undefined)) throw unsupported(related ?? type?.type);
  const boundary = type.parameters.get('boundary');
  if (boundary === undefined || !isBoundary(boundary)) throw new HttpError(400, 'The Content-Type has no usable boundary parameter.');
  return { kind: related === undefined ? undefined : kindOf(related), parts: readMultipart(bodyOf(request), boundary) };
}

/** By the type of the whole, or of its first part. */
export function kindOf(type: string): StoreBody['kind'] {
  if (type === 'application/dicom') return 'instances';
  return METADATA_NAMES.includes(type) ? 'metadata' : undefined;
}

function unsupported(type: string | undefined): HttpError {
  const accepted = ['application/dicom', ...METADATA_TYPES].map((one) => `multipart/related; type="${one}"`);
  const alone = type !== undefined && BULK_MEDIA_TYPES.includes(type) ? `${type} is stored as bulk data beside its metadata. ` : '';
  return new HttpError(415, `${alone}Instances are stored as multipart/related; type="application/dicom", or with metadata of type="application/dicom+json" or "application/dicom+xml" before their bulk data.`, { Accept: accepted.join(', ') });
}

/** PS3.18 8.6.1.1: a single part may be sent as it is. */
async function* onePart(request: Request, type: string): AsyncGenerator<Part> {
  yield { headers: new Map([['content-type', type]]), body: bodyOf(request) };
}

/** The request's body; unlike the stream's own iterator it leaves the connection open for the answer. */
async function* bodyOf(request: Request): AsyncGenerator<Uint8Array, void, undefined> {
  const chunks: AsyncIterator<Uint8Array> = request.iterator({ destroyOnReturn: false });
  for (;;) {
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new HttpError(408, `Nothing came for ${IDLE_MILLISECONDS / 1000} s.`)), IDLE_MILLISECONDS);
    });
    const next = await Promise.race([chunks.next(), silence]).finally(() => clearTimeout(timer));
    if (next.done) return;
    yield next.value;
  }
}
