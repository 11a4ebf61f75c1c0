// Answers made of bulk data: one part alone, with ranges, or multipart/related (PS3.18 8.6.1, 10.4.3).
import type { Request, Response } from 'express';
import type { Chunk } from '../../storage/file-bytes.ts';
import { contentRange, isNotModified, requestedRange } from '../http/conditional.ts';
import { HttpError } from '../http/errors.ts';
import { sendBody, type BodyHead } from '../http/response-body.ts';
import type { BulkContent } from './bulk-content.ts';
import { boundaryOf, multipartBody, multipartLength, multipartType, type OutgoingPart } from './multipart-writer.ts';

export interface ContentPart extends BulkContent {
  type: string;
  location: string;
}

export interface PartsAnswer {
  /** One part alone; or as many as there are, in multipart/related. */
  single: boolean;
  /** Exactly one part, and known to be: it can be asked for in ranges, in multipart/related too. */
  one: boolean;
  /** Made as they are taken. */
  parts: AsyncGenerator<ContentPart, void, undefined>;
  /** Whatever else these are, the parts are others: digests, types, syntaxes, places. */
  identity: readonly string[];
  /** The same bytes each time; what is transcoded may come out otherwise in another version. */
  asKept: boolean;
  /** Where some had to be left out: how many of how many of what. */
  left?: { count: number; of: number; what: string };
  /** What it means that there are no parts. */
  none: string;
  cacheControl: string;
}

/** @throws {HttpError} 404 when there is no part; 412, 416; what making the first part throws */
export async function sendParts(request: Request, response: Response, answer: PartsAnswer): Promise<void> {
  const { single, one, parts, identity, left } = answer;
  const boundary = boundaryOf(single ? 'single' : 'multipart', ...identity);
  const etag = `${answer.asKept ? '' : 'W/'}"${boundary.slice('hilum-'.length)}"`;
  const headers = {
    ETag: etag, 'Cache-Control': answer.cacheControl, Vary: 'Accept',
    Warning: left && left.count > 0 ? `299 hilum "${left.count} of ${left.of} ${left.what} cannot be sent in a form that is accepted, and are left out"` : undefined,
  };
  try {
    if (isNotModified(request, { etag })) {
      for (const [name, value] of Object.entries(headers)) if (value !== undefined) response.setHeader(name, value);
      return void response.status(304).end();
    }
    const next = await parts.next();
    if (next.done) throw new HttpError(404, answer.none);
    const first = next.value;
    const range = one && first.length !== undefined ? requestedRange(request, first.length, { etag }) : undefined;
    const part: OutgoingPart = { type: first.type, location: first.location, length: range ? range.end - range.start : first.length, range: range && contentRange(range, first.length ?? 0) };
    const status = range || (left?.count ?? 0) > 0 ? 206 : 200;
    const ranges = one && first.length !== undefined ? 'bytes' : undefined;
    const head: BodyHead = single
      ? { status, headers: { ...headers, 'Accept-Ranges': ranges, 'Content-Type': part.type, 'Content-Length': part.length, 'Content-Location': part.location, 'Content-Range': part.range } }
      : { status, headers: { ...headers, 'Accept-Ranges': ranges, 'Content-Type': multipartType(rootTypeOf(first), boundary), 'Content-Length': one ? multipartLength([part], boundary) : undefined } };
    const body = single ? first.open(range) : multipartBody(outgoing({ part, body: first.open(range) }, parts), boundary);
    await sendBody(request, response, head, body);
  } finally {
    await parts.return();
  }
}

/** The type of the first part stands for all of them (RFC 2387 3.1), although pixels may have another than the values beside them. */
function rootTypeOf({ type }: ContentPart): string {
  return type.split(';', 1)[0] ?? type;
}

async function* outgoing(first: { part: OutgoingPart; body: AsyncIterable<Chunk> }, rest: AsyncIterable<ContentPart>) {
  yield first;
  for await (const { type, location, length, open } of rest) yield { part: { type, location, length }, body: open() };
}
