// Who goes first, and how many may be under way.
import assert from 'node:assert/strict';
import { Gate } from '../../ai/runtime/gate.ts';
import { fillInput, warmUpPixels } from '../../ai/runtime/input.ts';
import { writtenSchema } from '../../ai/runtime/manifest.ts';
import { Precedence } from '../../ai/runtime/precedence.ts';
import { PriorityQueue } from '../../ai/runtime/priority-queue.ts';
import { disagreement, slowness } from '../../ai/runtime/providers.ts';

const out = (...values: number[]) => ({ logit: { dims: [1, values.length], data: Float32Array.from(values) } });

describe('what waits', () => {
  it('goes by priority, then by arrival', () => {
    const queue = new PriorityQueue<string>();
    for (const [item, priority] of [['a', 0], ['b', 5], ['c', 0], ['d', 5], ['e', -1]] as const) queue.push(item, priority);
    assert.deepEqual(queue.take(2, (item) => item !== 'b'), ['d', 'a']);
    assert.deepEqual(queue.clear(), ['b', 'c', 'e']);
  });

  it('enters in that order when a place is free, and not before', async () => {
    const gate = new Gate(1, 10);
    await gate.enter(0);
    const entered: string[] = [];
    const visits = [gate.enter(0).then(() => entered.push('low')), gate.enter(1).then(() => entered.push('high'))];
    await Promise.resolve();
    assert.deepEqual(entered, []);
    gate.leave();
    gate.leave();
    await Promise.all(visits);
    assert.deepEqual(entered, ['high', 'low']);
  });

  it('can be given up, is bounded, and is sent away at the close', async () => {
    const gate = new Gate(1, 2);
    await gate.enter(0);
    const controller = new AbortController();
    const givenUp = gate.enter(0, controller.signal);
    const waiting = gate.enter(0);
    await assert.rejects(gate.enter(0), RangeError);
    controller.abort(new Error('no longer wanted'));
    await assert.rejects(givenUp, /no longer wanted/);
    gate.close(new Error('closed'));
    await assert.rejects(waiting, /closed/);
  });
});

describe('what can wait', () => {
  const soon = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  it('runs after all that cannot, also what came later and what came in between', async () => {
    const precedence = new Precedence(20);
    const order: string[] = [];
    const work = (name: string, milliseconds: number) => async (): Promise<void> => {
      await soon(milliseconds);
      order.push(name);
    };
    const first = precedence.first(work('first', 30)).then(() => precedence.first(work('next', 10)));
    const shadow = precedence.afterwards(work('shadow', 0));
    const later = soon(10).then(() => precedence.first(work('later', 60)));
    await Promise.all([first, shadow, later]);
    assert.deepEqual(order, ['first', 'next', 'later', 'shadow']);
  });

  it('runs where nothing else does, and after what failed', async () => {
    const precedence = new Precedence(1);
    assert.equal(await precedence.afterwards(async () => 'done'), 'done');
    await assert.rejects(precedence.first(() => Promise.reject(new Error('broken'))), /broken/);
    assert.equal(await precedence.afterwards(async () => 'done'), 'done');
  });

  it('can be given up while it waits', async () => {
    const precedence = new Precedence(1);
    const end = Promise.withResolvers<void>();
    const endless = precedence.first(() => end.promise);
    const stop = new AbortController();
    const waiting = precedence.afterwards(() => assert.fail('it ran'), stop.signal);
    stop.abort(new Error('stopped'));
    await assert.rejects(waiting, /stopped/);
    end.resolve();
    await endless;
  });
});

describe('what a model is given', () => {
  const input = writtenSchema.shape.input.parse({ tensor: 'i', width: 16, height: 16, channels: 3, range: [0, 1], mean: [0.5, 0, 0], std: [0.5, 1, 2] });

  it('is normalised for each channel', () => {
    const tensor = fillInput([new Uint8Array(256).fill(255), new Uint8Array(256)], input);
    assert.deepEqual([0, 256, 512, 768, 1024].map((at) => tensor[at]), [1, 1, 0.5, -1, 0]);
  });

  it('is never an image of another size', () => {
    assert.throws(() => fillInput([new Uint8Array(255)], input), /255 pixels for an input of 16 x 16/);
    assert.equal(warmUpPixels(input).length, 256);
  });
});

describe('a provider is compared with the CPU', () => {
  it('and passes within the tolerance', () => {
    assert.equal(disagreement(out(1.001, 200), out(1, 201)), undefined);
  });

  it('and is rejected, in words, beyond it', () => {
    assert.match(disagreement(out(1.5), out(1)) ?? '', /"logit" is off the CPU's by 0\.50/);
    assert.match(disagreement(out(Number.NaN), out(1)) ?? '', /off the CPU's by NaN/);
    assert.match(disagreement({}, out(1)) ?? '', /another size/);
  });

  it('and is rejected when it is far slower, as a GPU emulated in software is', () => {
    assert.equal(slowness(5000, 8), 'it is slower than the CPU (5000 ms an image, 8 ms on the CPU)');
    assert.equal(slowness(20, 1), undefined);
    assert.equal(slowness(300, 200), undefined);
  });
});
