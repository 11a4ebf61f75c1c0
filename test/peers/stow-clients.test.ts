// Store requests that others make: pydicom's JSON, DCMTK's JSON and XML, the JavaScript dicomweb-client.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { api } from 'dicomweb-client';
import { readFrame } from '../../storage/dicom/frames.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { fetched } from '../support/fetch-request.ts';
import { startTestGateway, testInstance, type TestGateway } from '../support/http-gateway.ts';
import { runTool } from '../support/peers.ts';
import { JSON_METADATA, relatedBody, XML_METADATA, type SentPart } from '../support/stow-metadata.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';

const FILES = '/usr/lib/python3/dist-packages/pydicom/data/test_files';
const OF_PYDICOM = ['CT_small.dcm', 'MR_small_bigendian.dcm', 'JPEG2000.dcm', 'MR_small_RLE.dcm', 'MR_small_jpeg_ls_lossless.dcm', 'MR_small_jp2klossless.dcm', 'SC_rgb_jpeg_gdcm.dcm', 'SC_rgb_rle_2frame.dcm', 'JPGExtended.dcm', 'rtplan.dcm', 'test-SR.dcm', 'waveform_ecg.dcm', 'rtdose_1frame.dcm'];

interface Line {
  file: string;
  status: number;
  answer: unknown;
  differing?: string[];
  samePixels?: boolean;
  sameSyntax?: boolean;
}

describe('STOW-RS clients of others', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway();
  });
  after(() => gateway.close());

  it("stores pydicom's JSON and bulk data, and pydicom reads back what it had, to the last pixel", async () => {
    const script = join(import.meta.dirname, '../support/stow_metadata.py');
    const paths = OF_PYDICOM.map((name) => join(FILES, name));
    for (const path of paths) assert.ok(existsSync(path), `${path} is missing: apt-get install python3-pydicom`);
    const { stdout } = await promisify(execFile)('/usr/bin/python3', [script, `${gateway.url}/dicomweb`, ...paths], { maxBuffer: 64 * 1024 * 1024 });
    const lines = stdout.trim().split('\n').map((line) => JSON.parse(line) as Line);
    assert.equal(lines.length, OF_PYDICOM.length);
    for (const { file, status, answer, differing, samePixels, sameSyntax } of lines) {
      assert.ok(status === 200 || status === 202, `${file}: ${status} ${JSON.stringify(answer)}`);
      assert.deepEqual(differing, [], file);
      assert.equal(samePixels, true, file);
      // Big endian is not used on the web (PS3.18 8.7.3), and what was implicit is now explicit.
      assert.ok(sameSyntax || !file.includes('JPEG'), file);
    }
    assert.equal((await gateway.store.kept()).incoming, 0);
  }).timeout(60_000);

  for (const [tool, args, type, metadataType, ending] of [
    ['dcm2json', ['-fc'], JSON_METADATA, 'application/dicom+json', 'json'],
    ['dcm2xml', ['-nat', '+Xn'], XML_METADATA, 'application/dicom+xml', 'xml'],
  ] as const)
    it(`stores what ${tool} makes of a file as metadata, and finds the same in it`, async () => {
      await inTemporaryFolder(async (folder) => {
        const path = join(folder, 'sent.dcm');
        const made = join(folder, `made.${ending}`);
        await writeFile(path, testInstance(7, { PatientName: 'Müller^Jürg=山田^太郎', ReferencedImageSequence: [{ ReferencedSOPInstanceUID: '1.2' }, {}] }));
        const { code, output } = await runTool(tool, [...args, path, made]);
        assert.equal(code, 0, output);
        const text = await readFile(made, 'utf8');
        const parts: SentPart[] = [{ type: metadataType, body: text }];
        // DCMTK's JSON has pixel data within, its XML refers to it by a UUID.
        const uuid = /<BulkData uuid="([^"]+)"/.exec(text)?.[1];
        if (uuid !== undefined) parts.push({ type: 'application/octet-stream', location: `uuid:${uuid}`, body: await readFrame(await readPart10(path), 1) });
        const response = await fetch(`${gateway.url}/dicomweb/studies`, { method: 'POST', headers: { 'Content-Type': type, Accept: 'application/dicom+json' }, body: new Uint8Array(relatedBody(parts)) });
        const answer = (await response.json()) as Record<string, { Value: Record<string, { Value: string[] }>[] }>;
        assert.equal(response.status, 200, JSON.stringify(answer));
        const retrieved = await fetch(answer['00081199']!.Value[0]!['00081190']!.Value[0]!, { headers: { Accept: 'application/dicom; transfer-syntax=*' } });
        await writeFile(join(folder, 'got.dcm'), await retrieved.bytes());
        const [sent, got] = [await readPart10(path), await readPart10(join(folder, 'got.dcm'))];
        assert.deepEqual(got.dataset, sent.dataset);
        assert.deepEqual(Buffer.from(await readFrame(got, 1)), Buffer.from(await readFrame(sent, 1)));
      });
    });

  it("stores what the JavaScript client's storeInstances sends", async () => {
    const datasets = [1, 2, 3].map((number) => new Uint8Array(testInstance(40 + number)).buffer);
    const client = new api.DICOMwebClient({ url: `${gateway.url}/dicomweb`, singlepart: '' });
    const answer = JSON.parse(String(await client.storeInstances({ datasets, request: fetched() }))) as Record<string, { Value: unknown[] }>;
    assert.equal(answer['00081199']!.Value.length, 3);
  });
});
