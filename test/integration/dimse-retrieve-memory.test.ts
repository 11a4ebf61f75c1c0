import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Message } from '../../gateway/dimse/association.ts';
import { COMMAND } from '../../gateway/dimse/command.ts';
import { dataset } from '../../storage/dicom/dataset.ts';
import { writeDataset } from '../../storage/dicom/write.ts';
import { CR_STORAGE, EXPLICIT, FileSink, imageValues, startTestServer } from '../support/dimse.ts';
import { associateWith, context, GET, MOVE, operate, startQueryRetrieve, type QueryRetrieveServer } from '../support/query-retrieve.ts';

const MiB = 1024 * 1024;
const SIZE = 150;
const BLOCK = Buffer.alloc(MiB, 7);
const wanted = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '2.25.1' };

/** One image of so many mebibytes, without ever holding it. */
async function keepLarge(test: QueryRetrieveServer): Promise<void> {
  const { PixelData: _, ...values } = imageValues('2.25.11');
  const header = Buffer.from('e07f10004f57000000000000', 'hex');
  header.writeUInt32LE(SIZE * MiB, 8);
  async function* bytes(): AsyncGenerator<Uint8Array> {
    yield writeDataset(dataset({ ...values, Rows: 65_535, Columns: 65_535 }), EXPLICIT);
    yield header;
    for (let index = 0; index < SIZE; index += 1) yield BLOCK;
  }
  await test.store.receive(bytes(), { transport: 'dimse', address: '127.0.0.1', associationId: 'test', command: { sopClassUid: CR_STORAGE, sopInstanceUid: '2.25.11', transferSyntaxUid: EXPLICIT } });
}

/** How much this process, which is the gateway and its peers, grows meanwhile. */
async function growth(work: () => Promise<void>): Promise<number> {
  const idle = process.memoryUsage.rss();
  let peak = idle;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 5);
  await work().finally(() => clearInterval(watch));
  return Math.round((peak - idle) / MiB);
}

describe('memory while DIMSE sends', function () {
  this.timeout(120_000);

  it(`stays below 200 MB more for an instance of ${SIZE} MB, sent back to three peers that read slowly`, async () => {
    await using test = await startQueryRetrieve();
    await keepLarge(test);
    let received = 0;
    const get = async (): Promise<void> => {
      const association = await associateWith(test.port, [context(GET), context(CR_STORAGE, EXPLICIT)], { roles: [{ abstractSyntax: CR_STORAGE, scu: false, scp: true }] });
      const onRequest = async ({ context: { id }, command, dataset: incoming }: Message): Promise<void> => {
        let sinceRest = 0;
        for await (const chunk of incoming!) {
          received += chunk.length;
          sinceRest += chunk.length;
          if (sinceRest < 8 * MiB) continue;
          sinceRest = 0;
          await sleep(5);
        }
        await association.send(id, { commandField: COMMAND.storeRsp, messageIdBeingRespondedTo: command.messageId!, status: 0, hasDataset: false });
      };
      assert.equal((await operate(association, COMMAND.getRq, wanted, { onRequest })).at(-1)!.status, 0);
      await association.release();
    };
    await get(); // buffers and code that stay
    const grown = await growth(async () => void (await Promise.all([get(), get(), get()])));
    assert.ok(received > 4 * SIZE * MiB);
    assert.ok(grown < 200, `grew by ${grown} MiB`);
  });

  it(`stays below 200 MB more for an instance of ${SIZE} MB, moved to a peer whose disk is slow`, async () => {
    await using destination = await startTestServer({ dimse: { aeTitle: 'ARCHIVE' } });
    destination.sink.receive = async function (this: FileSink, source) {
      let sinceRest = 0;
      for await (const chunk of source) {
        sinceRest += chunk.length;
        if (sinceRest < 8 * MiB) continue;
        sinceRest = 0;
        await sleep(5);
      }
    };
    await using test = await startQueryRetrieve({ peers: [{ name: 'archive', aeTitle: 'ARCHIVE', host: '127.0.0.1', port: destination.port }] });
    await keepLarge(test);
    const association = await associateWith(test.port, [context(MOVE)]);
    const grown = await growth(async () => {
      const last = (await operate(association, COMMAND.moveRq, wanted, { moveDestination: 'ARCHIVE' })).at(-1)!;
      assert.deepEqual([last.status, last.completedSuboperations], [0, 1]);
    });
    assert.ok(grown < 200, `grew by ${grown} MiB`);
    await association.release();
  });
});
