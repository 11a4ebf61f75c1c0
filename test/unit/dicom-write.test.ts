import assert from 'node:assert/strict';
import { dataset, text, texts, type Dataset } from '../../storage/dicom/dataset.ts';
import { parsePart10, readBulk } from '../../storage/dicom/part10.ts';
import { decimalString, writeDataset, writePart10 } from '../../storage/dicom/write.ts';

const NATIVE = ['1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.2', '1.2.840.10008.1.2.1.99'];

function sample(): Dataset {
  return {
    ...dataset({
      SOPClassUID: '1.2.840.10008.5.1.4.1.1.7',
      SOPInstanceUID: '1.2.3.4',
      StudyDate: '20260102',
      PatientName: { Alphabetic: 'Müller^Jürg', Ideographic: '山田^太郎' },
      PatientID: 'A-1',
      AccessionNumber: null,
      PixelSpacing: [0.1, 0.25],
      InstanceNumber: 3,
      FrameIncrementPointer: ['00181063'],
      Rows: 2,
      Columns: 2,
      BitsAllocated: 16,
      PixelRepresentation: 1,
      SmallestImagePixelValue: -5,
      RecommendedDisplayFrameRateInFloat: 1.5,
      ReferencedSOPSequence: [{ ReferencedSOPInstanceUID: '1.2', ReferencedFrameNumber: [1, 2] }, {}],
      ViewCodeSequence: [],
      ImageComments: 'a \\ b\nc',
    }),
    '00090010': { vr: 'LO', Value: ['ACME'] },
    '00091001': { vr: 'UN', InlineBinary: 'AQI=' },
    '00091002': { vr: 'FD', Value: [1.25, -3] },
    '00091003': { vr: 'SV', Value: ['-9007199254740993'] },
    '00091004': { vr: 'OD', InlineBinary: 'AQIDBAUGBwg=' },
    '60003000': { vr: 'OW', InlineBinary: 'AQIDBA==' },
  };
}

describe('writing a Part 10 file', () => {
  for (const transferSyntaxUid of NATIVE)
    it(`gives back in ${transferSyntaxUid} what was written`, () => {
      const pixels = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
      const written = { ...sample(), '7FE00010': { vr: 'OW', bytes: pixels } };
      const file = parsePart10(writePart10(written, { transferSyntaxUid }));
      assert.equal(file.transferSyntaxUid, transferSyntaxUid);
      assert.deepEqual(file.pixelData && { ...file.pixelData, offset: 0 }, {
        tag: '7FE00010', vr: 'OW', offset: 0, length: 8, encapsulated: false,
      });
      const expected: Dataset = { ...sample(), '00080005': { vr: 'CS', Value: ['ISO_IR 192'] } };
      if (transferSyntaxUid === '1.2.840.10008.1.2') {
        // Without VRs the reader cannot know what private elements are.
        for (const tag of ['00091002', '00091003', '00091004']) {
          assert.equal(file.dataset[tag]?.vr, 'UN');
          delete expected[tag];
          delete file.dataset[tag];
        }
      }
      expected['00081199'] = { vr: 'SQ', Value: [expected['00081199']!.Value![0]!, {}] };
      assert.deepEqual(sorted(file.dataset), sorted(expected));
    });

  it('is deterministic, whatever order the elements were given in', () => {
    const reversed = Object.fromEntries(Object.entries(sample()).reverse());
    assert.deepEqual(writePart10(sample()), writePart10(reversed));
  });

  it('gives every value an even length, padded as its VR asks', () => {
    const bytes = Buffer.from(writeDataset(dataset({ SOPInstanceUID: '1.2', PatientID: 'abc' }), '1.2.840.10008.1.2.1'));
    assert.ok(bytes.includes(Buffer.from('UI\x04\x001.2\0', 'latin1')));
    assert.ok(bytes.includes(Buffer.from('LO\x04\x00abc ', 'latin1')));
  });

  it('says once that its text is UTF-8, and no item says otherwise', () => {
    const header = dataset({ SOPClassUID: '1.2', SOPInstanceUID: '1.3', SpecificCharacterSet: 'ISO_IR 100', RequestAttributesSequence: [{ SpecificCharacterSet: 'ISO_IR 100', RequestedProcedureDescription: 'Thorax à gauche' }] });
    const { dataset: read } = parsePart10(writePart10(header));
    assert.equal(text(read, 'SpecificCharacterSet'), 'ISO_IR 192');
    const request = read['00400275']?.Value?.[0] as Dataset;
    assert.deepEqual(Object.keys(request), ['00321060']);
    assert.equal(text(request, 'RequestedProcedureDescription'), 'Thorax à gauche');
  });

  it('writes text in the character sets that it is told, nested text too, and in UTF-8 where they cannot hold it', () => {
    const header = (name: string): Dataset => dataset({ SOPClassUID: '1.2', SOPInstanceUID: '1.3', PatientName: name, RequestAttributesSequence: [{ RequestedProcedureDescription: 'Thorax à gauche' }] });
    const written = (name: string, characterSets: string[]): Dataset => parsePart10(writePart10(header(name), { characterSets })).dataset;
    for (const [name, terms, expected] of [
      ['Müller', ['ISO_IR 100'], ['ISO_IR 100']],
      ['山田', ['ISO_IR 100', 'ISO 2022 IR 87'], ['ISO_IR 192']],
      ['山田', ['ISO 2022 IR 100', 'ISO 2022 IR 87'], ['ISO 2022 IR 100', 'ISO 2022 IR 87']],
      ['홍', ['ISO 2022 IR 100', 'ISO 2022 IR 87'], ['ISO_IR 192']],
      ['Müller', ['latin1'], ['ISO_IR 192']],
      ['Muller', [], ['ISO_IR 192']],
    ] as const) {
      const read = written(name, [...terms]);
      assert.deepEqual(texts(read, 'SpecificCharacterSet'), expected);
      assert.equal(text(read, 'PatientName'), name);
      assert.equal(text(read['00400275']?.Value?.[0] as Dataset, 'RequestedProcedureDescription'), 'Thorax à gauche');
    }
    const plain = parsePart10(writePart10(dataset({ SOPClassUID: '1.2', SOPInstanceUID: '1.3', PatientName: 'Muller' }), { characterSets: [] }));
    assert.equal(plain.dataset['00080005'], undefined);
  });

  it('writes values beyond 64 KiB of a short VR as UN, which the reader understands', async () => {
    const lut = Array.from({ length: 40_000 }, (_, index) => index);
    const bytes = writePart10(dataset({ SOPClassUID: '1.2', SOPInstanceUID: '1.3', LUTData: lut }));
    const file = parsePart10(bytes);
    const element = file.dataset['00283006']!;
    assert.equal(Buffer.from(await readBulk(file, element)).readUInt16LE(2 * 39_999), 39_999);
  });

  it('puts each frame of encapsulated pixel data into one fragment, found by the offset table', () => {
    const bytes = writePart10(dataset({ SOPClassUID: '1.2', SOPInstanceUID: '1.3', PixelData: [Uint8Array.of(1, 2, 3), Uint8Array.of(4)] }), {
      transferSyntaxUid: '1.2.840.10008.1.2.5',
    });
    const { pixelData } = parsePart10(bytes);
    assert.equal(pixelData?.encapsulated, true);
    const value = Buffer.from(bytes).subarray(pixelData!.offset);
    assert.equal(value.toString('hex'), 'feff00e008000000' + '00000000' + '0c000000' + 'feff00e004000000' + '01020300' + 'feff00e002000000' + '0400' + 'feffdde000000000');
  });

  it('refuses what it cannot write truly', () => {
    const uids = { SOPClassUID: '1.2', SOPInstanceUID: '1.3' };
    assert.throws(() => writePart10(dataset({ ...uids, Rows: 70_000 })), /00280010 is US and cannot hold 70000/);
    assert.throws(() => writePart10(dataset({ ...uids, Rows: 1.5 })), /cannot hold 1.5/);
    assert.throws(() => writePart10({ ...dataset(uids), '00283006': { vr: 'US', BulkDataURI: '?offset=1&length=2' } }), /left out/);
    assert.throws(() => writePart10(dataset({ SOPClassUID: '1.2' })), /SOP Instance UID/);
  });

  it('writes decimal strings of at most 16 characters, as near as they can be', () => {
    for (const number of [0, 0.1 + 0.2, -1.2345678901234567e-20, 1 / 3, -1 / 3, 123456789012345680000, 1e-7, 5e-324, 0.14300000000000002, -12345678.901234567]) {
      const written = decimalString(number);
      assert.ok(written.length <= 16, written);
      assert.ok(Math.abs(Number(written) - number) <= Math.abs(number) * 1e-8, `${number} became ${written}`);
    }
    assert.equal(decimalString(0.1 + 0.2), '0.3');
  });
});

function sorted(value: Dataset): Dataset {
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)));
}
