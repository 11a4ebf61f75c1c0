// The whole way with real peers: DCMTK's storescu or Orthanc sends, Orthanc is the PACS, the field's validators judge what it got.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deriveUid } from '../../storage/dicom/uids.ts';
import { sendByStow } from '../../gateway/commands/demo-pacs.ts';
import type { StudyDetail } from '../../gateway/worklist/worklist.ts';
import { phantomFile, startTestGateway, temporaryFolder, waitFor, waitForDelivery, type SentFile, type TestGateway } from '../support/gateway.ts';
import { startOrthanc, type Orthanc } from '../support/orthanc.ts';
import { runTool } from '../support/peers.ts';
import { assertBoxesDrawn, assertValidIod, assertValidTemplate } from '../support/validators.ts';

interface OrthancInstance {
  ID: string;
  MainDicomTags: { SOPInstanceUID: string };
}

describe('the way of a study, from a modality to a PACS', function () {
  this.timeout(120_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let orthanc: Orthanc;
  let gateway: TestGateway;

  before(async () => {
    folder = await temporaryFolder();
    orthanc = await startOrthanc();
    gateway = await startTestGateway(join(folder.path, 'home'), {
      peers: [{ name: 'orthanc', aeTitle: orthanc.aeTitle, host: '127.0.0.1', port: orthanc.dicomPort }],
      destinations: [{ name: 'pacs', type: 'dimse', peer: 'orthanc' }],
      routes: [{ name: 'chest', when: { Modality: ['CR', 'DX'] }, completeAfterSeconds: 1, models: ['opacity'], deliver: [{ to: 'pacs' }] }],
    });
    await fetch(`${orthanc.url}/modalities/hilum`, { method: 'PUT', body: JSON.stringify({ AET: 'HILUM', Host: '127.0.0.1', Port: gateway.dimsePort }) });
  });
  after(async () => {
    await gateway?.stop();
    await orthanc?.[Symbol.asyncDispose]();
    await folder.remove();
  });

  /** What Orthanc holds of a result, as a file. */
  async function fromPacs(sopInstanceUid: string): Promise<string> {
    const id = await waitFor(async () => {
      const instances = (await (await fetch(`${orthanc.url}/instances?expand`)).json()) as OrthancInstance[];
      return instances.find(({ MainDicomTags }) => MainDicomTags.SOPInstanceUID === sopInstanceUid)?.ID;
    }, `${sopInstanceUid} in Orthanc`);
    const path = join(folder.path, `${sopInstanceUid}.dcm`);
    await writeFile(path, Buffer.from(await (await fetch(`${orthanc.url}/instances/${id}/file`)).arrayBuffer()));
    return path;
  }

  async function assertResultsInPacs(detail: StudyDetail): Promise<void> {
    const delivered = detail.results.filter(({ current, alternativeTo }) => current && !alternativeTo);
    const report = delivered.find(({ kind }) => kind === 'structured-report');
    assert.ok(report);
    const reportFile = await fromPacs(report.sopInstanceUid);
    await assertValidIod(reportFile, 'report');
    await assertValidTemplate(reportFile, 'report');
    const { code, output } = await runTool('dsrdump', [reportFile]);
    assert.equal(code, 0, output);
    const analyses = detail.analyses.filter(({ status }) => status === 'analyzed');
    const overlays = delivered.filter(({ kind }) => kind === 'overlay');
    assert.equal(overlays.length, analyses.length);
    for (const overlay of overlays) {
      const file = await fromPacs(overlay.sopInstanceUid);
      await assertValidIod(file, 'overlay');
      const analysis = analyses.find(({ sopInstanceUid }) => sopInstanceUid === overlay.sourceSopInstanceUid);
      assert.ok(analysis?.status === 'analyzed');
      await assertBoxesDrawn(file, `${file}.png`, analysis.regions, analysis.rows, analysis.columns);
    }
  }

  const image = (seed: number, name: string, more = {}): Promise<SentFile> =>
    phantomFile(folder.path, { seed, opacities: 2, columns: 700, rows: 860, studyInstanceUid: deriveUid('2.25', 'test', 'peers', name), ...more });

  it('storescu sends: report and overlay arrive in Orthanc, valid, with the boxes where the API says they are', async () => {
    const file = await image(700_001, 'storescu', { patientName: 'Yamada^Tarou=山田^太郎=やまだ^たろう' });
    const { code, output } = await runTool('storescu', ['-aec', 'HILUM', '127.0.0.1', String(gateway.dimsePort), file.path]);
    assert.equal(code, 0, output);
    const detail = await waitForDelivery(gateway.api, file.studyInstanceUid);
    assert.equal(detail.analysis, 'analyzed');
    await assertResultsInPacs(detail);
  });

  it('Orthanc pushes a study of two images: the same', async () => {
    const patient = { patientId: 'ORTHANC-1', patientName: 'Synthetic^Push' };
    const files = [await image(700_002, 'push', patient), await image(700_003, 'push', { ...patient, modality: 'DX', view: 'AP', opacities: 0 })];
    let study = '';
    for (const { path } of files) study = ((await (await fetch(`${orthanc.url}/instances`, { method: 'POST', body: await readFile(path) })).json()) as { ParentStudy: string }).ParentStudy;
    const pushed = await fetch(`${orthanc.url}/modalities/hilum/store`, { method: 'POST', body: study });
    assert.equal(pushed.status, 200, await pushed.text());
    const detail = await waitForDelivery(gateway.api, files[0]?.studyInstanceUid ?? '');
    assert.equal(detail.images, 2);
    assert.equal(detail.instances[0]?.callingAe, 'ORTHANC');
    await assertResultsInPacs(detail);
  });

  it('STOW-RS: the same', async () => {
    const file = await image(700_004, 'stow', { child: true, transferSyntaxUid: '1.2.840.10008.1.2.4.90' });
    await sendByStow([file], `${gateway.api}/dicomweb`);
    const detail = await waitForDelivery(gateway.api, file.studyInstanceUid);
    assert.equal(detail.instances[0]?.transport, 'stow');
    await assertResultsInPacs(detail);
  });
});
