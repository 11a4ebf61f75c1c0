// Search for workitems: GET /dicomweb/workitems?… (PS3.18 11.9, PS3.4 CC.2.8). A match has all attributes of its step.
import type { Request, Response } from 'express';
import { randomUUID } from 'node:crypto';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { text } from '../../storage/dicom/dataset.ts';
import { datasetJson } from '../../storage/dicom/json.ts';
import { datasetXml } from '../../storage/dicom/xml.ts';
import { multipartBody, multipartType } from '../dicomweb/multipart-writer.ts';
import { parseSearch } from '../dicomweb/query-parameters.ts';
import { serviceRoot } from '../dicomweb/service-root.ts';
import { sendBody } from '../http/response-body.ts';
import { wantedType } from './payload.ts';
import { withRetrieval } from './retrieval.ts';
import { warning, type UpsService } from './service.ts';

/** Of one answer: some megabytes at most, and more than a worklist shows. */
const MAX_RESULTS = 1000;

/** @throws {HttpError} 400 for what is not understood, 406 */
export async function searchWorkitems(request: Request, response: Response, { steps, aeTitle }: UpsService): Promise<void> {
  const root = serviceRoot(request);
  const type = wantedType(request, 'many');
  const mark = request.originalUrl.indexOf('?');
  const { query, warnings } = parseSearch({ level: 'instance' }, mark < 0 ? '' : request.originalUrl.slice(mark + 1));
  const limit = Math.min(query.limit ?? MAX_RESULTS, MAX_RESULTS);
  const found: Dataset[] = [];
  const wanted = { keys: query.keys, fuzzy: query.fuzzy ?? false, offset: query.offset ?? 0, limit: limit + 1 };
  for await (const { origin, dataset } of steps.search(wanted)) found.push(origin === 'other' ? dataset : withRetrieval(dataset, root, aeTitle));
  if (found.length > limit) warnings.push('There are additional results that can be requested');
  const matches = found.slice(0, limit);
  const headers = {
    'Cache-Control': 'no-store',
    Vary: 'Accept',
    ...(warnings.length > 0 && warning(root, warnings.join('; ').replaceAll(/[^\x20-\x7e]/g, '?'))),
  };
  if (type === 'json') {
    response.status(200).set(headers).type('application/dicom+json').send(`[${matches.map(datasetJson).join(',\n')}]`);
    return;
  }
  if (matches.length === 0) {
    response.status(204).set(headers).end();
    return;
  }
  const boundary = `hilum-${randomUUID()}`;
  await sendBody(request, response, { status: 200, headers: { ...headers, 'Content-Type': multipartType('application/dicom+xml', boundary) } }, multipartBody(parts(matches, root), boundary));
}

async function* parts(matches: Dataset[], root: string) {
  for (const match of matches) {
    const bytes = Buffer.from(datasetXml(match));
    const body = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      yield bytes;
    };
    yield { part: { type: 'application/dicom+xml', location: `${root}/workitems/${text(match, 'SOPInstanceUID')}`, length: bytes.length }, body: body() };
  }
}
