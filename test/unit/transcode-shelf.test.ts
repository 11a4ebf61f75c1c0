import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { FrameShelf, type HeldFrame } from '../../gateway/transcode/frame-shelf.ts';
import { PoolBusyError, WorkerPool } from '../../gateway/transcode/worker-pool.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';

const frame = (length: number, seed: number): Uint8Array => Uint8Array.from({ length }, (_, index) => (index * seed) % 251);

async function contentOf(held: HeldFrame): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of held.read()) parts.push(Uint8Array.from(part));
  return Buffer.concat(parts);
}

describe('frames that wait for their taker', () => {
  it('are the same in memory and on disk, and leave nothing behind', () =>
    inTemporaryFolder(async (folder) => {
      const shelf = new FrameShelf(folder, 3_000_000);
      const frames = [frame(2_000_001, 3), frame(1_500_000, 5), frame(999_999, 7)];
      const held = await Promise.all(frames.map((bytes) => shelf.hold(bytes)));
      assert.deepEqual(await readdir(folder), [], 'what lies on disk has no name');
      for (const [index, one] of held.entries()) {
        assert.equal(one.length, frames[index]!.length);
        assert.deepEqual(await contentOf(one), Buffer.from(frames[index]!));
        assert.deepEqual(Buffer.from(await one.whole()), Buffer.from(frames[index]!));
      }
      for (const one of held) await one.release();
    }));

  it('are on disk where memory is taken, and in memory again when it is given back', () =>
    inTemporaryFolder(async (folder) => {
      const shelf = new FrameShelf(folder, 100);
      const inMemory = await shelf.hold(frame(80, 1));
      const onDisk = await shelf.hold(frame(80, 3));
      assert.ok((await inMemory.whole()) === (await inMemory.whole()), 'the very bytes');
      assert.ok((await onDisk.whole()) !== (await onDisk.whole()), 'read anew');
      await inMemory.release();
      // Given back once, however often it is said.
      await inMemory.release();
      const again = await shelf.hold(frame(80, 5));
      assert.ok((await again.whole()) === (await again.whole()));
      const beyond = await shelf.hold(frame(80, 5));
      assert.ok((await beyond.whole()) !== (await beyond.whole()));
      for (const one of [onDisk, again, beyond]) await one.release();
    }));
});

describe('the worker pool', () => {
  /** Answers after so many milliseconds; 'throw' and 'exit' end the thread. */
  const worker = new URL(
    `data:text/javascript,${encodeURIComponent(`
      import { parentPort } from 'node:worker_threads';
      parentPort.on('message', (ask) => {
        if (ask === 'throw') throw new Error('a fault in the worker');
        if (ask === 'exit') process.exit(3);
        setTimeout(() => parentPort.postMessage(ask), ask);
      });
    `)}`,
  );
  let pool: WorkerPool<number | string, number>;
  const start = (options: Partial<ConstructorParameters<typeof WorkerPool>[1]> = {}): void => void (pool = new WorkerPool(worker, { size: 1, maxWaiting: 3, taskMilliseconds: 5000, ...options }));
  const ask = (request: number | string, signal?: AbortSignal): Promise<number> => pool.run(() => ({ request, transfer: [] }), signal);
  afterEach(() => pool.close());

  it('makes each request only when a worker is free for it', async () => {
    start();
    const made: number[] = [];
    const all = [20, 1, 2].map((request) =>
      pool.run(() => {
        made.push(request);
        return { request, transfer: [] };
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(made, [20]);
    assert.deepEqual(await Promise.all(all), [20, 1, 2]);
  });

  it('refuses what is more than can wait, and goes on', async () => {
    start();
    const taken = [30, 1, 1, 1].map((request) => ask(request));
    await assert.rejects(ask(1), PoolBusyError);
    assert.deepEqual(await Promise.all(taken), [30, 1, 1, 1]);
  });

  it('lets go of what is not wanted any more before it is begun', async () => {
    start();
    const stop = new AbortController();
    const [first, second, third] = [ask(20), ask(1, stop.signal), ask(2)];
    stop.abort(new Error('the caller left'));
    await assert.rejects(second!, /the caller left/);
    assert.deepEqual(await Promise.all([first, third]), [20, 2]);
  });

  for (const [name, request, message] of [['throws', 'throw', /a fault in the worker/], ['ends', 'exit', /code 3/]] as const) {
    it(`fails the one request at which a worker ${name}, and starts another worker for the next`, async () => {
      start();
      const answers = await Promise.allSettled([ask(request), ask(1)]);
      assert.match(String((answers[0] as PromiseRejectedResult).reason), message);
      assert.equal((answers[1] as PromiseFulfilledResult<number>).value, 1);
    });
  }

  it('ends a worker that takes too long', async () => {
    start({ taskMilliseconds: 500 });
    const answers = await Promise.allSettled([ask(60_000), ask(1)]);
    assert.match(String((answers[0] as PromiseRejectedResult).reason), /took longer than 0\.5 s/);
    assert.equal((answers[1] as PromiseFulfilledResult<number>).value, 1);
  });

  it('fails a request that cannot be made, and goes on', async () => {
    start();
    await assert.rejects(pool.run(() => Promise.reject(new Error('the file is gone'))), /the file is gone/);
    assert.equal(await ask(1), 1);
  });
});
