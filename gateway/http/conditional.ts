// Conditional requests and byte ranges (RFC 9110 13 and 14).
import type { Request } from 'express';
import { HttpError } from './errors.ts';

export interface Validators {
  /** As it stands in the header: "…", or W/"…" where the bytes may differ and mean the same. */
  etag: string;
  /** Whole seconds. */
  lastModified?: Date | undefined;
}

/**
 * Whether the caller's copy still holds: answer 304.
 * @throws {HttpError} 412 where If-Match or If-Unmodified-Since wants another state than there is
 */
export function isNotModified(request: Request, { etag, lastModified }: Validators): boolean {
  const { 'if-match': match, 'if-none-match': noneMatch, 'if-modified-since': since, 'if-unmodified-since': unmodifiedSince } = request.headers;
  if (match !== undefined) {
    if (!listed(match, etag, 'strong')) throw new HttpError(412, `If-Match names another version than the one that there is, ${etag}.`, { ETag: etag });
  } else if (lastModified && unmodifiedSince !== undefined && lastModified.getTime() > Date.parse(unmodifiedSince))
    throw new HttpError(412, `It has changed since then, on ${lastModified.toUTCString()}.`, { ETag: etag });
  if (noneMatch !== undefined) return listed(noneMatch, etag, 'weak');
  return lastModified !== undefined && since !== undefined && lastModified.getTime() <= Date.parse(since);
}

function listed(header: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (header.trim() === '*') return true;
  const opaque = (tag: string): string => (comparison === 'weak' ? tag.replace(/^W\//, '') : tag);
  if (comparison === 'strong' && etag.startsWith('W/')) return false;
  return (header.match(/(W\/)?"[^"]*"/g) ?? []).some((tag) => opaque(tag) === opaque(etag));
}

export interface ByteRange {
  start: number;
  /** Not included. */
  end: number;
}

/**
 * The one range of bytes that is asked for; undefined to send everything: nothing asked, several ranges, or a copy of another
 * version (If-Range).
 * @throws {HttpError} 416 where it lies outside, or cannot be understood
 */
export function requestedRange(request: Request, size: number, { etag, lastModified }: Validators): ByteRange | undefined {
  const { range } = request.headers;
  const ifRange = request.get('if-range');
  if (range === undefined || !/^\s*bytes\s*=/i.test(range)) return undefined;
  if (ifRange !== undefined && !(ifRange.startsWith('"') ? ifRange === etag : lastModified?.getTime() === Date.parse(ifRange))) return undefined;
  const specifiers = range.slice(range.indexOf('=') + 1).split(',').map((specifier) => /^\s*(\d{0,15})-(\d{0,15})\s*$/.exec(specifier));
  const unsatisfiable = (why: string): HttpError => new HttpError(416, `The range "${range.slice(0, 100)}" ${why}; there are ${size} bytes.`, { 'Content-Range': `bytes */${size}` });
  if (specifiers.some((match) => match === null || match[0].trim() === '-')) throw unsatisfiable('is not FIRST-LAST, FIRST- or -LENGTH');
  if (specifiers.length > 1) return undefined;
  const [, first = '', last = ''] = specifiers[0]!;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
  if (first !== '' && last !== '' && Number(last) < Number(first)) throw unsatisfiable('ends before it begins');
  if (start >= end) throw unsatisfiable('lies outside');
  return { start, end };
}

export function contentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end - 1}/${size}`;
}
