import assert from 'node:assert/strict';
import { phantomDicom } from '../../ai/phantom/dicom.ts';
import { dataset, itemsOf, type Dataset } from '../../storage/dicom/dataset.ts';
import { parseDatasetXml } from '../../storage/dicom/xml.ts';
import { readFrame } from '../../storage/dicom/frames.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { assertDicomJson } from '../support/dicom-json.ts';
import { sha256, startTestGateway, testInstance, type TestGateway } from '../support/http-gateway.ts';
import { detailOf, partsOf, store } from '../support/multipart-response.ts';

const STUDY = '/dicomweb/studies/2.25.500';
const SERIES = `${STUDY}/series/2.25.500.1`;
const at = (number: number): string => `${SERIES}/instances/2.25.500.1.${number}`;
const OCTETS = 'application/octet-stream';
const related = (type: string, syntax?: string): string => `multipart/related; type="${type}"${syntax ? `; transfer-syntax=${syntax}` : ''}`;
const EXPLICIT = '1.2.840.10008.1.2.1';
const BIG_ENDIAN = '1.2.840.10008.1.2.2';
const DEFLATED = '1.2.840.10008.1.2.1.99';
const JPEG_LS = '1.2.840.10008.1.2.4.80';
const VIDEO = '1.2.840.10008.1.2.4.102';

const bytes = (length: number, step: number): Uint8Array => Uint8Array.from({ length }, (_, index) => (index * step) % 251);
const lut = bytes(90_000, 3);
const secret = bytes(70_001, 7);
const pdf = Buffer.concat([Buffer.from('%PDF-1.7\n'), bytes(80_000, 11)]);
const frames = bytes(5 * 24, 1);
const values = {
  NumberOfFrames: 5, PixelData: frames,
  '00091001': { vr: 'OB', bytes: secret }, '00090010': { vr: 'LO', Value: ['A MAKER'] },
  ModalityLUTSequence: [{ LUTExplanation: 'first' }, { LUTExplanation: 'second', '00283006': { vr: 'OW', bytes: lut } }],
  EncapsulatedDocument: pdf, MIMETypeOfEncapsulatedDocument: 'application/pdf',
};
const inSyntax = (number: number, transferSyntaxUid: string, more: Record<string, unknown> = {}): Uint8Array => {
  const { dataset: small } = parsePart10(testInstance(number));
  return writePart10({ ...small, ...dataset({ BitsAllocated: 8, ...values, ...more }) }, { transferSyntaxUid });
};
/** Whose codestreams nobody can decode. */
const BROKEN = { StudyInstanceUID: '2.25.502', SeriesInstanceUID: '2.25.502.1', SOPInstanceUID: '2.25.502.1.1' };
const broken = '/dicomweb/studies/2.25.502/series/2.25.502.1/instances/2.25.502.1.1';
const codestreams = [bytes(1000, 5), bytes(500, 9)];

describe('WADO-RS of metadata, bulk data, pixel data and frames', () => {
  let gateway: TestGateway;
  const jpegLs = phantomDicom({ seed: 100_401, columns: 200, rows: 240, transferSyntaxUid: JPEG_LS, studyInstanceUid: '2.25.501', seriesInstanceUid: '2.25.501.1', sopInstanceUid: '2.25.501.1.1' });
  before(async () => {
    gateway = await startTestGateway();
    await store(gateway, [
      inSyntax(1, EXPLICIT), inSyntax(2, BIG_ENDIAN), inSyntax(3, DEFLATED), testInstance(4, { PixelData: undefined, Rows: undefined }),
      inSyntax(5, VIDEO, { PixelData: codestreams.slice(0, 1) }), inSyntax(6, JPEG_LS, { ...BROKEN, NumberOfFrames: 2, PixelData: codestreams }), await jpegLs,
    ]);
  });
  after(() => gateway.close());
  const get = (path: string, accept?: string, headers: Record<string, string> = {}) => fetch(path.startsWith('http') ? path : gateway.url + path, { headers: { ...(accept !== undefined && { accept }), ...headers } });
  const headerOf = async (number: number): Promise<Dataset> => ((await (await get(`${at(number)}/metadata`)).json()) as Dataset[])[0]!;

  describe('metadata', () => {
    it('is a JSON array of all headers at each level, with an address for each value that is not in it', async () => {
      for (const [path, count] of [[STUDY, 5], [SERIES, 5], [at(1), 1]] as const) {
        const response = await get(`${path}/metadata`, 'application/dicom+json');
        assert.equal(response.headers.get('content-type'), 'application/dicom+json');
        const headers = (await response.json()) as Dataset[];
        assert.equal(headers.length, count, path);
        assertDicomJson(headers);
      }
      const header = await headerOf(1);
      const root = `${gateway.url}${at(1)}/bulkdata`;
      assert.deepEqual(header['7FE00010'], { vr: 'OB', BulkDataURI: `${root}/7FE00010` });
      assert.deepEqual(header['00091001'], { vr: 'OB', BulkDataURI: `${root}/00091001` });
      assert.deepEqual(itemsOf(header['00283000']).map((item) => item['00283006']), [undefined, { vr: 'OW', BulkDataURI: `${root}/00283000/2/00283006` }]);
      assert.equal((await headerOf(4))['7FE00010'], undefined);
    });

    it('is compressed for callers that say so, and is XML in parts for those', async () => {
      const response = await get(`${STUDY}/metadata`, 'application/json', { 'accept-encoding': 'gzip' });
      assert.deepEqual([response.headers.get('content-encoding'), response.headers.get('content-type')], ['gzip', 'application/json']);
      assert.equal(((await response.json()) as unknown[]).length, 5);
      assert.equal((await get(`${STUDY}/metadata`, '*/*', { 'accept-encoding': 'identity' })).headers.get('content-encoding'), null);
      const parts = await partsOf(await get(`${SERIES}/metadata`, related('application/dicom+xml')), 'application/dicom+xml');
      assert.equal(parts.length, 5);
      const [first] = parts.map((part) => parseDatasetXml(part.bytes.toString()));
      assert.deepEqual(first!['00100010'], { vr: 'PN', Value: [{ Alphabetic: 'Test^Http' }] });
      assert.equal(first!['7FE00010']?.BulkDataURI, `${gateway.url}${at(1)}/bulkdata/7FE00010`);
    });

    it('is read from the index once for all callers that take it compressed, as long as the study stays as it is', async () => {
      await using other = await startTestGateway().then((started) => ({ gateway: started, [Symbol.asyncDispose]: () => started.close() }));
      const { gateway: own } = other;
      await store(own, [testInstance(1)]);
      const headers = own.store.headers.bind(own.store);
      let reads = 0;
      own.store.headers = (selection) => {
        reads++;
        return headers(selection);
      };
      const ask = async () => ((await (await fetch(`${own.url}${STUDY}/metadata`)).json()) as Dataset[]).length;
      assert.deepEqual([await ask(), await ask(), reads], [1, 1, 1]);
      await store(own, [testInstance(2)]);
      assert.deepEqual([await ask(), await ask(), reads], [2, 2, 2]);
      own.store.headers = async function* (selection) {
        await store(own, [testInstance(3)]); // comes in between
        yield* headers(selection);
      };
      await store(own, [testInstance(4)]);
      assert.equal(await ask(), 4);
      own.store.headers = headers;
      own.store.forget('2.25.500.1.3');
      assert.equal(await ask(), 3, 'nothing that came in between was kept under what was asked for');
    });

    it('is refused in what it is not served as', async () => {
      const response = await get(`${STUDY}/metadata`, 'text/html');
      assert.deepEqual([response.status, /application\/dicom\+json.*application\/dicom\+xml/.test(await detailOf(response))], [406, true]);
      assert.equal((await get(`${STUDY}/metadata?accept=application/dicom+json`, 'text/html')).status, 200);
      assert.equal((await get('/dicomweb/studies/2.25.9/metadata')).status, 404);
    });
  });

  describe('bulk data', () => {
    for (const [number, name] of [[1, 'little endian'], [2, 'big endian'], [3, 'a deflated dataset']] as const)
      it(`is the value behind each address, in little endian, of an instance in ${name}`, async () => {
        const header = await headerOf(number);
        const nested = itemsOf(header['00283000'])[1]!['00283006']!.BulkDataURI!;
        for (const [uri, value] of [[header['00091001']!.BulkDataURI!, secret], [nested, lut], [header['00420011']!.BulkDataURI!, pdf], [header['7FE00010']!.BulkDataURI!, frames]] as const) {
          const even = value.length + (value.length % 2);
          const [part, ...others] = await partsOf(await get(uri, related(OCTETS)), OCTETS);
          assert.deepEqual([part!.location, others.length, part!.bytes.length], [uri, 0, even], uri);
          assert.equal(sha256(part!.bytes.subarray(0, value.length)), sha256(value), uri);
          const alone = await get(uri, OCTETS);
          assert.deepEqual([alone.headers.get('content-type'), sha256((await alone.bytes()).subarray(0, value.length))], [OCTETS, sha256(value)]);
        }
      });

    it('is given in ranges, alone and as a part', async () => {
      for (const number of [1, 2, 3]) {
        const header = await headerOf(number);
        for (const [uri, value] of [[header['00091001']!.BulkDataURI!, secret], [itemsOf(header['00283000'])[1]!['00283006']!.BulkDataURI!, lut]] as const) {
          const size = value.length + (value.length % 2);
          for (const [start, end] of [[1, 2], [5, 66_000], [0, 1]] as const) {
            const headers = { range: `bytes=${start}-${end - 1}` };
            const alone = await get(uri, OCTETS, headers);
            assert.deepEqual([alone.status, alone.headers.get('content-range')], [206, `bytes ${start}-${end - 1}/${size}`]);
            assert.equal(sha256(await alone.bytes()), sha256(value.subarray(start, end)));
            const response = await get(uri, related(OCTETS), headers);
            assert.equal(response.status, 206);
            const [part] = await partsOf(response, OCTETS);
            assert.deepEqual([part!.headers.get('content-range'), sha256(part!.bytes)], [`bytes ${start}-${end - 1}/${size}`, sha256(value.subarray(start, end))]);
          }
          assert.equal((await get(uri, OCTETS, { range: 'bytes=90000000-' })).status, 416);
        }
      }
    });

    it('is a document as what it is, and the value of an element that the metadata has too', async () => {
      const { BulkDataURI: uri } = (await headerOf(1))['00420011']!;
      assert.equal((await get(uri!)).headers.get('content-type'), 'application/pdf');
      assert.equal((await get(uri!, 'application/pdf')).status, 200);
      assert.equal((await get(uri!, 'image/png')).status, 406);
    });

    it('is refused with the reason where there is none', async () => {
      for (const [path, status, reason] of [
        ['00091002', 404, /has no 00091002/], ['00100010', 404, /is in the metadata/], ['00283000/3/00283006', 404, /has no/], ['7FE00010/1', 400, /TAG\/ITEM\/TAG/],
        ['patient', 400, /eight hexadecimal digits/], ['00283000/0/00283006', 400, /numbers from 1/],
      ] as const) {
        const response = await get(`${at(1)}/bulkdata/${path}`);
        assert.deepEqual([response.status, reason.test(await detailOf(response))], [status, true], path);
      }
      assert.equal((await get(`${at(4)}/bulkdata/7FE00010`)).status, 404);
    });

    it('is all of an instance, a series or a study in one answer, each part named by its address', async () => {
      const parts = await partsOf(await get(`${at(1)}/bulkdata`, related(OCTETS)), OCTETS);
      assert.deepEqual(parts.map(({ location }) => location?.split('/bulkdata/')[1]), ['00091001', '00283000/2/00283006', '00420011', '7FE00010']);
      assert.deepEqual((await partsOf(await get(at(1), related(OCTETS)), OCTETS)).map(({ location }) => location), parts.map(({ location }) => location), 'as PS3.18 annex B.10 asks for it');
      assert.equal((await partsOf(await get(at(1), related('image/jls')), 'image/jls')).length, 5);
      const all = await get(`${SERIES}/bulkdata`, related(OCTETS));
      assert.equal(all.status, 206, 'pixel data of a video cannot be sent as raw pixels');
      assert.ok((await partsOf(all, OCTETS)).length > 12);
      await assert.rejects(get(`${broken}/bulkdata`, related(OCTETS)).then((response) => partsOf(response, OCTETS)), 'broken off, because the pixels cannot be decoded');
      assert.equal((await get(`${at(4)}/bulkdata`, related(OCTETS))).status, 404);
      assert.equal((await get(`${at(1)}/bulkdata`, 'text/html')).status, 406);
    });
  });

  describe('pixel data', () => {
    it('is one part of raw pixels, or each frame in its codestream', async () => {
      const [raw, ...others] = await partsOf(await get(`${at(2)}/pixeldata`, related(OCTETS)), OCTETS);
      assert.deepEqual([others.length, sha256(raw!.bytes)], [0, sha256(frames)]);
      const parts = await partsOf(await get(`${broken}/pixeldata`, related('image/jls')), 'image/jls');
      assert.deepEqual(parts.map(({ location, bytes: stream }) => [location, sha256(stream)]), codestreams.map((stream, index) => [`${gateway.url}${broken}/frames/${index + 1}`, sha256(stream)]));
      const [stream] = await partsOf(await get(`${at(5)}/pixeldata`), 'video/mp4');
      assert.deepEqual([stream!.type, sha256(stream!.bytes)], [`video/mp4; transfer-syntax=${VIDEO}`, sha256(codestreams[0]!)]);
      assert.equal((await get(`${at(4)}/pixeldata`)).status, 404);
      const study = await get('/dicomweb/studies/2.25.501/pixeldata', related(OCTETS));
      assert.equal((await partsOf(study, OCTETS))[0]!.bytes.length, 200 * 240 * 2);
    });
  });

  describe('frames', () => {
    it('come in the order that is asked for, each a part of raw pixels', async () => {
      for (const number of [1, 2, 3]) {
        const parts = await partsOf(await get(`${at(number)}/frames/4,1`, related(OCTETS)), OCTETS);
        assert.deepEqual(parts.map(({ type, location, bytes: pixels }) => [type, location, sha256(pixels)]), [4, 1].map((frame) => [OCTETS, `${gateway.url}${at(number)}/frames/${frame}`, sha256(frames.subarray((frame - 1) * 24, frame * 24))]));
      }
    });

    it('come as kept, decoded, or in another codestream, by what is accepted', async () => {
      const address = '/dicomweb/studies/2.25.501/series/2.25.501.1/instances/2.25.501.1.1/frames/1';
      const file = parsePart10(await jpegLs);
      const kept = await readFrame(file, 1);
      for (const [accept, type, label] of [
        [related('*/*'), 'image/jls', 'image/jls'], [related('image/jls'), 'image/jls', 'image/jls'], [related('image/x-jls'), 'image/x-jls', 'image/x-jls'], [related('image/*', JPEG_LS), 'image/jls', 'image/jls'],
        [related(OCTETS, '*'), OCTETS, OCTETS], [`${related('image/jpeg')};q=0.2, ${related('image/jls', '*')}`, 'image/jls', 'image/jls'],
      ] as const) {
        const [part] = await partsOf(await get(address, accept), type);
        assert.deepEqual([part!.type, sha256(part!.bytes)], [`${label}; transfer-syntax=${JPEG_LS}`, sha256(kept)], accept);
      }
      const [raw] = await partsOf(await get(address, related(OCTETS)), OCTETS);
      assert.deepEqual([raw!.type, raw!.bytes.length], [OCTETS, 200 * 240 * 2]);
      for (const [mediaType, syntax, magic] of [['image/jp2', '1.2.840.10008.1.2.4.90', 'ff4f'], ['image/jphc', '1.2.840.10008.1.2.4.201', 'ff4f'], ['image/dicom-rle', '1.2.840.10008.1.2.5', '0200']] as const) {
        const [part] = await partsOf(await get(address, related(mediaType)), mediaType);
        assert.deepEqual([part!.type, part!.bytes.subarray(0, 2).toString('hex')], [`${mediaType}; transfer-syntax=${syntax}`, magic]);
      }
      const alone = await get(address, 'image/jls');
      assert.deepEqual([alone.headers.get('content-type'), sha256(await alone.bytes())], [`image/jls; transfer-syntax=${JPEG_LS}`, sha256(kept)]);
      assert.equal((await get(address, OCTETS, { range: 'bytes=0-9' })).status, 206);
    });

    it('are refused with the reason', async () => {
      for (const [path, accept, status, reason] of [
        [`${at(1)}/frames/0`, '*/*', 400, /is not a list of frame numbers/], [`${at(1)}/frames/1,,2`, '*/*', 400, /is not a list/], [`${at(1)}/frames/2,2`, '*/*', 400, /twice/],
        [`${at(1)}/frames/5,6,7`, '*/*', 404, /no frame 6, 7: this instance has 5/], [`${at(4)}/frames/1`, '*/*', 404, /no pixel data/], [`${at(5)}/frames/1`, '*/*', 406, /one stream/],
        [`${at(1)}/frames/1,2`, OCTETS, 406, /where it is one part/], [`${at(1)}/frames/1`, 'text/html', 406, /application\/octet-stream, .*image\/jls/], [`${at(1)}/frames/1`, related('image/jpeg', JPEG_LS), 406, /is served as/],
        [`${broken}/frames/1`, related(OCTETS), 406, /cannot be sent/],
      ] as const) {
        const response = await get(path, accept);
        assert.deepEqual([response.status, await detailOf(response).then((detail) => reason.test(detail) || detail)], [status, true], `${path} ${accept}`);
      }
    });
  });
});

