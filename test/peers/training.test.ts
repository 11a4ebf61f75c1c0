// The whole way of a model with real PyTorch: phantoms, one epoch, judgement, export, and the package served by the gateway.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportPhantoms } from '../../ai/phantom/export.ts';
import { loadPackage } from '../../ai/runtime/manifest.ts';
import { runTool } from '../support/peers.ts';
import { cStore, phantomFile, startTestGateway, temporaryFolder, waitForDelivery } from '../support/gateway.ts';
import { mustTrain, train } from '../support/training.ts';

/** Small enough that an epoch takes seconds; large enough that every part has images of both classes. */
const PHANTOMS = 96;
const SIDE = '64';

describe('the training package', function () {
  this.timeout(300_000);

  it('passes its own tests', async () => {
    const { code, output } = await runTool('python3', ['-m', 'pytest', '-q', 'ai/training/tests'], 280_000);
    assert.equal(code, 0, output);
    assert.match(output, /\d+ passed/);
    assert.doesNotMatch(output, /skipped|xfailed/, output);
  });
});

describe('the way of a model, from radiographs to the gateway', function () {
  this.timeout(180_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let split: string;
  let data: string[];

  before(async () => {
    folder = await temporaryFolder();
    const phantoms = join(folder.path, 'phantom');
    await exportPhantoms(phantoms, PHANTOMS, 1, () => {});
    split = join(folder.path, 'split.csv');
    data = ['--data', `phantom:${phantoms}`, '--cache', join(folder.path, 'cache')];
    await mustTrain(['split', '--data', `phantom:${phantoms}`, '--out', split]);
  });
  after(() => folder.remove());

  /** One epoch, judged, exported. @returns the package's folder */
  async function trained(name: string, what: string[]): Promise<string> {
    const run = join(folder.path, name);
    const target = join(folder.path, 'models', name);
    await mustTrain(['fit', ...what, ...data, '--split', split, '--size', SIDE, '--epochs', '1', '--batch', '16', '--out', run]);
    await mustTrain(['judge', '--run', run, '--draws', '100', '--cache', join(folder.path, 'cache')]);
    await mustTrain(['export', '--run', run, '--out', target, '--name', name, '--version', '0.0.1']);
    return target;
  }

  for (const [name, what] of [
    ['smoke-cnn', ['--arch', 'plain-cnn', '--task', 'pneumonia']],
    ['smoke-detector', ['--arch', 'detector', '--task', 'detection']],
  ] as const) {
    it(`trains, judges, exports and serves ${what[1]}`, async () => {
      const target = await trained(name, [...what]);
      const { manifest } = await loadPackage(target);
      assert.equal(manifest.input.width, Number(SIDE));
      assert.match(await readFile(join(target, 'MODEL_CARD.md'), 'utf8'), new RegExp(name));
      const gateway = await startTestGateway(join(folder.path, `home-${name}`), {
        models: [target],
        routes: [{ name: 'chest', when: { Modality: ['CR', 'DX'] }, completeAfterSeconds: 0.5, models: [name], deliver: [{ to: 'folder' }] }],
      });
      try {
        const file = await phantomFile(folder.path, { patientId: 'SMOKE-1', seed: 100_001, opacities: 2 });
        assert.deepEqual((await cStore(gateway.dimsePort ?? 0, [file])).map(({ status }) => status), ['delivered']);
        const detail = await waitForDelivery(gateway.api, file.studyInstanceUid);
        const [analysis] = detail.analyses;
        assert.equal(analysis?.status, 'analyzed');
        assert.equal(analysis?.model.name, name);
        assert.ok(analysis.probability! >= 0 && analysis.probability! <= 1);
      } finally {
        await gateway.stop();
      }
    });
  }

  it('names what is wrong with its input in one line, and leaves nothing behind', async () => {
    const { code, output } = await train(['fit', '--arch', 'plain-cnn', '--task', 'type', ...data, '--split', split, '--epochs', '1', '--out', join(folder.path, 'none')]);
    assert.equal(code, 1);
    assert.match(output.trim().split('\n').at(-1)!, /^train: .*(bacterial|type)/);
    await assert.rejects(readFile(join(folder.path, 'none', 'last.pt')));
  });
});
