// DCMTK's dcmqrscp as the PACS that is fetched from: uncompressed and compressed images, patient and study root.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Settings } from '../../config/settings.ts';
import { openSource } from '../../gateway/sources/open.ts';
import { text, type Dataset } from '../../storage/dicom/dataset.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { studyFiles } from '../support/archive-studies.ts';
import { EXPLICIT, settingsWith, silent } from '../support/dimse.ts';
import { startTestGateway, temporaryFolder, waitFor, type TestGateway } from '../support/gateway.ts';
import { freePort, runTool, startTool, type RunningTool } from '../support/peers.ts';

const JPEG_LS = '1.2.840.10008.1.2.4.80';
/** Its images are kept in two transfer syntaxes. */
const STUDY = '2.25.7501';
/** dcmqrscp proposes one context for each SOP class when it moves, so that it can send what is all in one transfer syntax. */
const COMPRESSED_STUDY = '2.25.7502';

describe('fetching from dcmqrscp', function () {
  this.timeout(90_000);
  let folder: string;
  let pacs: RunningTool;
  let gatewayPort: number;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hilum-dcmqrscp-'));
    gatewayPort = await freePort();
    await mkdir(join(folder, 'db'));
    pacs = await startTool('dcmqrscp', async (port) => {
      const config = join(folder, 'dcmqrscp.cfg');
      await writeFile(config, `NetworkTCPPort = ${port}
MaxPDUSize = 65536
MaxAssociations = 16
HostTable BEGIN
hilum = (HILUM, 127.0.0.1, ${gatewayPort})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
PACS ${join(folder, 'db')} RW (200, 1024mb) ANY
AETable END
`);
      // Of the compressed transfer syntaxes it takes and proposes one: JPEG-LS lossless.
      return ['-c', config, '+xt', '-xt'];
    });
    const mixed = studyFiles({ studyInstanceUid: STUDY, series: [2, 1] });
    const compressed = studyFiles({ studyInstanceUid: COMPRESSED_STUDY, series: [2], values: { PatientID: 'OTHER' } });
    for (const { sopInstanceUid, file } of [...mixed, ...compressed]) {
      const path = join(folder, `${sopInstanceUid}.dcm`);
      await writeFile(path, file);
      const compress = sopInstanceUid === `${STUDY}.1.2` || sopInstanceUid.startsWith(COMPRESSED_STUDY);
      const compression = compress ? await runTool('dcmcjpls', [path, path, '+un']) : { code: 0, output: '' };
      assert.equal(compression.code, 0, compression.output);
      const stored = await runTool('storescu', ['-aec', 'PACS', compress ? '-xt' : '-xe', '127.0.0.1', String(pacs.port), path]);
      assert.equal(stored.code, 0, stored.output);
    }
  });
  after(async () => {
    await pacs?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const peers = (): object[] => [{ name: 'pacs', aeTitle: 'PACS', host: '127.0.0.1', port: pacs.port }];
  const sourceWith = (retrieve: 'get' | 'move'): object => ({ name: 'archive', type: 'dimse', peer: 'pacs', retrieve, timeoutSeconds: 20, retry: { hours: 0.01, firstSeconds: 0.2 } });

  it('answers questions at every level', async () => {
    const settings: Settings = settingsWith({ peers: peers(), sources: [sourceWith('get')] });
    const client = openSource(settings.sources[0]!, settings, silent);
    const find = async (level: Parameters<typeof client.find>[0], keys: Record<string, string>, limit?: number): Promise<Dataset[]> => Array.fromAsync(client.find(level, keys, new AbortController().signal, limit));
    const [patient] = await find('patient', { PatientID: 'FETCH*' });
    assert.equal(text(patient!, 'PatientName'), 'Fetch^Me', pacs.output());
    assert.deepEqual((await find('study', { PatientName: '*etch*', StudyDate: '20260101-20260131', PatientID: 'FETCH1' })).map((match) => text(match, 'StudyInstanceUID')), [STUDY]);
    assert.deepEqual(await find('study', { PatientID: 'NOBODY' }), []);
    assert.deepEqual((await find('series', { StudyInstanceUID: STUDY })).map((match) => text(match, 'SeriesInstanceUID')).sort(), [`${STUDY}.1`, `${STUDY}.2`]);
    assert.equal((await find('instance', { StudyInstanceUID: STUDY, SeriesInstanceUID: `${STUDY}.1` }, 1)).length, 1); // and a C-CANCEL
    assert.deepEqual((await client.list(STUDY, new AbortController().signal)).map(({ sopInstanceUid }) => sopInstanceUid).sort(), [`${STUDY}.1.1`, `${STUDY}.1.2`, `${STUDY}.2.1`]);
    await client.close();
  });

  for (const [retrieve, study, syntaxes] of [
    ['get', STUDY, { [`${STUDY}.1.1`]: EXPLICIT, [`${STUDY}.1.2`]: JPEG_LS, [`${STUDY}.2.1`]: EXPLICIT }],
    ['move', COMPRESSED_STUDY, { [`${COMPRESSED_STUDY}.1.1`]: JPEG_LS, [`${COMPRESSED_STUDY}.1.2`]: JPEG_LS }],
  ] as const)
    it(`sends a study by C-${retrieve.toUpperCase()}, each image in the transfer syntax that it is kept in`, async () => {
      const home = await temporaryFolder();
      let gateway: TestGateway | undefined;
      try {
        gateway = await startTestGateway(join(home.path, 'home'), { roles: ['intake', 'web'], dimse: { port: gatewayPort }, peers: peers(), sources: [sourceWith(retrieve)] });
        const { api } = gateway;
        const asked = await fetch(`${api}/api/retrieve`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ source: 'archive', studyInstanceUid: study }) });
        const done = await waitFor(async () => {
          const answer = (await (await fetch(`${api}${asked.headers.get('location')}`)).json()) as { state: string; fetched: number; lastError: string | null };
          return answer.state !== 'waiting' && answer.state !== 'running' && answer;
        }, 'the retrieval', 30_000);
        assert.deepEqual([done.state, done.fetched, done.lastError], ['completed', Object.keys(syntaxes).length, null], pacs.output());
        const blobs = join(home.path, 'home', 'blobs');
        const files = (await readdir(blobs, { recursive: true })).filter((name) => name.endsWith('.dcm')).map((name) => join(blobs, name));
        const kept = new Map(await Promise.all(files.map(async (path) => {
          const { dataset, transferSyntaxUid } = await readPart10(path);
          return [text(dataset, 'SOPInstanceUID') ?? '', { transferSyntaxUid, path }] as const;
        })));
        assert.deepEqual(Object.fromEntries([...kept].sort().map(([uid, { transferSyntaxUid }]) => [uid, transferSyntaxUid])), syntaxes);
        for (const [uid, { path }] of kept) assert.ok((await readFile(path)).subarray(-400).equals((await readFile(join(folder, `${uid}.dcm`))).subarray(-400)), `the pixels of ${uid}`);
      } finally {
        await gateway?.stop();
        await home.remove();
      }
    });
});
