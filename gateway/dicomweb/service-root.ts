// The address of the DICOMweb services as the caller sees it: what Retrieve URLs and Bulk Data URIs begin with.
import type { Request } from 'express';

/**
 * https://host[:port][/prefix]/dicomweb, without a slash at the end; behind a proxy that is trusted, the proxy's own address, with the
 * path that it has put before ours (X-Forwarded-Proto, -Host, -Prefix).
 */
export function serviceRoot(request: Request): string {
  return `${request.protocol}://${request.host}${prefixOf(request)}/dicomweb`;
}

function prefixOf(request: Request): string {
  const prefix = request.get('X-Forwarded-Prefix')?.replace(/\/+$/, '');
  const isTrusted = request.app.get('trust proxy fn') as (address: string | undefined, hop: number) => boolean;
  return prefix !== undefined && /^(\/[\w.~-]+)+$/.test(prefix) && isTrusted(request.socket.remoteAddress, 0) ? prefix : '';
}
