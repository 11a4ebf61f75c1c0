// WADO-RS of single instances of 10 MB, several at a time: the gateway against Orthanc's DICOMweb, each as it keeps them, asked by
// the same client, which reads what comes and looks at nothing but how much it is.
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { spawnGateway, temporaryFolder, waitFor, worklistOf } from '../support/gateway.ts';
import { startOrthanc } from '../support/orthanc.ts';
import type { BenchRow } from './bench.ts';
import type { Download } from './download.ts';
import { median, sendImages, writeImages, type BenchImage } from './images.ts';

const IMAGES = 40;
const AT_A_TIME = [1, 4, 16];
/** Alternating, so that a slower spell of the machine meets both. */
const ROUNDS = 3;
/** All images so many times a round: seconds, not moments. */
const PASSES = 3;
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
      const rows: BenchRow[] = [];
      for (const lanes of AT_A_TIME) {
        await using client = await startClient(lanes);
        const [ours, theirs]: [number[], number[]] = [[], []];
        for (let round = 0; round <= ROUNDS; round++) {
          const [own, other] = [await megabytesPerSecond(roots.ours, images, client), await megabytesPerSecond(roots.theirs, images, client)];
          // Before it counts, both have once read their files, compiled their code and got their memory from the system.
          if (round === 0) continue;
          ours.push(own);
          theirs.push(other);
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

async function megabytesPerSecond(root: string, images: readonly BenchImage[], { take }: Client): Promise<number> {
  const all = images.map(({ address, bytes }) => ({ url: `${root}${address}`, request: requestFor(`${root}${address}`), atLeast: bytes }));
  const downloads = Array.from({ length: PASSES }, () => all).flat();
  const started = performance.now();
  const bytes = await take(downloads);
  return bytes / 1e3 / (performance.now() - started);
}

interface Client extends AsyncDisposable {
  /** All of them, so many at a time as the client has lanes. @returns how many bytes came @throws when less comes than an image is long */
  take(downloads: readonly Download[]): Promise<number>;
}

/** A thread for each lane, which is there before the time runs. */
async function startClient(lanes: number): Promise<Client> {
  const threads = Array.from({ length: lanes }, () => new Worker(new URL('download.ts', import.meta.url)));
  await Promise.all(threads.map((thread) => once(thread, 'message')));
  return {
    async take(downloads) {
      let next = 0;
      let bytes = 0;
      // Whoever is free takes the next.
      const lane = async (thread: Worker): Promise<void> => {
        for (let one = downloads[next++]; one; one = downloads[next++]) {
          thread.postMessage(one);
          const [taken] = (await once(thread, 'message')) as [number];
          bytes += taken; // not in one statement with the wait, in which other lanes add theirs
        }
      };
      await Promise.all(threads.map(lane));
      return bytes;
    },
    [Symbol.asyncDispose]: async () => void (await Promise.all(threads.map((thread) => thread.terminate()))),
  };
}

function requestFor(url: string): string {
  const { host, pathname } = new URL(url);
  return `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nAccept: ${ACCEPT}\r\nConnection: close\r\n\r\n`;
}
