import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { openDestination } from '../../gateway/delivery/destinations/open.ts';
import { parsePart10, readPart10 } from '../../storage/dicom/part10.ts';
import { settingsWith, sha256, silent, startTestServer } from '../support/dimse.ts';
import { startOrthanc, type Orthanc } from '../support/orthanc.ts';
import { outcomesOf, ResultFolder } from '../support/results-on-disk.ts';

const never = new AbortController().signal;

/** What Orthanc keeps, by SOP Instance UID. */
async function keptBy(orthanc: Orthanc): Promise<Map<string, string>> {
  const response = await fetch(`${orthanc.url}/instances?expand`);
  const instances = (await response.json()) as { ID: string; MainDicomTags: { SOPInstanceUID: string } }[];
  return new Map(instances.map(({ ID, MainDicomTags }) => [MainDicomTags.SOPInstanceUID, ID]));
}

describe('Orthanc as peer', function () {
  this.timeout(60_000);

  for (const type of ['dimse', 'dicomweb'] as const)
    it(`keeps each of our results that we deliver over ${type}, once, also when they are sent again`, async () => {
      await using orthanc = await startOrthanc();
      await using folder = await ResultFolder.create();
      const settings = settingsWith({
        peers: [{ name: 'pacs', aeTitle: orthanc.aeTitle, host: '127.0.0.1', port: orthanc.dicomPort }],
        destinations: [type === 'dimse' ? { name: 'pacs', type, peer: 'pacs' } : { name: 'pacs', type, url: `${orthanc.url}/dicom-web` }],
      });
      const client = openDestination(settings.destinations[0]!, settings, silent);
      const results = [await folder.report('2.25.10'), await folder.image('2.25.11', 3_000_000)];
      for (let round = 0; round < 2; round += 1)
        assert.deepEqual((await outcomesOf(client.send(results, never))).map(({ status }) => status), ['delivered', 'delivered'], orthanc.output());
      await client.close();
      const kept = await keptBy(orthanc);
      assert.deepEqual([...kept.keys()].sort(), ['2.25.10', '2.25.11']);
      for (const { sopInstanceUid, path } of results) {
        const file = Buffer.from(await (await fetch(`${orthanc.url}/instances/${kept.get(sopInstanceUid)}/file`)).arrayBuffer());
        assert.deepEqual(parsePart10(file).dataset, (await readPart10(path)).dataset);
      }
    });

  it('has a STOW-RS refused as not DICOM: the reason is said, and the others arrive', async () => {
    await using orthanc = await startOrthanc();
    await using folder = await ResultFolder.create();
    const settings = settingsWith({ destinations: [{ name: 'pacs', type: 'dicomweb', url: `${orthanc.url}/dicom-web` }] });
    const client = openDestination(settings.destinations[0]!, settings, silent);
    const image = await folder.image('2.25.11');
    const outcomes = await outcomesOf(client.send([{ ...image, sopInstanceUid: '2.25.12', path: import.meta.filename }, image], never));
    await client.close();
    assert.deepEqual(outcomes.map(({ status }) => status), ['refused', 'delivered'], JSON.stringify(outcomes));
    assert.ok(outcomes[0]!.detail);
  });

  it('pushes a study to us, and we keep the very bytes that it keeps', async () => {
    await using test = await startTestServer();
    await using orthanc = await startOrthanc({ hilum: ['HILUM', '127.0.0.1', test.port] });
    await using folder = await ResultFolder.create();
    const { path } = await folder.image('2.25.11', 3_000_000);
    const uploaded = (await (await fetch(`${orthanc.url}/instances`, { method: 'POST', body: await readFile(path) })).json()) as { ID: string };
    const pushed = await fetch(`${orthanc.url}/modalities/hilum/store`, { method: 'POST', body: uploaded.ID });
    assert.equal(pushed.status, 200, orthanc.output());
    const { datasetOffset } = await readPart10(path);
    assert.equal(test.sink.received[0]?.sha256, sha256((await readFile(path)).subarray(datasetOffset)));
  });
});
