// Drift as a site sees it: images through the whole gateway, what the gateway tells, and the commands beside it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { loadSettings } from '../../config/load.ts';
import { driftCommand } from '../../gateway/commands/drift.ts';
import type { DriftReport } from '../../gateway/drift/report.ts';
import { deriveUid } from '../../storage/dicom/uids.ts';
import { cStore, phantomFile, startTestGateway, temporaryFolder, testSettings, waitFor, type TestGateway } from '../support/gateway.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const TINY = join(ROOT, 'test/fixtures/models/tiny');
/** The least that the settings allow. */
const IMAGES = 20;

describe('drift at a site', function () {
  this.timeout(180_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let gateway: TestGateway;
  let config: string;

  const report = async (): Promise<DriftReport> => (await (await fetch(`${gateway.api}/api/drift`)).json()) as DriftReport;

  before(async () => {
    folder = await temporaryFolder();
    const home = join(folder.path, 'home');
    const overrides = {
      models: [TINY],
      drift: { minImages: IMAGES },
      routes: [{ name: 'chest', when: { Modality: ['CR'] }, completeAfterSeconds: 3600, models: ['tiny'] }],
    };
    config = join(folder.path, 'hilum.yaml');
    await writeFile(config, stringify(testSettings(home, overrides)));
    gateway = await startTestGateway(home, overrides);
    const studyInstanceUid = deriveUid('2.25', 'test', 'drift', 'site');
    const files = await Promise.all(
      Array.from({ length: IMAGES }, (_, index) => phantomFile(folder.path, { seed: 650_000 + index, columns: 96, rows: 120, studyInstanceUid, patientId: 'D1', patientName: 'Ada^Drift', overrides: { StationName: index === 0 ? undefined : 'XR1' } })),
    );
    await cStore(gateway.dimsePort ?? 0, files);
    await cStore(gateway.dimsePort ?? 0, files);
    await waitFor(async () => (await report()).models[0]?.places[0]?.images === IMAGES, 'the images in the report', 120_000);
  });
  after(async () => {
    await gateway?.stop();
    await folder.remove();
  });

  function hilum(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    return new Promise((done) => {
      execFile(process.execPath, ['gateway/cli.ts', '--config', config, 'drift', ...args], { cwd: ROOT, timeout: 60_000 }, (error, out, err) => done({ code: error === null ? 0 : Number(error.code), out, err }));
    });
  }

  it('tells of each image once, and that nothing is accepted yet', async () => {
    const [model] = (await report()).models;
    assert.deepEqual(model?.places, [{ station: null, images: IMAGES, accepted: null, quantities: [] }]);
    assert.equal(model?.otherStations, 2, 'XR1 and the device of the image without Station Name have too few images');
    const { code, out } = await hilum('--model', 'tiny');
    assert.equal(code, 0, out);
    assert.match(out, /tiny \S+\n {2}all stations: 20 images, beside nothing\n {4}not compared: nothing is accepted yet/);
  });

  it('accepts what a site says, compares with it, and forgets it again', async () => {
    const accepted = await hilum('accept', '--model', 'tiny');
    assert.equal(accepted.code, 0, accepted.err);
    assert.match(accepted.out, /^accepted for tiny \S+, \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d: all stations, 20 images$/m);
    const [place] = (await report()).models[0]?.places ?? [];
    assert.equal(place?.accepted?.by, 'site');
    assert.deepEqual(place?.quantities.map(({ quantity }) => quantity), ['probability', 'positive', 'mean', 'deviation', 'black', 'white', 'sharpness', 'aspect', 'spacing']);
    assert.ok(place?.quantities.every(({ psi, ks, p, drifted }) => psi === 0 && ks === 0 && p > 0.999 && !drifted), JSON.stringify(place?.quantities));
    assert.deepEqual(JSON.parse((await hilum('--json')).out), await report());
    assert.match((await hilum('reset', '--model', 'tiny')).out, /^forgotten; tiny \S+ is compared with nothing/);
    assert.equal((await report()).models[0]?.places[0]?.accepted, null);
  });

  it('accepts nothing of too few images, of no day, or of a model that is not there, and says so', async () => {
    const few = await hilum('accept', '--model', 'tiny', '--station', 'XR1');
    assert.equal(few.code, 1);
    assert.match(few.err, /nothing was accepted: station XR1 made fewer than 20 images for tiny/);
    const settings = await loadSettings(config);
    for (const [args, problem] of [
      [['accept', '--model', 'other'], /there is no model "other"; the settings bring tiny/],
      [['accept', '--model', 'tiny', '--from', '2026-02-30'], /2026-02-30 is no day/],
      [['accept', '--model', 'tiny', '--from', '2026-03-02', '--to', '2026-03-01'], /there is no day from 2026-03-02 to 2026-03-01/],
      [['accept'], /usage: hilum drift/],
      [['--station', 'XR1'], /usage: hilum drift/],
    ] as const) {
      await assert.rejects(driftCommand([...args], settings), problem, args.join(' '));
    }
  });

  it('keeps readiness and the analyses out of it', async () => {
    assert.equal((await fetch(`${gateway.api}/readyz`)).status, 200);
    assert.match(await (await fetch(`${gateway.api}/metrics`)).text(), /^# TYPE hilum_drift_warning gauge$/m);
  });
});
