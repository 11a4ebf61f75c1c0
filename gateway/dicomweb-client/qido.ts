// Search as a client: QIDO-RS (PS3.18 10.6, 8.3.4), page after page.
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { SourceUnavailable } from '../../storage/errors.ts';
import type { DicomwebClient } from './request.ts';

/** Of one answer: servers have limits of their own, most of them between 100 and 1000. */
const PAGE = 200;
/** A page of 200 matches with all that servers add comes to less than a megabyte. */
const MAX_PAGE_BYTES = 32 * 1024 * 1024;

const element = z.object({ vr: z.string().length(2), Value: z.array(z.any()).optional(), BulkDataURI: z.string().optional(), InlineBinary: z.string().optional() });
const matches = z.array(z.record(z.string().regex(/^[0-9A-Fa-f]{8}$/), element));

export interface Search {
  /** Below the service: /studies, /studies/{uid}/series, … */
  resource: string;
  /** Keyword or tag -> value; '' asks for the attribute without matching. */
  keys: Readonly<Record<string, string>>;
  limit?: number | undefined;
}

/**
 * Matches in the server's order. A server that gives the same page again, whatever the offset, is read once.
 * @throws {SourceUnavailable}
 */
export async function* searchDicomweb(client: DicomwebClient, { resource, keys, limit = Infinity }: Search, signal: AbortSignal): AsyncGenerator<Dataset> {
  let given = 0;
  let firstOfPage = '';
  while (given < limit) {
    const wanted = Math.min(PAGE, limit - given);
    const page = await pageOf(client, `${resource}?${queryOf(keys, wanted, given)}`, signal);
    const first = JSON.stringify(page.matches[0] ?? null);
    if (page.matches.length === 0 || first === firstOfPage) return;
    firstOfPage = first;
    for (const match of page.matches.slice(0, limit - given)) yield match;
    given += page.matches.length;
    // Warning 299 says that there is more (PS3.18 8.3.4.4); a full page, that there may be.
    if (page.matches.length < wanted && !page.more) return;
  }
}

function queryOf(keys: Search['keys'], limit: number, offset: number): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(keys)) {
    if (value === '') parameters.append('includefield', key);
    // UID lists are separated by commas here, by backslashes in DIMSE.
    else parameters.append(key, /UIDs?$/.test(key) ? value.replaceAll('\\', ',') : value);
  }
  parameters.append('limit', String(limit));
  if (offset > 0) parameters.append('offset', String(offset));
  return parameters.toString().replaceAll('+', '%20');
}

async function pageOf(client: DicomwebClient, path: string, signal: AbortSignal): Promise<{ matches: Dataset[]; more: boolean }> {
  const response = await client.get(path, 'application/dicom+json', signal);
  const more = /^299\b/.test(response.headers.warning ?? '');
  if (response.statusCode === 204) {
    response.resume();
    return { matches: [], more: false };
  }
  try {
    return { matches: matches.parse(JSON.parse(await textOf(response))) as Dataset[], more };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) throw new SourceUnavailable(`the answer to ${path.split('?')[0]} is not DICOM JSON`, { cause: error });
    throw client.unavailable(error, signal);
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_PAGE_BYTES) throw new SourceUnavailable(`a page of matches has more than ${MAX_PAGE_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
