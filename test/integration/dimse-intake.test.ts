import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exchange } from '../../gateway/dimse/exchange.ts';
import { requestAssociation } from '../../gateway/dimse/requestor.ts';
import { startDimseServer } from '../../gateway/dimse/server.ts';
import { BlobStore } from '../../storage/blobs.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { Journal } from '../../storage/journal.ts';
import { Receiver, type DurableInstance } from '../../storage/receive.ts';
import { CR_STORAGE, eventually, EXPLICIT, imageDataset, IMPLICIT, RawPeer, settingsWith, sha256, silent, storeRequest } from '../support/dimse.ts';

/** DIMSE in front of storage's own intake. */
async function startIntake(limits: Record<string, number> = {}) {
  const home = await mkdtemp(join(tmpdir(), 'hilum-intake-'));
  const settings = settingsWith({ limits: { drainSeconds: 1, freeDiskBytes: 0, ...limits } });
  const durable: DurableInstance[] = [];
  const blobs = new BlobStore(home, silent);
  const receiver = new Receiver({ blobs, journal: await Journal.open(home, silent), limits: settings.limits, onDurable: (instance) => void durable.push(instance), log: silent });
  const server = await startDimseServer({ settings, receiver, log: silent });
  const send = async (dataset: Buffer, changes: Parameters<typeof storeRequest>[2] = {}, transferSyntax = EXPLICIT) => {
    const remote = { host: '127.0.0.1', port: server.port, calledAe: 'HILUM', callingAe: 'MODALITY' };
    const association = await requestAssociation({ remote, contexts: [{ abstractSyntax: CR_STORAGE, transferSyntaxes: [transferSyntax] }], maxPduBytes: 65_536, timeoutMs: 5000 });
    const answer = await exchange(association, 1, { ...storeRequest('2.25.7', 1, changes), messageId: 1 }, (async function* () {
      yield dataset;
    })());
    await association.release();
    return answer;
  };
  const files = async () => (await readdir(home, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile() && /\.(dcm|part)$/.test(entry.name));
  return {
    port: server.port,
    blobs,
    durable,
    send,
    files,
    async [Symbol.asyncDispose]() {
      await server.drain();
      await rm(home, { recursive: true, force: true });
    },
  };
}

describe('DIMSE intake into storage', () => {
  for (const [name, syntax] of [['explicit', EXPLICIT], ['implicit', IMPLICIT]] as const)
    it(`keeps an ${name} dataset as it came, behind a file meta that says what was announced`, async () => {
      await using intake = await startIntake();
      const dataset = imageDataset('2.25.7', 100_000, syntax);
      assert.equal((await intake.send(dataset, {}, syntax)).status, 0);
      const [instance] = intake.durable;
      const file = parsePart10(await readFile(intake.blobs.path(instance!.blobId)));
      assert.equal(file.transferSyntaxUid, syntax);
      assert.equal(sha256(file.bytes!.subarray(file.datasetOffset)), sha256(dataset));
      assert.deepEqual([instance!.digest, instance!.context.callingAe, instance!.studyInstanceUid], [sha256(dataset), 'MODALITY', '2.25.1']);
    });

  it('refuses an image when the disk is nearly full, with A700, and keeps nothing', async () => {
    await using intake = await startIntake({ freeDiskBytes: Number.MAX_SAFE_INTEGER });
    const { status, errorComment } = await intake.send(imageDataset('2.25.7', 1_000_000));
    assert.equal(status, 0xa700);
    assert.match(errorComment!, /the disk has \d+ bytes left/);
    assert.deepEqual(await intake.files(), []);
  });

  it('refuses an instance that is longer than the limit, with A700, and keeps nothing', async () => {
    await using intake = await startIntake({ instanceBytes: 500_000 });
    assert.equal((await intake.send(imageDataset('2.25.7', 1_000_000))).status, 0xa700);
    assert.deepEqual(await intake.files(), []);
  });

  it('refuses a dataset of another SOP instance than the command announced, with A900, and keeps nothing', async () => {
    await using intake = await startIntake();
    const { status, errorComment } = await intake.send(imageDataset('2.25.8'));
    assert.equal(status, 0xa900);
    assert.match(errorComment!, /SOP instance of the dataset is 2\.25\.8/);
    assert.deepEqual(await intake.files(), []);
  });

  const broken: [string, Buffer][] = [
    ['a truncated dataset', imageDataset('2.25.7', 10_000).subarray(0, 5000)],
    ['a dataset with a wrong length', withWrongLength(imageDataset('2.25.7'))],
    ['garbage instead of a dataset', Buffer.from('garbage '.repeat(100))],
    ['an empty dataset', Buffer.alloc(0)],
  ];
  for (const [what, dataset] of broken)
    it(`refuses ${what} with Cxxx and an Error Comment, keeps nothing, and takes the next instance`, async () => {
      await using intake = await startIntake();
      const { status, errorComment } = await intake.send(dataset);
      assert.equal(status & 0xf000, 0xc000, status.toString(16));
      assert.ok(errorComment);
      assert.deepEqual(await intake.files(), []);
      assert.equal((await intake.send(imageDataset('2.25.7'))).status, 0);
    });

  it('keeps nothing of an instance whose sender goes away in the middle of it', async () => {
    await using intake = await startIntake();
    await using peer = await RawPeer.associate(intake.port);
    peer.sendCommand(storeRequest('2.25.7'));
    peer.sendDataset(imageDataset('2.25.7', 500_000).subarray(0, 400_000), { isLast: false });
    let files = 0;
    await eventually(() => {
      void intake.files().then((found) => (files = found.length));
      return files === 1;
    }, 'the instance is being received');
    peer.socket.resetAndDestroy();
    await eventually(() => {
      void intake.files().then((found) => (files = found.length));
      return files === 0;
    }, 'nothing of it is left');
    assert.equal(intake.durable.length, 0);
  });
});

/** The last element, Pixel Data, says that it is longer than it is. */
function withWrongLength(dataset: Buffer): Buffer {
  const at = dataset.indexOf(Buffer.from('e07f1000', 'hex'));
  const wrong = Buffer.from(dataset);
  wrong.writeUInt32LE(wrong.readUInt32LE(at + 8) + 1000, at + 8);
  return wrong;
}
