import assert from 'node:assert/strict';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf } from '../../storage/digest.ts';
import { IntakeRefusal } from '../../storage/errors.ts';
import { FaultyDisk, diskError, type Step } from '../support/faulty-disk.ts';
import { filesIn, imageDataset, inChunks, openIntake, storeContext } from '../support/intake.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';

describe('durability', () => {
  it('answers only after blob, journal entry and both their names are synced', async () => {
    await inTemporaryFolder(async (home) => {
      const disk = new FaultyDisk();
      const { receiver } = await openIntake(home, { files: disk });
      disk.steps.length = 0;
      await receiver.receive(inChunks(imageDataset()), storeContext());
      const at = (step: Step): number => disk.steps.indexOf(step);
      const last = (step: Step): number => disk.steps.lastIndexOf(step);
      assert.ok(last('write incoming') < last('datasync incoming'), 'the blob is written, then synced');
      assert.ok(last('write journal') < at('datasync journal'), 'the entry is written, then synced');
      const renamed = at('rename blobs');
      assert.ok(last('datasync incoming') < renamed && at('datasync journal') < renamed, 'both before the blob gets its place');
      const afterwards = disk.steps.slice(renamed + 1);
      assert.ok(afterwards.includes('sync blobs'), 'then the folder of the blob');
      assert.ok(disk.steps.slice(at('datasync journal') + 1).includes('sync journal'), 'and the folder of the entry');
      // The sub-folders are new: their names are synced as well, up to the data folder.
      assert.ok(disk.steps.filter((step) => step === 'sync blobs').length >= 3);
      assert.ok(disk.steps.includes('sync home'));
    });
  });

  for (const code of ['ENOSPC', 'EIO'] as const)
    it(`leaves nothing behind whichever step fails with ${code}`, async () => {
      // By name, not by count: blob and journal are at work side by side, in no fixed order.
      const steps = await stepsOfOneInstance();
      const named: Step[] = ['create incoming', 'write incoming', 'datasync incoming', 'create journal', 'write journal', 'datasync journal', 'makeFolder blobs', 'rename blobs', 'sync blobs', 'sync journal'];
      assert.deepEqual(named.filter((step) => !steps.includes(step)), []);
      for (const [at, failing] of steps.entries())
        await inTemporaryFolder(async (home) => {
          const disk = new FaultyDisk();
          const { receiver, journal, handedOn } = await openIntake(home, { files: disk });
          let left = steps.slice(0, at + 1).filter((step) => step === failing).length;
          disk.before = (step) => {
            if (step === failing && --left === 0) throw diskError(code);
          };
          const error = await receiver.receive(inChunks(imageDataset()), storeContext()).then(
            () => undefined,
            (reason: unknown) => reason,
          );
          assert.ok(error, `a failing "${failing}" was not noticed`);
          if (code === 'ENOSPC') assert.ok(error instanceof IntakeRefusal && error.kind === 'out-of-room', String(error));
          else assert.equal((error as NodeJS.ErrnoException).code, 'EIO');
          assert.deepEqual([await filesIn(home), journal.size, handedOn.length], [[], 0, 0], `after a failing "${failing}"`);
          // And it goes on as soon as the disk does.
          await receiver.receive(inChunks(imageDataset()), storeContext());
        });
    });

  it('is whole or gone after a crash at any step, and whole when it was acknowledged', async () => {
    let replayed = 0;
    let gone = 0;
    for (let crashAt = 1, more = true; more; crashAt++) {
      await inTemporaryFolder(async (home) => {
        const disk = new FaultyDisk();
        const { receiver } = await openIntake(home, { files: disk });
        const sent = imageDataset('1.2.3', { Rows: 600, Columns: 500, PixelData: new Uint8Array(600_000).fill(crashAt) });
        let count = 0;
        disk.before = () => {
          // Nothing that a dead process would have done is done, cleaning up included.
          if (++count >= crashAt) throw diskError('EIO');
        };
        const acknowledged = await receiver.receive(inChunks(sent, 50_000), storeContext()).then(
          ({ digest }) => digest,
          () => undefined,
        );
        more = count >= crashAt;

        const restarted = await openIntake(home);
        await restarted.blobs.sweepIncoming();
        const found = [];
        for await (const instance of restarted.journal.entries()) found.push(instance);
        assert.ok(found.length <= 1);
        for (const instance of found) {
          assert.equal(await digestOf(restarted.blobs.path(instance.blobId)), instance.digest);
          assert.deepEqual((await readFile(instance.header.path)).subarray(-sent.length), Buffer.from(sent));
          assert.deepEqual(instance.context, storeContext());
        }
        if (acknowledged !== undefined) assert.equal(found[0]?.digest, acknowledged);
        if (found.length > 0) replayed++;
        else gone++;
        assert.equal((await readdir(join(home, 'incoming'))).length, 0);
        assert.equal(restarted.journal.size, found.length);
        assert.deepEqual(restarted.log.lines.filter(({ level }) => level === 'error'), []);
        // A blob that was given its place has its entry: there are no orphans.
        const blobs = [];
        for await (const id of restarted.blobs.list()) blobs.push(id);
        assert.deepEqual(blobs, found.map(({ blobId }) => blobId));
      });
    }
    assert.ok(replayed > 0 && gone > 5, `${replayed} replayed, ${gone} gone`);
  });

  it('replays what was acknowledged and not indexed, with everything that indexing needs', async () => {
    await inTemporaryFolder(async (home) => {
      const before = await openIntake(home);
      const first = await before.receiver.receive(inChunks(imageDataset('1.2.3')), storeContext('1.2.3'));
      const second = await before.receiver.receive(inChunks(imageDataset('1.2.4')), storeContext('1.2.4'));
      await before.journal.remove(first.blobId);

      const after = await openIntake(home);
      assert.deepEqual(after.journal.ids(), [second.blobId]);
      const entries = [];
      for await (const entry of after.journal.entries()) entries.push(entry);
      assert.deepEqual(entries, [second]);
    });
  });

  it('removes entries that were never acknowledged, and leaves those that it cannot read to a person', async () => {
    await inTemporaryFolder(async (home) => {
      const before = await openIntake(home);
      const torn = await before.receiver.receive(inChunks(imageDataset('1.2.3')), storeContext('1.2.3'));
      await writeFile(join(home, 'journal', `${torn.blobId}.json`), '{"blobId":');
      await writeFile(join(home, 'journal', '00000000-0000-4000-8000-000000000000.json'), '{}');
      await writeFile(join(home, 'journal', 'not-an-id.json'), '{}');

      const after = await openIntake(home);
      for await (const entry of after.journal.entries()) assert.fail(`${entry.blobId} cannot be replayed`);
      const names = await readdir(join(home, 'journal'));
      assert.deepEqual(names.sort(), [`${torn.blobId}.json`, 'not-an-id.json'].sort());
      assert.deepEqual(after.log.lines.map(({ level, message }) => `${level}: ${message}`).sort(), [
        'error: a journal entry cannot be read; it stays where it is',
        'error: a journal entry cannot be read; it stays where it is',
        'info: removed a journal entry of an instance that was never acknowledged',
      ]);
    });
  });

  it('does not take back a success when the one who indexes fails', async () => {
    await inTemporaryFolder(async (home) => {
      const { blobs, journal, log } = await openIntake(home);
      const { Receiver } = await import('../../storage/receive.ts');
      const receiver = new Receiver({
        blobs, journal,
        limits: { instanceBytes: 10_000, freeDiskBytes: 0, journalInstances: 10 },
        onDurable: () => { throw new Error('indexer is ill'); },
        log: log as unknown as ConstructorParameters<typeof Receiver>[0]['log'],
      });
      const { blobId } = await receiver.receive(inChunks(imageDataset()), storeContext());
      assert.ok((await readFile(blobs.path(blobId))).length > 0);
      assert.equal(journal.size, 1);
      assert.deepEqual(log.lines.map(({ level }) => level), ['error']);
    });
  });
});

describe('blobs of results', () => {
  const ID = '0f3a1c2e-1111-8222-8333-444455556666';

  it('are written once: the bytes that were there first stay', async () => {
    await inTemporaryFolder(async (home) => {
      const { blobs } = await openIntake(home);
      const first = Buffer.from('first');
      assert.deepEqual(await blobs.writeResult(ID, first), first);
      assert.deepEqual(await blobs.writeResult(ID, Buffer.from('second')), first);
      assert.deepEqual(await readFile(blobs.path(ID)), first);
      assert.ok(blobs.path(ID).endsWith(join('blobs', '0f', '3a', `${ID}.dcm`)));
      assert.deepEqual((await filesIn(home)).length, 1);
    });
  });

  it('are the same for two who write them at once', async () => {
    await inTemporaryFolder(async (home) => {
      const { blobs } = await openIntake(home);
      const [left, right] = await Promise.all([blobs.writeResult(ID, Buffer.from('left')), blobs.writeResult(ID, Buffer.from('right'))]);
      assert.deepEqual(Buffer.from(left), Buffer.from(right));
      assert.deepEqual(await readFile(blobs.path(ID)), Buffer.from(left));
    });
  });

  it('are synced before they get their name, and leave nothing when the disk fails', async () => {
    await inTemporaryFolder(async (home) => {
      const disk = new FaultyDisk();
      const { blobs } = await openIntake(home, { files: disk });
      disk.before = (step) => {
        if (step === 'datasync incoming') throw diskError('ENOSPC');
      };
      await assert.rejects(blobs.writeResult(ID, Buffer.from('bytes')), /ENOSPC/);
      assert.deepEqual(await filesIn(home), []);
      disk.before = () => {};
      disk.steps.length = 0;
      await blobs.writeResult(ID, Buffer.from('bytes'));
      assert.ok(disk.steps.indexOf('datasync incoming') < disk.steps.indexOf('link blobs'));
      assert.ok(disk.steps.lastIndexOf('sync blobs') > disk.steps.indexOf('link blobs'));
    });
  });

  it('have no path for what is no id', async () => {
    await inTemporaryFolder(async (home) => {
      const { blobs } = await openIntake(home);
      for (const id of ['', '../../etc/passwd', '0f3a', `${ID}/../x`]) assert.throws(() => blobs.path(id), /is not the id of a blob/);
      await blobs.remove(ID);
    });
  });

  it('goes on after a person removed an empty sub-folder', async () => {
    await inTemporaryFolder(async (home) => {
      const { blobs } = await openIntake(home);
      await blobs.writeResult(ID, Buffer.from('bytes'));
      await blobs.remove(ID);
      const { rm } = await import('node:fs/promises');
      await rm(join(home, 'blobs'), { recursive: true });
      await blobs.writeResult(ID, Buffer.from('bytes'));
      assert.deepEqual(await readFile(blobs.path(ID), 'utf8'), 'bytes');
    });
  });
});

/** What the disk is asked for while one instance is taken. */
async function stepsOfOneInstance(): Promise<Step[]> {
  const disk = new FaultyDisk();
  await inTemporaryFolder(async (home) => {
    const { receiver } = await openIntake(home, { files: disk });
    disk.steps.length = 0;
    await receiver.receive(inChunks(imageDataset()), storeContext());
  });
  return disk.steps;
}
