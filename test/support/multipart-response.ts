// A multipart answer taken apart, and instances put into a gateway to be retrieved again.
import assert from 'node:assert/strict';
import { readMultipart } from '../../gateway/dicomweb/multipart.ts';
import { parseMediaType } from '../../gateway/http/header-parameters.ts';
import { MULTIPART, multipart, type TestGateway } from './http-gateway.ts';

export interface ReceivedPart {
  type: string | undefined;
  location: string | undefined;
  headers: Map<string, string>;
  bytes: Buffer;
}

/** @param type of the parts, as the answer must announce it */
export async function partsOf(response: Response, type: string): Promise<ReceivedPart[]> {
  const announced = parseMediaType(response.headers.get('content-type') ?? '');
  assert.deepEqual([announced?.type, announced?.parameters.get('type')], ['multipart/related', type]);
  const parts: ReceivedPart[] = [];
  for await (const { headers, body } of readMultipart(response.body!, announced!.parameters.get('boundary')!)) {
    const bytes = Buffer.concat(await Array.fromAsync(body));
    if (headers.has('content-length')) assert.equal(bytes.length, Number(headers.get('content-length')));
    parts.push({ type: headers.get('content-type'), location: headers.get('content-location'), headers, bytes });
  }
  return parts;
}

export async function store(gateway: TestGateway, instances: Uint8Array[]): Promise<void> {
  const response = await fetch(`${gateway.url}/dicomweb/studies`, { method: 'POST', headers: { 'Content-Type': MULTIPART }, body: new Uint8Array(multipart(instances)) });
  assert.equal(response.status, 200);
}

/** What a refusal says was wrong. */
export async function detailOf(response: Response): Promise<string> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json');
  return ((await response.json()) as { detail: string }).detail;
}
