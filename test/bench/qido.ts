// Searches for studies over DICOMweb, as viewers ask them, by four clients at a time: the gateway against Orthanc's DICOMweb plugin
// with the same studies; and alone with as many as ten years bring.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import type { DataSource } from 'typeorm';
import { createDataSource } from '../../storage/database.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { EmbeddedPostgres } from '../../storage/embedded-postgres.ts';
import { generateArchive, type Shape } from '../support/archive-generator.ts';
import { spawnGateway, temporaryFolder, type ChildGateway } from '../support/gateway.ts';
import { startOrthanc, type Orthanc } from '../support/orthanc.ts';
import type { BenchRow } from './bench.ts';

const CLIENTS = 4;
const STUDIES = 20_000;
/** Orthanc takes some hundred files a second: one to a study. */
const SMALL: Shape = { series: 1, instances: 1 };
const LARGE = 100_000;
/** Alternating, so that a slower spell of the machine meets both. */
const ROUNDS = 3;
const ROUND_MS = 2000;

const SEARCHES: [string, string][] = [
  ["OHIF's list of studies", 'limit=101&offset=0&fuzzymatching=false&includefield=00081030,00080060'],
  ['a Patient ID', 'PatientID=P000123&limit=101&includefield=00081030,00080060'],
  ['a name with wildcards at both ends', 'PatientName=*ann*&limit=101&includefield=00081030,00080060'],
  ['dates with a modality', 'StudyDate=20240101-20240331&ModalitiesInStudy=CR&limit=101&includefield=00081030,00080060'],
];

export async function benchQido(): Promise<BenchRow[]> {
  return withGateway(STUDIES, SMALL, async (gateway, dataSource) => {
    await using orthanc = await startOrthanc({}, { SyncStorageArea: false, Verbose: false });
    await fill(orthanc, dataSource);
    const rows: BenchRow[] = [];
    for (const [name, query] of SEARCHES) {
      const [ours, theirs]: [number[], number[]] = [[], []];
      for (let round = 0; round < ROUNDS; round++) {
        ours.push(...(await ask(`${gateway.api}/dicomweb/studies?${query}`, ROUND_MS)));
        theirs.push(...(await ask(`${orthanc.url}/dicom-web/studies?${query}`, ROUND_MS)));
      }
      rows.push({ name: `search of ${STUDIES} studies for ${name}`, ours: perSecond(ours), peer: perSecond(theirs), unit: 'searches/s', against: 'Orthanc' });
    }
    return rows;
  });
}

/** Prints how long each search takes; the bar is 50 ms for 95 of 100, on two cores that do nothing else. */
export async function benchQidoLarge(): Promise<BenchRow[]> {
  return withGateway(LARGE, { series: 2, instances: 5 }, async (gateway) => {
    console.log(`${LARGE} studies, ${CLIENTS} clients`);
    for (const [name, query] of SEARCHES) {
      const url = `${gateway.api}/dicomweb/studies?${query}`;
      await ask(url, ROUND_MS);
      const times = (await ask(url, ROUNDS * ROUND_MS)).sort((a, b) => a - b);
      const at = (share: number): string => `${times[Math.floor(times.length * share)]!.toFixed(1)} ms`;
      console.log(`${name}: p50 ${at(0.5)}, p95 ${at(0.95)}, ${perSecond(times).toFixed(0)} searches/s`);
    }
    return [];
  });
}

async function withGateway<T>(studies: number, shape: Shape, run: (gateway: ChildGateway, dataSource: DataSource) => Promise<T>): Promise<T> {
  const folder = await temporaryFolder();
  const home = join(folder.path, 'home');
  await mkdir(home);
  const gateway = await spawnGateway(home, { routes: [], destinations: [], models: [] });
  const dataSource = createDataSource(new EmbeddedPostgres({ home, log: pino({ level: 'silent' }) }).url, []);
  try {
    await dataSource.initialize();
    await generateArchive(dataSource, studies, shape);
    return await run(gateway, dataSource);
  } finally {
    if (dataSource.isInitialized) await dataSource.destroy();
    await gateway.stop();
    await folder.remove();
  }
}

/** The same studies as small files, in through its REST interface. */
async function fill(orthanc: Orthanc, dataSource: DataSource): Promise<void> {
  const waiting: { dataset: Dataset }[] = await dataSource.query(
    `select s.attributes || e.attributes || i.header as dataset from archive_studies as s join archive_series as e using (study_instance_uid) join instances as i using (series_instance_uid)`,
  );
  await Promise.all(Array.from({ length: CLIENTS }, async () => {
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { ['00280010']: _rows, ['00280011']: _columns, ...dataset } = next.dataset;
      const response = await fetch(`${orthanc.url}/instances`, { method: 'POST', body: Buffer.from(writePart10(dataset)) });
      if (!response.ok) throw new Error(`Orthanc refuses an instance: ${response.status} ${await response.text()}`);
      await response.arrayBuffer();
    }
  }));
}

/** @returns milliseconds of each answer, of clients that ask the next as soon as they have read the last */
async function ask(url: string, duration: number): Promise<number[]> {
  const times: number[] = [];
  const end = performance.now() + duration;
  await Promise.all(Array.from({ length: CLIENTS }, async () => {
    while (performance.now() < end) {
      const started = performance.now();
      const response = await fetch(url, { headers: { Accept: 'application/dicom+json' } });
      if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
      await response.arrayBuffer();
      times.push(performance.now() - started);
    }
  }));
  return times;
}

/** Each client waits for its answer before it asks again. */
const perSecond = (milliseconds: readonly number[]): number => (CLIENTS * 1000 * milliseconds.length) / milliseconds.reduce((sum, each) => sum + each, 0);
