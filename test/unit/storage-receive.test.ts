import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { digestOf } from '../../storage/digest.ts';
import { text } from '../../storage/dicom/dataset.ts';
import { readFrame } from '../../storage/dicom/frames.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { writeFileMeta } from '../../storage/dicom/write.ts';
import { IntakeRefusal, type RefusalKind } from '../../storage/errors.ts';
import { EXPLICIT, SOP_CLASS, STOW, filesIn, imageDataset, inChunks, openIntake, storeContext } from '../support/intake.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const part10 = (dataset: Uint8Array): Uint8Array =>
  Buffer.concat([writeFileMeta({ sopClassUid: SOP_CLASS, sopInstanceUid: '1.2.3', transferSyntaxUid: EXPLICIT }), dataset]);

async function refuses(receiving: Promise<unknown>, kind: RefusalKind, message: RegExp): Promise<void> {
  await assert.rejects(receiving, (error) => {
    assert.ok(error instanceof IntakeRefusal, String(error));
    assert.equal(error.kind, kind, error.message);
    assert.match(error.message, message);
    return true;
  });
}

describe('receiving an instance', () => {
  it('keeps the dataset of a C-STORE as it was sent, behind a file meta with syntax and sender', async () => {
    await inTemporaryFolder(async (home) => {
      const { receiver, blobs, journal, handedOn } = await openIntake(home);
      const sent = imageDataset();
      const instance = await receiver.receive(inChunks(sent), storeContext());
      const kept = await readFile(blobs.path(instance.blobId));
      assert.deepEqual(kept.subarray(-sent.length), Buffer.from(sent));
      const file = parsePart10(kept);
      assert.equal(file.transferSyntaxUid, EXPLICIT);
      assert.equal(text(file.meta, 'SourceApplicationEntityTitle'), 'MODALITY');
      assert.equal(file.datasetOffset + sent.length, kept.length);
      assert.equal(instance.digest, sha256(sent));
      assert.equal(instance.bytes, kept.length);
      assert.equal(await digestOf(blobs.path(instance.blobId)), instance.digest);
      assert.deepEqual([instance.studyInstanceUid, instance.seriesInstanceUid, instance.sopInstanceUid, instance.sopClassUid], ['1.2.1', '1.2.2', '1.2.3', SOP_CLASS]);
      assert.match(instance.receivedAt, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
      assert.equal((await readFrame(instance.header, 1)).length, 32);
      assert.deepEqual(handedOn, [instance]);
      assert.equal(journal.size, 1);
    });
  });

  it('keeps a file of STOW-RS byte by byte, with the digest that the same dataset has over DIMSE', async () => {
    await inTemporaryFolder(async (home) => {
      const { receiver, blobs } = await openIntake(home);
      const sent = part10(imageDataset());
      for (const size of [1, 7, 131, 1000, sent.length]) {
        const instance = await receiver.receive(inChunks(sent, size), STOW);
        assert.deepEqual(await readFile(blobs.path(instance.blobId)), Buffer.from(sent));
        assert.equal(instance.digest, sha256(imageDataset()));
        assert.equal(await digestOf(blobs.path(instance.blobId)), instance.digest);
      }
    });
  });

  it('takes long instances in pieces of any size, and many at once', async () => {
    await inTemporaryFolder(async (home) => {
      const { receiver, blobs } = await openIntake(home);
      const pixels = Buffer.alloc(1_500_000);
      pixels.forEach((_, index) => (pixels[index] = (index * 31) >> 3));
      const received = await Promise.all(
        Array.from({ length: 8 }, async (_, index) => {
          const uid = `1.2.3.${index}`;
          const sent = imageDataset(uid, { Rows: 1000, Columns: 750, PixelData: pixels });
          const { blobId } = await receiver.receive(inChunks(sent, [333, 65_536, 262_144, 300_001][index % 4]), storeContext(uid));
          return (await readFile(blobs.path(blobId))).subarray(-sent.length).equals(sent);
        }),
      );
      assert.deepEqual(received, Array(8).fill(true));
      const ids: string[] = [];
      for await (const id of blobs.list()) ids.push(id);
      assert.equal(ids.length, 8);
      assert.deepEqual(ids, ids.toSorted());
    });
  });

  it('waits for the disk: it asks for no more than it can write', async () => {
    await inTemporaryFolder(async (home) => {
      const { FaultyDisk } = await import('../support/faulty-disk.ts');
      const disk = new FaultyDisk();
      const { receiver } = await openIntake(home, { files: disk });
      let asked = 0;
      let written = 0;
      let farthest = 0;
      disk.before = (step) => {
        if (step === 'write incoming') written++;
      };
      const sent = imageDataset('1.2.3', { Rows: 2000, Columns: 1000, PixelData: new Uint8Array(4_000_000) });
      async function* source(): AsyncGenerator<Uint8Array> {
        for await (const chunk of inChunks(sent, 65_536)) {
          asked += chunk.length;
          farthest = Math.max(farthest, asked - written * 262_144);
          yield chunk;
        }
      }
      await receiver.receive(source(), storeContext());
      assert.ok(farthest <= 3 * 262_144, `${farthest} bytes were asked for before they could be written`);
    });
  });

  it('keeps what came without preamble or file meta as a file that every reader takes, with the digest that its dataset has', async () => {
    await inTemporaryFolder(async (home) => {
      const { receiver, blobs, handedOn } = await openIntake(home);
      const file = part10(imageDataset());
      const { digest } = await receiver.receive(inChunks(file), STOW);
      const { datasetOffset } = parsePart10(file);
      for (const [what, bytes] of [
        ['a dataset alone', file.subarray(datasetOffset)],
        ['no preamble', file.subarray(128)],
        ['a file meta alone', file.subarray(132)],
      ] as const) {
        const kept = await receiver.receive(inChunks(bytes), STOW);
        const whole = await readFile(blobs.path(kept.blobId));
        assert.equal(whole.toString('latin1', 128, 132), 'DICM', what);
        assert.deepEqual(whole.subarray(-bytes.length + (what === 'no preamble' ? 4 : 0)), Buffer.from(bytes.subarray(what === 'no preamble' ? 4 : 0)), what);
        assert.deepEqual([kept.digest, kept.bytes, parsePart10(whole).transferSyntaxUid], [digest, whole.length, parsePart10(file).transferSyntaxUid], what);
      }
      assert.equal(handedOn.length, 4, 'each is handed on once');
      assert.equal((await filesIn(home)).filter((path) => path.endsWith('.dcm')).length, 4, 'nothing else stays');
    });
  });

  it('refuses what it cannot index, says why, and keeps nothing', async () => {
    await inTemporaryFolder(async (home) => {
      const { receiver, journal, handedOn, blobs } = await openIntake(home, { limits: { instanceBytes: 5000 } });
      const receive = (bytes: Uint8Array, context = storeContext()): Promise<unknown> => receiver.receive(inChunks(bytes), context);
      const whole = imageDataset();
      await refuses(receive(whole.subarray(0, -10)), 'not-understood', /PixelData is 32 bytes long, but the file has only 22 left/);
      await refuses(receive(new Uint8Array()), 'not-understood', /SOPClassUID is missing/);
      await refuses(receive(new Uint8Array(), STOW), 'not-understood', /empty/);
      await refuses(receive(Buffer.from('%PDF-1.7 is no DICOM'), STOW), 'not-understood', /not a DICOM file/);
      await refuses(receive(part10(whole).subarray(0, 200), STOW), 'not-understood', /\(0002,|cut off/);
      await refuses(receive(imageDataset('1.2.3', { StudyInstanceUID: null })), 'not-understood', /StudyInstanceUID is missing or empty/);
      await refuses(receive(imageDataset('1.2.3', { SeriesInstanceUID: 'ABC' })), 'not-understood', /SeriesInstanceUID "ABC" is not a UID/);
      await refuses(receive(part10(imageDataset('1.2.3', { SOPClassUID: '1.2.3.4.5' })), STOW), 'mismatch', /SOP class of the dataset is 1\.2\.3\.4\.5/);
      await refuses(receive(imageDataset('1.2.4')), 'mismatch', /SOP instance of the dataset is 1\.2\.4, not 1\.2\.3/);
      await refuses(receive(whole, storeContext('1.2.3', { sopClassUid: '1.2.840.10008.5.1.4.1.1.2' })), 'mismatch', /SOP class/);
      await refuses(receive(part10(whole), { ...STOW, studyInstanceUid: '1.2.99' }), 'mismatch', /study of the dataset is 1\.2\.1/);
      await refuses(receive(new Uint8Array(6000)), 'too-large', /limits.instanceBytes, 5000/);
      assert.deepEqual(await filesIn(home), []);
      assert.deepEqual([journal.size, handedOn.length, await blobs.sweepIncoming()], [0, 0, 0]);
    });
  });

  it('stops as soon as an instance is too long, or no DICOM at all', async () => {
    await inTemporaryFolder(async (home) => {
      const { receiver } = await openIntake(home, { limits: { instanceBytes: 100_000 } });
      let sent = 0;
      let closed = false;
      async function* endless(): AsyncGenerator<Uint8Array> {
        try {
          for (;;) {
            sent += 1000;
            yield new Uint8Array(1000).fill(0x41);
          }
        } finally {
          closed = true;
        }
      }
      await refuses(receiver.receive(endless(), storeContext()), 'too-large', /longer than/);
      assert.equal(sent, 101_000);
      sent = 0;
      await refuses(receiver.receive(endless(), STOW), 'not-understood', /not a DICOM file/);
      assert.equal(sent, 1000);
      assert.equal(closed, true);
    });
  });

  it('passes on what the network said when it broke off, and keeps nothing', async () => {
    await inTemporaryFolder(async (home) => {
      const { receiver, journal } = await openIntake(home);
      const reset = new Error('connection reset');
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield imageDataset().subarray(0, 100);
        throw reset;
      }
      await assert.rejects(receiver.receive(broken(), storeContext()), reset);
      assert.deepEqual([await filesIn(home), journal.size], [[], 0]);
    });
  });

  it('refuses a changed version where the settings want it, and when the index cannot be asked', async () => {
    await inTemporaryFolder(async (home) => {
      const known = new Map([['1.2.3', 'another digest']]);
      const asked: string[] = [];
      const { receiver } = await openIntake(home, {
        isKnownOtherwise: async (uid, digest) => {
          asked.push(digest);
          return known.has(uid) && known.get(uid) !== digest;
        },
      });
      await refuses(receiver.receive(inChunks(imageDataset()), storeContext()), 'changed', /1\.2\.3/);
      assert.deepEqual(asked, [sha256(imageDataset())]);
      assert.deepEqual(await filesIn(home), []);
      await receiver.receive(inChunks(imageDataset('1.2.4')), storeContext('1.2.4'));
    });
  });

  it('has no room while the journal is full, or the disk nearly so', async () => {
    await inTemporaryFolder(async (home) => {
      const { receiver, journal } = await openIntake(home, { limits: { journalInstances: 1 } });
      const { blobId } = await receiver.receive(inChunks(imageDataset()), storeContext());
      await refuses(receiver.receive(inChunks(imageDataset('1.2.4')), storeContext('1.2.4')), 'out-of-room', /1 instances wait to be indexed/);
      await journal.remove(blobId);
      await receiver.receive(inChunks(imageDataset('1.2.4')), storeContext('1.2.4'));
    });
    await inTemporaryFolder(async (home) => {
      const { receiver } = await openIntake(home, { limits: { freeDiskBytes: Number.MAX_SAFE_INTEGER } });
      await refuses(receiver.receive(inChunks(imageDataset()), storeContext()), 'out-of-room', /limits.freeDiskBytes/);
      assert.deepEqual(await filesIn(home), []);
    });
  });
});
