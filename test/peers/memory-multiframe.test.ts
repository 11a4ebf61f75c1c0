import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { glob, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { exchange } from '../../gateway/dimse/exchange.ts';
import { requestAssociation } from '../../gateway/dimse/requestor.ts';
import { dataset } from '../../storage/dicom/dataset.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { writeDataset } from '../../storage/dicom/write.ts';
import { EXPLICIT, imageValues, storeRequest } from '../support/dimse.ts';
import { element } from '../support/dicom-bytes.ts';
import { cStore, spawnGateway, temporaryFolder, waitForDelivery } from '../support/gateway.ts';
import { faultSettings } from '../support/kill-run.ts';
import { ResidentMemory } from '../support/memory.ts';
import { numberedImages } from '../support/numbered-images.ts';
import { startRecordingPacs } from '../support/recording-pacs.ts';

const SIDE = 2048;
const FRAMES = 250;
const FRAME = Buffer.alloc(SIDE * SIDE * 2, 7);
const MOST = 200e6;
const uids = { sopInstanceUid: '2.25.61003', studyInstanceUid: '2.25.61001' };

/** The dataset as it goes over the wire: 2.1 GB of which no more than a frame is ever in memory. */
async function* multiFrame(): AsyncGenerator<Uint8Array> {
  const { PixelData: _, ...values } = imageValues(uids.sopInstanceUid);
  yield writeDataset(dataset({ ...values, StudyInstanceUID: uids.studyInstanceUid, SeriesInstanceUID: '2.25.61002', Rows: SIDE, Columns: SIDE, NumberOfFrames: FRAMES }), EXPLICIT);
  yield element('7FE00010', 'OW', '', FRAME.length * FRAMES);
  for (let frame = 0; frame < FRAMES; frame++) yield FRAME;
}

describe('one instance of 2 GB', function () {
  this.timeout(180_000);

  it('is kept byte for byte and reported, while the memory of the gateway grows by less than 200 MB', async () => {
    const folder = await temporaryFolder();
    const home = join(folder.path, 'home');
    await mkdir(home);
    const pacs = await startRecordingPacs();
    const [small] = await numberedImages(folder.path, { studies: 1, imagesOfStudy: 1, series: 61 });
    const gateway = await spawnGateway(home, faultSettings(pacs));
    try {
      assert.ok(small);
      await cStore(gateway.dimsePort, [small]);
      await waitForDelivery(gateway.api, small.studyInstanceUid);
      const memory = await ResidentMemory.watch(gateway.process.pid ?? 0);
      const remote = { host: '127.0.0.1', port: gateway.dimsePort, calledAe: 'HILUM', callingAe: 'MODALITY' };
      const request = storeRequest(uids.sopInstanceUid);
      const association = await requestAssociation({ remote, contexts: [{ abstractSyntax: request.affectedSopClassUid ?? '', transferSyntaxes: [EXPLICIT] }], maxPduBytes: 65_536, timeoutMs: 60_000 });
      const sent = createHash('sha256');
      const hashed = async function* (): AsyncGenerator<Uint8Array> {
        for await (const part of multiFrame()) {
          sent.update(part);
          yield part;
        }
      };
      assert.equal((await exchange(association, 1, { ...request, messageId: 1 }, hashed())).status, 0);
      await association.release();
      const study = await waitForDelivery(gateway.api, uids.studyInstanceUid);
      assert.equal(study.analysis, 'not-analyzable');
      assert.match(study.reason ?? '', new RegExp(`${FRAMES} frames`));
      const grown = await memory.growth();
      assert.ok(grown < MOST, `grew by ${Math.round(grown / 1e6)} MB`);
      for await (const path of glob(join(home, 'blobs/*/*/*.dcm'))) {
        if ((await stat(path)).size < FRAME.length * FRAMES) continue;
        const kept = createHash('sha256');
        for await (const part of createReadStream(path, { start: (await readPart10(path)).datasetOffset, highWaterMark: 1 << 20 })) kept.update(part as Buffer);
        assert.equal(kept.digest('hex'), sent.digest('hex'));
        return;
      }
      assert.fail('the instance is not there');
    } finally {
      await gateway.stop();
      await pacs.stop();
      await folder.remove();
    }
  });
});
