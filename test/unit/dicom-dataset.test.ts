import assert from 'node:assert/strict';
import { code, dataset, get, isKeyword, items, keywordOf, num, nums, personName, tagOf, text, texts, vrOf } from '../../storage/dicom/dataset.ts';

describe('a dataset by keyword', () => {
  it('knows tags, keywords and VRs of the dictionary, retired elements and repeating groups too', () => {
    assert.equal(tagOf('PatientName'), '00100010');
    assert.equal(vrOf('PixelData'), 'OW');
    assert.equal(keywordOf('60020010'), 'OverlayRows');
    assert.equal(tagOf('OtherPatientIDs'), '00101000');
    assert.equal(isKeyword('PatientsName'), false);
    assert.throws(() => tagOf('PatientsName'), /"PatientsName" is not a keyword/);
  });

  it('gives texts and numbers as they are needed, and nothing for what is absent, empty or no number', () => {
    const header = dataset({
      ImageType: ['ORIGINAL', 'PRIMARY', null, 'AP'],
      PixelSpacing: [0.1, 0.2],
      WindowCenter: ['abc', '40'],
      Rows: 512,
      AccessionNumber: null,
      StudyDescription: undefined,
    });
    assert.equal(text(header, 'ImageType'), 'ORIGINAL');
    assert.deepEqual(texts(header, 'ImageType'), ['ORIGINAL', 'PRIMARY', '', 'AP']);
    assert.deepEqual(nums(header, 'PixelSpacing'), [0.1, 0.2]);
    assert.deepEqual(nums(header, 'WindowCenter'), [40]);
    assert.equal(num(header, 'WindowCenter'), undefined);
    assert.equal(num(header, 'Rows'), 512);
    assert.equal(text(header, 'Rows'), '512');
    assert.deepEqual(get(header, 'AccessionNumber'), { vr: 'SH' });
    assert.equal(text(header, 'AccessionNumber'), undefined);
    assert.equal(get(header, 'StudyDescription'), undefined);
  });

  it('keeps the component groups of a name apart', () => {
    const header = dataset({ PatientName: 'Yamada^Tarou=山田^太郎=やまだ^たろう', ReferringPhysicianName: { Ideographic: '王' } });
    assert.deepEqual(personName(header, 'PatientName'), { Alphabetic: 'Yamada^Tarou', Ideographic: '山田^太郎', Phonetic: 'やまだ^たろう' });
    assert.equal(text(header, 'PatientName'), 'Yamada^Tarou=山田^太郎=やまだ^たろう');
    assert.equal(text(header, 'ReferringPhysicianName'), '=王');
  });

  it('builds nested sequences from keywords and from datasets that are built already', () => {
    const header = dataset({
      ConceptNameCodeSequence: [code('112001', 'DCM', 'Opacity')],
      ReferencedSOPSequence: [{ ReferencedSOPInstanceUID: '1.2', PurposeOfReferenceCodeSequence: [code('x'.repeat(17), '99X', 'long')] }],
    });
    assert.equal(text(items(header, 'ConceptNameCodeSequence')[0]!, 'CodeMeaning'), 'Opacity');
    const purpose = items(items(header, 'ReferencedSOPSequence')[0]!, 'PurposeOfReferenceCodeSequence')[0]!;
    assert.equal(text(purpose, 'LongCodeValue'), 'x'.repeat(17));
    assert.deepEqual(items(header, 'ViewCodeSequence'), []);
  });

  it('chooses the VR where the dictionary leaves a choice', () => {
    const unsigned = dataset({ PixelPaddingValue: 0, BitsAllocated: 16, PixelData: new Uint8Array(2) });
    const signed = dataset({ PixelRepresentation: 1, PixelPaddingValue: 0, LUTData: [1, 2] });
    assert.equal(get(unsigned, 'PixelPaddingValue')?.vr, 'US');
    assert.equal(get(unsigned, 'PixelData')?.vr, 'OW');
    assert.equal(get(signed, 'PixelPaddingValue')?.vr, 'SS');
    assert.equal(get(signed, 'LUTData')?.vr, 'US');
    assert.equal(get(dataset({ PixelPaddingValue: -2000 }), 'PixelPaddingValue')?.vr, 'SS');
    assert.equal(get(dataset({ PixelData: [new Uint8Array(2)] }), 'PixelData')?.vr, 'OB');
  });

  it('refuses a value that does not fit, naming the keyword', () => {
    assert.throws(() => dataset({ PixelData: 'text' }), /PixelData is OW|PixelData is OB/);
    assert.throws(() => dataset({ Rows: true }), /Rows is US/);
    assert.throws(() => dataset({ NoSuchThing: 1 }), /NoSuchThing/);
  });
});
