import assert from 'node:assert/strict';
import { phantomDicom } from '../../ai/phantom/dicom.ts';
import { ENCODINGS } from '../../ai/phantom/encode.ts';
import { num, text, texts } from '../../storage/dicom/dataset.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';

const SMALL = { seed: 100_050, columns: 160, rows: 192 };

async function sopClass(spec: object): Promise<string | undefined> {
  return text(parsePart10(await phantomDicom({ ...SMALL, ...spec })).dataset, 'SOPClassUID');
}

describe('phantom as a DICOM file', () => {
  it('is the same bytes for the same spec, so that a test can be repeated', async () => {
    assert.deepEqual(await phantomDicom({ ...SMALL, opacities: 1 }), await phantomDicom({ ...SMALL, opacities: 1 }));
  });

  it('has UIDs of its own for every other spec', async () => {
    const uids = await Promise.all(
      [SMALL, { ...SMALL, opacities: 1 }, { ...SMALL, view: 'AP' as const }, { ...SMALL, seed: 100_051 }].map(async (spec) =>
        text(parsePart10(await phantomDicom(spec)).dataset, 'SOPInstanceUID'),
      ),
    );
    assert.equal(new Set(uids).size, 4);
  });

  it('says SYNTHETIC in the header', async () => {
    const { dataset } = parsePart10(await phantomDicom(SMALL));
    for (const keyword of ['StudyDescription', 'SeriesDescription', 'ImageComments', 'PatientComments'])
      assert.match(text(dataset, keyword) ?? '', /SYNTHETIC/, keyword);
    assert.equal(text(dataset, 'QualityControlSubject'), 'YES');
  });

  it('takes the patient, study and any attribute that it is told', async () => {
    const { dataset } = parsePart10(
      await phantomDicom({
        ...SMALL,
        patientName: 'Yamada^Tarou=山田^太郎=やまだ^たろう',
        patientId: 'P1',
        studyInstanceUid: '2.25.11',
        overrides: { AccessionNumber: 'A7', BodyPartExamined: undefined, ViewPosition: 'LL' },
      }),
    );
    assert.equal(text(dataset, 'PatientName'), 'Yamada^Tarou=山田^太郎=やまだ^たろう');
    assert.deepEqual(
      [
        text(dataset, 'PatientID'),
        text(dataset, 'StudyInstanceUID'),
        text(dataset, 'AccessionNumber'),
        text(dataset, 'ViewPosition'),
      ],
      ['P1', '2.25.11', 'A7', 'LL'],
    );
    assert.equal(text(dataset, 'BodyPartExamined'), undefined);
  });

  it('is Computed Radiography, or Digital X-Ray for presentation or for processing', async () => {
    assert.equal(await sopClass({}), '1.2.840.10008.5.1.4.1.1.1');
    assert.equal(await sopClass({ modality: 'DX' }), '1.2.840.10008.5.1.4.1.1.1.1');
    assert.equal(
      await sopClass({ modality: 'DX', overrides: { PresentationIntentType: 'FOR PROCESSING' } }),
      '1.2.840.10008.5.1.4.1.1.1.1.1',
    );
  });

  it('says of lossy syntaxes that they are lossy, and by how much', async () => {
    for (const [transferSyntaxUid, { lossy }] of Object.entries(ENCODINGS)) {
      const { dataset } = parsePart10(await phantomDicom({ ...SMALL, transferSyntaxUid }));
      assert.equal(text(dataset, 'LossyImageCompression'), lossy ? '01' : '00', transferSyntaxUid);
      if (lossy)
        assert.ok(
          (num(dataset, 'LossyImageCompressionRatio') ?? 0) > 1 && texts(dataset, 'LossyImageCompressionMethod').length === 1,
          transferSyntaxUid,
        );
    }
  });

  it('refuses a transfer syntax that it cannot make, by name', async () => {
    await assert.rejects(
      phantomDicom({ ...SMALL, transferSyntaxUid: '1.2.840.10008.1.2.4.102' }),
      /1\.2\.840\.10008\.1\.2\.4\.102/,
    );
    await assert.rejects(phantomDicom({ ...SMALL, bitsStored: 12, transferSyntaxUid: '1.2.840.10008.1.2.4.50' }), /8 bits/);
  });
});
