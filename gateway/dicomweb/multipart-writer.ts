// Multipart/related bodies of parts of any length (RFC 2387, PS3.18 8.6.1.2), and how long they will be.
import { createHash } from 'node:crypto';
import type { Chunk } from '../../storage/file-bytes.ts';

export interface OutgoingPart {
  /** With its parameters: application/dicom; transfer-syntax=… */
  type: string;
  /** Address of what the part holds (PS3.18 8.6.1.2.1). */
  location: string;
  /** Of the body; undefined where it is not known before it is made. */
  length?: number | undefined;
  /** As in `bytes 0-99/1000`, where the part is a part of what its address names. */
  range?: string | undefined;
}

/**
 * A boundary made of what is sent, so that the same answer has the same bytes. It cannot occur in them by accident, nor be put
 * there: whoever writes the bytes changes it.
 */
export function boundaryOf(...content: string[]): string {
  const hash = createHash('sha256');
  for (const part of content) hash.update(part).update('\n');
  return `hilum-${hash.digest('hex').slice(0, 40)}`;
}

export function multipartType(type: string, boundary: string): string {
  return `multipart/related; type="${type}"; boundary=${boundary}`;
}

/** What stands before a part's bytes. */
export function partHead(part: OutgoingPart, boundary: string): Buffer {
  const lines = [
    `--${boundary}`,
    `Content-Type: ${part.type}`,
    ...(part.length === undefined ? [] : [`Content-Length: ${part.length}`]),
    ...(part.range === undefined ? [] : [`Content-Range: ${part.range}`]),
    `Content-Location: ${part.location}`,
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
}

const CRLF = Buffer.from('\r\n');

/** The whole body: heads, parts, the closing boundary. Parts are made as they are taken. */
export async function* multipartBody(parts: AsyncIterable<{ part: OutgoingPart; body: AsyncIterable<Chunk> }>, boundary: string): AsyncGenerator<Chunk, void, undefined> {
  for await (const { part, body } of parts) {
    yield partHead(part, boundary);
    yield* body;
    yield CRLF;
  }
  yield Buffer.from(`--${boundary}--\r\n`);
}

/** Bytes of such a body; undefined where a part's are not known. */
export function multipartLength(parts: readonly OutgoingPart[], boundary: string): number | undefined {
  let bytes = boundary.length + 6;
  for (const part of parts) {
    if (part.length === undefined) return undefined;
    bytes += partHead(part, boundary).length + part.length + CRLF.length;
  }
  return bytes;
}
