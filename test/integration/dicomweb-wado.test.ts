import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { readMultipart } from '../../gateway/dicomweb/multipart.ts';
import { parseMediaType } from '../../gateway/http/header-parameters.ts';
import { MULTIPART, multipart, sha256, startTestGateway, testInstance, type TestGateway } from '../support/http-gateway.ts';

const ADDRESS = '/dicomweb/studies/2.25.500/series/2.25.500.1/instances/2.25.500.1.1';
const EXPLICIT = '1.2.840.10008.1.2.1';

describe('WADO-RS', () => {
  let gateway: TestGateway;
  const sent = testInstance(1, { Rows: 2000, Columns: 1000, PixelData: Uint8Array.from({ length: 2_000_000 }, (_, index) => index % 251) });
  beforeEach(async () => {
    gateway = await startTestGateway();
    await fetch(`${gateway.url}/dicomweb/studies`, { method: 'POST', headers: { 'Content-Type': MULTIPART }, body: new Uint8Array(multipart([sent, testInstance(2)])) });
  });
  afterEach(() => gateway.close());
  const get = (path: string, accept?: string) => fetch(gateway.url + path, accept === undefined ? {} : { headers: { accept } });

  for (const accept of [undefined, '*/*', 'multipart/related; type="application/dicom"', 'multipart/related; type="application/dicom"; transfer-syntax=*', `multipart/related; type=application/dicom; transfer-syntax=${EXPLICIT}`])
    it(`gives an instance as a part with the bytes that came in, to callers that accept ${accept ?? 'anything'}`, async () => {
      const response = await get(ADDRESS, accept);
      const type = parseMediaType(response.headers.get('content-type')!)!;
      assert.deepEqual([type.type, type.parameters.get('type')], ['multipart/related', 'application/dicom']);
      const parts: [string | undefined, string][] = [];
      for await (const part of readMultipart(response.body!, type.parameters.get('boundary')!)) {
        const chunks: Uint8Array[] = [];
        for await (const chunk of part.body) chunks.push(chunk);
        parts.push([part.headers.get('content-type'), sha256(Buffer.concat(chunks))]);
      }
      assert.deepEqual(parts, [[`application/dicom; transfer-syntax=${EXPLICIT}`, sha256(sent)]]);
    });

  it('gives the bytes alone to callers that ask for application/dicom', async () => {
    const response = await get(ADDRESS, 'application/dicom');
    assert.equal(Number(response.headers.get('content-length')), sent.length);
    assert.equal(sha256(await response.bytes()), sha256(sent));
  });

  it('refuses what it would have to convert: 406 with the syntax that there is', async () => {
    for (const accept of ['image/jpeg', 'application/dicom; transfer-syntax=1.2.840.10008.1.2.4.70', 'multipart/related; type="image/jp2"']) {
      const response = await get(ADDRESS, accept);
      assert.equal(response.status, 406, accept);
      assert.match(((await response.json()) as { detail: string }).detail, /1\.2\.840\.10008\.1\.2\.1/);
    }
  });

  it('answers 404 for what is not there, even if only the file is gone', async () => {
    assert.equal((await get(`${ADDRESS}9`)).status, 404);
    assert.equal((await get('/dicomweb/studies/2.25.9/metadata')).status, 404);
    const { path } = (await gateway.store.instance('2.25.500', '2.25.500.1', '2.25.500.1.1'))!;
    await rm(path);
    assert.equal((await get(ADDRESS)).status, 404);
  });

  it("gives a study's metadata as DICOM JSON, without pixels", async () => {
    const response = await get('/dicomweb/studies/2.25.500/metadata', 'application/dicom+json');
    assert.equal(response.headers.get('content-type'), 'application/dicom+json');
    const headers = (await response.json()) as Record<string, { vr: string; Value?: unknown[] }>[];
    assert.deepEqual(headers.map((header) => header['00080018']!.Value![0]), ['2.25.500.1.1', '2.25.500.1.2']);
    assert.deepEqual(headers[0]!['00100010'], { vr: 'PN', Value: [{ Alphabetic: 'Test^Http' }] });
    assert.equal(headers[0]!['7FE00010'], undefined);
    assert.equal((await get('/dicomweb/studies/2.25.500/metadata', 'application/dicom+xml')).status, 406);
  });

  it('stops reading the file when the caller leaves', async () => {
    const stop = new AbortController();
    const response = await fetch(gateway.url + ADDRESS, { signal: stop.signal });
    await response.body!.getReader().read();
    stop.abort();
    assert.equal((await get(ADDRESS)).status, 200);
  });
});
