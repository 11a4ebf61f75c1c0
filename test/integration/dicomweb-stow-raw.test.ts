// What callers send when they are broken, or mean harm: the right status, words that help, and nothing half stored.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MULTIPART, multipart, sendRaw, startTestGateway, testInstance, type TestGateway } from '../support/http-gateway.ts';

const HEAD = ['POST /dicomweb/studies HTTP/1.1', 'Host: localhost', 'Connection: close', `Content-Type: ${MULTIPART}`];
const request = (head: string[], body: Uint8Array | string = ''): Buffer => Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), Buffer.from(body)]);
const chunk = (body: Uint8Array): Buffer => Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')]);

describe('STOW-RS on the wire', () => {
  let gateway: TestGateway;
  const whole = multipart([testInstance(1), testInstance(2)]);
  before(async () => {
    gateway = await startTestGateway();
  });
  after(() => gateway.close());

  const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(answer.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, ''))?.[1]);

  it('takes a chunked body, in whatever chunks', async () => {
    const half = Math.floor(whole.length / 2);
    const answer = await sendRaw(gateway.url, Buffer.concat([request([...HEAD, 'Transfer-Encoding: chunked']), chunk(whole.subarray(0, half)), chunk(whole.subarray(half)), Buffer.from('0\r\n\r\n')]));
    assert.equal(statusOf(answer), 200);
  });

  const refused: [string, Buffer, number, RegExp?][] = [
    ['a request without Content-Type', request([...HEAD.slice(0, 3), 'Content-Length: 3'], 'abc'), 415, /application\/dicom\+json/],
    ['a Content-Type that is none', request([...HEAD.slice(0, 3), 'Content-Type: ;;;', 'Content-Length: 3'], 'abc'), 415, /multipart\/related/],
    ['a boundary of control characters', request([...HEAD.slice(0, 3), 'Content-Type: multipart/related; type="application/dicom"; boundary="a\tb"', 'Content-Length: 3'], 'abc'), 400, /boundary/],
    ['a body without length', request(HEAD), 400, /no boundary|no parts/],
    ['a chunk whose length is none', request([...HEAD, 'Transfer-Encoding: chunked'], 'xyz\r\n'), 400],
    ['two lengths that contradict each other', request([...HEAD, 'Content-Length: 3', 'Content-Length: 4'], 'abc'), 400],
    ['a length beside chunks', request([...HEAD, 'Transfer-Encoding: chunked', 'Content-Length: 3'], '0\r\n\r\n'), 400],
    ['headers without end', request([...HEAD, `X-Long: ${'x'.repeat(40_000)}`]), 431],
    ['another method', request(['PUT /dicomweb/studies HTTP/1.1', ...HEAD.slice(1), 'Content-Length: 0']), 405, /GET|POST/],
    ['a series in the address', request(['POST /dicomweb/studies/1.2/series HTTP/1.1', ...HEAD.slice(1), 'Content-Length: 0']), 405],
    ['an address that cannot be decoded', request(['POST /dicomweb/studies/%zz HTTP/1.1', ...HEAD.slice(1), 'Content-Length: 0']), 400],
    ['a UID of 65 characters', request([`POST /dicomweb/studies/1.${'2'.repeat(63)} HTTP/1.1`, ...HEAD.slice(1), 'Content-Length: 0']), 400, /not a UID/],
    ['another name than this machine has', request([HEAD[0]!, 'Host: evil.example', ...HEAD.slice(2), 'Content-Length: 0']), 421],
  ];
  for (const [what, bytes, status, why] of refused)
    it(`refuses ${what} with ${status}`, async () => {
      const before = await gateway.store.kept();
      const answer = await sendRaw(gateway.url, bytes);
      assert.equal(statusOf(answer), status, answer.slice(0, 300));
      if (why) assert.match(answer, why);
      assert.deepEqual(await gateway.store.kept(), before);
    });

  it('keeps of a request that is cut, at any place, just the instances that were whole', async () => {
    const length = `Content-Length: ${whole.length}`;
    const ends = [1, 2].map((part) => whole.indexOf('\r\n--limit', whole.indexOf(`2.25.500.1.${part}`)));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: whole.length - 1 }), async (at) => {
        const own = await startTestGateway();
        try {
          await sendRaw(own.url, request([...HEAD, length], whole.subarray(0, at)), 'cut');
          // The delimiter after an instance says that it was whole; a few bytes of it are not enough.
          const certain = ends.filter((end) => at >= end + '\r\n--limit\r\n'.length).length;
          const isOver = ({ blobs, incoming, journal }: { blobs: number; incoming: number; journal: number }): boolean => incoming === 0 && blobs === journal && blobs >= certain;
          while (!isOver(await own.store.kept())) await new Promise((resolve) => setTimeout(resolve, 5));
          const { blobs } = await own.store.kept();
          const possible = ends.filter((end) => at >= end).length;
          assert.ok(blobs >= certain && blobs <= possible, `cut at ${at}: ${blobs} instances, ${certain} were whole`);
        } finally {
          await own.close();
        }
      }),
      { seed: 44, numRuns: 25 },
    );
  }).timeout(60_000);

  it('answers a caller that cuts its own sending short and listens on', async () => {
    const answer = await sendRaw(gateway.url, Buffer.concat([request([...HEAD, 'Transfer-Encoding: chunked']), chunk(whole.subarray(0, -100)), Buffer.from('0\r\n\r\n')]));
    assert.equal(statusOf(answer), 202);
    assert.match(answer, /closing boundary/);
  });
});
