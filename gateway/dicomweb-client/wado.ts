// Retrieve as a client: WADO-RS of studies, series and instances (PS3.18 10.4), each instance handed on while it comes.
import type { IncomingMessage } from 'node:http';
import { SourceUnavailable } from '../../storage/errors.ts';
import { isBoundary, MultipartError, readMultipart } from '../dicomweb/multipart.ts';
import { parseMediaType } from '../http/header-parameters.ts';
import type { DicomwebClient } from './request.ts';

/** Any transfer syntax: the bytes as they are stored there (PS3.18 8.7.3.5.2). */
const ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*';

/** Takes a Part 10 file to its end, or throws. */
export type TakeInstance = (file: AsyncIterable<Uint8Array>) => Promise<void>;

/**
 * @param path /studies/{uid}[/series/{uid}[/instances/{uid}]]
 * @param take what it throws ends the retrieve
 * @throws {SourceUnavailable} where the answer is none, is cut, or is no multipart of DICOM
 */
export async function retrieveDicomweb(client: DicomwebClient, path: string, take: TakeInstance, signal: AbortSignal): Promise<void> {
  const response = await client.get(path, ACCEPT, signal);
  try {
    for await (const file of filesOf(response, bodyOf(response, client, signal))) await take(file);
  } catch (error) {
    throw error instanceof MultipartError ? client.unavailable(error, signal) : error;
  } finally {
    // What was not read to its end is not wanted any more; a keep-alive connection cannot go on behind it.
    if (!response.complete) response.destroy();
    else response.resume();
  }
}

/** What breaks it is the source's fault, whoever reads it. @throws {SourceUnavailable} */
async function* bodyOf(response: IncomingMessage, client: DicomwebClient, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* response as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw client.unavailable(error, signal);
  }
}

async function* filesOf(response: IncomingMessage, body: AsyncIterable<Uint8Array>): AsyncGenerator<AsyncIterable<Uint8Array>> {
  const contentType = response.headers['content-type'] ?? '';
  const type = parseMediaType(contentType);
  if (type?.type === 'application/dicom') return yield body;
  const boundary = type?.parameters.get('boundary') ?? '';
  if (type?.type !== 'multipart/related' || !isBoundary(boundary)) throw new SourceUnavailable(`the answer is "${contentType.slice(0, 100)}", not multipart/related of application/dicom`);
  for await (const part of readMultipart(body, boundary)) {
    const partType = part.headers.get('content-type');
    if (partType !== undefined && parseMediaType(partType)?.type !== 'application/dicom') throw new SourceUnavailable(`a part is "${partType.slice(0, 100)}", not application/dicom`);
    yield part.body;
  }
}
