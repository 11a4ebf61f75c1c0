import assert from 'node:assert/strict';
import { rm, truncate } from 'node:fs/promises';
import { phantomDicom } from '../../ai/phantom/dicom.ts';
import { dataset } from '../../storage/dicom/dataset.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { sendRaw, sha256, startTestGateway, testInstance, type TestGateway } from '../support/http-gateway.ts';
import { detailOf, partsOf, store } from '../support/multipart-response.ts';

const STUDY = '/dicomweb/studies/2.25.500';
const SERIES = `${STUDY}/series/2.25.500.1`;
const INSTANCE = `${SERIES}/instances/2.25.500.1.1`;
const DICOM = 'application/dicom';
const EXPLICIT = '1.2.840.10008.1.2.1';
const JPEG_LS = '1.2.840.10008.1.2.4.80';
const JPEG_2000 = '1.2.840.10008.1.2.4.90';
const part = (syntax?: string, q = ''): string => `multipart/related; type="application/dicom"${syntax ? `; transfer-syntax=${syntax}` : ''}${q}`;

const large = testInstance(1, { InstanceNumber: 2, Rows: 2000, Columns: 1000, PixelData: Uint8Array.from({ length: 2_000_000 }, (_, index) => index % 251) });
const small = testInstance(2, { InstanceNumber: 1 });
const report = testInstance(3, { SeriesInstanceUID: '2.25.500.2', SOPInstanceUID: '2.25.500.2.1', SOPClassUID: '1.2.840.10008.5.1.4.1.1.88.11', Modality: 'SR', PixelData: undefined, Rows: undefined, Columns: undefined, BitsAllocated: undefined });
/** In a syntax that there is no way from. */
const video = writePart10({ ...parsePart10(small).dataset, ...dataset({ SOPInstanceUID: '2.25.500.1.9', NumberOfFrames: 5, PixelData: [new Uint8Array(100)] }) }, { transferSyntaxUid: '1.2.840.10008.1.2.4.100' });

describe('WADO-RS of studies, series and instances', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway();
    await store(gateway, [large, small, report]);
  });
  after(() => gateway.close());
  const get = (path: string, accept?: string, headers: Record<string, string> = {}) => fetch(gateway.url + path, { headers: { ...(accept !== undefined && { accept }), ...headers } });

  for (const accept of [undefined, '*/*', part(), part('*'), part(EXPLICIT), `multipart/related; type=application/dicom; transfer-syntax=${EXPLICIT}`, 'multipart/related', `text/html, ${part()};q=0.5`])
    it(`gives a study in the order of its numbers, each instance with the bytes that came in, to callers that accept ${accept ?? 'anything'}`, async () => {
      const response = await get(STUDY, accept);
      assert.equal(response.status, 200);
      const length = Number(response.headers.get('content-length'));
      const parts = await partsOf(response, DICOM);
      assert.deepEqual(parts.map(({ type, bytes }) => [type, sha256(bytes)]), [small, large, report].toSorted((a, b) => order(a) - order(b)).map((bytes) => [`${DICOM}; transfer-syntax=${EXPLICIT}`, sha256(bytes)]));
      assert.ok(length > large.length + small.length + report.length);
      assert.ok(parts.some(({ location }) => location === gateway.url + INSTANCE));
    });

  it('gives a series, and one instance, in the same way', async () => {
    assert.equal((await partsOf(await get(SERIES), DICOM)).length, 2);
    const [only, ...others] = await partsOf(await get(INSTANCE), DICOM);
    assert.equal(others.length, 0);
    assert.equal(sha256(only!.bytes), sha256(large));
  });

  it('gives the bytes of one instance alone to callers that ask for application/dicom, and not those of several', async () => {
    const response = await get(INSTANCE, DICOM);
    assert.deepEqual([response.headers.get('content-type'), Number(response.headers.get('content-length'))], [`${DICOM}; transfer-syntax=${EXPLICIT}`, large.length]);
    assert.equal(sha256(await response.bytes()), sha256(large));
    assert.match(await detailOf(await get(SERIES, DICOM)), /2 instances are served as multipart\/related/);
  });

  it('transcodes to what is asked for and says so in each part; what has no pixels stays as it is', async () => {
    const parts = await partsOf(await get(STUDY, part(JPEG_LS)), DICOM);
    assert.deepEqual(parts.map(({ type }) => type?.split('=')[1]).toSorted(), [EXPLICIT, JPEG_LS, JPEG_LS]);
    for (const { type, bytes } of parts) assert.equal(parsePart10(bytes).transferSyntaxUid, type?.split('=')[1]);
  });

  it('takes the accept parameter of the query before the header, with quality and several transfer syntaxes', async () => {
    const syntaxOf = async (query: string, accept?: string): Promise<string | undefined> => (await partsOf(await get(`${INSTANCE}${query}`, accept), DICOM))[0]?.type?.split('=')[1];
    assert.equal(await syntaxOf(`?accept=${encodeURIComponent(part(JPEG_2000))}`, 'text/html'), JPEG_2000);
    assert.equal(await syntaxOf('', `${part(JPEG_LS, ';q=0.9')}, ${part(EXPLICIT, ';q=0.5')}`), JPEG_LS);
    assert.equal(await syntaxOf('', `${part(JPEG_LS)}, ${part(EXPLICIT)}`), EXPLICIT, 'of what is wanted alike, what needs no work');
    assert.equal(await syntaxOf('', `${part('1.2.840.10008.1.2.4.100')}, ${part(JPEG_LS, ';q=0.1')}`), JPEG_LS);
  });

  it('refuses what there is no way to: 406 with what there is, 400 for what is no transfer syntax or no media type', async () => {
    for (const accept of ['image/jpeg', part('1.2.840.10008.1.2.4.100'), 'multipart/related; type="text/plain"', 'text/html', 'nonsense']) {
      const response = await get(INSTANCE, accept);
      assert.equal(response.status, 406, accept);
      assert.match(await detailOf(response), /Kept in 1\.2\.840\.10008\.1\.2\.1; transfer-syntax may be .*1\.2\.840\.10008\.1\.2\.4\.80.* or \*/);
    }
    for (const path of [`${INSTANCE}?accept=nonsense`, `${INSTANCE}?accept=`, '/dicomweb/studies/x', `${STUDY}/series/2.25.500.1/instances/1.2.3a`]) assert.equal((await get(path)).status, 400, path);
    const response = await get(INSTANCE, part('explicit'));
    assert.deepEqual([response.status, /"explicit".* is no UID/.test(await detailOf(response))], [400, true]);
  });

  it('sends what can be sent, with 206 and a warning, where there is no way for some instances of a study', async () => {
    await using mixed = disposable(await startTestGateway());
    await store(mixed.gateway, [small, video]);
    const ask = (accept: string) => fetch(`${mixed.gateway.url}${STUDY}`, { headers: { accept } });
    assert.deepEqual([(await ask(part())).status, (await ask(part('*'))).status], [200, 200]);
    const response = await ask(part(JPEG_LS));
    assert.deepEqual([response.status, response.headers.get('warning')], [206, '299 hilum "1 of 2 instances cannot be sent in a transfer syntax that is accepted, and are left out"']);
    assert.deepEqual((await partsOf(response, DICOM)).map(({ type }) => type), [`${DICOM}; transfer-syntax=${JPEG_LS}`]);
  });

  it('answers 404 for what is not there, at each level', async () => {
    for (const path of [`${INSTANCE}9`, '/dicomweb/studies/2.25.9', `${STUDY}/series/2.25.9`, '/dicomweb/studies/2.25.9/series/2.25.500.1/instances/2.25.500.1.1']) {
      const response = await get(path);
      assert.equal(response.status, 404, path);
      assert.match(await detailOf(response), /There is no such (study|series|instance)\./);
    }
  });

  it('does not send again what the caller has, and sends the same bytes for the same tag', async () => {
    for (const [path, accept] of [[STUDY, part()], [INSTANCE, DICOM], [SERIES, 'application/zip'], [INSTANCE, part(JPEG_LS)], [`${STUDY}/metadata`, 'application/dicom+json'], [`${INSTANCE}/frames/1`, '*/*'], [`${INSTANCE}/bulkdata/7FE00010`, '*/*']] as const) {
      const [first, second] = [await get(path, accept), await get(path, accept)];
      const etag = first.headers.get('etag')!;
      assert.match(etag, /^(W\/)?"[0-9a-f]+"$/, path);
      assert.equal(sha256(await first.bytes()), sha256(await second.bytes()), path);
      for (const held of [etag, `"other", ${etag}`, '*']) {
        const again = await get(path, accept, { 'if-none-match': held });
        assert.deepEqual([again.status, await again.text(), again.headers.get('etag')], [304, '', etag], path);
      }
      assert.equal((await get(path, accept, { 'if-none-match': '"other"' })).status, 200);
      assert.equal((await get(path, accept, { 'if-match': '"other"' })).status, 412);
    }
    assert.notEqual((await get(INSTANCE, DICOM)).headers.get('etag'), (await get(INSTANCE, part())).headers.get('etag'));
    const { headers } = await get(INSTANCE, DICOM);
    assert.equal((await get(INSTANCE, DICOM, { 'if-modified-since': headers.get('last-modified')! })).status, 304);
    assert.equal((await get(INSTANCE, DICOM, { 'if-unmodified-since': new Date(0).toUTCString() })).status, 412);
  });

  it('gives ranges of one instance, so that a download can go on where it broke off', async () => {
    const range = (value: string, headers: Record<string, string> = {}) => get(INSTANCE, DICOM, { range: value, ...headers });
    for (const [value, start, end] of [['bytes=0-99', 0, 100], ['bytes=1999900-', 1_999_900, large.length], ['bytes=-10', large.length - 10, large.length], ['bytes=5-99999999', 5, large.length]] as const) {
      const response = await range(value);
      assert.deepEqual([response.status, response.headers.get('content-range')], [206, `bytes ${start}-${end - 1}/${large.length}`], value);
      assert.equal(sha256(await response.bytes()), sha256(large.subarray(start, end)));
    }
    for (const value of ['bytes=99999999-', 'bytes=9-1', 'bytes=a-b', 'bytes=-', 'bytes=-0']) {
      const response = await range(value);
      assert.deepEqual([response.status, response.headers.get('content-range')], [416, `bytes */${large.length}`], value);
      assert.match(await detailOf(response), new RegExp(`${large.length} bytes`));
    }
    for (const value of ['bytes=0-1,5-9', 'lines=0-1']) assert.equal((await range(value)).status, 200, value);
    const { headers } = await get(INSTANCE, DICOM);
    assert.equal((await range('bytes=0-9', { 'if-range': headers.get('etag')! })).status, 206);
    assert.equal((await range('bytes=0-9', { 'if-range': headers.get('last-modified')! })).status, 206);
    assert.equal((await range('bytes=0-9', { 'if-range': '"other"' })).status, 200);
  });

  it('says with HEAD what GET would', async () => {
    for (const [path, accept] of [[STUDY, part()], [INSTANCE, DICOM], [`${INSTANCE}/frames/1`, 'application/octet-stream'], [`${STUDY}/metadata`, 'application/dicom+json']] as const) {
      const ask = (method: string) => fetch(gateway.url + path, { method, headers: { accept } });
      const [head, whole] = [await ask('HEAD'), await ask('GET')];
      assert.equal(await head.text(), '');
      for (const name of ['content-type', 'content-length', 'etag', 'last-modified', 'accept-ranges']) assert.equal(head.headers.get(name), whole.headers.get(name), `${path} ${name}`);
    }
    assert.equal((await fetch(`${gateway.url}${INSTANCE}9`, { method: 'HEAD' })).status, 404);
  });

  describe('when a file is not what the index has', () => {
    beforeEach(async () => {
      await gateway.close();
      gateway = await startTestGateway();
      await store(gateway, [large, small]);
    });
    const pathOf = async (sop: string): Promise<string> => (await Array.fromAsync(gateway.store.select({ sopInstanceUids: [sop] })))[0]!.path;

    it('says that it is lost, or that the instance was deleted meanwhile', async () => {
      await rm(await pathOf('2.25.500.1.1'));
      const response = await get(INSTANCE);
      assert.deepEqual([response.status, /2\.25\.500\.1\.1 is not where the index has it/.test(await detailOf(response))], [500, true]);
      const select = gateway.store.select.bind(gateway.store);
      let asked = 0;
      gateway.store.select = async function* (selection) {
        if (asked++ === 0) yield* select(selection);
      };
      assert.equal((await get(INSTANCE)).status, 410);
      await truncate(await pathOf('2.25.500.1.2').catch(async () => (await Array.fromAsync(select({ sopInstanceUids: ['2.25.500.1.2'] })))[0]!.path), 10);
      asked = 0;
      assert.match(await detailOf(await get(`${SERIES}/instances/2.25.500.1.2`)), /has 10 bytes where the index has/);
    });

    it('breaks a study off rather than pass a part of it for the whole, and writes why', async () => {
      await rm(await pathOf('2.25.500.1.1'));
      const response = await get(STUDY);
      assert.equal(response.status, 200);
      await assert.rejects(response.bytes());
      const raw = await sendRaw(gateway.url, `GET ${STUDY} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: ${part(JPEG_LS)}\r\nConnection: close\r\n\r\n`);
      assert.doesNotMatch(raw, /--\r\n(0\r\n\r\n)?$/, 'neither the closing boundary nor the last chunk');
      assert.match(gateway.logged.join(), /2\.25\.500\.1\.1 is not where the index has it/);
    });
  });
});

describe('WADO-RS of compressed images', () => {
  it('sends them as they are kept, and uncompressed on request', async () => {
    await using running = disposable(await startTestGateway());
    const { gateway } = running;
    const kept = await phantomDicom({ seed: 100_400, columns: 200, rows: 240, transferSyntaxUid: JPEG_LS, studyInstanceUid: '2.25.500', seriesInstanceUid: '2.25.500.1', sopInstanceUid: '2.25.500.1.1' });
    await store(gateway, [kept]);
    const get = async (accept: string) => (await partsOf(await fetch(gateway.url + STUDY, { headers: { accept } }), DICOM))[0]!;
    assert.equal(sha256((await get('*/*')).bytes), sha256(kept));
    const explicit = parsePart10((await get(part(EXPLICIT))).bytes);
    assert.deepEqual([explicit.transferSyntaxUid, explicit.pixelData?.encapsulated, explicit.pixelData?.length], [EXPLICIT, false, 200 * 240 * 2]);
    const alone = await fetch(gateway.url + INSTANCE, { headers: { accept: `${DICOM}; transfer-syntax=${EXPLICIT}` } });
    assert.deepEqual([alone.headers.get('content-type'), parsePart10(await alone.bytes()).transferSyntaxUid], [`${DICOM}; transfer-syntax=${EXPLICIT}`, EXPLICIT]);
  });
});

function order(bytes: Uint8Array): number {
  const { dataset } = parsePart10(bytes);
  return Number(dataset['00200013']?.Value?.[0] ?? 0);
}

function disposable(gateway: TestGateway): AsyncDisposable & { gateway: TestGateway } {
  return { gateway, [Symbol.asyncDispose]: () => gateway.close() };
}
