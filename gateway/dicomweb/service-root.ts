// The address of the DICOMweb services as the caller sees it: what Retrieve URLs and Bulk Data URIs begin with.
import type { Request } from 'express';

/** https://host[:port]/dicomweb, without a slash at the end; behind a proxy that is trusted, the proxy's own address. */
export function serviceRoot(request: Request): string {
  return `${request.protocol}://${request.host}/dicomweb`;
}
