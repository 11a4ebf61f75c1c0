import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { parseSettings } from '../../config/load.ts';
import { probeSource } from '../../gateway/commands/doctor-sources.ts';
import { parsePart10, readPart10 } from '../../storage/dicom/part10.ts';
import { text } from '../../storage/dicom/dataset.ts';
import { introduce, OPEN_ARCHIVE, studyFiles, upload, type ArchiveInstance } from '../support/archive-studies.ts';
import { startTestGateway, studyOf, temporaryFolder, testSettings, waitFor, waitForDelivery, worklistOf, type TestGateway, type Tree } from '../support/gateway.ts';
import { startOrthanc, type Orthanc } from '../support/orthanc.ts';

const ROOT = resolve(import.meta.dirname, '../..');

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
    it(`fetches over ${way} the priors of a study that are of the same patient, the chest, and not too old; none is in the worklist`, async () => {
      const put = (number: number, values: Record<string, unknown>): Promise<void> =>
        upload(orthanc, studyFiles({ studyInstanceUid: `2.25.720${number}`, series: [1], values: { StudyDate: '20260105', ...values } }));
      await put(0, {});
      await put(1, { StudyDate: '20250301' });
      await put(2, { StudyDate: '20240301', BodyPartExamined: 'KNEE' });
      await put(3, { StudyDate: '20230301' });
      await put(4, { StudyDate: '20220301' }); // one more than asked for
      await put(5, { StudyDate: '20100301' }); // older than asked for
      await put(6, { StudyDate: '20250401', PatientID: 'FETCH12' });
      await put(7, { StudyDate: '20250402', PatientBirthDate: '19990101' }); // somebody else under the same ID
      await put(8, { StudyDate: '20250403', Modality: 'MR' });
      await put(9, { StudyDate: '20260201' }); // later
      await start(sourceOf(orthanc, way, { priors: { count: 2, years: 5 } }));
      await retrieve(gateway!, { studyInstanceUid: '2.25.7200', priors: true });
      const prior = (uid: string) => waitFor(async () => (await studyOf(gateway!.api, uid))?.instances.length === 1, `the prior ${uid}\n${orthanc.output()}`, 30_000);
      await prior('2.25.7201');
      await prior('2.25.7203');
      await waitFor(async () => (await (await fetch(`${gateway!.api}/metrics`)).text()).includes('hilum_retrievals{source="archive",purpose="prior",state="completed"} 2'), 'both priors', 20_000);
      for (const number of [2, 4, 5, 6, 7, 8, 9]) assert.equal(await studyOf(gateway!.api, `2.25.720${number}`), undefined, `study ${number}`);
      assert.deepEqual((await worklistOf(gateway!.api)).map(({ studyInstanceUid }) => studyInstanceUid), ['2.25.7200']);
      const detail = await studyOf(gateway!.api, '2.25.7201');
      assert.deepEqual([detail?.analysis, detail?.route, detail?.reason], ['not-routed', null, 'it was fetched as a prior, and priors are not analysed']);
      // Wanted for itself after all, it takes its route.
      await retrieve(gateway!, { studyInstanceUid: '2.25.7203' });
      assert.deepEqual((await worklistOf(gateway!.api)).map(({ studyInstanceUid }) => studyInstanceUid).sort(), ['2.25.7200', '2.25.7203']);
      const wanted = await studyOf(gateway!.api, '2.25.7203');
      assert.deepEqual([wanted?.analysis, wanted?.route, wanted?.reason], ['waiting', 'chest', null]);
    });

  it('watches the PACS that gets its results: they are neither fetched nor analysed, and the study is not fetched again', async () => {
    const today = new Date().toISOString().slice(0, 10).replaceAll('-', '');
    await upload(orthanc, studyFiles({ studyInstanceUid: '2.25.7401', series: [1], values: { StudyDate: today } }));
    gateway = await startTestGateway(join(folder.path, 'home'), {
      ...settingsFor(orthanc, sourceOf(orthanc, 'get', { watch: { everySeconds: 0.3 } })),
      roles: ['intake', 'analysis', 'delivery', 'web'],
      destinations: [{ name: 'folder', type: 'dimse', peer: 'pacs', retry: { firstSeconds: 0.1, maxSeconds: 1 } }],
    });
    await waitForDelivery(gateway.api, '2.25.7401');
    const there = async (): Promise<number> => ((await (await fetch(`${orthanc.url}/instances`)).json()) as string[]).length;
    assert.ok((await there()) > 1, 'Orthanc has the results');
    const looked = async (): Promise<string | undefined> => (await (await fetch(`${gateway!.api}/metrics`)).text()).split('\n').find((line) => line.startsWith('hilum_retrievals{source="archive",purpose="study",state="completed"}'));
    // The study has grown there, by what we sent: it is looked at once more, or as often as the results arrived one by one.
    await waitFor(async () => Number((await looked())?.split(' ')[1] ?? 0) >= 2, 'the watch has seen the results');
    const study = await studyOf(gateway.api, '2.25.7401');
    assert.equal(study?.instances.length, 1);
    assert.equal(study?.results.filter(({ kind, alternativeTo }) => kind === 'structured-report' && alternativeTo === null).length, 1);
    assert.match(await (await fetch(`${gateway.api}/metrics`)).text(), /^hilum_fetched_instances_total\{source="archive"\} 1$/m);
  });

  it('is asked by `hilum doctor`, which says why a source does not answer', async () => {
    for (const way of ['get', 'dicomweb'] as const) {
      const settings = parseSettings(stringify(settingsFor(orthanc, sourceOf(orthanc, way))), undefined);
      assert.deepEqual(await probeSource(settings.sources[0]!, settings), { ok: true, what: 'source archive answers' });
      const nowhere = parseSettings(stringify(settingsFor({ ...orthanc, url: 'http://127.0.0.1:1', dicomPort: 1 }, sourceOf({ ...orthanc, url: 'http://127.0.0.1:1' }, way))), undefined);
      const finding = await probeSource(nowhere.sources[0]!, nowhere);
      assert.equal(finding.ok, false);
      assert.match(finding.what, /^source archive: .*127\.0\.0\.1:1.*/);
    }
  });

  it('answers `hilum query`, and fills a gateway or a folder by `hilum retrieve`', async () => {
    const config = join(folder.path, 'hilum.yaml');
    const hilum = (...args: string[]) =>
      new Promise<{ code: number; out: string; err: string }>((done) => {
        execFile(process.execPath, ['gateway/cli.ts', '--config', config, ...args], { cwd: ROOT, timeout: 60_000 }, (error, out, err) => done({ code: error === null ? 0 : Number(error.code), out, err }));
      });
    const study = studyFiles({ studyInstanceUid: '2.25.7301', series: [2], values: { PatientName: 'Müller^Jürg', SpecificCharacterSet: 'ISO_IR 192' } });
    await upload(orthanc, study);
    await upload(orthanc, studyFiles({ studyInstanceUid: '2.25.7302', series: [1], values: { PatientID: 'OTHER' } }));
    const home = join(folder.path, 'home');
    await writeFile(config, stringify(testSettings(home, settingsFor(orthanc, sourceOf(orthanc, 'get')))));

    const table = await hilum('query', 'archive', 'PatientID=FETCH*', 'StudyDate=20260101-20260131');
    assert.equal(table.code, 0, table.err);
    assert.match(table.out, /^date +time +patient +name +modalities +description +accession +images +study\n20260105 +101500 +FETCH1 +Müller\^Jürg +CR +Chest +ACC1 +2 +2\.25\.7301\n$/);
    const lines = (await hilum('query', 'archive', '--level', 'instance', 'StudyInstanceUID=2.25.7301', 'SeriesInstanceUID=2.25.7301.1', '--json')).out.trim().split('\n');
    assert.deepEqual(lines.map((line) => (JSON.parse(line) as Record<string, { Value: string[] }>)['00080018']?.Value[0]).sort(), ['2.25.7301.1.1', '2.25.7301.1.2']);
    const none = await hilum('query', 'archive', 'PatientID=NOBODY');
    assert.deepEqual([none.code, none.out, none.err], [0, '', 'archive has no study that matches\n']);
    for (const [args, words] of [
      [['query', 'nowhere', 'PatientID=X'], /there is no source "nowhere"; the settings have archive/],
      [['query', 'archive', 'PatientIdd=X'], /"PatientIdd" is not a DICOM keyword or tag/],
      [['retrieve', 'archive', 'PatientName='], /every study would match/],
    ] as const) {
      const wrong = await hilum(...args);
      assert.equal(wrong.code, 2);
      assert.match(wrong.err, words);
    }

    const out = join(folder.path, 'out');
    const written = await hilum('retrieve', 'archive', '2.25.7301', '--to', out);
    assert.deepEqual([written.code, written.out], [0, '2.25.7301: 2 of 2 instances written\n'], written.err);
    for (const { sopInstanceUid, file } of study) {
      const bytes = await readFile(join(out, '2.25.7301', '2.25.7301.1', `${sopInstanceUid}.dcm`));
      assert.equal(sha256(bytes.subarray(parsePart10(bytes).datasetOffset)), sha256(file.subarray(parsePart10(file).datasetOffset)));
    }

    await start(sourceOf(orthanc, 'get'));
    const fetched = await hilum('retrieve', 'archive', 'PatientID=FETCH1');
    assert.deepEqual([fetched.code, fetched.out], [0, '2.25.7301: 2 of 2 instances fetched\n'], fetched.err);
    const unknown = await hilum('retrieve', 'archive', '2.25.999');
    assert.deepEqual([unknown.code, unknown.out], [1, '2.25.999: given up: the source has no such study\n'], unknown.err);
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
