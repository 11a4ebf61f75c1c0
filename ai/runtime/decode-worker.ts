// A decode worker (thread): one image after another, from file to the model's pixels, which go back by transfer.
import { parentPort } from 'node:worker_threads';
import sharp from 'sharp';
import { prepare } from './prepare.ts';
import type { PrepareRequest } from './prepare.ts';

// The pool has a worker for each core: threads within one would only get in each other's way, and no image comes twice.
sharp.concurrency(1);
sharp.cache(false);

parentPort?.on('message', async (request: PrepareRequest) => {
  const started = performance.now();
  const prepared = await prepare(request);
  const milliseconds = performance.now() - started;
  if (prepared.status !== 'ready') return parentPort?.postMessage({ prepared, milliseconds }, []);
  // A copy of its own: the pixels may be a view of memory that cannot be transferred.
  const pixels = new Uint8Array(prepared.pixels);
  return parentPort?.postMessage({ prepared: { ...prepared, pixels }, milliseconds }, [pixels.buffer]);
});
