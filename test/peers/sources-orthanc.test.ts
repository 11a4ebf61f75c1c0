import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parsePart10, readPart10 } from '../../storage/dicom/part10.ts';
import { text } from '../../storage/dicom/dataset.ts';
import { introduce, OPEN_ARCHIVE, studyFiles, upload, type ArchiveInstance } from '../support/archive-studies.ts';
import { startTestGateway, studyOf, temporaryFolder, waitFor, worklistOf, type TestGateway, type Tree } from '../support/gateway.ts';
import { startOrthanc, type Orthanc } from '../support/orthanc.ts';

type Way = 'get' | 'move' | 'dicomweb';

function sourceOf(orthanc: Orthanc, way: Way, more: Tree = {}): Tree {
  const retry = { firstSeconds: 0.2, maxSeconds: 1, hours: 0.01 };
  return way === 'dicomweb'
    ? { name: 'archive', type: 'dicomweb', url: `${orthanc.url}/dicom-web`, retry, ...more }
    : { name: 'archive', type: 'dimse', peer: 'pacs', retrieve: way, retry, timeoutSeconds: 20, ...more };
}

function settingsFor(orthanc: Orthanc, source: Tree): Tree {
  return { roles: ['intake', 'web'], peers: [{ name: 'pacs', aeTitle: orthanc.aeTitle, host: '127.0.0.1', port: orthanc.dicomPort }], sources: [source] };
}

interface RetrievalAnswer {
  id: string;
  state: string;
  instances: number;
  fetched: number;
  lastError: string | null;
}

async function retrieve(gateway: TestGateway, body: Tree): Promise<RetrievalAnswer> {
  const response = await fetch(`${gateway.api}/api/retrieve`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ source: 'archive', ...body }) });
  assert.equal(response.status, 202, await response.clone().text());
  const location = response.headers.get('location') ?? '';
  return waitFor(async () => {
    const answer = (await (await fetch(`${gateway.api}${location}`)).json()) as RetrievalAnswer;
    return ['completed', 'failed'].includes(answer.state) && answer;
  }, `the retrieval of ${JSON.stringify(body)}`, 30_000);
}

/** SHA-256 of the dataset, without file meta, by SOP Instance UID. */
async function keptIn(home: string): Promise<Map<string, string>> {
  const files = (await readdir(join(home, 'blobs'), { recursive: true })).filter((name) => name.endsWith('.dcm')).map((name) => join(home, 'blobs', name));
  return new Map(await Promise.all(files.map(async (path) => {
    const { dataset, datasetOffset } = await readPart10(path);
    return [text(dataset, 'SOPInstanceUID') ?? '', sha256((await readFile(path)).subarray(datasetOffset))] as const;
  })));
}

const digestsOf = (instances: ArchiveInstance[]): Map<string, string> =>
  new Map(instances.map(({ sopInstanceUid, file }) => [sopInstanceUid, sha256(file.subarray(parsePart10(file).datasetOffset))]));
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('fetching from Orthanc', function () {
  this.timeout(90_000);
  let orthanc: Orthanc;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let gateway: TestGateway | undefined;
  beforeEach(async () => {
    orthanc = await startOrthanc({}, OPEN_ARCHIVE);
    folder = await temporaryFolder();
  });
  afterEach(async () => {
    await gateway?.stop();
    gateway = undefined;
    await orthanc[Symbol.asyncDispose]();
    await folder.remove();
  });

  async function start(source: Tree): Promise<TestGateway> {
    gateway = await startTestGateway(join(folder.path, 'home'), settingsFor(orthanc, source));
    await introduce(orthanc, 'HILUM', gateway.dimsePort ?? 0);
    return gateway;
  }

  for (const way of ['get', 'move', 'dicomweb'] as const)
    it(`brings a study over ${way}, the bytes that Orthanc keeps, and later only what is new`, async () => {
      const study = studyFiles({ studyInstanceUid: '2.25.7001', series: [2, 1] });
      await upload(orthanc, study);
      const { home } = await start(sourceOf(orthanc, way));
      const first = await retrieve(gateway!, { studyInstanceUid: '2.25.7001' });
      assert.deepEqual([first.state, first.instances, first.fetched, first.lastError], ['completed', 3, 3, null], orthanc.output());
      assert.deepEqual(await keptIn(home), digestsOf(study));
      const again = await retrieve(gateway!, { studyInstanceUid: '2.25.7001' });
      assert.deepEqual([again.state, again.fetched], ['completed', 0]);
      const grown = studyFiles({ studyInstanceUid: '2.25.7001', series: [3, 1, 1] });
      await upload(orthanc, grown);
      const more = await retrieve(gateway!, { studyInstanceUid: '2.25.7001' });
      assert.deepEqual([more.state, more.instances, more.fetched], ['completed', 5, 2], orthanc.output());
      assert.deepEqual(await keptIn(home), digestsOf(grown));
    });

  for (const way of ['get', 'move', 'dicomweb'] as const)
    it(`watches over ${way}: each study once, and again what has grown, also over a restart`, async () => {
      const today = new Date().toISOString().slice(0, 10).replaceAll('-', '');
      const watched = sourceOf(orthanc, way, { watch: { everySeconds: 0.3 } });
      const put = (uid: string, series: number[], values: Record<string, unknown> = {}): Promise<void> => upload(orthanc, studyFiles({ studyInstanceUid: uid, series, values: { StudyDate: today, ...values } }));
      await put('2.25.7100', [1], { Modality: 'MR' });
      await put('2.25.7101', [2]);
      await put('2.25.7102', [1], { StudyDate: '20200101' });
      await start(watched);
      const has = (uid: string, instances: number) => waitFor(async () => (await studyOf(gateway!.api, uid))?.instances.length === instances, `${instances} instances of ${uid}\n${orthanc.output()}`, 30_000);
      await has('2.25.7101', 2);
      await put('2.25.7101', [2, 1]);
      await has('2.25.7101', 3);
      await gateway!.stop();
      await put('2.25.7103', [1]);
      await start(watched);
      await has('2.25.7103', 1);
      const list = await worklistOf(gateway!.api);
      assert.deepEqual(list.map(({ studyInstanceUid }) => studyInstanceUid).sort(), ['2.25.7101', '2.25.7103']);
      const metricsNow = async (): Promise<string[]> => (await (await fetch(`${gateway!.api}/metrics`)).text()).split('\n');
      await waitFor(async () => (await metricsNow()).includes('hilum_retrievals{source="archive",purpose="study",state="completed"} 3'), 'three retrievals in the metrics');
      const metrics = await metricsNow();
      assert.ok(metrics.includes('hilum_fetched_instances_total{source="archive"} 1'));
      assert.ok(metrics.includes('hilum_watch_failures{source="archive"} 0'));
    });
});
