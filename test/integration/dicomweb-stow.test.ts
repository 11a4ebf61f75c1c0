import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { MULTIPART, multipart, sendRaw, sha256, startTestGateway, testInstance, type TestGateway } from '../support/http-gateway.ts';

type Item = Record<string, { Value: (string | number)[] } | undefined>;
type Module = Record<string, { Value: Item[] } | undefined> & { '00081190'?: { Value: string[] } };

const SC = '1.2.840.10008.5.1.4.1.1.7';
const NOTHING = { blobs: 0, incoming: 0, journal: 0 };
const GARBAGE = Buffer.alloc(5000, 'this is not DICOM ');

/** SOP Instance UID and Failure Reason of each item. */
function failures(body: Module, tag = '00081198') {
  return body[tag]?.Value.map((item) => [item['00081155']?.Value[0], item['00081197']?.Value[0]]);
}

function headAskingFirst(type: string): string {
  return `POST /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n`;
}

describe('STOW-RS', () => {
  let gateway: TestGateway;
  beforeEach(async () => (gateway = await startTestGateway()));
  afterEach(() => gateway.close());

  async function store(body: Uint8Array | string, { type = MULTIPART, study = '', headers = {} } = {}) {
    const response = await fetch(`${gateway.url}/dicomweb/studies${study && `/${study}`}`, { method: 'POST', headers: { 'Content-Type': type, ...headers }, body: body as string });
    return { response, status: response.status, body: (await response.json()) as Module & { detail?: string } };
  }
  it('stores every part with the bytes sent, and answers 200 with where each can be retrieved', async () => {
    const sent = [testInstance(1), testInstance(2)];
    const { status, body, response } = await store(multipart(sent), { study: '2.25.500' });
    assert.equal(status, 200);
    assert.equal(response.headers.get('content-type'), 'application/dicom+json');
    assert.deepEqual(body['00081190'], { vr: 'UR', Value: [`${gateway.url}/dicomweb/studies/2.25.500`] });
    const stored = body['00081199']!.Value;
    assert.deepEqual(stored.map((item) => [item['00081150']?.Value[0], item['00081155']?.Value[0]]), [[SC, '2.25.500.1.1'], [SC, '2.25.500.1.2']]);
    assert.equal(body['00081198'], undefined);
    for (const [index, item] of stored.entries()) {
      const retrieved = await fetch(String(item['00081190']!.Value[0]), { headers: { Accept: 'application/dicom' } });
      assert.equal(sha256(await retrieved.bytes()), sha256(sent[index]!));
    }
    assert.equal(gateway.store.contexts[0]!.transport, 'stow');
    assert.equal(gateway.store.contexts[0]!.address, '127.0.0.1');
  });

  it('takes a quoted boundary with odd characters, and a single instance without multipart', async () => {
    const body = Buffer.concat([Buffer.from('--=_a b:1\r\nContent-Type: application/dicom\r\n\r\n'), testInstance(1), Buffer.from('\r\n--=_a b:1--')]);
    assert.equal((await store(body, { type: 'Multipart/Related; boundary="=_a b:1"; type="application/dicom"' })).status, 200);
    assert.equal((await store(testInstance(2), { type: 'application/dicom' })).status, 200);
    assert.deepEqual(await gateway.store.kept(), { blobs: 2, incoming: 0, journal: 2 });
  });

  it('answers only when what it stored can be found, but waits no longer than two seconds', async () => {
    const found: string[] = [];
    await gateway.close();
    gateway = await startTestGateway({ indexed: async (blobId) => void (await new Promise((resolve) => setTimeout(resolve, 80)), found.push(blobId)) });
    await store(multipart([testInstance(1), testInstance(2)]));
    assert.equal(found.length, 2);
    await gateway.close();
    gateway = await startTestGateway({ indexed: () => new Promise(() => undefined) });
    assert.equal((await store(multipart([testInstance(1)]))).status, 200);
  });

  it('stores what it can of a mixture, and names what it could not with the reason: 202', async () => {
    const broken = testInstance(2).slice(0, -20);
    const { status, body } = await store(multipart([testInstance(1), broken, GARBAGE, testInstance(3)]));
    assert.equal(status, 202);
    assert.equal(body['00081199']!.Value.length, 2);
    assert.deepEqual(failures(body), [['2.25.500.1.2', 0xc000]]);
    assert.deepEqual(failures(body, '0008119A'), [[undefined, 0xc000]]);
    assert.deepEqual(await gateway.store.kept(), { blobs: 2, incoming: 0, journal: 2 });
  });

  it('answers 409 when nothing could be stored, and keeps nothing', async () => {
    const { status, body } = await store(multipart([GARBAGE, testInstance(2).slice(0, -20)]));
    assert.equal(status, 409);
    assert.equal(body['00081199'], undefined);
    assert.deepEqual(failures(body), [['2.25.500.1.2', 0xc000]]);
    assert.deepEqual(await gateway.store.kept(), NOTHING);
  });

  it('refuses instances of another study than the one in the address', async () => {
    const { status, body } = await store(multipart([testInstance(1, { StudyInstanceUID: '2.25.501' }), testInstance(2)]), { study: '2.25.500' });
    assert.equal(status, 202);
    assert.deepEqual(failures(body), [['2.25.500.1.1', 0xa900]]);
    assert.deepEqual(await gateway.store.kept(), { blobs: 1, incoming: 0, journal: 1 });
  });

  it('refuses parts in Base64, as mail has them', async () => {
    const body = Buffer.from(`--limit\r\nContent-Type: application/dicom\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(testInstance(1)).toString('base64')}\r\n--limit--`);
    const { status, body: answer } = await store(body);
    assert.equal(status, 409);
    assert.match(String(answer['0008119A']!.Value[0]!['00000902']!.Value[0]), /encoded as base64/);
  });

  it('refuses parts of another type than application/dicom', async () => {
    const { status, body } = await store(multipart(['{}'], 'application/dicom+json'));
    assert.equal(status, 409);
    assert.match(String(body['0008119A']!.Value[0]!['00000902']!.Value[0]), /not application\/dicom/);
  });

  it('answers 503 with Retry-After when out of room, while the rest of the body is still coming', async () => {
    gateway.store.limits.freeDiskBytes = Number.MAX_SAFE_INTEGER;
    const { status, body, response } = await store(multipart([testInstance(1), Buffer.alloc(20_000_000)]));
    assert.equal(status, 503);
    assert.ok(Number(response.headers.get('retry-after')) > 0);
    assert.deepEqual(failures(body), [['2.25.500.1.1', 0xa700]]);
    assert.equal(gateway.store.contexts.length, 1, 'the second part was not tried');
  });

  it('names what it stored before the room was gone, and says of the rest that there was none', async () => {
    const { receive } = gateway.store;
    let taken = 0;
    gateway.store.receive = (source, context) => {
      if (++taken === 4) gateway.store.limits.freeDiskBytes = Number.MAX_SAFE_INTEGER;
      return receive.call(gateway.store, source, context);
    };
    const { status, body } = await store(multipart(Array.from({ length: 12 }, (_, index) => testInstance(index + 1))));
    assert.equal(status, 202);
    const { blobs, incoming } = await gateway.store.kept();
    assert.equal(incoming, 0);
    assert.equal(body['00081199']!.Value.length, blobs, 'what is kept is named');
    assert.equal(blobs + failures(body)!.length, 12);
    assert.ok(failures(body)!.every(([, reason]) => reason === 0xa700));
  });

  it('answers 413 when an instance is larger than allowed', async () => {
    gateway.store.limits.instanceBytes = 100_000;
    const { status, body } = await store(multipart([testInstance(1, { PixelData: new Uint8Array(200_000) })]));
    assert.equal(status, 413);
    assert.deepEqual(failures(body), [['2.25.500.1.1', 0xa700]]);
    assert.deepEqual(await gateway.store.kept(), NOTHING);
  });

  const refused: [string, { body?: string | Uint8Array; type?: string; study?: string; headers?: Record<string, string> }, number, RegExp][] = [
    ['a body without any boundary', { body: 'nothing of the kind' }, 400, /no boundary/],
    ['a body with another boundary than announced', { body: multipart([GARBAGE]), type: 'multipart/related; type="application/dicom"; boundary=other' }, 400, /no boundary/],
    ['a body whose part is cut', { body: multipart([testInstance(1)]).subarray(0, -100) }, 400, /closing boundary/],
    ['a body without the closing boundary', { body: multipart([testInstance(1)]).subarray(0, -13) }, 400, /closing boundary/],
    ['over-long part headers', { body: `--limit\r\nX: ${'y'.repeat(100_000)}\r\n\r\n\r\n--limit--` }, 400, /headers/],
    ['a body without parts', { body: '--limit--' }, 400, /no parts/],
    ['an empty body', { body: '' }, 400, /no boundary/],
    ['a Content-Type without a boundary', { type: 'multipart/related; type="application/dicom"' }, 400, /boundary/],
    ['a study that is no UID', { study: 'abc' }, 400, /not a UID/],
    ['pictures', { type: 'multipart/related; type="image/jpeg"; boundary=limit' }, 415, /beside its metadata/],
    ['form data', { type: 'multipart/form-data; boundary=limit' }, 415, /multipart\/related/],
    ['a compressed body', { headers: { 'Content-Encoding': 'gzip' } }, 415, /gzip/],
    ['callers that take only HTML', { headers: { Accept: 'text/html' } }, 406, /dicom\+json/],
  ];
  for (const [what, request, status, why] of refused)
    it(`refuses ${what} with ${status}, says why, and keeps nothing`, async () => {
      const answer = await store(request.body ?? multipart([testInstance(1)]), request);
      assert.equal(answer.status, status);
      assert.match(JSON.stringify(answer.body), why);
      assert.deepEqual(await gateway.store.kept(), NOTHING);
      assert.equal((await store(multipart([testInstance(1)]))).status, 200, 'the server is up');
    });

  it('keeps what was complete before the body was cut, and says that the rest is missing', async () => {
    const { status, body } = await store(multipart([testInstance(1), testInstance(2)]).subarray(0, -100));
    assert.equal(status, 202);
    assert.equal(body['00081199']!.Value.length, 1);
    assert.equal(body['0008119A']!.Value.length, 1);
    assert.deepEqual(await gateway.store.kept(), { blobs: 1, incoming: 0, journal: 1 });
  });

  it('keeps nothing of an instance when the connection is cut in it, and stays up', async () => {
    const whole = multipart([testInstance(1, { PixelData: new Uint8Array(100_000) })]);
    const head = `POST /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${MULTIPART}\r\nContent-Length: ${whole.length}\r\n\r\n`;
    await sendRaw(gateway.url, Buffer.concat([Buffer.from(head), whole.subarray(0, 50_000)]), 'cut');
    while ((await gateway.store.kept()).incoming > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(await gateway.store.kept(), NOTHING);
    assert.equal((await store(multipart([testInstance(1)]))).status, 200);
  });

  it('lets a caller that asks first (Expect: 100-continue) keep a body that would be refused', async () => {
    assert.match(await sendRaw(gateway.url, headAskingFirst('text/plain')), /^HTTP\/1.1 415 /);
    const socket = connect(gateway.server.port, '127.0.0.1');
    socket.write(headAskingFirst(MULTIPART));
    const [answer] = (await new Promise((resolve) => socket.once('data', (...chunks) => resolve(chunks)))) as [Buffer];
    socket.destroy();
    assert.match(answer.toString(), /^HTTP\/1.1 100 Continue/);
  });

  it('lets a caller that is still sending read why it was refused', async () => {
    const { status, body } = await store(Buffer.alloc(30_000_000), { type: 'text/plain' });
    assert.equal(status, 415);
    assert.match(body.detail!, /multipart\/related/);
  });
});

describe('STOW-RS with a large instance', () => {
  it('takes 300 MB no faster than storage does, and without holding them', async () => {
    const PART = 300_000_000;
    let taken = 0;
    let resume: (() => void) | undefined;
    const pause = new Promise<void>((resolve) => (resume = resolve));
    const gateway = await startTestGateway({
      receiver: {
        receive: async (source) => {
          for await (const chunk of source) {
            taken += chunk.length;
            if (taken > 1_000_000 && taken - chunk.length <= 1_000_000) await pause;
          }
          return { blobId: 'b', sopClassUid: SC, sopInstanceUid: '2.25.1', seriesInstanceUid: '2.25.2', studyInstanceUid: '2.25.3' };
        },
      },
    });
    const head = Buffer.from('--limit\r\nContent-Type: application/dicom\r\n\r\n');
    const tail = Buffer.from('\r\n--limit--');
    const socket = connect(gateway.server.port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.write(`POST /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: ${MULTIPART}\r\nContent-Length: ${head.length + PART + tail.length}\r\n\r\n`);
    socket.write(head);
    const block = Buffer.alloc(1_000_000, 0x0d);
    const sent = async (): Promise<void> => {
      for (let bytes = 0; bytes < PART; bytes += block.length)
        if (!socket.write(block)) await new Promise((resolve) => socket.once('drain', resolve));
      socket.write(tail);
    };
    const sending = sent();

    const onTheWay = (): number => socket.bytesWritten - socket.writableLength;
    let before = -1;
    while (onTheWay() !== before || onTheWay() < 1_000_000) {
      before = onTheWay();
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    assert.ok(taken < 2_000_000, `${taken} bytes were handed to a sink that waits`);
    // What is on the way lies in the kernel's buffers of both ends, and a little in ours.
    assert.ok(before < 40_000_000, `${before} bytes were taken from a sender while storage waits`);

    const memory = process.memoryUsage().rss;
    let most = memory;
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 20);
    resume!();
    await sending;
    await new Promise((resolve) => socket.once('close', resolve));
    clearInterval(watch);
    await gateway.close();
    assert.match(answer, /^HTTP\/1.1 200 /);
    assert.equal(taken, PART);
    assert.ok(most - memory < 100_000_000, `memory grew by ${most - memory} bytes`);
  }).timeout(60_000);
});
