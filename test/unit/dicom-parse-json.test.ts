import assert from 'node:assert/strict';
import fc from 'fast-check';
import { jsonItems } from '../../gateway/dicomweb/json-items.ts';
import { dataset } from '../../storage/dicom/dataset.ts';
import { datasetJson } from '../../storage/dicom/json.ts';
import { parseDatasetJson } from '../../storage/dicom/parse-json.ts';
import { writeDataset } from '../../storage/dicom/write.ts';
import { DicomFormatError } from '../../storage/errors.ts';

const parse = (value: unknown): ReturnType<typeof parseDatasetJson> => parseDatasetJson(JSON.stringify(value));

describe('DICOM JSON from outside', () => {
  it('gives back every kind of value', () => {
    const ds = dataset({
      PatientName: 'A^B=C^D', ReferencedSOPSequence: [{ ReferencedSOPInstanceUID: '1.2' }, {}], Rows: 5, PixelSpacing: [0.1, null], FrameIncrementPointer: ['00181063'],
      PatientID: null, RescaleSlope: 1, '00420011': { vr: 'OB', InlineBinary: 'AQI=' }, SelectorSVValue: '9007199254740993', RealWorldValueSlope: 'NaN',
    });
    assert.deepEqual(parseDatasetJson(datasetJson(ds)), JSON.parse(datasetJson(ds)));
  });

  it('takes tags in small letters, infinities by their names, and the VR of the dictionary where there is none', () => {
    assert.deepEqual(parse({ '0020000d': { Value: ['1.2'] }, '00404025': { vr: 'FD', Value: ['-inf', 'nan'] } }), { '0020000D': { vr: 'UI', Value: ['1.2'] }, '00404025': { vr: 'FD', Value: ['-Infinity', 'NaN'] } });
  });

  const wrong: [unknown, RegExp][] = [
    [[], /dataset is not an object/],
    [{ Rows: { vr: 'US' } }, /"Rows", which is not a tag/],
    [{ '00280010': 5 }, /00280010 is not an object/],
    [{ '00280010': { vr: 'ZZ' } }, /vr "ZZ", which is none/],
    [{ '00280010': { vr: 'US', Value: 5 } }, /Value that is not an array/],
    [{ '00280010': { vr: 'US', Value: ['x'] } }, /00280010\[0\] is US and cannot hold "x"/],
    [{ '00280010': { vr: 'US', Value: [1.5] } }, /cannot hold 1.5/],
    [{ '00100010': { vr: 'PN', Value: ['A^B'] } }, /not an object with Alphabetic/],
    [{ '00100010': { vr: 'PN', Value: [{ Family: 'A' }] } }, /component group "Family"/],
    [{ '00100020': { vr: 'LO', Value: [5] } }, /is LO and not text/],
    [{ '7FE00010': { vr: 'OW', Value: [1, 2] } }, /InlineBinary or BulkDataURI/],
    [{ '7FE00010': { vr: 'OW', InlineBinary: '!' } }, /not Base64/],
    [{ '7FE00010': { vr: 'OW', InlineBinary: '', BulkDataURI: 'x' } }, /more than one/],
    [{ '00081140': { vr: 'SQ', Value: [{ '00081155': { vr: 'UI', Value: [5] } }] } }, /00081140\[0\]\.00081155\[0\] is UI/],
  ];
  for (const [value, why] of wrong)
    it(`refuses ${JSON.stringify(value).slice(0, 70)}, naming what is wrong`, () => {
      assert.throws(() => parse(value), (error) => error instanceof DicomFormatError && why.test(error.message));
    });

  it('throws nothing but DicomFormatError on any JSON, and what it takes can be written, or is refused with a TypeError', () => {
    const key = fc.constantFrom('00100010', '00280010', '7FE00010', '00081140', '00404025', '00181063', 'x', '00720082');
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.dictionary(key, fc.record({ vr: fc.constantFrom('PN', 'US', 'OW', 'SQ', 'FD', 'AT', 'SV', 'LO', 'DS', '??'), Value: fc.array(fc.oneof({ depthSize: 'small' }, fc.jsonValue(), tie('tree')), { maxLength: 3 }), InlineBinary: fc.string(), BulkDataURI: fc.string() }, { requiredKeys: [] }), { maxKeys: 4 }),
    }));
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), tree), (value) => {
        try {
          writeDataset(parse(value), '1.2.840.10008.1.2.1');
        } catch (error) {
          assert.ok(error instanceof DicomFormatError || error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError, String((error as Error).stack));
        }
      }),
      { seed: 46, numRuns: 2000 },
    );
  });
});

describe('the elements of a JSON array', () => {
  async function* chunks(text: string, size: number): AsyncGenerator<Uint8Array> {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const items = (text: string, size: number, limit = 1e6): Promise<string[]> => Array.fromAsync(jsonItems(chunks(text, size), limit));

  it('come as they went in, in any chunks, however they are laid out', async () => {
    const value = fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue());
    await fc.assert(
      fc.asyncProperty(fc.array(value, { maxLength: 5 }), fc.integer({ min: 1, max: 30 }), fc.constantFrom(undefined, 1, '\t'), async (values, size, space) => {
        assert.deepEqual((await items(JSON.stringify(values, null, space), size)).map((text) => JSON.parse(text) as unknown), JSON.parse(JSON.stringify(values)));
      }),
      { seed: 47, numRuns: 500 },
    );
    assert.deepEqual(await items('\ufeff {"a":"]"} ', 2), [' {"a":"]"} '].map((text) => text.slice(0)));
  });

  it('are refused where the array is broken, or an element too long', async () => {
    for (const text of ['[', '[1', '[1,]', '[,1]', '[1]]', '[1][2]', '[}', '["a', '{"a":1'])
      await assert.rejects(items(text, 3), DicomFormatError, text);
    await assert.rejects(items(`["${'x'.repeat(100)}"]`, 7, 50), /longer than 50 bytes/);
  });
});
