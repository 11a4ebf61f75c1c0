// GET /dicomweb/studies/{study}[/series/{series}[/instances/{instance}]]/metadata (PS3.18 10.4.1.1.2): as DICOM JSON, or each
// instance as a part in XML; written while it is read from the index, and not at all while the caller's copy still holds.
import { createGzip } from 'node:zlib';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import type { ArchivedInstance, Archive } from '../../storage/archive.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { datasetJson } from '../../storage/dicom/json.ts';
import { datasetXml } from '../../storage/dicom/xml.ts';
import { isNotModified } from '../http/conditional.ts';
import { HttpError } from '../http/errors.ts';
import { covers } from '../http/header-parameters.ts';
import { sendBody } from '../http/response-body.ts';
import { wantedOf, type Wanted } from './accept.ts';
import type { BodyCache } from './body-cache.ts';
import { withBulkDataUris } from './bulk-data-uri.ts';
import { boundaryOf, multipartBody, multipartType } from './multipart-writer.ts';
import { CACHE_CONTROL, notModified } from './not-modified.ts';
import { instanceAddress, selectInstances, selectionOf } from './selection.ts';
import { serviceRoot } from './service-root.ts';

const JSON_TYPE = 'application/dicom+json';
const XML_TYPE = 'application/dicom+xml';
/** Counted up when the same header comes out otherwise: copies that callers hold are then out of date. */
const EDITION = '1';
/** Halves the time of the default for some per cent more bytes. */
const GZIP_LEVEL = 4;
/** Headers are a few KB: gathered, they make fewer writes. */
const WRITE_BYTES = 64 * 1024;

export interface MetadataOptions {
  archive: Archive;
  /** Of compressed JSON. */
  bodies: BodyCache;
}

export async function retrieveMetadata(request: Request, response: Response, { archive, bodies }: MetadataOptions): Promise<void> {
  const instances = await selectInstances(request, archive);
  const chosen = chooseType(wantedOf(request));
  if (!chosen) throw new HttpError(406, `Metadata is served as ${JSON_TYPE}, or as multipart/related; type="${XML_TYPE}".`);
  const root = serviceRoot(request);
  const encoding = chosen.type === JSON_TYPE && acceptsGzip(request) ? 'gzip' : undefined;
  const boundary = boundaryOf(EDITION, root, chosen.type, encoding ?? '', ...instances.map(identityOf));
  const etag = `W/"${boundary.slice('hilum-'.length)}"`;
  const headers = { ETag: etag, 'Cache-Control': CACHE_CONTROL, Vary: 'Accept, Accept-Encoding', 'Content-Encoding': encoding };
  if (isNotModified(request, { etag })) return notModified(response, headers);
  const cached = encoding && bodies.get(boundary);
  if (cached) return sendBody(request, response, { status: 200, headers: { ...headers, 'Content-Type': chosen.contentType, 'Content-Length': cached.length } }, once(cached));
  const sent: string[] = [];
  const datasets = addressed(archive.headers(selectionOf(request)), root, (instance) => sent.push(identityOf(instance)));
  const asSelected = (): boolean => sent.length === instances.length && instances.every((instance, index) => identityOf(instance) === sent[index]);
  if (chosen.type === XML_TYPE) return sendBody(request, response, { status: 200, headers: { ...headers, 'Content-Type': multipartType(XML_TYPE, boundary) } }, multipartBody(xmlParts(datasets), boundary));
  const json = gathered(jsonArray(datasets));
  return sendBody(request, response, { status: 200, headers: { ...headers, 'Content-Type': chosen.contentType } }, encoding ? bodies.keep(boundary, gzipped(json), asSelected) : json);
}

function chooseType(wanted: readonly Wanted[]): { type: string; contentType: string } | undefined {
  for (const { form, type } of wanted) {
    const range = { type, parameters: new Map<string, string>() };
    if (form !== 'multipart' && (covers(range, JSON_TYPE) || covers(range, 'application/json'))) return { type: JSON_TYPE, contentType: type === 'application/json' ? type : JSON_TYPE };
    if (form === 'multipart' && covers(range, XML_TYPE)) return { type: XML_TYPE, contentType: XML_TYPE };
    // Said alone it can only mean the multipart, because each instance is a document of its own (PS3.18 8.7.3.2).
    if (form === 'single' && type === XML_TYPE) return { type: XML_TYPE, contentType: XML_TYPE };
  }
  return undefined;
}

function acceptsGzip(request: Request): boolean {
  return request.acceptsEncodings('gzip', 'identity') === 'gzip';
}

function identityOf({ sopInstanceUid, digest, path }: ArchivedInstance): string {
  return `${sopInstanceUid} ${digest} ${path}`;
}

interface AddressedHeader {
  header: Dataset;
  address: string;
}

async function* addressed(headers: AsyncIterable<{ instance: ArchivedInstance; header: Dataset }>, root: string, onHeader: (instance: ArchivedInstance) => void): AsyncGenerator<AddressedHeader, void, undefined> {
  for await (const { instance, header } of headers) {
    onHeader(instance);
    const address = instanceAddress(root, instance);
    yield { address, header: withBulkDataUris(header, instance, address) };
  }
}

async function* jsonArray(datasets: AsyncIterable<AddressedHeader>): AsyncGenerator<string, void, undefined> {
  let before = '[';
  for await (const { header } of datasets) {
    yield before + datasetJson(header);
    before = ',\n';
  }
  yield before === '[' ? '[]\n' : ']\n';
}

async function* gathered(texts: AsyncIterable<string>): AsyncGenerator<Uint8Array, void, undefined> {
  let pieces: string[] = [];
  let characters = 0;
  for await (const text of texts) {
    pieces.push(text);
    characters += text.length;
    if (characters < WRITE_BYTES) continue;
    yield Buffer.from(pieces.join(''));
    [pieces, characters] = [[], 0];
  }
  yield Buffer.from(pieces.join(''));
}

async function* gzipped(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const gzip = createGzip({ level: GZIP_LEVEL });
  // Its failure reaches the reader of the other end.
  const feeding = pipeline(chunks, gzip, { end: true }).catch(() => undefined);
  try {
    for await (const chunk of gzip) yield chunk as Uint8Array;
  } finally {
    gzip.destroy();
    await feeding;
  }
}

async function* xmlParts(datasets: AsyncIterable<AddressedHeader>) {
  for await (const { header, address } of datasets) {
    const bytes = Buffer.from(datasetXml(header));
    const part = { type: XML_TYPE, location: `${address}/metadata`, length: bytes.length };
    yield { part, body: once(bytes) };
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
