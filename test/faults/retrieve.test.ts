import assert from 'node:assert/strict';
import { readdir, readlink } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { phantomDicom } from '../../ai/phantom/dicom.ts';
import { startTestGateway, testInstance, type TestGateway } from '../support/http-gateway.ts';
import { waitFor } from '../support/gateway.ts';
import { store } from '../support/multipart-response.ts';

const STUDY = '/dicomweb/studies/2.25.500';
const SIDE = 3000;

/** Asks, takes a little of the answer, and then nothing more. */
async function ask(url: string, path: string, accept: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => undefined); // closed by us
  socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: ${accept}\r\n\r\n`);
  await new Promise<void>((resolve) => socket.once('readable', () => resolve(void socket.read(100))));
  return socket;
}

/** Kept instances that this process holds open. */
async function openFiles(): Promise<number> {
  const links = await Promise.all((await readdir('/proc/self/fd')).map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')));
  return links.filter((target) => /hilum-http-.*\.dcm/.test(target)).length;
}

describe('callers that leave, or take nothing', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway();
    const pixels = Uint8Array.from({ length: SIDE * SIDE }, (_, index) => (index * 7) % 253);
    await store(gateway, [testInstance(1, { Rows: SIDE, Columns: SIDE, PixelData: pixels }), testInstance(2, { Rows: SIDE, Columns: SIDE, PixelData: pixels })]);
    await store(gateway, [await phantomDicom({ seed: 100_404, columns: 2048, rows: 2560, transferSyntaxUid: '1.2.840.10008.1.2.4.90', studyInstanceUid: '2.25.600', seriesInstanceUid: '2.25.600.1', sopInstanceUid: '2.25.600.1.1' })]);
  });
  after(() => gateway.close());

  for (const [what, path, accept] of [
    ['a study', STUDY, 'multipart/related; type="application/dicom"'],
    ['an instance alone', `${STUDY}/series/2.25.500.1/instances/2.25.500.1.1`, 'application/dicom'],
    ['a zip file', STUDY, 'application/zip'],
    ['a frame', `${STUDY}/series/2.25.500.1/instances/2.25.500.1.1/frames/1`, 'application/octet-stream'],
    ['bulk data of a study', `${STUDY}/bulkdata`, 'multipart/related; type="application/octet-stream"'],
    ['what is transcoded', STUDY, 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2'],
  ] as const)
    it(`leave no file open when they go in the middle of ${what}`, async () => {
      const sockets = await Promise.all(Array.from({ length: 5 }, () => ask(gateway.url, path, accept)));
      assert.ok((await openFiles()) > 0, 'the answers are under way');
      for (const socket of sockets) socket.destroy();
      await waitFor(async () => (await openFiles()) === 0, 'all files to be closed', 10_000);
      assert.doesNotMatch(gateway.logged.join(), /a request failed/);
      assert.equal((await fetch(`${gateway.url}${STUDY}/metadata`)).status, 200);
    });

  it('stop the decoding that was for them alone', async () => {
    const address = `/dicomweb/studies/2.25.600/series/2.25.600.1/instances/2.25.600.1.1/frames/1`;
    const started = performance.now();
    const get = (signal?: AbortSignal) => fetch(`${gateway.url}${address}`, { headers: { accept: 'application/octet-stream' }, ...(signal && { signal }) });
    assert.equal((await (await get()).bytes()).length, 2048 * 2560 * 2);
    const alone = performance.now() - started;
    const gone = Array.from({ length: 20 }, async () => get(AbortSignal.timeout(20)).catch(() => undefined));
    await Promise.all(gone);
    const next = performance.now();
    assert.equal((await (await get()).bytes()).length, 2048 * 2560 * 2);
    assert.ok(performance.now() - next < alone * 10 + 2000, 'twenty that nobody waits for do not stand before it');
  });

  it('do not keep others from being served', async () => {
    const sockets = await Promise.all(Array.from({ length: 40 }, () => ask(gateway.url, STUDY, '*/*')));
    const response = await fetch(`${gateway.url}${STUDY}`);
    assert.ok((await response.bytes()).length > 2 * SIDE * SIDE);
    for (const socket of sockets) socket.destroy();
    await waitFor(async () => (await openFiles()) === 0, 'all files to be closed', 10_000);
  });
});
