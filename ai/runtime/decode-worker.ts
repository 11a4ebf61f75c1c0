// A decode worker (process): one image after another, from file to the model's pixels.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import sharp from 'sharp';
import { serveRequests } from './child-worker.ts';
import type { TimedPrepared } from './decode-pool.ts';
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

serveRequests<PrepareRequest, TimedPrepared>(async (request) => {
  const started = performance.now();
  const prepared = await prepare(request);
  const milliseconds = performance.now() - started;
  if (process.memoryUsage().arrayBuffers > MOST_DONE_WITH) collect();
  return { ...prepared, milliseconds };
});
