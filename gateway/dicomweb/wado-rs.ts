// Retrieve transactions (PS3.18 10.4): a study's metadata, and single instances as they are stored.
import { open } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { datasetJson } from '../../storage/dicom/json.ts';
import { HttpError } from '../http/errors.ts';
import { covers, parseAccept, type MediaType } from '../http/header-parameters.ts';
import type { DicomwebSource, RetrievableInstance } from './source.ts';
import { requireUid } from './uid-path.ts';

/** A caller that takes nothing for this long is given up. */
const IDLE_MILLISECONDS = 60_000;
/** Small enough for many downloads at once, large enough to keep a disk busy. */
const READ_BYTES = 256 * 1024;

/** GET /dicomweb/studies/{study}/metadata (PS3.18 10.4.1.1.2): a JSON array, written while it is read. */
export async function retrieveStudyMetadata(request: Request, response: Response, source: DicomwebSource): Promise<void> {
  const study = requireUid(request, 'study');
  if (!parseAccept(request.headers.accept).some((range) => covers(range, 'application/dicom+json') || covers(range, 'application/json')))
    throw new HttpError(406, 'Metadata is served as application/dicom+json.');
  const datasets = source.studyMetadata(study)?.[Symbol.asyncIterator]();
  const first = await datasets?.next();
  if (datasets === undefined || first === undefined || first.done) throw new HttpError(404, 'There is no such study.');
  response.setHeader('Content-Type', 'application/dicom+json');
  response.setHeader('Cache-Control', 'private, no-store');
  giveUpWhenIdle(response);
  await pipeline(jsonArray(first.value, datasets), response);
}

async function* jsonArray(first: Dataset, rest: AsyncIterator<Dataset>): AsyncGenerator<string> {
  yield `[${datasetJson(first)}`;
  try {
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield `,\n${datasetJson(next.value)}`;
  } finally {
    await rest.return?.();
  }
  yield ']\n';
}

/** GET /dicomweb/studies/{study}/series/{series}/instances/{instance} (PS3.18 10.4.1.1.1): the bytes that are kept. */
export async function retrieveInstance(request: Request, response: Response, source: DicomwebSource): Promise<void> {
  const instance = await findInstance(request, source);
  const form = chooseForm(parseAccept(request.headers.accept), instance.transferSyntaxUid);
  const file = await openFile(instance);
  try {
    const { size } = await file.stat();
    const partType = `application/dicom; transfer-syntax=${instance.transferSyntaxUid}`;
    response.setHeader('Cache-Control', 'private, no-store');
    giveUpWhenIdle(response);
    const content = file.createReadStream({ autoClose: false, highWaterMark: READ_BYTES });
    if (form === 'single') {
      response.setHeader('Content-Type', partType);
      response.setHeader('Content-Length', size);
      await pipeline(content, response);
      return;
    }
    const boundary = randomUUID();
    const head = `--${boundary}\r\nContent-Type: ${partType}\r\nContent-Length: ${size}\r\n\r\n`;
    const tail = `\r\n--${boundary}--\r\n`;
    response.setHeader('Content-Type', `multipart/related; type="application/dicom"; boundary=${boundary}`);
    response.setHeader('Content-Length', head.length + size + tail.length);
    await pipeline(async function* () {
      yield head;
      yield* content;
      yield tail;
    }, response);
  } finally {
    await file.close();
  }
}

export async function findInstance(request: Request, source: DicomwebSource): Promise<RetrievableInstance> {
  const found = await source.instance(requireUid(request, 'study'), requireUid(request, 'series'), requireUid(request, 'instance'));
  if (found === undefined) throw new HttpError(404, 'There is no such instance.');
  return found;
}

async function openFile(instance: RetrievableInstance) {
  try {
    return await open(instance.path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new HttpError(404, "The instance's file is not there any more.", {}, { cause: error });
    throw error;
  }
}

/** One part alone where that is asked for, and else PS3.18's multipart. Instances are sent in the syntax in which they are stored. */
function chooseForm(ranges: MediaType[], stored: string): 'single' | 'multipart' {
  for (const range of ranges) {
    const wanted = range.parameters.get('transfer-syntax');
    if (wanted !== undefined && wanted !== '*' && wanted !== stored) continue;
    if (range.type === 'application/dicom') return 'single';
    const related = range.parameters.get('type') ?? 'application/dicom';
    if (covers(range, 'multipart/related') && (related === 'application/dicom' || related === '*/*')) return 'multipart';
  }
  throw new HttpError(406, `This instance is served as application/dicom in its transfer syntax, ${stored}.`);
}

function giveUpWhenIdle(response: Response): void {
  response.setTimeout(IDLE_MILLISECONDS, () => response.destroy());
}
