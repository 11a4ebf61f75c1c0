// Whatever is asked of WADO-RS: a right answer, or a refusal with a reason; never a fault of ours, never a body that is cut.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readMultipart } from '../../gateway/dicomweb/multipart.ts';
import { parseMediaType } from '../../gateway/http/header-parameters.ts';
import { startTestGateway, testInstance, type TestGateway } from '../support/http-gateway.ts';
import { store } from '../support/multipart-response.ts';

const STUDY = '/dicomweb/studies/2.25.500';
const INSTANCE = `${STUDY}/series/2.25.500.1/instances/2.25.500.1.1`;
const RUNS = 150;

const type = fc.constantFrom('application/dicom', 'application/octet-stream', 'application/dicom+json', 'application/dicom+xml', 'application/zip', 'application/*', 'image/jpeg', 'image/jls', 'image/*', 'video/mp4', '*/*', 'text/html', '"', '');
const syntax = fc.constantFrom('1.2.840.10008.1.2.1', '1.2.840.10008.1.2', '1.2.840.10008.1.2.4.80', '1.2.840.10008.1.2.4.100', '*', '1.2.3', '"1.2.840.10008.1.2.5"', 'x');
const range = fc.record({ related: fc.boolean(), type, syntax: fc.option(syntax), q: fc.option(fc.constantFrom('0', '0.5', '1', 'x', '9')) }).map(({ related, type: name, syntax: uid, q }) => [
  related ? `multipart/related; type="${name}"` : name, ...(uid === null ? [] : [`transfer-syntax=${uid}`]), ...(q === null ? [] : [`q=${q}`]),
].join('; '));
const text = fc.string({ unit: fc.constantFrom(...'abz019 .,;=*/"\\-+%'), maxLength: 30 });
const accept = fc.oneof({ weight: 4, arbitrary: fc.array(range, { minLength: 1, maxLength: 3 }).map((ranges) => ranges.join(', ')) }, text);
const segment = fc.oneof(fc.constantFrom('1', '0', '2', '1,1', '1,2', '7FE00010', '00100010', '00081140', '2.25.500.1', '-1', '1e3'), text.filter((piece) => piece !== '').map(encodeURIComponent));
const path = fc.oneof(
  fc.constantFrom(STUDY, `${STUDY}/metadata`, `${STUDY}/bulkdata`, `${STUDY}/pixeldata`, INSTANCE, `${INSTANCE}/frames/1`, `${INSTANCE}/bulkdata/7FE00010`),
  fc.tuple(fc.constantFrom(`${INSTANCE}/frames`, `${INSTANCE}/bulkdata`, `${INSTANCE}/bulkdata/00081140/1`, `${STUDY}/series`, STUDY), segment).map((pieces) => pieces.join('/')),
);
const byteRange = fc.option(fc.oneof(fc.tuple(fc.nat(2000), fc.nat(2000)).map(([first, last]) => `bytes=${first}-${last}`), text.map((rest) => `bytes=${rest}`)));

describe('any retrieve request', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway();
    await store(gateway, [testInstance(1), testInstance(2)]);
  });
  after(() => gateway.close());

  it('is answered with what it says it is, or refused with a reason', async () => {
    await fc.assert(
      fc.asyncProperty(path, accept, byteRange, fc.boolean(), async (address, accepted, ranged, inQuery) => {
        const url = `${gateway.url}${address}${inQuery ? `?accept=${encodeURIComponent(accepted)}` : ''}`;
        const response = await fetch(url, { headers: { accept: inQuery ? '*/*' : accepted, ...(ranged && { range: ranged }) } });
        const body = Buffer.from(await response.bytes());
        assert.ok(response.status < 500, `${response.status}: ${body.toString().slice(0, 300)}`);
        if (response.status >= 400) return void assert.ok((JSON.parse(body.toString()) as { detail: string }).detail.length > 10);
        const content = parseMediaType(response.headers.get('content-type') ?? '');
        assert.ok(content, 'says what it is');
        if (response.headers.has('content-length') && !response.headers.has('content-encoding')) assert.equal(body.length, Number(response.headers.get('content-length')));
        if (content.type !== 'multipart/related') return undefined;
        let parts = 0;
        for await (const { headers, body: part } of readMultipart(new Blob([body]).stream(), content.parameters.get('boundary')!)) {
          parts++;
          const bytes = Buffer.concat(await Array.fromAsync(part)).length;
          if (headers.has('content-length')) assert.equal(bytes, Number(headers.get('content-length')));
          const own = parseMediaType(headers.get('content-type')!)?.type;
          if (parts === 1) assert.equal(own, content.parameters.get('type'));
        }
        assert.ok(parts > 0);
        return undefined;
      }),
      { numRuns: RUNS },
    );
  });
});
