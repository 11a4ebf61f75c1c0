// WADO-RS of single instances of 10 MB, several at a time: the gateway against Orthanc's DICOMweb, each as it keeps them, asked by
// the same client, which looks at nothing but how many bytes come.
import { connect } from 'node:net';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { spawnGateway, temporaryFolder, waitFor, worklistOf } from '../support/gateway.ts';
import { startOrthanc } from '../support/orthanc.ts';
import type { BenchRow } from './bench.ts';
import { median, sendImages, writeImages, type BenchImage } from './images.ts';

const IMAGES = 40;
const AT_A_TIME = [1, 4, 16];
/** Alternating, so that a slower spell of the machine meets both. */
const ROUNDS = 3;
const ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*';

export async function benchWado(): Promise<BenchRow[]> {
  const folder = await temporaryFolder();
  try {
    const images = await writeImages(join(folder.path, 'images'), IMAGES);
    const home = join(folder.path, 'home');
    await mkdir(home);
    await using orthanc = await startOrthanc();
    const gateway = await spawnGateway(home, { routes: [], destinations: [] });
    try {
      await sendImages(orthanc.aeTitle, orthanc.dicomPort, join(folder.path, 'images'));
      await sendImages('HILUM', gateway.dimsePort, join(folder.path, 'images'));
      await waitFor(async () => (await worklistOf(gateway.api)).reduce((sum, entry) => sum + entry.images, 0) === IMAGES, 'the index');
      const roots = { ours: `${gateway.api}/dicomweb`, theirs: `${orthanc.url}/dicom-web` };
      // What the system has let go of since it was written is read from the disk once, by neither of the two.
      for (const root of Object.values(roots)) await megabytesPerSecond(root, images, 1);
      const rows: BenchRow[] = [];
      for (const lanes of AT_A_TIME) {
        const [ours, theirs]: [number[], number[]] = [[], []];
        for (let round = 0; round < ROUNDS; round++) {
          ours.push(await megabytesPerSecond(roots.ours, images, lanes));
          theirs.push(await megabytesPerSecond(roots.theirs, images, lanes));
        }
        rows.push({ name: `WADO-RS of ${IMAGES} images of 10 MB, ${lanes} at a time`, ours: median(ours), peer: median(theirs), unit: 'MB/s', against: 'Orthanc, the bar is 3' });
      }
      return rows;
    } finally {
      await gateway.stop();
    }
  } finally {
    await folder.remove();
  }
}

async function megabytesPerSecond(root: string, images: readonly BenchImage[], lanes: number): Promise<number> {
  const started = performance.now();
  let next = 0;
  let bytes = 0;
  const lane = async (): Promise<void> => {
    for (let image = images[next++]; image; image = images[next++]) {
      const taken = await download(`${root}${image.address}`, image.bytes);
      bytes += taken; // not in one statement with the wait, in which other lanes add theirs
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return bytes / 1e3 / (performance.now() - started);
}

/** A connection for each, read into one buffer. @throws when less comes than the image is long */
function download(url: string, atLeast: number): Promise<number> {
  const { hostname, port, pathname } = new URL(url);
  return new Promise((resolve, reject) => {
    let bytes = 0;
    const socket = connect({
      host: hostname, port: Number(port),
      onread: { buffer: Buffer.allocUnsafe(256 * 1024), callback: (length) => ((bytes += length), true) },
    });
    socket.once('error', reject);
    socket.once('close', () => (bytes >= atLeast ? resolve(bytes) : reject(new Error(`${url} gave ${bytes} bytes`))));
    socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAccept: ${ACCEPT}\r\nConnection: close\r\n\r\n`);
  });
}
