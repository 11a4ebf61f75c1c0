import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { phantomDicom } from '../../ai/phantom/dicom.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { sha256, startTestGateway, testInstance, type TestGateway } from '../support/http-gateway.ts';
import { store } from '../support/multipart-response.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';

const STUDY = '/dicomweb/studies/2.25.500';
const SERIES = `${STUDY}/series/2.25.500.1`;
const JPEG_LS = '1.2.840.10008.1.2.4.80';

/** Python's reader checks every CRC; names and contents as it sees them. */
const UNZIP = `
import hashlib, json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    print(json.dumps([[entry.filename, entry.compress_type, hashlib.sha256(archive.read(entry)).hexdigest()] for entry in archive.infolist()]))
`;

async function entriesOf(zip: Uint8Array): Promise<[name: string, method: number, sha256: string][]> {
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, 'study.zip');
    await writeFile(path, zip);
    const { stdout } = await promisify(execFile)('/usr/bin/python3', ['-c', UNZIP, path]);
    return JSON.parse(stdout) as [string, number, string][];
  });
}

describe('WADO-RS as a zip file', () => {
  let gateway: TestGateway;
  const native = [testInstance(1, { Rows: 1000, Columns: 1000, PixelData: new Uint8Array(1_000_000).fill(7) }), testInstance(2)];
  const compressed = phantomDicom({ seed: 100_402, columns: 100, rows: 120, transferSyntaxUid: JPEG_LS, studyInstanceUid: '2.25.500', seriesInstanceUid: '2.25.500.2', sopInstanceUid: '2.25.500.2.1' });
  before(async () => {
    gateway = await startTestGateway();
    await store(gateway, [...native, await compressed]);
  });
  after(() => gateway.close());

  it('holds a study, in folders by series, with the bytes that came in; codestreams are stored, pixels deflated', async () => {
    const response = await fetch(`${gateway.url}${STUDY}`, { headers: { accept: 'application/zip' } });
    assert.deepEqual([response.headers.get('content-type'), response.headers.get('content-disposition')], ['application/zip', 'attachment; filename="2.25.500.zip"']);
    const zip = await response.bytes();
    assert.ok(zip.length < 500_000);
    assert.deepEqual((await entriesOf(zip)).toSorted(), [
      ['2.25.500/2.25.500.1/2.25.500.1.1.dcm', 8, sha256(native[0]!)],
      ['2.25.500/2.25.500.1/2.25.500.1.2.dcm', 8, sha256(native[1]!)],
      ['2.25.500/2.25.500.2/2.25.500.2.1.dcm', 0, sha256(await compressed)],
    ]);
  });

  it('is a link in a page, for a series and an instance too, and says how long it is where it can', async () => {
    assert.equal((await entriesOf(await (await fetch(`${gateway.url}${SERIES}?accept=application/zip`, { headers: { accept: 'text/html' } })).bytes())).length, 2);
    const response = await fetch(`${gateway.url}${STUDY}/series/2.25.500.2/instances/2.25.500.2.1?accept=application/zip`);
    const zip = await response.bytes();
    assert.equal(zip.length, Number(response.headers.get('content-length')));
    assert.deepEqual((await entriesOf(zip)).map(([name]) => name), ['2.25.500/2.25.500.2/2.25.500.2.1.dcm']);
  });

  it('holds instances in another transfer syntax on request', async () => {
    const response = await fetch(`${gateway.url}${STUDY}`, { headers: { accept: 'application/zip; transfer-syntax=1.2.840.10008.1.2.1' } });
    const zip = await response.bytes();
    assert.equal((await entriesOf(zip)).length, 3);
    await inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'a.zip'), zip);
      await promisify(execFile)('/usr/bin/python3', ['-m', 'zipfile', '-e', join(folder, 'a.zip'), folder]);
      const { transferSyntaxUid } = parsePart10(await readFile(join(folder, '2.25.500/2.25.500.2/2.25.500.2.1.dcm')));
      assert.equal(transferSyntaxUid, '1.2.840.10008.1.2.1');
    });
  });

  it('breaks off where a file has vanished', async () => {
    await gateway.close();
    gateway = await startTestGateway();
    await store(gateway, native);
    const lost = (await Array.fromAsync(gateway.store.select({ sopInstanceUids: ['2.25.500.1.2'] })))[0]!;
    await writeFile(lost.path, 'x');
    await assert.rejects(fetch(`${gateway.url}${STUDY}`, { headers: { accept: 'application/zip' } }).then((response) => response.bytes()));
    assert.match(gateway.logged.join(), /2\.25\.500\.1\.2 has 1 bytes where the index has/);
  });
});
