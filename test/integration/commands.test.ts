import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { deriveUid } from '../../storage/dicom/uids.ts';
import { cStore, phantomFile, startTestGateway, studyOf, temporaryFolder, testSettings, waitFor, waitForDelivery, type SentFile } from '../support/gateway.ts';

const ROOT = resolve(import.meta.dirname, '../..');

interface Ran {
  code: number;
  out: string;
  err: string;
}

describe('commands beside the gateway', function () {
  this.timeout(120_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let home: string;
  let config: string;
  let sent: SentFile;

  function hilum(...args: string[]): Promise<Ran> {
    return new Promise((done) => {
      execFile(process.execPath, ['gateway/cli.ts', '--config', config, ...args], { cwd: ROOT, timeout: 60_000 }, (error, out, err) =>
        done({ code: error === null ? 0 : Number(error.code), out, err }),
      );
    });
  }

  before(async () => {
    folder = await temporaryFolder();
    home = join(folder.path, 'home');
    config = join(folder.path, 'hilum.yaml');
    await writeFile(config, stringify(testSettings(home)));
    const gateway = await startTestGateway(home);
    sent = await phantomFile(folder.path, { seed: 610_001, studyInstanceUid: deriveUid('2.25', 'test', 'commands', 'kept') });
    await cStore(gateway.dimsePort ?? 0, [sent]);
    await waitForDelivery(gateway.api, sent.studyInstanceUid);
    await gateway.stop();
  });
  after(() => folder.remove());

  it('doctor tells that all is well, and what runs the model', async () => {
    const { code, out, err } = await hilum('doctor', '--storage');
    assert.equal(code, 0, out + err);
    assert.match(out, /model opacity runs on cpu/);
    assert.match(out, /storage: \d+ files in the index, 0 damaged or missing, 0 not in the index, 0 in the journal/);
  });

  it('doctor --storage names a damaged, a missing and a stray file', async () => {
    const blobs = (await readdir(join(home, 'blobs'), { recursive: true })).filter((name) => name.endsWith('.dcm'));
    const [damaged, missing] = blobs.map((name) => join(home, 'blobs', name));
    await truncate(damaged ?? '', 1000);
    await rm(missing ?? '');
    const stray = join(home, 'blobs', 'ab', 'cd');
    await mkdir(stray, { recursive: true });
    await writeFile(join(stray, 'abcd0000-0000-4000-8000-000000000000.dcm'), 'stray');
    const { code, out } = await hilum('doctor', '--storage');
    assert.equal(code, 1, out);
    assert.match(out, /2 damaged or missing, 1 not in the index/);
    assert.match(out, /abcd0000-0000-4000-8000-000000000000\.dcm is not in the index/);
  });

  it('routes test says which route takes a file, and which condition another does not meet', async () => {
    const hand = await phantomFile(folder.path, { seed: 610_002, overrides: { BodyPartExamined: 'HAND' } });
    const lateral = await phantomFile(folder.path, { seed: 610_005, overrides: { ViewPosition: 'LL' } });
    const { code, out } = await hilum('routes', 'test', sent.path, hand.path, lateral.path);
    assert.equal(code, 0);
    assert.match(out, /"chest": opacity \(not analysable: lateral view.*\) -> folder/);
    assert.match(out, /"chest": opacity -> folder/);
    assert.match(out, /no route takes this image: "chest" does not take BodyPartExamined "HAND"/);
    assert.equal((await hilum('routes', 'test', config)).code, 1);
  });

  it('release has a study analysed that was held for contradicting patients', async () => {
    const other = join(folder.path, 'held');
    await writeFile(config, stringify(testSettings(other)));
    const gateway = await startTestGateway(other);
    try {
      const studyInstanceUid = deriveUid('2.25', 'test', 'commands', 'held');
      const files = await Promise.all(['P1', 'P2'].map((patientId, index) => phantomFile(folder.path, { seed: 610_003 + index, studyInstanceUid, patientId })));
      await cStore(gateway.dimsePort ?? 0, files);
      const held = await waitForDelivery(gateway.api, studyInstanceUid);
      assert.equal(held.analysis, 'not-analyzable');
      const { code, out, err } = await hilum('release', studyInstanceUid);
      assert.equal(code, 0, err);
      assert.match(out, /2 images will be analysed/);
      await waitForDelivery(gateway.api, studyInstanceUid, 2);
      const detail = await waitFor(() => studyOf(gateway.api, studyInstanceUid), 'the study');
      assert.equal(detail.analysis, 'analyzed');
      assert.match(detail.flagged ?? '', /released by a person: images of different patients/);
      assert.equal((await hilum('release', '1.2.3')).code, 2);
    } finally {
      await gateway.stop();
    }
  });

  it('an unknown command and wrong settings end with 2 and one line that says what was wrong', async () => {
    const unknown = await hilum('anaylze');
    assert.equal(unknown.code, 2);
    assert.match(unknown.err, /there is no command "anaylze"/);
    await writeFile(config, 'dimse: { port: nought }');
    const wrong = await hilum('start');
    assert.equal(wrong.code, 2);
    assert.match(wrong.err.trim(), /^\S+hilum\.yaml: dimse\.port: [^\n]+$/);
  });
});
