// A decode worker (thread): one image after another, from file to the model's pixels, which go back by transfer.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort } from 'node:worker_threads';
import sharp from 'sharp';
import { prepare } from './prepare.ts';
import type { PrepareRequest } from './prepare.ts';

// The pool has a worker for each core: threads within one would only get in each other's way, and no image comes twice.
sharp.concurrency(1);
sharp.cache(false);

// Images lie outside V8's heap, which therefore sees little reason to collect: without this, each worker keeps some 100 MB of
// images that are done with.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const MOST_DONE_WITH = 32e6;

parentPort?.on('message', async (request: PrepareRequest) => {
  const started = performance.now();
  const prepared = await prepare(request);
  const milliseconds = performance.now() - started;
  if (prepared.status === 'ready') {
    // A copy of its own: the pixels may be a view of memory that cannot be transferred.
    const pixels = new Uint8Array(prepared.pixels);
    parentPort?.postMessage({ prepared: { ...prepared, pixels }, milliseconds }, [pixels.buffer]);
  } else {
    parentPort?.postMessage({ prepared, milliseconds }, []);
  }
  if (process.memoryUsage().arrayBuffers > MOST_DONE_WITH) collect();
});
