// Intake of 60 images of 10 MB on one association, durable and indexed: the gateway against Orthanc, both fed by DCMTK's storescu.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { spawnGateway, temporaryFolder, waitFor, worklistOf } from '../support/gateway.ts';
import { startOrthanc } from '../support/orthanc.ts';
import type { BenchRow } from './bench.ts';
import { median, sendImages, writeImages } from './images.ts';

const IMAGES = 60;
/** Alternating, so that a slower spell of the machine meets both. */
const ROUNDS = 3;

export async function benchIntake(): Promise<BenchRow[]> {
  const folder = await temporaryFolder();
  try {
    const images = await writeImages(join(folder.path, 'images'), IMAGES);
    const megabytes = images.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6;
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      ours.push(await hilum(join(folder.path, `home-${round}`), join(folder.path, 'images')));
      theirs.push(await orthanc(join(folder.path, 'images')));
    }
    return [{ name: `C-STORE of ${IMAGES} images of 10 MB, durable and indexed`, ours: megabytes / median(ours), peer: megabytes / median(theirs), unit: 'MB/s', against: 'Orthanc' }];
  } finally {
    await folder.remove();
  }
}

/** @returns seconds from the first byte to the last row */
async function hilum(home: string, images: string): Promise<number> {
  await mkdir(home);
  const gateway = await spawnGateway(home, { routes: [], destinations: [] });
  try {
    const started = performance.now();
    await sendImages('HILUM', gateway.dimsePort, images);
    await waitFor(async () => (await worklistOf(gateway.api)).reduce((sum, entry) => sum + entry.images, 0) === IMAGES, 'the index');
    return (performance.now() - started) / 1000;
  } finally {
    await gateway.stop();
    await rm(home, { recursive: true });
  }
}

async function orthanc(images: string): Promise<number> {
  await using server = await startOrthanc();
  const started = performance.now();
  await sendImages(server.aeTitle, server.dicomPort, images);
  await waitFor(async () => ((await (await fetch(`${server.url}/statistics`)).json()) as { CountInstances: number }).CountInstances === IMAGES, "Orthanc's index");
  return (performance.now() - started) / 1000;
}
