// Bodies of UPS-RS: one dataset as DICOM JSON or XML (PS3.18 8.7.3.2), both ways, bounded.
import type { Request, Response } from 'express';
import { datasetJson } from '../../storage/dicom/json.ts';
import { datasetOf } from '../../storage/dicom/parse-json.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { datasetXml, parseDatasetXml } from '../../storage/dicom/xml.ts';
import { acceptedRanges } from '../dicomweb/accept.ts';
import { HttpError } from '../http/errors.ts';
import { covers, parseMediaType } from '../http/header-parameters.ts';
import { readShortBody } from '../http/short-body.ts';

/** A step that names ten thousand instances has some two megabytes. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
const BODY_MILLISECONDS = 30_000;

const JSON_TYPES = ['application/dicom+json', 'application/json'];
const XML_TYPES = ['application/dicom+xml', 'application/xml', 'text/xml'];

/** @throws {HttpError} 400, 408, 413, 415; {DicomFormatError} naming the attribute that is wrong */
export async function readStep(request: Request, response: Response): Promise<Dataset> {
  const type = parseMediaType(request.headers['content-type'] ?? '')?.type;
  if (type === undefined || ![...JSON_TYPES, ...XML_TYPES].includes(type))
    throw new HttpError(415, 'The dataset is sent as application/dicom+json or application/dicom+xml.', { Accept: 'application/dicom+json, application/dicom+xml' });
  const step = parse(await readBody(request, response), type);
  const unkept = unkeptIn(step);
  if (unkept !== undefined) throw new HttpError(400, `${unkept} holds a character that is none of Unicode's, or NUL.`);
  return step;
}

function parse(body: string, type: string): Dataset {
  if (XML_TYPES.includes(type)) return parseDatasetXml(body);
  const value = parseJson(body);
  // PS3.18 F.2.1 puts datasets into an array; callers send the one alone as well.
  if (Array.isArray(value) && value.length !== 1) throw new HttpError(400, `The body holds ${value.length} datasets, not one.`);
  return datasetOf(Array.isArray(value) ? value[0] : value);
}

/** The tag of text that the database cannot keep: NUL (PS3.5 6.1.3 has no use for it in text), and half a surrogate pair. */
function unkeptIn(dataset: Dataset): string | undefined {
  for (const [tag, element] of Object.entries(dataset))
    for (const value of [...(element.Value ?? []), element.BulkDataURI ?? null]) {
      if (typeof value === 'string' && (value.includes('\0') || !value.isWellFormed())) return tag;
      const within = typeof value === 'object' && value !== null ? (element.vr === 'PN' ? unkeptIn({ [tag]: { vr: 'LO', Value: Object.values(value) as string[] } }) : unkeptIn(value as Dataset)) : undefined;
      if (within !== undefined) return within === tag ? tag : `${tag}.${within}`;
    }
  return undefined;
}

/** The same where a body is optional: an empty one is an empty dataset. */
export async function readStepIfAny(request: Request, response: Response): Promise<Dataset> {
  const isEmpty = request.headers['content-length'] === '0' || (request.headers['content-length'] === undefined && request.headers['transfer-encoding'] === undefined);
  return isEmpty ? {} : readStep(request, response);
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch (error) {
    throw new HttpError(400, `The body is not JSON: ${(error as Error).message}`, {}, { cause: error });
  }
}

async function readBody(request: Request, response: Response): Promise<string> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) throw tooLarge();
  const body = await readShortBody(request, response, MAX_BODY_BYTES, BODY_MILLISECONDS, tooLarge);
  if (body.length === 0) throw new HttpError(400, 'The request has no body.');
  return body.toString('utf8');
}

const tooLarge = (): HttpError => new HttpError(413, `The body is longer than ${MAX_BODY_BYTES} bytes.`);

/** Which of the two representations a caller wants. @throws {HttpError} 406 */
export function wantedType(request: Request, parts: 'one' | 'many'): 'json' | 'xml' {
  for (const range of acceptedRanges(request)) {
    if (JSON_TYPES.some((type) => covers(range, type))) return 'json';
    const multipart = range.type === 'multipart/related' && XML_TYPES.includes((range.parameters.get('type') ?? '').toLowerCase());
    if (multipart || (parts === 'one' && XML_TYPES.some((type) => covers(range, type)))) return 'xml';
  }
  throw new HttpError(406, `What can be had is application/dicom+json and ${parts === 'one' ? '' : 'multipart/related; type='}application/dicom+xml.`);
}

export function sendStep(response: Response, type: 'json' | 'xml', step: Dataset): void {
  response.setHeader('Cache-Control', 'no-store');
  if (type === 'json') response.type('application/dicom+json').send(`[${datasetJson(step)}]`);
  else response.type('application/dicom+xml').send(datasetXml(step));
}
