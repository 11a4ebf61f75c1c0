import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { decodeCommand } from '../../gateway/dimse/command.ts';
import { PDV_HEADER_BYTES } from '../../gateway/dimse/pdu.ts';
import { RawPeer, storeRequest } from '../support/dimse.ts';
import { cStore, spawnGateway, studyOf, temporaryFolder, waitFor, type Tree } from '../support/gateway.ts';
import { faultSettings, processesOf } from '../support/kill-run.ts';
import { numberedImages, type NumberedImage } from '../support/numbered-images.ts';
import { stowRequest } from '../support/stow.ts';

describe('a gateway at its limits, at its start and at its end', function () {
  this.timeout(60_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let home: string;
  let images: NumberedImage[];
  let settings: Tree;
  beforeEach(async () => {
    folder = await temporaryFolder();
    home = join(folder.path, 'home');
    await mkdir(home);
    images = await numberedImages(folder.path, { studies: 2, imagesOfStudy: 1, series: 41 });
    settings = faultSettings({ port: 1 });
  });
  afterEach(() => folder.remove());

  it('refuses with A700 and 503 when the disk is nearly full, and keeps nothing', async () => {
    const gateway = await spawnGateway(home, { ...settings, limits: { freeDiskBytes: Number.MAX_SAFE_INTEGER } });
    try {
      const [outcome] = await cStore(gateway.dimsePort, images.slice(0, 1));
      assert.equal(outcome?.status, 'refused');
      assert.match(outcome.detail, /A700.*the disk has/);
      const answer = await stowRequest(gateway.api, [images[0]?.path ?? '']);
      assert.equal(answer.status, 503);
      for (const kept of ['incoming', 'journal', 'blobs']) assert.deepEqual(await readdir(join(home, kept)).catch(() => []), [], kept);
    } finally {
      assert.equal(await gateway.stop(), 0);
    }
  });

  it('finishes and acknowledges the instance that is being sent when it is told to stop, takes nothing new, and leaves no process', async () => {
    const [image] = images;
    assert.ok(image);
    const file = await readFile(image.path);
    const dataset = file.subarray(parsePart10(file).datasetOffset);
    const half = dataset.length >> 2 << 1;
    let gateway = await spawnGateway(home, settings);
    {
      await using peer = await RawPeer.associate(gateway.dimsePort);
      peer.sendCommand(storeRequest(image.sopInstanceUid));
      peer.sendDataset(dataset.subarray(0, half), { isLast: false });
      await waitFor(async () => (await readdir(join(home, 'incoming'))).length === 1, 'the first bytes');
      gateway.process.kill('SIGTERM');
      await waitFor(() => isClosed(gateway.dimsePort), 'the port to close');
      peer.sendDataset(dataset.subarray(half));
      const { body } = await peer.read();
      assert.equal(decodeCommand(body.subarray(PDV_HEADER_BYTES)).status, 0);
      peer.sendCommand(storeRequest(image.sopInstanceUid, 2));
      const rest = await peer.readToEnd();
      assert.notEqual(rest[0], 4, 'no further answer');
    }
    if (gateway.process.exitCode === null) await once(gateway.process, 'exit');
    assert.equal(gateway.process.exitCode, 0);
    assert.deepEqual(await processesOf(home), []);
    gateway = await spawnGateway(home, settings);
    try {
      await waitFor(() => studyOf(gateway.api, image.studyInstanceUid), 'the instance that was acknowledged at the end');
    } finally {
      assert.equal(await gateway.stop(), 0);
    }
  });

  it('refuses a second gateway on the same data folder, saying so, with exit code 2', async () => {
    const gateway = await spawnGateway(home, settings);
    try {
      const second = spawn(process.execPath, ['gateway/cli.ts', 'start', '--config', join(home, 'hilum.yaml')], { cwd: resolve(import.meta.dirname, '../..'), stdio: ['ignore', 'ignore', 'pipe'] });
      let message = '';
      second.stderr.on('data', (chunk: Buffer) => (message += chunk.toString()));
      const [code] = (await once(second, 'close')) as [number | null];
      assert.equal(code, 2);
      assert.match(message, new RegExp(`data folder .* is in use by another gateway \\(process ${gateway.process.pid}\\)`));
      assert.ok((await fetch(`${gateway.api}/readyz`)).ok, 'the first goes on');
    } finally {
      assert.equal(await gateway.stop(), 0);
    }
  });

  it('leaves no process behind when it is killed', async () => {
    const gateway = await spawnGateway(home, settings);
    await cStore(gateway.dimsePort, images);
    await gateway.kill();
    await waitFor(async () => (await processesOf(home)).length === 0, 'the last process to end');
  });
});

const isClosed = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(false)).once('error', () => resolve(true)).once('close', () => socket.destroy());
    setTimeout(() => socket.destroy(), 500).unref();
  });
