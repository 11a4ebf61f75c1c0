import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import sharp from 'sharp';
import { dataset, num, text, texts, type Dataset } from '../../storage/dicom/dataset.ts';
import { readFrame } from '../../storage/dicom/frames.ts';
import { readPart10, type Part10 } from '../../storage/dicom/part10.ts';
import { datasetXml } from '../../storage/dicom/xml.ts';
import { startTestGateway, type TestGateway } from '../support/http-gateway.ts';
import { JSON_METADATA, jsonPart, relatedBody, XML_METADATA, type SentPart } from '../support/stow-metadata.ts';

type Item = Record<string, { Value: (string | number)[] } | undefined>;
type Module = Record<string, { Value: Item[] } | undefined>;

const PIXELS = Uint8Array.from({ length: 48 }, (_, index) => index * 5);

function metadata(number: number, values: Record<string, unknown> = {}, pixelUri: string | null = `bulk/${number}`): Dataset {
  return {
    ...dataset({
      SOPClassUID: '1.2.840.10008.5.1.4.1.1.7',
      SOPInstanceUID: `2.25.500.1.${number}`,
      StudyInstanceUID: '2.25.500',
      SeriesInstanceUID: '2.25.500.1',
      Modality: 'OT',
      PatientName: 'Test^Metadata',
      PatientID: 'META1',
      Rows: 4,
      Columns: 6,
      SamplesPerPixel: 1,
      PhotometricInterpretation: 'MONOCHROME2',
      BitsAllocated: 16,
      BitsStored: 12,
      HighBit: 11,
      PixelRepresentation: 0,
      ...values,
    }),
    ...(pixelUri !== null && { '7FE00010': { vr: 'OW', BulkDataURI: pixelUri } }),
  };
}

const jpeg = (): Promise<Buffer> => sharp({ create: { width: 6, height: 4, channels: 3, background: '#777' } }).grayscale().jpeg().toBuffer();
const pixelsAt = (location: string, body: Uint8Array = PIXELS, type = 'application/octet-stream'): SentPart => ({ type, body, location });
/** Image Pixel attributes that a codestream tells by itself. */
const UNTOLD = Object.fromEntries(['Rows', 'Columns', 'SamplesPerPixel', 'PhotometricInterpretation', 'BitsAllocated', 'BitsStored', 'HighBit', 'PixelRepresentation'].map((keyword) => [keyword, undefined]));

const column = (body: Module, tag: string, of: string): unknown[] => (body[tag]?.Value ?? []).map((item) => item[of]?.Value[0]);

describe('STOW-RS of metadata and bulk data', () => {
  let gateway: TestGateway;
  let received: string[];
  beforeEach(async () => {
    received = [];
    gateway = await startTestGateway({
      receiver: {
        receive: async (source, context) => {
          const instance = await gateway.store.receive(source, context);
          received.push(instance.header.path);
          return instance;
        },
      },
    });
  });
  afterEach(async () => {
    assert.equal((await gateway.store.kept()).incoming, 0, 'nothing is left behind');
    await gateway.close();
  });

  async function store(parts: SentPart[] | Buffer, { type = JSON_METADATA, study = '', accept = 'application/dicom+json' } = {}) {
    const body = Array.isArray(parts) ? relatedBody(parts) : parts;
    const response = await fetch(`${gateway.url}/dicomweb/studies${study && `/${study}`}`, { method: 'POST', headers: { 'Content-Type': type, Accept: accept }, body: new Uint8Array(body) });
    const answer = await response.text();
    return { status: response.status, type: response.headers.get('content-type'), text: answer, body: (answer.startsWith('{') ? JSON.parse(answer) : {}) as Module & { detail?: string } };
  }
  const files = (): Promise<Part10[]> => Promise.all(received.map((path) => readPart10(path)));

  it('stores an instance of JSON and uncompressed pixels as a file with both in it', async () => {
    const { status, body } = await store([jsonPart(metadata(1)), pixelsAt('bulk/1')]);
    assert.equal(status, 200);
    assert.deepEqual(column(body, '00081199', '00081155'), ['2.25.500.1.1']);
    const [file] = await files();
    assert.equal(file!.transferSyntaxUid, '1.2.840.10008.1.2.1');
    const { '7FE00010': _, ...others } = metadata(1);
    assert.deepEqual(file!.dataset, others);
    assert.deepEqual(Buffer.from(await readFrame(file!, 1)), Buffer.from(PIXELS));
  });

  it('stores XML documents, each with its bulk data behind it or all at the end', async () => {
    const xml = (number: number): SentPart => ({ type: 'application/dicom+xml', body: datasetXml(metadata(number)) });
    const { status } = await store([xml(1), pixelsAt('bulk/1'), xml(2), xml(3), pixelsAt('bulk/3'), pixelsAt('bulk/2', PIXELS.map((byte) => byte ^ 255))], { type: XML_METADATA });
    assert.equal(status, 200);
    const [, , last] = await files();
    assert.equal(text(last!.dataset, 'SOPInstanceUID'), '2.25.500.1.2');
    assert.equal((await readFrame(last!, 1))[0], 255);
  });

  for (const [how, uri, location] of [
    ['relative', 'bulk/1', 'bulk/1'],
    ['relative to the address of the request', 'bulk/1', '/dicomweb/bulk/1'],
    ['absolute', 'https://example.org/bulk?of=1#x', 'https://EXAMPLE.org/bulk?of=1#x'],
    ['a UUID', 'uuid:6f0a5a4e-8a3c-4d54-9f0a-0c2b7d1e9a11', 'uuid:6f0a5a4e-8a3c-4d54-9f0a-0c2b7d1e9a11'],
  ] as const)
    it(`finds bulk data whose location is ${how}`, async () => {
      assert.equal((await store([jsonPart(metadata(1, {}, uri)), pixelsAt(location)])).status, 200);
    });

  it('takes bulk data before its metadata, inline binary, one value for two instances, and values in sequences', async () => {
    const lut = { LUTDescriptor: [4, 0, 16], '00283006': { vr: 'OW', BulkDataURI: 'uuid:lut' } };
    const inline = { ...metadata(2, { ModalityLUTSequence: [lut] }, null), '7FE00010': { vr: 'OW', InlineBinary: Buffer.from(PIXELS).toString('base64') } };
    const { status } = await store([pixelsAt('bulk/1'), jsonPart(metadata(1, { ModalityLUTSequence: [lut] }), inline), pixelsAt('uuid:lut', Buffer.from('0001020304050607', 'hex'))]);
    assert.equal(status, 200);
    for (const file of await files()) {
      assert.deepEqual(Buffer.from(await readFrame(file, 1)), Buffer.from(PIXELS));
      const item = file.dataset['00283000']!.Value![0] as Dataset;
      assert.equal(item['00283006']!.InlineBinary, Buffer.from('0001020304050607', 'hex').toString('base64'));
    }
  });

  it('makes fragments of JPEG frames, and says which attributes it took from them: B000', async () => {
    const frames = await Promise.all([40, 200].map((grey) => sharp({ create: { width: 16, height: 8, channels: 3, background: { r: grey, g: grey, b: grey } } }).grayscale().jpeg().toBuffer()));
    const type = 'image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50';
    const { status, body } = await store([jsonPart(metadata(1, { ...UNTOLD, NumberOfFrames: 2 })), ...frames.map((frame) => pixelsAt('bulk/1', frame, type))]);
    assert.equal(status, 202);
    assert.deepEqual(column(body, '00081199', '00081196'), [0xb000]);
    assert.match(String(column(body, '00081199', '00000902')[0]), /added SamplesPerPixel PhotometricInterpretation Rows/);
    const [file] = await files();
    assert.equal(file!.transferSyntaxUid, '1.2.840.10008.1.2.4.50');
    assert.deepEqual(['Rows', 'Columns', 'BitsAllocated', 'BitsStored', 'HighBit', 'PixelRepresentation'].map((keyword) => num(file!.dataset, keyword)), [8, 16, 8, 8, 7, 0]);
    for (const [index, frame] of frames.entries()) assert.deepEqual(Buffer.from(await readFrame(file!, index + 1)).subarray(0, frame.length), frame);
  });

  it('puts frames in the order of their numbers', async () => {
    const type = 'image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50';
    const frame = await jpeg();
    const frames = [1, 2, 3].map((number) => Buffer.concat([frame, Buffer.alloc(2 * number)]));
    const parts = [3, 1, 2].map((number) => pixelsAt(`bulk/1/frames/${number}`, frames[number - 1], type));
    assert.equal((await store([jsonPart(metadata(1, { ...UNTOLD, NumberOfFrames: 3 })), ...parts])).status, 202);
    const [stored] = await files();
    assert.deepEqual(await Promise.all([1, 2, 3].map(async (number) => (await readFrame(stored!, number)).length)), frames.map(({ length }) => length + (length % 2)));
  });

  it('says so when more frames come than the metadata has', async () => {
    const { status, body } = await store([jsonPart(metadata(1)), pixelsAt('bulk/1'), pixelsAt('bulk/1')]);
    assert.equal(status, 202);
    assert.match(String(column(body, '0008119A', '00000902')), /more came for bulk\/1/);
  });

  it('reads XML in the encoding that it declares', async () => {
    const xml = datasetXml(metadata(1, { SpecificCharacterSet: 'ISO_IR 100', PatientName: 'Müller^Jürg' })).replace('encoding="UTF-8"', 'encoding="ISO-8859-1"');
    assert.equal((await store([{ type: 'application/dicom+xml', body: Buffer.from(xml, 'latin1') }, pixelsAt('bulk/1')], { type: XML_METADATA })).status, 200);
    assert.equal(text((await files())[0]!.dataset, 'PatientName'), 'Müller^Jürg');
  });

  it('joins native frames that come in parts of their own', async () => {
    const parts = [pixelsAt('bulk/1', PIXELS), pixelsAt('bulk/1', PIXELS.toReversed())];
    assert.equal((await store([jsonPart(metadata(1, { NumberOfFrames: 2 })), ...parts])).status, 200);
    const [file] = await files();
    assert.deepEqual(Buffer.from(await readFrame(file!, 2)), Buffer.from(PIXELS.toReversed()));
  });

  it('keeps the stated character set where it holds the text, and says when it had to add one', async () => {
    const latin = metadata(1, { SpecificCharacterSet: 'ISO_IR 100', PatientName: 'Müller^Jürg' });
    const none = metadata(2, { PatientName: 'Müller^Jürg' });
    const { status, body } = await store([jsonPart(latin, none), pixelsAt('bulk/1'), pixelsAt('bulk/2')]);
    assert.equal(status, 202);
    assert.deepEqual(column(body, '00081199', '00081196'), [undefined, 0xb000]);
    const stored = await files();
    assert.deepEqual(stored.map((file) => texts(file.dataset, 'SpecificCharacterSet')), [['ISO_IR 100'], ['ISO_IR 192']]);
    assert.deepEqual(stored.map((file) => text(file.dataset, 'PatientName')), ['Müller^Jürg', 'Müller^Jürg']);
    assert.ok((await readFile(received[0]!)).includes(Buffer.from('M\xfcller', 'latin1')));
  });

  const refused: [string, () => Promise<SentPart[]> | SentPart[], RegExp, number?][] = [
    ['bulk data that does not come', () => [jsonPart(metadata(1))], /no bulk data came for .*bulk\/1/],
    ['pixels that are shorter than the attributes say', () => [jsonPart(metadata(1)), pixelsAt('bulk/1', PIXELS.subarray(0, 40))], /no bulk data came/],
    ['pixels that are longer than the attributes say', () => [jsonPart(metadata(1)), pixelsAt('bulk/1', Buffer.concat([PIXELS, PIXELS]))], /96 bytes long, its attributes say 48/],
    ['uncompressed pixels without Rows', () => [jsonPart(metadata(1, { Rows: undefined })), pixelsAt('bulk/1')], /needs Rows, Columns/],
    ['a codestream of another size', async () => [jsonPart(metadata(1, { BitsAllocated: 8, Rows: 5 })), pixelsAt('bulk/1', await jpeg(), 'image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50')], /Rows is 5, but 4 in the codestream/],
    ['a codestream of another coding', async () => [jsonPart(metadata(1)), pixelsAt('bulk/1', await jpeg(), 'image/jpeg')], /jpeg-baseline, not JPEG Lossless/],
    ['a codestream that is none', () => [jsonPart(metadata(1)), pixelsAt('bulk/1', PIXELS, 'image/jls')], /unknown coding, not JPEG-LS/],
    ['a transfer syntax that its media type cannot have', () => [jsonPart(metadata(1)), pixelsAt('bulk/1', PIXELS, 'image/jls; transfer-syntax=1.2.840.10008.1.2.4.50')], /image\/jls cannot be in/],
    ['a compressed document', () => [jsonPart({ ...metadata(1, {}, null), '00420011': { vr: 'OB', BulkDataURI: 'x' } }), pixelsAt('x', PIXELS, 'image/jls')], /00420011 is not pixel data/],
    ['text that its character set cannot hold', () => [jsonPart(metadata(1, { SpecificCharacterSet: 'ISO_IR 100', PatientName: '山田^太郎' })), pixelsAt('bulk/1')], /ISO_IR 100/],
    ['a character set that is none', () => [jsonPart(metadata(1, { SpecificCharacterSet: 'LATIN', PatientName: 'Ü' })), pixelsAt('bulk/1')], /LATIN is none/],
    ['a dataset without SOP Instance UID', () => [jsonPart(metadata(1, { SOPInstanceUID: undefined })), pixelsAt('bulk/1')], /SOPInstanceUID is missing/],
    ['an attribute that cannot be written', () => [jsonPart({ ...metadata(1), '00280006': { vr: 'US', Value: [-1] } }), pixelsAt('bulk/1')], /00280006/],
    ['metadata that is not JSON', () => [{ type: 'application/dicom+json', body: '[{"00080016"}]' }], /not JSON/],
    ['metadata that ends too early', () => [{ type: 'application/dicom+json', body: '[{}' }], /ends within/],
    ['an array of other things', () => [{ type: 'application/dicom+json', body: '[1, null]' }], /not an object/],
    ['XML that is none', () => [{ type: 'application/dicom+xml', body: '<NativeDicomModel>' }], /0008119A/],
    ['metadata that is not UTF-8', () => [{ type: 'application/dicom+json', body: Buffer.from('[{"00100020":{"vr":"LO","Value":["\xfc"]}}]', 'latin1') }], /not text in utf-8/],
    ['bulk data without a location', () => [jsonPart(metadata(1)), { type: 'application/octet-stream', body: PIXELS }], /no Content-Location/],
  ];
  for (const [what, parts, why] of refused)
    it(`refuses ${what}, says why, and keeps nothing`, async () => {
      const { status, body, text: answer } = await store(await parts());
      assert.equal(status, 409, answer);
      assert.equal(body['00081199'], undefined);
      // Error Comment has 64 characters.
      assert.match(answer, why);
      assert.deepEqual(await gateway.store.kept(), { blobs: 0, incoming: 0, journal: 0 });
    });

  it('spoils no instance by another: what is whole is stored, the rest is named', async () => {
    const broken = JSON.stringify({ '00080016': { vr: 'XX' } });
    const json = [metadata(1), metadata(2), metadata(3)].map((one) => JSON.stringify(one));
    const parts = [{ type: 'application/dicom+json', body: `[${json[0]}, ${broken},\n${json[1]} ,${json[2]}]` }, pixelsAt('bulk/3'), pixelsAt('bulk/1'), pixelsAt('bulk/9')];
    const { status, body } = await store(parts);
    assert.equal(status, 202);
    assert.deepEqual(column(body, '00081199', '00081155'), ['2.25.500.1.3', '2.25.500.1.1']);
    assert.deepEqual(column(body, '00081198', '00081155'), ['2.25.500.1.2']);
    assert.deepEqual(column(body, '0008119A', '00081197'), [0xc000, 0xc000]);
  });

  it('refuses instances of another study than the one in the address: A900', async () => {
    const { status, body } = await store([jsonPart(metadata(1), metadata(2, { StudyInstanceUID: '2.25.7' })), pixelsAt('../bulk/1'), pixelsAt('bulk/1'), pixelsAt('bulk/2')], { study: '2.25.500' });
    assert.equal(status, 202);
    assert.deepEqual(column(body, '00081198', '00081197'), [0xa900]);
  });

  it('answers 413 when bulk data is larger than allowed, and 503 when out of room', async () => {
    gateway.store.limits.instanceBytes = 2_000;
    const large = new Uint8Array(4_000);
    const { status, body } = await store([jsonPart(metadata(1, { Rows: 40, Columns: 50 })), pixelsAt('bulk/1', large)]);
    assert.equal(status, 413);
    assert.deepEqual(column(body, '00081198', '00081197'), [0xa700]);
    gateway.store.limits.freeDiskBytes = Number.MAX_SAFE_INTEGER;
    const full = await store([jsonPart(metadata(1), metadata(2)), pixelsAt('bulk/1')]);
    assert.equal(full.status, 503);
  });

  it('answers in XML where that is asked for', async () => {
    const { status, type, text: answer } = await store([jsonPart(metadata(1)), pixelsAt('bulk/1')], { accept: 'application/dicom+xml' });
    assert.equal(status, 200);
    assert.equal(type, 'application/dicom+xml');
    assert.match(answer, /<DicomAttribute tag="00081199" vr="SQ" keyword="ReferencedSOPSequence">.*2\.25\.500\.1\.1/s);
  });

  it('takes metadata alone, without multipart, and goes by the first part where the type is not said', async () => {
    const report = metadata(1, { ...UNTOLD, SOPClassUID: '1.2.840.10008.5.1.4.1.1.88.11', Modality: 'SR' }, null);
    assert.equal((await store(Buffer.from(JSON.stringify(report)), { type: 'application/dicom+json; charset=utf-8' })).status, 200);
    assert.equal((await store([jsonPart(metadata(2)), pixelsAt('bulk/2')], { type: 'multipart/related; boundary=limit' })).status, 200);
  });

  it('refuses a picture alone with 415, and says what it takes', async () => {
    const { status, body } = await store([pixelsAt('x')], { type: 'multipart/related; type="image/jpeg"; boundary=limit' });
    assert.equal(status, 415);
    assert.match(body.detail!, /bulk data beside its metadata.*application\/dicom\+json/);
  });

  it('keeps what was whole when the body is cut, at any place, and nothing of the rest', async () => {
    const whole = relatedBody([jsonPart(metadata(1), metadata(2)), pixelsAt('bulk/1'), pixelsAt('bulk/2')]);
    const firstIsWhole = whole.indexOf('--limit', whole.indexOf('bulk/1', whole.indexOf('Content-Location'))) + 9;
    for (let at = 1; at < whole.length - 2; at += 37) {
      const { status, body } = await store(whole.subarray(0, at));
      const stored = column(body, '00081199', '00081155');
      const isClosed = at >= whole.length - 4;
      assert.equal(status, isClosed ? 200 : stored.length > 0 ? 202 : 400, `cut at ${at}`);
      if (!isClosed) assert.deepEqual(stored, at > firstIsWhole ? ['2.25.500.1.1'] : [], `cut at ${at}`);
      assert.equal((await gateway.store.kept()).incoming, 0, `cut at ${at}`);
    }
  });
});

describe('STOW-RS of thousands of parts', () => {
  it('stores 5,000 instances of metadata in one request, answers for each, and holds only one at a time', async () => {
    const COUNT = 5_000;
    let alive = 0;
    let most = 0;
    const gateway = await startTestGateway({
      receiver: {
        receive: async (source) => {
          most = Math.max(most, ++alive);
          let bytes = 0;
          for await (const chunk of source) bytes += chunk.length;
          alive--;
          return { blobId: String(bytes), sopClassUid: '1.2.840.10008.5.1.4.1.1.7', sopInstanceUid: '2.25.1', seriesInstanceUid: '2.25.2', studyInstanceUid: '2.25.3' };
        },
      },
    });
    async function* body(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('--limit\r\nContent-Type: application/dicom+json\r\n\r\n[');
      for (let number = 0; number < COUNT; number++) yield Buffer.from(`${number > 0 ? ',' : ''}${JSON.stringify(metadata(number, { ImageComments: 'x'.repeat(4_000) }))}`);
      yield Buffer.from(']');
      for (let number = 0; number < COUNT; number++) yield Buffer.concat([Buffer.from(`\r\n--limit\r\nContent-Type: application/octet-stream\r\nContent-Location: bulk/${number}\r\n\r\n`), PIXELS]);
      yield Buffer.from('\r\n--limit--\r\n');
    }
    try {
      const response = await fetch(`${gateway.url}/dicomweb/studies`, { method: 'POST', headers: { 'Content-Type': JSON_METADATA }, body: Readable.toWeb(Readable.from(body())), duplex: 'half' } as RequestInit);
      assert.equal(response.status, 200);
      const answer = (await response.json()) as Module;
      assert.equal(answer['00081199']!.Value.length, COUNT);
      assert.equal(most, 1);
      assert.equal((await gateway.store.kept()).incoming, 0);
    } finally {
      await gateway.close();
    }
  }).timeout(60_000);
});
