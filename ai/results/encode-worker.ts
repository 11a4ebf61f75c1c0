// The worker process of ResultEncoder: makes the results of one study after another, and keeps each before it makes the next.
import { constants, setPriority } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { pino } from 'pino';
import sharp from 'sharp';
import { BlobStore } from '../../storage/blobs.ts';
import { serveRequests } from '../runtime/child-worker.ts';
import type { EncodeReply, EncodeRequest } from './encoder.ts';
import { keepResult, type KeptResult } from './keep.ts';
import { eachOverlay } from './overlay.ts';
import { encodeReport } from './structured-report.ts';

// Pictures of what is known can wait for what is not: intake and analysis get the processors first.
setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
sharp.concurrency(1);
sharp.cache(false);
// An overlay has ten megabytes outside V8's heap, which sees no reason to collect them.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

serveRequests<EncodeRequest, EncodeReply>(async ({ id, outcome, home }) => {
  try {
    const blobs = new BlobStore(home, pino({ level: 'warn' }, pino.destination(2)));
    const results: KeptResult[] = [];
    for (const report of encodeReport(outcome)) results.push(await keepResult(blobs, report));
    for await (const overlay of eachOverlay(outcome)) {
      results.push(await keepResult(blobs, overlay));
      collect();
    }
    return { id, results };
  } catch (error) {
    return { id, error: error as Error };
  }
});
