import assert from 'node:assert/strict';
import { dataset } from '../../storage/dicom/dataset.ts';
import { datasetJson } from '../../storage/dicom/json.ts';

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
});
