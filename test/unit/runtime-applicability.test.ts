// What a model is not meant for, as the header tells it.
import assert from 'node:assert/strict';
import { patientAge, whyNotApplicable } from '../../ai/runtime/applicability.ts';
import { writtenSchema } from '../../ai/runtime/manifest.ts';
import { code, dataset } from '../../storage/dicom/dataset.ts';

const meantFor = writtenSchema.shape.applicability.parse({ modalities: ['CR', 'DX'], ageYears: { min: 1, max: 120 } });
const chest = {
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.1',
  Modality: 'CR',
  BodyPartExamined: 'CHEST',
  ViewPosition: 'PA',
  PatientAge: '045Y',
  Rows: 2048,
  Columns: 2500,
};
const why = (changes: Record<string, unknown>): string | undefined => whyNotApplicable(dataset({ ...chest, ...changes }), meantFor);

describe('what a model is meant for', () => {
  it('takes a frontal radiograph of an adult chest, also where the header says little', () => {
    assert.equal(why({}), undefined);
    assert.equal(why({ BodyPartExamined: undefined, ViewPosition: undefined, PatientAge: undefined }), undefined);
    assert.equal(why({ BodyPartExamined: null, ViewPosition: null, PatientAge: null }), undefined);
  });

  it('is a range of ages that somebody can be of', () => {
    const ages = (min: number, max: number): boolean => writtenSchema.shape.applicability.safeParse({ modalities: ['CR'], ageYears: { min, max } }).success;
    assert.ok(ages(0, 15) && ages(16, 16));
    assert.ok(!ages(16, 15));
  });

  const refused: [string, Record<string, unknown>, RegExp][] = [
    ['another modality', { Modality: 'CT' }, /^modality CT; the model is meant for CR and DX$/],
    ['no modality', { Modality: undefined }, /does not say its modality/],
    ['a hand', { BodyPartExamined: 'HAND' }, /^body part HAND/],
    ['a hand by its code', { BodyPartExamined: undefined, AnatomicRegionSequence: [code('85562004', 'SCT', 'Hand')] }, /^body part HAND/],
    ['chest and abdomen', { BodyPartExamined: 'CHEST_ABDOMEN' }, /^body part CHEST_ABDOMEN/],
    ['a chest in words that is a hand by its code', { AnatomicRegionSequence: [code('85562004', 'SCT', 'Hand')] }, /^body part HAND/],
    ['a lateral', { ViewPosition: 'LL' }, /^lateral view; the model is meant for PA and AP$/],
    ['a lateral in words', { ViewPosition: 'LEFT LATERAL' }, /^lateral view/],
    ['two views in one', { ViewPosition: 'PA_LAT' }, /^lateral view/],
    ['a lateral by its code', { ViewPosition: undefined, ViewCodeSequence: [code('399067008', 'SCT', 'lateral')] }, /^lateral view/],
    ['a lateral by its older code', { ViewPosition: undefined, ViewCodeSequence: [code('R-10236', 'SRT', 'left lateral')] }, /^lateral view/],
    ['a lateral by its orientation', { ViewPosition: undefined, PatientOrientation: ['A', 'F'] }, /^lateral view/],
    ['a lateral by its description', { ViewPosition: undefined, SeriesDescription: 'Thorax seitlich' }, /^lateral view/],
    ['an oblique', { ViewPosition: 'RAO' }, /^view RAO; the model is meant for PA and AP$/],
    ['raw detector values', { PresentationIntentType: 'FOR PROCESSING' }, /^raw detector image/],
    ['raw detector values by class', { SOPClassUID: '1.2.840.10008.5.1.4.1.1.1.1.1' }, /^raw detector image/],
    ['an infant', { PatientAge: '006M' }, /^patient is 6 months old; the model is meant for ages of 1 to 120 years$/],
    ['an infant by its birth date', { PatientAge: undefined, PatientBirthDate: '20200101', StudyDate: '20200301' }, /^patient is 1 months old/],
    ['a report', { Rows: undefined, Columns: undefined }, /no pixel data/],
    ['a stamp', { Rows: 63 }, /too small/],
    ['a strip', { Rows: 400, Columns: 1601 }, /strip/],
    ['a picture beyond all detectors', { Rows: 20000, Columns: 20000 }, /larger than any radiograph/],
  ];
  for (const [what, changes, reason] of refused)
    it(`gives the reason for not judging ${what}`, () => {
      assert.match(why(changes) ?? '(taken)', reason);
    });

  it('takes views and body parts with what sites add to them', () => {
    for (const view of ['AP SUPINE', 'pa', 'PA_ERECT']) assert.equal(why({ ViewPosition: view }), undefined, view);
    for (const part of ['CHEST PA', 'Thorax', 'LUNG']) assert.equal(why({ BodyPartExamined: part }), undefined, part);
    assert.equal(why({ ViewPosition: undefined, ViewCodeSequence: [code('272479007', 'SCT', 'postero-anterior')] }), undefined);
    assert.equal(why({ BodyPartExamined: undefined, AnatomicRegionSequence: [code('T-D3000', 'SRT', 'Chest')] }), undefined);
  });

  it('does not take a frontal view for a lateral by words that may mean either', () => {
    for (const SeriesDescription of ['Chest PA and lateral', 'Chest lateral decubitus', 'Bilateral'])
      assert.equal(why({ ViewPosition: undefined, SeriesDescription }), undefined, SeriesDescription);
  });

  it('reads ages in days, weeks, months and years, and doubts a birth after the study', () => {
    assert.equal(patientAge(dataset({ PatientAge: '730D' }))?.years.toFixed(2), '2.00');
    assert.equal(patientAge(dataset({ PatientAge: '052W' }))?.years.toFixed(2), '1.00');
    assert.equal(patientAge(dataset({ PatientAge: '018M' }))?.years, 1.5);
    assert.equal(patientAge(dataset({ PatientBirthDate: '19500615', StudyDate: '20200615' }))?.words, '70 years');
    assert.equal(patientAge(dataset({ PatientBirthDate: '20210101', StudyDate: '20200101' })), undefined);
    assert.equal(patientAge(dataset({ PatientAge: 'old' })), undefined);
  });
});
