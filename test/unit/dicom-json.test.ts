import assert from 'node:assert/strict';
import { dataset } from '../../storage/dicom/dataset.ts';
import { datasetJson } from '../../storage/dicom/json.ts';
import { assertDicomJson } from '../support/dicom-json.ts';

describe('DICOM JSON', () => {
  it('has its attributes in the order of their tags, in items too, and says the same as the dataset', () => {
    const values = dataset({
      PresentationLUTShape: 'IDENTITY',
      PatientName: { Alphabetic: 'A^B' },
      RequestAttributesSequence: [{ PresentationLUTShape: 'INVERSE', AccessionNumber: '1' }],
      Rows: 5,
    });
    const json = datasetJson(values);
    const places = ['00100010', '00280010', '00400275', '20500020'].map((tag) => json.lastIndexOf(`"${tag}"`));
    assert.deepEqual(places, places.toSorted((one, other) => one - other));
    assert.ok(json.indexOf('"00080050"') < json.indexOf('"20500020"'));
    assert.deepEqual(JSON.parse(json), values);
  });

  it('has a schema that takes what the standard has, and refuses what it forbids', () => {
    const valid = { ...dataset({ PatientName: 'A^B=C', ImageType: ['A', null], PixelSpacing: [0.5, 'x'], StudyID: null, ReferencedImageSequence: [{ Rows: 5 }, {}] }), '7FE00010': { vr: 'OW', BulkDataURI: '?offset=1' }, '00420011': { vr: 'OB', InlineBinary: 'AAA=' } };
    assert.equal(assertDicomJson(`[${datasetJson(valid)}]`).length, 1);
    const broken: Record<string, unknown>[] = [
      { '0010001': { vr: 'LO' } },
      { '0010001a': { vr: 'LO' } },
      { '00020010': { vr: 'UI' } },
      { '00100010': {} },
      { '00100010': { vr: 'XX' } },
      { '00100010': { vr: 'PN', Value: ['A^B'] } },
      { '00100010': { vr: 'PN', Value: [{ Alphabetic: 'A=B' }] } },
      { '00100020': { vr: 'LO', Value: [] } },
      { '00100020': { vr: 'LO', Value: [''] } },
      { '00100020': { vr: 'LO', InlineBinary: 'AAA=' } },
      { '00280010': { vr: 'US', Value: ['5'] } },
      { '00280010': { vr: 'US', Value: [70000] } },
      { '00280009': { vr: 'AT', Value: ['PatientID'] } },
      { '00081140': { vr: 'SQ', Value: [{ '00280010': { vr: 'US', Value: [1.5] } }] } },
      { '7FE00010': { vr: 'OW', Value: [1] } },
      { '7FE00010': { vr: 'OW', InlineBinary: 'AAA=', BulkDataURI: 'x' } },
    ];
    for (const wrong of broken) assert.throws(() => assertDicomJson([wrong]), /no DICOM JSON/, JSON.stringify(wrong));
  });
});
