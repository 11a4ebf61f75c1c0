import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deriveUid } from '../../storage/dicom/uids.ts';
import { items, text } from '../../storage/dicom/dataset.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { cStore, describeFile, phantomFile, startTestGateway, studyOf, temporaryFolder, waitFor, waitForDelivery, worklistOf, type TestGateway } from '../support/gateway.ts';

const study = (name: string): string => deriveUid('2.25', 'test', 'pipeline', name);

describe('the way of a study', () => {
  let gateway: TestGateway;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;

  before(async function () {
    this.timeout(60_000);
    folder = await temporaryFolder();
    gateway = await startTestGateway(join(folder.path, 'home'));
  });
  after(async function () {
    this.timeout(60_000);
    await gateway?.stop();
    await folder.remove();
  });

  it('takes an image, analyses it, and delivers a report and an overlay; the worklist says so', async function () {
    this.timeout(60_000);
    const file = await phantomFile(folder.path, { seed: 600_001, opacities: 1, studyInstanceUid: study('way') });
    const [sent] = await cStore(gateway.dimsePort ?? 0, [file]);
    assert.equal(sent?.status, 'delivered');
    const detail = await waitForDelivery(gateway.api, file.studyInstanceUid);
    assert.equal(detail.analysis, 'analyzed');
    assert.equal(detail.route, 'chest');
    assert.equal(detail.instances[0]?.callingAe, 'MODALITY');
    const current = detail.results.filter((result) => result.current && !result.alternativeTo);
    assert.deepEqual(current.map(({ kind }) => kind).toSorted(), ['overlay', 'structured-report']);
    const out = join(gateway.home, 'out', file.studyInstanceUid);
    const delivered = await Promise.all((await readdir(out)).map(async (name) => (await readPart10(join(out, name))).dataset));
    assert.deepEqual(delivered.map((dataset) => text(dataset, 'SOPInstanceUID')).toSorted(), current.map(({ sopInstanceUid }) => sopInstanceUid).toSorted());
    const entry = (await worklistOf(gateway.api)).find(({ studyInstanceUid }) => studyInstanceUid === file.studyInstanceUid);
    assert.equal(entry?.probability, detail.probability);
    assert.ok(entry?.overlay);
    const overlay = await fetch(`${gateway.api}${entry.overlay}`);
    assert.equal(overlay.headers.get('content-type'), 'image/png');
    await overlay.body?.cancel();
  });

  it('keeps the bytes that were sent', async () => {
    const file = await phantomFile(folder.path, { seed: 600_002, studyInstanceUid: study('bytes'), transferSyntaxUid: '1.2.840.10008.1.2.5' });
    await cStore(gateway.dimsePort ?? 0, [file]);
    const detail = await waitFor(() => studyOf(gateway.api, file.studyInstanceUid), 'the study');
    const { seriesInstanceUid, sopInstanceUid } = detail.instances[0] ?? { seriesInstanceUid: '', sopInstanceUid: '' };
    const response = await fetch(`${gateway.api}/dicomweb/studies/${file.studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`, { headers: { accept: 'application/dicom; transfer-syntax=*' } });
    const got = Buffer.from(await response.arrayBuffer());
    const [sent, kept] = [await readFile(file.path), got];
    const offset = (await readPart10(file.path)).datasetOffset;
    assert.ok(kept.subarray(-(sent.length - offset)).equals(sent.subarray(offset)));
  });

  it('calls the same dataset sent twice one copy and a success', async () => {
    const file = await phantomFile(folder.path, { seed: 600_003, studyInstanceUid: study('twice') });
    for (const attempt of [1, 2]) assert.equal((await cStore(gateway.dimsePort ?? 0, [file]))[0]?.status, 'delivered', `attempt ${attempt}`);
    const detail = await waitForDelivery(gateway.api, file.studyInstanceUid);
    assert.equal(detail.instances.length, 1);
    assert.equal(detail.flagged, null);
  });

  it('keeps both versions of a changed image, analyses the newest, flags it, and names the report before', async function () {
    this.timeout(60_000);
    const sopInstanceUid = deriveUid('2.25', 'test', 'pipeline', 'changed image');
    const first = await phantomFile(folder.path, { seed: 600_004, studyInstanceUid: study('changed'), sopInstanceUid, patientId: 'C1', patientName: 'Ada^One' });
    await cStore(gateway.dimsePort ?? 0, [first]);
    await waitForDelivery(gateway.api, first.studyInstanceUid);
    const second = await phantomFile(folder.path, { seed: 600_005, studyInstanceUid: study('changed'), sopInstanceUid, patientId: 'C1', patientName: 'Ada^One' });
    await cStore(gateway.dimsePort ?? 0, [second]);
    const detail = await waitForDelivery(gateway.api, first.studyInstanceUid, 2);
    assert.deepEqual(detail.instances.map(({ version, current }) => [version, current]), [[1, false], [2, true]]);
    assert.match(detail.flagged ?? '', /other content/);
    const reports = detail.results.filter(({ kind, alternativeTo }) => kind === 'structured-report' && !alternativeTo);
    assert.deepEqual(reports.map(({ current }) => current), [false, true]);
    assert.equal(reports[1]?.predecessor, reports[0]?.sopInstanceUid);
    const { dataset } = await readPart10(join(gateway.home, 'out', first.studyInstanceUid, `${reports[1]?.sopInstanceUid}.dcm`));
    const [predecessor] = items(dataset, 'PredecessorDocumentsSequence').flatMap((item) => items(item, 'ReferencedSeriesSequence')).flatMap((item) => items(item, 'ReferencedSOPSequence'));
    assert.equal(predecessor && text(predecessor, 'ReferencedSOPInstanceUID'), reports[0]?.sopInstanceUid);
  });

  it('makes a new version of the outcome when an image comes late, and none when its own results come back', async function () {
    this.timeout(60_000);
    const patient = { patientId: 'L1', patientName: 'Eva^Late' };
    const first = await phantomFile(folder.path, { seed: 600_006, opacities: 1, studyInstanceUid: study('late'), ...patient });
    await cStore(gateway.dimsePort ?? 0, [first]);
    const before = await waitForDelivery(gateway.api, first.studyInstanceUid);
    const out = join(gateway.home, 'out', first.studyInstanceUid);
    const results = await Promise.all((await readdir(out)).map((name) => describeFile(join(out, name))));
    await cStore(gateway.dimsePort ?? 0, results, 'PACS');
    const returned = await waitFor(async () => {
      const detail = await studyOf(gateway.api, first.studyInstanceUid);
      return detail !== undefined && detail.instances.length === 1 + results.length && detail;
    }, 'the results as instances');
    assert.equal(returned.intake, 'complete');
    assert.equal(returned.results.length, before.results.length);
    const late = await phantomFile(folder.path, { seed: 600_007, studyInstanceUid: study('late'), ...patient });
    await cStore(gateway.dimsePort ?? 0, [late]);
    const detail = await waitForDelivery(gateway.api, first.studyInstanceUid, 2);
    assert.equal(detail.images, 2);
    assert.equal(detail.results.filter(({ kind, alternativeTo, current }) => kind === 'structured-report' && !alternativeTo && current).length, 1);
    // The first image did not change, so its overlay is still the one that was delivered.
    const [overlay] = before.results.filter(({ kind }) => kind === 'overlay');
    const now = detail.results.filter(({ kind }) => kind === 'overlay');
    assert.equal(now.length, 2);
    assert.ok(now.every(({ current }) => current) && now.some(({ sopInstanceUid }) => sopInstanceUid === overlay?.sopInstanceUid));
    assert.equal(detail.deliveries.filter(({ sopInstanceUid }) => sopInstanceUid === overlay?.sopInstanceUid).length, 1);
  });

  it('does not analyse images of different patients in one study, and says so', async function () {
    this.timeout(60_000);
    const one = await phantomFile(folder.path, { seed: 600_008, studyInstanceUid: study('mixed'), patientId: 'P1', patientName: 'Ada^One' });
    const other = await phantomFile(folder.path, { seed: 600_009, studyInstanceUid: study('mixed'), patientId: 'P2', patientName: 'Ben^Two' });
    await cStore(gateway.dimsePort ?? 0, [one, other]);
    const detail = await waitForDelivery(gateway.api, one.studyInstanceUid);
    assert.equal(detail.analysis, 'not-analyzable');
    assert.match(detail.flagged ?? '', /different patients in one study: Patient ID differs/);
    assert.equal(detail.positive, null);
  });

  it('shows each study with its own patient, whatever other studies have the same ID or none; a correction shows', async function () {
    this.timeout(60_000);
    const send = async (name: string, patientName: string, patientId: string, more = {}): Promise<string> => {
      const file = await phantomFile(folder.path, { seed: 600_020, studyInstanceUid: study(name), patientName, patientId, ...more });
      await cStore(gateway.dimsePort ?? 0, [file]);
      await waitForDelivery(gateway.api, file.studyInstanceUid);
      return (await studyOf(gateway.api, file.studyInstanceUid))?.patientName ?? '';
    };
    assert.equal(await send('unknown 1', 'Emergency^One', ''), 'Emergency^One');
    assert.equal(await send('unknown 2', 'Other^Two', ''), 'Other^Two');
    assert.equal(await send('same id 1', 'Ada^A', 'SAME'), 'Ada^A');
    assert.equal(await send('same id 2', 'Ben^B', 'SAME'), 'Ben^B');
    const sopInstanceUid = deriveUid('2.25', 'test', 'pipeline', 'corrected');
    await send('corrected', 'Lovelace^Joerg', 'C2', { sopInstanceUid });
    const file = await phantomFile(folder.path, { seed: 600_021, studyInstanceUid: study('corrected'), patientName: 'Lovelace^Joergen', patientId: 'C2', sopInstanceUid });
    await cStore(gateway.dimsePort ?? 0, [file]);
    const corrected = await waitForDelivery(gateway.api, file.studyInstanceUid, 2);
    assert.equal(corrected.patientName, 'Lovelace^Joergen');
  });

  it('keeps what no route takes, and says that nothing was analysed', async () => {
    const file = await phantomFile(folder.path, { seed: 600_010, studyInstanceUid: study('hand'), overrides: { BodyPartExamined: 'HAND' } });
    await cStore(gateway.dimsePort ?? 0, [file]);
    const detail = await waitFor(async () => {
      const found = await studyOf(gateway.api, file.studyInstanceUid);
      return found?.intake === 'complete' && found;
    }, 'the study');
    assert.equal(detail.analysis, 'not-routed');
    assert.match(detail.reason ?? '', /"chest" does not take BodyPartExamined "HAND"/);
    assert.equal(detail.delivery, 'none');
  });

  it('reports what cannot be analysed, with the reason', async function () {
    this.timeout(60_000);
    const file = await phantomFile(folder.path, { seed: 600_011, modality: 'DX', studyInstanceUid: study('raw'), overrides: { PresentationIntentType: 'FOR PROCESSING' } });
    await cStore(gateway.dimsePort ?? 0, [file]);
    const detail = await waitForDelivery(gateway.api, file.studyInstanceUid);
    assert.equal(detail.analysis, 'not-analyzable');
    assert.match(detail.reason ?? '', /processing/i);
    assert.deepEqual([...new Set(detail.results.map(({ kind }) => kind))], ['structured-report']);
  });
});
