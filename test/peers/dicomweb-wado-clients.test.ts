// WADO-RS as other implementations see it: the JavaScript dicomweb-client, Python's email package, Orthanc's DICOMweb client.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { api } from 'dicomweb-client';
import { phantomDicom } from '../../ai/phantom/dicom.ts';
import { itemsOf, type Dataset } from '../../storage/dicom/dataset.ts';
import { readFrame } from '../../storage/dicom/frames.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { fetched } from '../support/fetch-request.ts';
import { sha256, startTestGateway, testInstance, type TestGateway } from '../support/http-gateway.ts';
import { store } from '../support/multipart-response.ts';
import { startOrthanc } from '../support/orthanc.ts';

const EXPLICIT = '1.2.840.10008.1.2.1';
const JPEG_LS = '1.2.840.10008.1.2.4.80';
/** Every byte after every other, line breaks and what looks like a boundary among them. */
const PIXELS = Uint8Array.from({ length: 6 * 256 * 256 }, (_, index) => (index % 2 === 0 ? (index / 2) % 256 : Math.floor(index / 512) % 256));
PIXELS.set(Buffer.from('\r\n--hilum-\r\n\r\n--\r\n'), 1000);
const secret = PIXELS.subarray(0, 100_000);

describe('WADO-RS with clients of others', function () {
  this.timeout(60_000);
  let gateway: TestGateway;
  const native = testInstance(1, {
    Rows: 256, Columns: 256, NumberOfFrames: 6, PixelData: PIXELS, '00090010': { vr: 'LO', Value: ['A MAKER'] },
    ModalityLUTSequence: [{ '00091001': { vr: 'OB', bytes: secret }, '00090010': { vr: 'LO', Value: ['A MAKER'] } }],
  });
  const compressed = phantomDicom({ seed: 100_410, columns: 300, rows: 200, transferSyntaxUid: JPEG_LS, studyInstanceUid: '2.25.500', seriesInstanceUid: '2.25.500.2', sopInstanceUid: '2.25.500.2.1' });
  before(async () => {
    gateway = await startTestGateway();
    await store(gateway, [native, await compressed]);
  });
  after(() => gateway.close());

  describe('the JavaScript dicomweb-client', () => {
    const study = { studyInstanceUID: '2.25.500' };
    const series = { ...study, seriesInstanceUID: '2.25.500.1' };
    const instance = { ...series, sopInstanceUID: '2.25.500.1.1' };
    const other = { ...study, seriesInstanceUID: '2.25.500.2', sopInstanceUID: '2.25.500.2.1' };
    // Its own declarations want what it does not need.
    const client = (singlepart = '') => new api.DICOMwebClient({ url: `${gateway.url}/dicomweb`, singlepart }) as unknown as Record<'retrieveStudy' | 'retrieveSeries' | 'retrieveInstance' | 'retrieveInstanceFrames' | 'retrieveBulkData' | 'retrieveStudyMetadata' | 'retrieveSeriesMetadata' | 'retrieveInstanceMetadata', (options: object) => Promise<unknown>>;
    const digests = (buffers: unknown): string[] => (buffers as ArrayBuffer[]).map((buffer) => sha256(new Uint8Array(buffer)));

    it('retrieves a study, a series and an instance, as they came in', async () => {
      assert.deepEqual(digests(await client().retrieveStudy({ ...study, request: fetched() })).toSorted(), [sha256(native), sha256(await compressed)].toSorted());
      assert.deepEqual(digests(await client().retrieveSeries({ ...series, request: fetched() })), [sha256(native)]);
      assert.deepEqual(digests([await client().retrieveInstance({ ...instance, request: fetched() })].flat()), [sha256(native)]);
      assert.deepEqual(digests([await client().retrieveInstance({ ...other, request: fetched() })].flat()), [sha256(await compressed)]);
    });

    it('retrieves frames raw, and compressed where they are', async () => {
      const frames = [2, 5];
      assert.deepEqual(digests(await client().retrieveInstanceFrames({ ...instance, frameNumbers: frames, request: fetched() })), frames.map((frame) => sha256(PIXELS.subarray((frame - 1) * 65_536, frame * 65_536))));
      const kept = sha256(await readFrame(parsePart10(await compressed), 1));
      for (const mediaTypes of [[{ mediaType: 'image/jls', transferSyntaxUID: JPEG_LS }], [{ mediaType: 'image/jls', transferSyntaxUID: JPEG_LS }, { mediaType: 'application/octet-stream', transferSyntaxUID: EXPLICIT }], [{ mediaType: 'application/octet-stream', transferSyntaxUID: '*' }]])
        assert.deepEqual(digests(await client().retrieveInstanceFrames({ ...other, frameNumbers: [1], mediaTypes, request: fetched() })), [kept]);
      const [raw] = (await client().retrieveInstanceFrames({ ...other, frameNumbers: [1], request: fetched() })) as ArrayBuffer[];
      assert.equal(raw!.byteLength, 300 * 200 * 2);
    });

    it('retrieves metadata at each level, and the bulk data that it points at, in ranges too', async () => {
      assert.equal(((await client().retrieveStudyMetadata({ ...study, request: fetched() })) as unknown[]).length, 2);
      assert.equal(((await client().retrieveSeriesMetadata({ ...series, request: fetched() })) as unknown[]).length, 1);
      const [header] = [await client().retrieveInstanceMetadata({ ...instance, request: fetched() })].flat() as Dataset[];
      const nested = itemsOf(header!['00283000'])[0]!['00091001']!.BulkDataURI!;
      for (const [BulkDataURI, value] of [[header!['7FE00010']!.BulkDataURI!, PIXELS], [nested, secret]] as const) {
        assert.deepEqual(digests(await client().retrieveBulkData({ BulkDataURI, request: fetched() })), [sha256(value)]);
        assert.deepEqual(digests(await client('bulkdata').retrieveBulkData({ BulkDataURI, request: fetched() })), [sha256(value)]);
        assert.deepEqual(digests(await client().retrieveBulkData({ BulkDataURI, byteRange: [10, 9999], request: fetched() })), [sha256(value.subarray(10, 10_000))]);
      }
    });
  });

  it("survives Python's email package, part for part and byte for byte", async () => {
    const script = join(import.meta.dirname, '../support/email_parts.py');
    const partsOf = async (path: string, accept: string): Promise<[type: string, location: string, bytes: number, sha256: string][]> => {
      const { stdout } = await promisify(execFile)('/usr/bin/python3', [script, `${gateway.url}/dicomweb/studies/2.25.500${path}`, accept]);
      return stdout.trim().split('\n').map((line) => JSON.parse(line) as [string, string, number, string]);
    };
    const root = `${gateway.url}/dicomweb/studies/2.25.500/series/2.25.500.1/instances/2.25.500.1.1`;
    const unquoted = (type: string): string => type.replaceAll('"', '');
    const dicom = await partsOf('', 'multipart/related; type="application/dicom"; transfer-syntax=*');
    assert.deepEqual(dicom.map(([type, , , digest]) => [unquoted(type), digest]).toSorted(), [[`application/dicom; transfer-syntax=${EXPLICIT}`, sha256(native)], [`application/dicom; transfer-syntax=${JPEG_LS}`, sha256(await compressed)]].toSorted());
    const instance = '/series/2.25.500.1/instances/2.25.500.1.1';
    const octets = 'multipart/related; type="application/octet-stream"';
    assert.deepEqual(await partsOf(`${instance}/frames/3,1`, octets), [3, 1].map((frame) => ['application/octet-stream', `${root}/frames/${frame}`, 65_536, sha256(PIXELS.subarray((frame - 1) * 65_536, frame * 65_536))]));
    assert.deepEqual((await partsOf(`${instance}/bulkdata`, octets)).map(([, location, , digest]) => [location, digest]), [[`${root}/bulkdata/00283000/1/00091001`, sha256(secret)], [`${root}/bulkdata/7FE00010`, sha256(PIXELS)]]);
    assert.equal((await partsOf('/metadata', 'multipart/related; type="application/dicom+xml"')).length, 2);
    assert.equal((await partsOf('/pixeldata', 'multipart/related; type="image/jls"')).length, 7);
    assert.equal((await partsOf('', `multipart/related; type="application/dicom"; transfer-syntax=${JPEG_LS}`)).length, 2);
  });

  it("is what Orthanc's DICOMweb client retrieves a study, a series and an instance with, to the last byte", async () => {
    await using orthanc = await startOrthanc({}, { DicomWeb: { Enable: true, Root: '/dicom-web/', Servers: { hilum: [`${gateway.url}/dicomweb/`] } } });
    for (const [resource, count] of [[{ Study: '2.25.500', Series: '2.25.500.1' }, 1], [{ Study: '2.25.500', Series: '2.25.500.2', Instance: '2.25.500.2.1' }, 2], [{ Study: '2.25.500' }, 2]] as const) {
      const response = await fetch(`${orthanc.url}/dicom-web/servers/hilum/retrieve`, { method: 'POST', body: JSON.stringify({ Resources: [resource] }) });
      assert.equal(response.status, 200, `${await response.clone().text()} ${orthanc.output()}`);
      const instances = (await (await fetch(`${orthanc.url}/instances`)).json()) as string[];
      assert.equal(instances.length, count);
    }
    const kept = await Promise.all(((await (await fetch(`${orthanc.url}/instances`)).json()) as string[]).map(async (id) => sha256(await (await fetch(`${orthanc.url}/instances/${id}/file`)).bytes())));
    assert.deepEqual(kept.toSorted(), [sha256(native), sha256(await compressed)].toSorted());
  });
});
