// Another implementation as worker and as orchestrator: pydicom makes and reads every dataset (test/support/ups_worker.py).
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { deriveUid } from '../../storage/dicom/uids.ts';
import { cStore, describeFile, startTestGateway, studyOf, temporaryFolder, waitFor, type TestGateway } from '../support/gateway.ts';
import { gridImage } from '../support/grid-image.ts';
import { modelPackage } from '../support/model-packages.ts';
import { assertDicomJson } from '../support/dicom-json.ts';

const SCRIPT = resolve(import.meta.dirname, '../support/ups_worker.py');
const study = (name: string): string => deriveUid('2.25', 'test', 'ups pydicom', name);

describe('UPS-RS with pydicom', function () {
  this.timeout(120_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let gateway: TestGateway;

  before(async () => {
    folder = await temporaryFolder();
    gateway = await startTestGateway(join(folder.path, 'home'), {
      models: [await modelPackage(folder.path, { name: 'first', kind: 'detection' })],
      routes: [{ name: 'outside', when: { Modality: ['DX'] }, completeAfterSeconds: 0.3, worker: 'outside', models: ['first'], deliver: [{ to: 'folder' }] }],
    });
  });
  after(async () => {
    await gateway?.stop();
    await folder.remove();
  });

  async function send(name: string, modality: string): Promise<string> {
    const path = join(folder.path, `${name}.dcm`);
    await writeFile(path, gridImage({ frames: [[6]], changes: { StudyInstanceUID: study(name), SeriesInstanceUID: `${study(name).slice(0, 60)}.1`, SOPInstanceUID: deriveUid('2.25', name), Modality: modality } }));
    await cStore(gateway.dimsePort ?? 0, [await describeFile(path)]);
    return study(name);
  }

  async function run(role: 'work' | 'order', uid: string): Promise<Record<string, unknown>> {
    const { stdout } = await promisify(execFile)('/usr/bin/python3', [SCRIPT, role, gateway.api, uid], { timeout: 100_000 });
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  it('leaves a study to a worker that claims it, reads its images, stores its report and completes the step', async () => {
    const uid = await send('worker', 'DX');
    const { report, ...done } = await run('work', uid);
    assert.deepEqual(done, { state: 'COMPLETED', images: 1, locked: true });
    const detail = await waitFor(async () => {
      const found = await studyOf(gateway.api, uid);
      return found?.delivery === 'delivered' && found;
    }, 'the delivery');
    assert.deepEqual([detail.analysis, detail.positive, detail.probability, detail.analyses[0]?.model.name], ['analyzed', false, 0.25, 'Mean brightness']);
    assert.deepEqual(await readdir(join(gateway.home, 'out', uid)), [`${report as string}.dcm`]);
  });

  it('does an analysis that is ordered, and says in what the orchestrator can read where the results are', async () => {
    const uid = await send('order', 'CR');
    const { outputs, ...done } = await run('order', uid);
    assert.deepEqual(done, { status: 201, state: 'COMPLETED', name: 'Müller^Jörg=山田^太郎', label: 'Bestellt für Müller' });
    assert.deepEqual(outputs, ['Comprehensive 3D SR Storage', 'Secondary Capture Image Storage']);
  });

  it('answers with DICOM JSON that is valid', async () => {
    const response = await fetch(`${gateway.api}/dicomweb/workitems`);
    assert.equal(assertDicomJson(await response.text()).length, 2);
  });
});
