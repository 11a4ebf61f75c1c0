// Intake of 60 images of 10 MB on one association, durable and indexed: the gateway against Orthanc, both fed by DCMTK's storescu.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { phantomDicom } from '../../ai/phantom/dicom.ts';
import { dataset } from '../../storage/dicom/dataset.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { deriveUid } from '../../storage/dicom/uids.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { spawnGateway, temporaryFolder, waitFor, worklistOf } from '../support/gateway.ts';
import { startOrthanc } from '../support/orthanc.ts';
import { runTool } from '../support/peers.ts';
import type { BenchRow } from './bench.ts';

const IMAGES = 60;
/** 16 bits a pixel: 10 MB. */
const SIDE = 2240;
/** Alternating, so that a slower spell of the machine meets both. */
const ROUNDS = 3;

export async function benchIntake(): Promise<BenchRow[]> {
  const folder = await temporaryFolder();
  try {
    const megabytes = await writeImages(join(folder.path, 'images'));
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

async function writeImages(folder: string): Promise<number> {
  await mkdir(folder, { recursive: true });
  const base = parsePart10(await phantomDicom({ seed: 100_001, columns: SIDE, rows: SIDE }));
  const pixels = new Uint8Array(SIDE * SIDE * 2);
  let bytes = 0;
  for (let index = 0; index < IMAGES; index++) {
    const study = deriveUid('2.25', 'bench', 'study', String(Math.floor(index / 2)));
    const own = dataset({ SOPInstanceUID: deriveUid('2.25', 'bench', String(index)), StudyInstanceUID: study, SeriesInstanceUID: `${study.slice(0, 60)}.1`, PixelData: pixels });
    const file = writePart10({ ...base.dataset, ...own }, {});
    bytes += file.length;
    await writeFile(join(folder, `${index}.dcm`), file);
  }
  return bytes / 1e6;
}

/** @returns seconds from the first byte to the last row */
async function hilum(home: string, images: string): Promise<number> {
  await mkdir(home);
  const gateway = await spawnGateway(home, { routes: [], destinations: [] });
  try {
    const started = performance.now();
    await send('HILUM', gateway.dimsePort, images);
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
  await send(server.aeTitle, server.dicomPort, images);
  await waitFor(async () => ((await (await fetch(`${server.url}/statistics`)).json()) as { CountInstances: number }).CountInstances === IMAGES, "Orthanc's index");
  return (performance.now() - started) / 1000;
}

async function send(aeTitle: string, port: number, images: string): Promise<void> {
  const { code, output } = await runTool('storescu', ['-aec', aeTitle, '+sd', '127.0.0.1', String(port), images], 300_000);
  if (code !== 0) throw new Error(output);
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
