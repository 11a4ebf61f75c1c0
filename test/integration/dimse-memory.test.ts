import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { exchange } from '../../gateway/dimse/exchange.ts';
import { requestAssociation } from '../../gateway/dimse/requestor.ts';
import { startDimseServer } from '../../gateway/dimse/server.ts';
import { CR_STORAGE, EXPLICIT, settingsWith, silent, storeRequest } from '../support/dimse.ts';

const BLOCK = Buffer.alloc(1024 * 1024, 7);
const MiB = 1024 * 1024;

async function* blocks(count: number): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index += 1) yield BLOCK;
}

/** Sends instances one after the other over one association, to a server in this very process: both sides count. */
async function send(port: number, instances: number, mebibytes: number): Promise<void> {
  const remote = { host: '127.0.0.1', port, calledAe: 'HILUM', callingAe: 'TEST' };
  const association = await requestAssociation({ remote, contexts: [{ abstractSyntax: CR_STORAGE, transferSyntaxes: [EXPLICIT] }], maxPduBytes: 65_536, timeoutMs: 20_000 });
  for (let index = 1; index <= instances; index += 1)
    assert.equal((await exchange(association, 1, { ...storeRequest(`2.25.${index}`), messageId: index }, blocks(mebibytes))).status, 0);
  await association.release();
}

describe('memory while DIMSE receives', function () {
  this.timeout(120_000);
  const cases: [string, number, number, number][] = [
    ['one instance of 600 MB', 1, 1, 600],
    ['forty instances of 10 MB on four associations', 4, 10, 10],
  ];
  for (const [what, associations, instances, mebibytes] of cases)
    it(`stays below 150 MB more for ${what}, though the disk is slower than the network`, async () => {
      let received = 0;
      let peak = 0;
      const slowDisk = {
        async receive(source: AsyncIterable<Uint8Array>): Promise<void> {
          let sinceRest = 0;
          for await (const chunk of source) {
            received += chunk.length;
            sinceRest += chunk.length;
            if (sinceRest < 4 * MiB) continue;
            sinceRest = 0;
            await sleep(5);
            peak = Math.max(peak, process.memoryUsage.rss());
          }
        },
      };
      const settings = settingsWith({ limits: { drainSeconds: 1 } });
      const server = await startDimseServer({ settings, receiver: slowDisk, log: silent });
      try {
        await send(server.port, 1, 50); // buffers and code that stay
        received = 0;
        const idle = process.memoryUsage.rss();
        peak = 0;
        await Promise.all(Array.from({ length: associations }, () => send(server.port, instances, mebibytes)));
        assert.equal(received, associations * instances * mebibytes * MiB);
        const grown = Math.round((peak - idle) / MiB);
        assert.ok(grown < 150, `grew by ${grown} MiB`);
      } finally {
        await server.drain();
      }
    });
});
