// Inference in worker processes, with a real model whose faults are those of a native library: it fails, hangs or is killed.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import type { InferenceProcess } from '../../ai/runtime/inference-process.ts';
import { loadPackage } from '../../ai/runtime/manifest.ts';
import type { ModelPackage } from '../../ai/runtime/manifest.ts';
import { ModelRunner } from '../../ai/runtime/model-runner.ts';
import { chooseProvider, startWorker } from '../../ai/runtime/providers.ts';

const log = pino({ level: 'silent' });
const options = { threads: 1, log };
const fixture = (name: string): string => new URL(`../fixtures/models/${name}`, import.meta.url).pathname;

/** 64 x 64, dark, with one bright cell of the 4 x 4 grid; the corner pixel chooses the fault of the faulty model. */
function image(cell: number, corner = 0): Uint8Array {
  const pixels = new Uint8Array(64 * 64).fill(20);
  const [left, top] = [(cell % 4) * 16, Math.floor(cell / 4) * 16];
  for (let y = top; y < top + 16; y++) pixels.fill(250, y * 64 + left, y * 64 + left + 16);
  pixels[0] = corner;
  return pixels;
}
const FAILS = 255;
const HANGS = 230;

async function childProcesses(): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    const [, state, parent] = /\) (\S) (\d+)/.exec(stat) ?? [];
    if (Number(parent) === process.pid && state !== 'Z') found.push(Number(pid));
  }
  return found;
}

describe('inference', () => {
  let model: ModelPackage;
  let runner: ModelRunner;
  let started: InferenceProcess[];

  async function run(maxBatch = 4, timeoutSeconds = 30): Promise<void> {
    started = [];
    const { worker, report } = await chooseProvider(model, ['cpu'], options);
    const start = async (): Promise<InferenceProcess> => {
      const fresh = (await startWorker(model, 'cpu', options)).worker;
      started.push(fresh);
      return fresh;
    };
    runner = new ModelRunner(worker, { report, maxBatch, timeoutSeconds, log, start });
  }

  before(async () => {
    model = await loadPackage(fixture('faulty'));
  });
  afterEach(async () => {
    await runner.close();
    assert.deepEqual(await childProcesses(), []);
  });

  it('answers each image of a batch with its own reading', async () => {
    await run();
    const cells = [3, 0, 10, 15, 6, 9];
    const answers = await Promise.all(cells.map((cell) => runner.infer(image(cell), 0)));
    const places = answers.map(({ reading: { boxes: [box] } }) => box!.x1 / 16 + (box!.y1 / 16) * 4);
    assert.deepEqual(places, cells);
    assert.ok(answers.every(({ reading, provider }) => reading.positive && provider === 'cpu'));
  });

  it('lets one image that breaks the run harm no other of its batch', async () => {
    await run();
    const first = runner.infer(image(5), 0);
    const batch = [runner.infer(image(5), 0), runner.infer(image(5, FAILS), 0), runner.infer(image(5), 0)];
    const settled = await Promise.allSettled([first, ...batch]);
    assert.deepEqual(settled.map(({ status }) => status), ['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    assert.match(String((settled[2] as PromiseRejectedResult).reason), /out of data bounds|out of bounds/);
    assert.equal(started.length, 0);
  });

  it('replaces a worker that hangs in native code, tries its images again once, and gives the reason', async () => {
    await run(4, 1);
    const first = runner.infer(image(5), 0);
    const batch = [runner.infer(image(5, HANGS), 0), runner.infer(image(7), 0)];
    const settled = await Promise.allSettled([first, ...batch, runner.infer(image(8), -1)]);
    assert.deepEqual(settled.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    assert.match(String((settled[1] as PromiseRejectedResult).reason), /did not end within 1 seconds/);
    assert.equal(started.length, 2);
  });

  it('replaces a worker that is killed, and the images of its batch still get their answers', async () => {
    await run();
    const [worker] = await childProcesses();
    const answers = [runner.infer(image(1), 0), runner.infer(image(2), 0)];
    process.kill(worker!, 'SIGKILL');
    assert.equal((await Promise.all(answers)).length, 2);
    assert.equal(started.length, 1);
  });

  it('takes the most urgent of what waits', async () => {
    await run(1);
    const order: string[] = [];
    const wait = (name: string, priority: number) => runner.infer(image(4), priority).then(() => order.push(name));
    await Promise.all([wait('first', 0), wait('second', 0), wait('third', 0), wait('urgent', 9)]);
    assert.deepEqual(order, ['first', 'urgent', 'second', 'third']);
  });

  it('ends at once when it is closed, though a run hangs', async () => {
    await run();
    const hanging = assert.rejects(runner.infer(image(5, HANGS), 0), /closed/);
    await sleep(100);
    const begun = performance.now();
    await runner.close();
    await hanging;
    assert.ok(performance.now() - begun < 1000);
  });

  it('never runs a model file that was changed after the check', async () => {
    await run();
    const changed = { ...model, path: `${fixture('tiny')}/model.onnx` };
    await assert.rejects(startWorker(changed, 'cpu', options), /was changed since the start/);
  });
});

describe('the providers of the settings', () => {
  let model: ModelPackage;
  before(async function () {
    model = await loadPackage(fixture('tiny'));
    const cuda = await startWorker(model, 'cuda', options).catch(() => undefined);
    await cuda?.worker.kill();
    if (cuda) this.skip();
  });

  it('are tried in their order, and each that is not taken has its reason in words', async () => {
    const begun = performance.now();
    const { worker, report } = await chooseProvider(model, ['cuda', 'cpu'], options);
    await worker.kill();
    assert.ok(performance.now() - begun < 10_000);
    assert.deepEqual(report, {
      model: 'tiny',
      chosen: 'cpu',
      rejected: [{ provider: 'cuda', why: 'the CUDA libraries of onnxruntime-node are not installed' }],
    });
    assert.deepEqual(await childProcesses(), []);
  });

  it('end the start, by the name of the model, when none can run it', async () => {
    await assert.rejects(chooseProvider(model, ['cuda'], options), /"tiny" runs on none of the providers of the settings \(cuda: the CUDA/);
    assert.deepEqual(await childProcesses(), []);
  });
});
