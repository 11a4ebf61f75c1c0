import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { probeModalityWorklist } from '../../gateway/commands/doctor-sources.ts';
import { dataset, get, text } from '../../storage/dicom/dataset.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { studyFiles } from '../support/archive-studies.ts';
import { settingsWith } from '../support/dimse.ts';
import { cStore, describeFile, startTestGateway, temporaryFolder, waitForDelivery, type TestGateway } from '../support/gateway.ts';
import { startTool, type RunningTool } from '../support/peers.ts';

const WORKLIST_CLASS = '1.2.840.10008.5.1.4.31';

/** An item as a RIS offers it. */
function worklistItem(values: Record<string, unknown>, stepId = 'SPS1'): Uint8Array {
  const item = dataset({
    SpecificCharacterSet: 'ISO_IR 192',
    AccessionNumber: 'ACC1',
    ReferringPhysicianName: 'Ref^Erring',
    PatientName: 'Fetch^Me',
    PatientID: 'FETCH1',
    PatientBirthDate: '19700203',
    PatientSex: 'F',
    StudyInstanceUID: '2.25.8000',
    RequestedProcedureDescription: 'Chest',
    RequestedProcedureID: 'RP1',
    ScheduledProcedureStepSequence: [{
      Modality: 'CR', ScheduledStationAETitle: 'MODALITY', ScheduledProcedureStepStartDate: '20260105', ScheduledProcedureStepStartTime: '1000',
      ScheduledPerformingPhysicianName: 'Per^Forming', ScheduledProcedureStepDescription: 'Chest', ScheduledProcedureStepID: stepId,
    }],
    ...values,
  });
  return writePart10(item, { sopClassUid: WORKLIST_CLASS, sopInstanceUid: '2.25.8001' });
}

describe("DCMTK's modality worklist", function () {
  this.timeout(90_000);
  let worklists: string;
  let ris: RunningTool;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let gateway: TestGateway;
  before(async () => {
    worklists = await mkdtemp(join(tmpdir(), 'hilum-worklist-'));
    await mkdir(join(worklists, 'RIS'));
    await writeFile(join(worklists, 'RIS', 'lockfile'), '');
    await writeFile(join(worklists, 'RIS', '1.wl'), worklistItem({}));
    await writeFile(join(worklists, 'RIS', '2.wl'), worklistItem({ AccessionNumber: 'ACC2', PatientID: 'SOMEBODY', PatientName: 'Some^Body' }));
    await writeFile(join(worklists, 'RIS', '3.wl'), worklistItem({ AccessionNumber: 'ACC7' }, 'SPS7'));
    ris = await startTool('wlmscpfs', (port) => ['--single-process', '--keep-char-set', '-dfr', '-dfp', worklists, String(port)]);
    folder = await temporaryFolder();
    gateway = await startTestGateway(join(folder.path, 'home'), {
      peers: [{ name: 'ris', aeTitle: 'RIS', host: '127.0.0.1', port: ris.port }],
      modalityWorklist: { peer: 'ris', complete: ['PatientBirthDate', 'PatientSex', 'ReferringPhysicianName'] },
    });
  });
  after(async () => {
    await gateway?.stop();
    await ris?.[Symbol.asyncDispose]();
    await folder?.remove();
    await rm(worklists, { recursive: true, force: true });
  });

  /** Sends an image. @returns what the worklist entry says, and the report */
  async function send(studyInstanceUid: string, values: Record<string, unknown>, to = gateway) {
    const [image] = studyFiles({ studyInstanceUid, series: [1], values });
    const path = join(folder.path, `${studyInstanceUid}.dcm`);
    await writeFile(path, image!.file);
    await cStore(to.dimsePort ?? 0, [await describeFile(path)]);
    const study = await waitForDelivery(to.api, studyInstanceUid);
    const out = join(to.home, 'out', studyInstanceUid);
    const files = await Promise.all((await readdir(out)).map((name) => readPart10(join(out, name))));
    return { study, report: files.find(({ dataset: each }) => text(each, 'Modality') === 'SR')!.dataset };
  }

  it('completes what an image leaves out, in the report and the worklist; says so; and leaves the image as it was', async () => {
    const { study, report } = await send('2.25.8100', { PatientBirthDate: null, PatientSex: undefined });
    assert.deepEqual([text(report, 'PatientBirthDate'), text(report, 'PatientSex'), text(report, 'ReferringPhysicianName')], ['19700203', 'F', 'Ref^Erring'], ris.output());
    assert.deepEqual([study.patientBirthDate, study.patientSex], ['19700203', 'F']);
    assert.equal(study.flagged, 'completed from the modality worklist of ris (by AccessionNumber), not in the images: ReferringPhysicianName, PatientBirthDate, PatientSex');
    const metadata = (await (await fetch(`${gateway.api}/dicomweb/studies/2.25.8100/metadata`, { headers: { Accept: 'application/dicom+json' } })).json()) as Record<string, unknown>[];
    assert.deepEqual(metadata.map((instance) => [instance['00100030'], instance['00100040']])[0], [{ vr: 'DA' }, undefined]);
    const blobs = (await readdir(join(gateway.home, 'blobs'), { recursive: true })).filter((name) => name.endsWith('.dcm'));
    const sent = (await readFile(join(folder.path, '2.25.8100.dcm'))).subarray(-512);
    const kept = await Promise.all(blobs.map((name) => readFile(join(gateway.home, 'blobs', name))));
    assert.ok(kept.some((bytes) => bytes.subarray(-512).equals(sent)));
  });

  it('is asked by `hilum doctor`', async () => {
    const settings = settingsWith({ peers: [{ name: 'ris', aeTitle: 'RIS', host: '127.0.0.1', port: ris.port }], modalityWorklist: { peer: 'ris', complete: ['PatientSex'] } });
    assert.deepEqual(await probeModalityWorklist(settings.modalityWorklist!, settings), { ok: true, what: 'modality worklist ris answers' });
    settings.peers[0]!.port = 1;
    assert.match((await probeModalityWorklist(settings.modalityWorklist!, settings)).what, /^modality worklist ris: cannot connect to 127\.0\.0\.1:1/);
  });

  it('never replaces what an image says', async () => {
    const { study, report } = await send('2.25.8101', { PatientSex: undefined, ReferringPhysicianName: 'Own^Word' });
    assert.deepEqual([text(report, 'ReferringPhysicianName'), text(report, 'PatientSex')], ['Own^Word', 'F']);
    assert.equal(study.patientSex, 'F');
  });

  it('takes nothing of an item that speaks of another patient, and says that', async () => {
    const { study, report } = await send('2.25.8102', { AccessionNumber: 'ACC2', PatientBirthDate: null, PatientSex: undefined });
    assert.deepEqual([get(report, 'PatientBirthDate')?.Value, get(report, 'PatientSex')?.Value], [undefined, undefined]);
    assert.match(study.flagged ?? '', /speaks of another patient: Patient ID differs/);
  });

  it('analyses a study that has no item as it is', async () => {
    const { study, report } = await send('2.25.8103', { AccessionNumber: 'ACC3', PatientSex: undefined });
    assert.deepEqual([study.flagged, get(report, 'PatientSex')?.Value], [null, undefined]);
    const wildcard = await send('2.25.8104', { AccessionNumber: 'ACC*', PatientSex: undefined });
    assert.deepEqual([wildcard.study.flagged, get(wildcard.report, 'PatientSex')?.Value], [null, undefined]);
  });

  it('is asked by the scheduled step that an image fulfils, where the settings say so', async () => {
    const other = await startTestGateway(join(folder.path, 'other'), {
      peers: [{ name: 'ris', aeTitle: 'RIS', host: '127.0.0.1', port: ris.port }],
      modalityWorklist: { peer: 'ris', matchBy: 'ScheduledProcedureStepID', complete: ['AccessionNumber', 'PatientSex'] },
    });
    try {
      const { study, report } = await send('2.25.8105', { AccessionNumber: null, PatientSex: undefined, RequestAttributesSequence: [{ RequestedProcedureID: 'RP7', ScheduledProcedureStepID: 'SPS7' }] }, other);
      assert.deepEqual([text(report, 'AccessionNumber'), text(report, 'PatientSex'), study.accessionNumber], ['ACC7', 'F', 'ACC7'], ris.output());
      assert.match(study.flagged ?? '', /\(by ScheduledProcedureStepID\), not in the images: AccessionNumber, PatientSex$/);
    } finally {
      await other.stop();
    }
  });
});
