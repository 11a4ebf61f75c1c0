// Store requests with metadata and bulk data (PS3.18 10.5.1.4), as clients make them.
import { datasetJson } from '../../storage/dicom/json.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';

export interface SentPart {
  type: string;
  body: Uint8Array | string;
  location?: string;
}

export const JSON_METADATA = 'multipart/related; type="application/dicom+json"; boundary=limit';
export const XML_METADATA = 'multipart/related; type="application/dicom+xml"; boundary=limit';

/** A body with the boundary `limit`. */
export function relatedBody(parts: SentPart[]): Buffer {
  const pieces = parts.flatMap(({ type, body, location }) => [
    Buffer.from(`\r\n--limit\r\nContent-Type: ${type}\r\n${location === undefined ? '' : `Content-Location: ${location}\r\n`}\r\n`),
    Buffer.from(body),
  ]);
  return Buffer.concat([...pieces, Buffer.from('\r\n--limit--\r\n')]);
}

export function jsonPart(...datasets: Dataset[]): SentPart {
  return { type: 'application/dicom+json', body: `[${datasets.map(datasetJson).join(',')}]` };
}
