import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { phantomDicom } from '../../ai/phantom/dicom.ts';
import { spawnGateway, temporaryFolder, waitFor, worklistOf, type ChildGateway } from '../support/gateway.ts';
import { ResidentMemory } from '../support/memory.ts';

const IMAGES = 200;
const READERS = 50;
const MOST = 200e6;
const STUDY = '2.25.62001';
const uidOf = (image: number): string => `2.25.62003${String(image).padStart(6, '0')}`;
const WHOLE = { accept: 'multipart/related; type="application/dicom"', path: `/dicomweb/studies/${STUDY}` };
const COMPRESSED = '/dicomweb/studies/2.25.62009';
const decoded = `${COMPRESSED}/series/2.25.62010/instances/2.25.62011`;
const instance = `${WHOLE.path}/series/2.25.62002/instances/${uidOf(1)}`;

/** 2.1 GB as one request, of which no more than an image is ever in memory. */
async function* images(): AsyncGenerator<Uint8Array> {
  const image = Buffer.from(await phantomDicom({ seed: 620_000, columns: 2048, rows: 2560, studyInstanceUid: STUDY, seriesInstanceUid: '2.25.62002', sopInstanceUid: uidOf(0) }));
  const places: number[] = [];
  for (let place = image.indexOf(uidOf(0)); place >= 0; place = image.indexOf(uidOf(0), place + 1)) places.push(place);
  for (let number = 1; number <= IMAGES; number++) {
    for (const place of places) image.write(uidOf(number), place, 'latin1');
    yield Buffer.from('\r\n--limit\r\nContent-Type: application/dicom\r\n\r\n');
    yield Buffer.from(image);
  }
  yield Buffer.from('\r\n--limit\r\nContent-Type: application/dicom\r\n\r\n');
  yield phantomDicom({ seed: 620_001, columns: 2048, rows: 2560, transferSyntaxUid: '1.2.840.10008.1.2.4.80', studyInstanceUid: '2.25.62009', seriesInstanceUid: '2.25.62010', sopInstanceUid: '2.25.62011' });
  yield Buffer.from('\r\n--limit--\r\n');
}

async function fill(gateway: ChildGateway): Promise<void> {
  const headers = { 'content-type': 'multipart/related; type="application/dicom"; boundary=limit' };
  const response = await fetch(`${gateway.api}/dicomweb/studies`, { method: 'POST', headers, body: images() as unknown as ReadableStream, duplex: 'half' } as RequestInit);
  assert.equal(response.status, 200);
  await waitFor(async () => (await worklistOf(gateway.api)).reduce((sum, { images: count }) => sum + count, 0) === IMAGES + 1, 'the index');
}

async function take(response: Response, most: number): Promise<number> {
  let bytes = 0;
  for await (const chunk of response.body!) if ((bytes += (chunk as Uint8Array).length) >= most) break;
  return bytes;
}

/** Takes 64 KB a second. */
function slowReader(port: number, path: string, accept: string): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: ${accept}\r\n\r\n`);
  socket.on('data', () => {
    socket.pause();
    setTimeout(() => socket.resume(), 1000);
  });
  return socket;
}

describe('memory of the gateway while it is read from', function () {
  this.timeout(300_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let gateway: ChildGateway;
  before(async () => {
    folder = await temporaryFolder();
    const home = join(folder.path, 'home');
    await mkdir(home);
    const overrides = { routes: [], destinations: [], models: [] };
    const filled = await spawnGateway(home, overrides);
    await fill(filled);
    await filled.stop();
    gateway = await spawnGateway(home, overrides); // what intake took is not part of what is idle
  });
  after(async () => {
    await gateway.stop();
    await folder.remove();
  });

  it('grows by less than 200 MB when one caller takes a study of 2 GB, and a good part of it in a zip file and transcoded', async () => {
    const memory = await ResidentMemory.watch(gateway.process.pid ?? 0);
    for (const [accept, wanted] of [[WHOLE.accept, 2.09e9], ['application/zip', 2e8], [`${WHOLE.accept}; transfer-syntax=1.2.840.10008.1.2`, 5e8]] as const) {
      const bytes = await take(await fetch(gateway.api + WHOLE.path, { headers: { accept } }), accept === WHOLE.accept ? Infinity : wanted);
      assert.ok(bytes >= wanted);
      const grown = await memory.growth();
      assert.ok(grown < MOST, `grew by ${Math.round(grown / 1e6)} MB with ${accept}`);
    }
  });

  for (const [what, mix] of [
    ['take a study as it is kept', [WHOLE]],
    ['take studies, zip files, frames, bulk data and what is transcoded', [
      WHOLE, { ...WHOLE, accept: 'application/zip' }, { path: `${instance}/frames/1`, accept: 'application/octet-stream' }, { path: `${WHOLE.path}/bulkdata`, accept: 'multipart/related; type="application/octet-stream"' },
      { ...WHOLE, accept: `${WHOLE.accept}; transfer-syntax=1.2.840.10008.1.2` },
    ]],
    ['take what must be decoded for them', [
      { path: `${decoded}/frames/1`, accept: 'application/octet-stream' }, { path: COMPRESSED, accept: `${WHOLE.accept}; transfer-syntax=1.2.840.10008.1.2.1` }, { path: `${COMPRESSED}/pixeldata`, accept: 'multipart/related; type="application/octet-stream"' },
    ]],
  ] as const)
    it(`grows by less than 200 MB while fifty slow readers ${what}`, async () => {
      const memory = await ResidentMemory.watch(gateway.process.pid ?? 0);
      const readers = Array.from({ length: READERS }, (_, index) => {
        const { path, accept } = mix[index % mix.length]!;
        return slowReader(gateway.httpPort, path, accept);
      });
      await waitFor(async () => readers.every((reader) => reader.bytesRead > 200_000), 'all to be served');
      await sleep(3000);
      const grown = await memory.growth();
      for (const reader of readers) reader.destroy();
      assert.ok(grown < MOST, `grew by ${Math.round(grown / 1e6)} MB`);
    });
});
