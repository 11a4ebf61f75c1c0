// Search transaction (PS3.18 10.6): GET /dicomweb/studies, /series, /instances, and within a study or series. Matches are written
// while they are read from the database.
import { randomUUID } from 'node:crypto';
import type { Request, Response } from 'express';
import type { Archive, ArchiveQuery } from '../../storage/archive.ts';
import { dataset, text, type Dataset } from '../../storage/dicom/dataset.ts';
import { datasetJson } from '../../storage/dicom/json.ts';
import { datasetXml } from '../../storage/dicom/xml.ts';
import { HttpError } from '../http/errors.ts';
import { covers } from '../http/header-parameters.ts';
import { sendBody } from '../http/response-body.ts';
import { acceptedRanges } from './accept.ts';
import { JSON_TYPE, XML_TYPE } from './model-types.ts';
import { multipartBody, multipartType } from './multipart-writer.ts';
import { parseSearch, type SearchResource } from './query-parameters.ts';
import { serviceRoot } from './service-root.ts';
import { requireUid } from './uid-path.ts';

/** Read ahead of the answer, whose header says whether there are more: a page of any viewer, and a few hundred KB. */
const MATCHES_AHEAD = 250;
/** Matches are a few KB: gathered, they make fewer writes. */
const WRITE_CHARACTERS = 64 * 1024;

export interface SearchOptions {
  archive: Pick<Archive, 'search'>;
  /** Of one answer, where the address names no study: a study's own series and instances are never cut. */
  maxResults: number;
  /** What C-MOVE and C-GET would be asked of: Retrieve AE Title. */
  aeTitle: string;
}

/** @throws {HttpError} 400 for what is not understood in the address or the query, 406 */
export async function search(request: Request, response: Response, level: SearchResource['level'], options: SearchOptions): Promise<void> {
  const root = serviceRoot(request);
  const type = chosenType(request);
  const resource = resourceOf(request, level);
  const { query, warnings } = parseSearch(resource, queryStringOf(request));
  const maximum = resource.studyInstanceUid === undefined ? options.maxResults : Number.POSITIVE_INFINITY;
  const { matches, more } = await begin(options.archive, query, Math.min(query.limit ?? Number.POSITIVE_INFINITY, maximum));
  if (more) warnings.push('There are additional results that can be requested');
  const headers = {
    'Content-Type': type,
    'Cache-Control': 'no-store',
    Vary: 'Accept',
    ...(warnings.length > 0 && { Warning: warnings.map((warning) => `299 ${root}: ${printable(warning)}`).join(', ') }),
  };
  const addressed = located(matches, level, root, options.aeTitle);
  if (type !== XML_TYPE) return sendBody(request, response, { status: 200, headers }, gathered(jsonArray(addressed)));
  const first = await addressed.next();
  if (first.done) {
    // A multipart has one part at least (RFC 2046 5.1.1), so that no match is no body (PS3.18 table 10.6.3-1).
    response.status(204).setHeader('Cache-Control', 'no-store').end();
    return;
  }
  const boundary = `hilum-${randomUUID()}`;
  return sendBody(request, response, { status: 200, headers: { ...headers, 'Content-Type': multipartType(XML_TYPE, boundary) } }, multipartBody(xmlParts(first.value, addressed), boundary));
}

function queryStringOf(request: Request): string {
  const mark = request.originalUrl.indexOf('?');
  return mark < 0 ? '' : request.originalUrl.slice(mark + 1);
}

function resourceOf(request: Request, level: SearchResource['level']): SearchResource {
  return {
    level,
    ...(request.params['study'] !== undefined && { studyInstanceUid: requireUid(request, 'study') }),
    ...(request.params['series'] !== undefined && { seriesInstanceUid: requireUid(request, 'series') }),
  };
}

/** PS3.18 table 10.6.3-2: JSON unless XML is wanted more. */
function chosenType(request: Request): string {
  const charset: unknown = request.query['charset'];
  if (charset !== undefined && !/(^|[,\s])(utf-?8|\*)(?=$|[,;\s])/i.test([charset].flat().join(','))) throw new HttpError(406, 'Matches are written in UTF-8, which charset does not name.');
  for (const range of acceptedRanges(request)) {
    if (covers(range, JSON_TYPE)) return JSON_TYPE;
    if (range.type === 'application/json') return range.type;
    // Said alone it can only mean the multipart, because each match is a document of its own.
    if (range.type === XML_TYPE) return XML_TYPE;
    const part = (range.parameters.get('type') ?? XML_TYPE).toLowerCase();
    if (covers(range, 'multipart/related') && (part === XML_TYPE || part === '*/*' || part === 'application/*')) return XML_TYPE;
  }
  throw new HttpError(406, `Matches are served as ${JSON_TYPE}, application/json, or multipart/related; type="${XML_TYPE}".`);
}

/** Starts a search and finds out whether it has more matches than are taken, which the header says before the first is sent. */
async function begin(archive: Pick<Archive, 'search'>, query: ArchiveQuery, take: number): Promise<{ matches: AsyncIterable<Dataset>; more: boolean }> {
  const limited: ArchiveQuery = Number.isFinite(take) ? { ...query, limit: take + 1 } : query;
  const source = archive.search(limited)[Symbol.asyncIterator]();
  const ahead: Dataset[] = [];
  let ended = false;
  while (!ended && ahead.length <= Math.min(take, MATCHES_AHEAD)) {
    const next = await source.next();
    if (next.done) ended = true;
    else ahead.push(next.value);
  }
  let more = ahead.length > take;
  if (!ended && !more && Number.isFinite(take)) more = await isAny(archive.search({ ...query, include: [], limit: 1, offset: (query.offset ?? 0) + take }));
  return { matches: taken(ahead, source, take), more };
}

async function* taken(ahead: Dataset[], rest: AsyncIterator<Dataset>, take: number): AsyncGenerator<Dataset, void, undefined> {
  try {
    let left = take;
    for (const match of ahead) if (left-- > 0) yield match;
    while (left-- > 0) {
      const next = await rest.next();
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await rest.return?.();
  }
}

async function isAny(matches: AsyncIterable<Dataset>): Promise<boolean> {
  for await (const match of matches) return match !== undefined;
  return false;
}

/** Attributes that a match has even where they have no value; the others of tables 10.6.3-3 to -5 may be absent. */
const NEVER_ABSENT: Readonly<Record<SearchResource['level'], Dataset>> = {
  study: dataset({ StudyDate: null, StudyTime: null, AccessionNumber: null, ModalitiesInStudy: null, ReferringPhysicianName: null, PatientName: null, PatientID: null, PatientBirthDate: null, PatientSex: null, StudyID: null }),
  series: dataset({ Modality: null, SeriesNumber: null }),
  instance: dataset({ InstanceNumber: null }),
};

/** With what only this service knows: where and of whom a match can be retrieved. */
async function* located(matches: AsyncIterable<Dataset>, level: SearchResource['level'], root: string, aeTitle: string): AsyncGenerator<Located, void, undefined> {
  for await (const match of matches) {
    const address = addressOf(match, level, root);
    yield {
      address,
      match: { ...NEVER_ABSENT[level], ...match, '00080054': { vr: 'AE', Value: [aeTitle] }, '00080056': { vr: 'CS', Value: ['ONLINE'] }, '00081190': { vr: 'UR', Value: [address] } },
    };
  }
}

interface Located {
  match: Dataset;
  address: string;
}

function addressOf(match: Dataset, level: SearchResource['level'], root: string): string {
  const study = `${root}/studies/${text(match, 'StudyInstanceUID')}`;
  if (level === 'study') return study;
  const series = `${study}/series/${text(match, 'SeriesInstanceUID')}`;
  return level === 'series' ? series : `${series}/instances/${text(match, 'SOPInstanceUID')}`;
}

async function* jsonArray(matches: AsyncIterable<Located>): AsyncGenerator<string, void, undefined> {
  let before = '[';
  for await (const { match } of matches) {
    yield before + datasetJson(match);
    before = ',\n';
  }
  yield before === '[' ? '[]\n' : ']\n';
}

async function* gathered(texts: AsyncIterable<string>): AsyncGenerator<Uint8Array, void, undefined> {
  let pieces = '';
  for await (const piece of texts) {
    pieces += piece;
    if (pieces.length < WRITE_CHARACTERS) continue;
    yield Buffer.from(pieces);
    pieces = '';
  }
  yield Buffer.from(pieces);
}

async function* xmlParts(first: Located, rest: AsyncIterable<Located>) {
  yield xmlPart(first);
  for await (const match of rest) yield xmlPart(match);
}

function xmlPart({ match, address }: Located) {
  const bytes = Buffer.from(datasetXml(match));
  const body = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    yield bytes;
  };
  return { part: { type: XML_TYPE, location: address, length: bytes.length }, body: body() };
}

/** Header fields are ASCII, and a caller's words among ours must not end one. */
function printable(warning: string): string {
  return warning.replaceAll(/[^\x20-\x7e]/g, '?');
}
