// An inference worker: a process of its own that holds one session of one model on one execution provider.
// A process, not a thread: session.run stays in native code, where a thread that hangs cannot be ended and a driver that
// crashes takes the whole gateway with it.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { LoadMessage, RunMessage, WorkerMessage } from './inference-process.ts';
import type { Manifest } from './manifest.ts';
import { fillInput, warmUpPixels } from './input.ts';
import { readOutputs } from './outputs.ts';
import type { OutputTensor } from './outputs.ts';

// The gateway decides when to stop, also where a terminal or a service manager signals the whole group.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
// Not by exit(), which would wait for a driver that hangs.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

let session: InferenceSession;
let manifest: Manifest;

process.on('message', async (message: LoadMessage | RunMessage) => {
  try {
    if (message.type === 'load') {
      ({ manifest } = message);
      session = await load(message);
      const trial = [warmUpPixels(manifest.input)];
      const outputs = await run(trial);
      readOutputs(manifest, outputs, 1);
      // The first run compiles kernels; the second tells how fast it is.
      const started = performance.now();
      await run(trial);
      send({ type: 'ready', warmUp: { outputs, milliseconds: performance.now() - started } });
    } else {
      send({ type: 'done', readings: readOutputs(manifest, await run(message.images), message.images.length) });
    }
  } catch (error) {
    send({ type: 'error', message: (error as Error).message });
  }
});

async function load({ path, provider, threads, manifest: { sha256 } }: LoadMessage): Promise<InferenceSession> {
  const model = await readFile(path);
  // A worker may start long after the package was checked: a result must never name another model than the one that ran.
  if (createHash('sha256').update(model).digest('hex') !== sha256) throw new Error('model.onnx was changed since the start');
  return InferenceSession.create(model, {
    executionProviders: [provider],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    // Threads that wait actively would take the cores from the decoders and from intake, and gain nothing beside them.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
}

async function run(images: readonly Uint8Array[]): Promise<Record<string, OutputTensor>> {
  const { tensor, channels, height, width } = manifest.input;
  const feed = new Tensor('float32', fillInput(images, manifest.input), [images.length, channels, height, width]);
  const results = await session.run({ [tensor]: feed }, wantedOutputs());
  return Object.fromEntries(
    Object.entries(results).map(([name, { dims, data }]) => {
      if (!(data instanceof Float32Array)) throw new Error(`the model's output "${name}" is not of float32`);
      return [name, { dims, data }];
    }),
  );
}

function wantedOutputs(): string[] {
  const { logit, boxes, mask } = manifest.outputs;
  return [logit?.tensor, boxes?.tensor, boxes?.scores, mask?.tensor].filter((name) => name !== undefined);
}

function send(message: WorkerMessage): void {
  process.send?.(message);
}
