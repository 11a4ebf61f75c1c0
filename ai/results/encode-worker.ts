// Worker thread of ResultEncoder.
import { parentPort } from 'node:worker_threads';
import type { EncodeReply, EncodeRequest } from './encoder.ts';
import { encodeOverlays } from './overlay.ts';
import { encodeReport } from './structured-report.ts';

parentPort?.on('message', async ({ id, outcome }: EncodeRequest) => {
  try {
    const results = [...encodeReport(outcome), ...(await encodeOverlays(outcome))];
    parentPort?.postMessage({ id, results } satisfies EncodeReply);
  } catch (error) {
    parentPort?.postMessage({ id, error: error as Error } satisfies EncodeReply);
  }
});
