import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cStore, spawnGateway, temporaryFolder, waitForDelivery } from '../support/gateway.ts';
import { faultSettings } from '../support/kill-run.ts';
import { ResidentMemory } from '../support/memory.ts';
import { numberedImages, type NumberedImage } from '../support/numbered-images.ts';
import { startRecordingPacs } from '../support/recording-pacs.ts';

const ASSOCIATIONS = 4;
const MOST = 200e6;

// Counted is the process that intake runs in, from the moment that it is ready; models, decoders and the one that makes results run
// in processes of their own, whose number is fixed and whose memory is given back with them.
describe('memory of the gateway', function () {
  this.timeout(180_000);

  it('grows by less than 200 MB over idle while forty images of 10 MB come in on four associations, are analysed and reported', async () => {
    const folder = await temporaryFolder();
    const home = join(folder.path, 'home');
    await mkdir(home);
    const pacs = await startRecordingPacs();
    const images = await numberedImages(folder.path, { studies: 40, imagesOfStudy: 1, series: 51, columns: 2048, rows: 2560 });
    const gateway = await spawnGateway(home, faultSettings(pacs));
    try {
      const send = (which: NumberedImage[]): Promise<unknown> =>
        Promise.all(
          Array.from({ length: ASSOCIATIONS }, async (_, lane) => {
            const outcomes = await cStore(gateway.dimsePort, which.filter((_image, index) => index % ASSOCIATIONS === lane));
            assert.ok(outcomes.every(({ status }) => status === 'delivered'));
          }),
        );
      const memory = await ResidentMemory.watch(gateway.process.pid ?? 0);
      await send(images);
      for (const { studyInstanceUid } of images) await waitForDelivery(gateway.api, studyInstanceUid);
      const grown = await memory.growth();
      assert.ok(grown < MOST, `grew by ${Math.round(grown / 1e6)} MB`);
    } finally {
      await gateway.stop();
      await pacs.stop();
      await folder.remove();
    }
  });
});
