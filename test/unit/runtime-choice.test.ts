// Which of a route's models judge an image.
import assert from 'node:assert/strict';
import { chooseModels } from '../../ai/runtime/choice.ts';
import { manifestSchema, type ModelPackage } from '../../ai/runtime/manifest.ts';
import { dataset, type Dataset } from '../../storage/dicom/dataset.ts';

function model(name: string, applicability: object): ModelPackage {
  const manifest = manifestSchema.parse({
    name,
    version: '1',
    sha256: '0'.repeat(64),
    licence: 'none',
    intendedUse: 'tests',
    deviceUid: '2.25.1',
    manufacturer: 'Hilum',
    input: { tensor: 'image', width: 64, height: 64 },
    task: 'classification',
    outputs: { logit: { tensor: 'logit' } },
    labels: [{ name: 'opacity', positive: true, code: { value: '112001', scheme: 'DCM', meaning: 'Opacity' } }],
    operatingPoint: { threshold: 0.5, chosenFor: 'tests' },
    applicability: { modalities: ['CR', 'DX'], ...applicability },
  });
  return { manifest } as ModelPackage;
}

function image(values: Record<string, unknown>): Dataset {
  return dataset({ Modality: 'DX', ViewPosition: 'PA', BodyPartExamined: 'CHEST', Rows: 1000, Columns: 1000, StudyDate: '20261120', ...values });
}

const children = model('children', { ageYears: { min: 0, max: 15 } });
const adults = model('adults', { ageYears: { min: 16, max: 120 } });
const anyone = model('anyone', {});

function chosen(models: ModelPackage[], values: Record<string, unknown>): { judges: string[]; leftOut: string[] } {
  const { judges, leftOut } = chooseModels(models, image(values));
  return { judges: judges.map(({ manifest }) => manifest.name), leftOut: leftOut.map(({ model: { manifest }, reason }) => `${manifest.name}: ${reason}`) };
}

describe('the models of a route', () => {
  it('take turns by the age of the patient, and the one left out says why', () => {
    assert.deepEqual(chosen([children, adults], { PatientAge: '007Y' }), {
      judges: ['children'],
      leftOut: ['adults: patient is 7 years old; the model is meant for ages of 16 to 120 years'],
    });
    assert.deepEqual(chosen([children, adults], { PatientAge: '064Y' }).judges, ['adults']);
    assert.deepEqual(chosen([children, adults], { PatientAge: '018M' }).judges, ['children']);
  });

  it('leave no gap between two that end and begin with whole years, also by the birth date', () => {
    for (const [born, judge] of [['20101121', 'children'], ['20101119', 'adults'], ['20110601', 'children']])
      assert.deepEqual(chosen([children, adults], { PatientBirthDate: born }).judges, [judge], born);
  });

  it('judge together where the age excludes none, or is not known', () => {
    assert.deepEqual(chosen([children, anyone], { PatientAge: '003Y' }), { judges: ['children', 'anyone'], leftOut: [] });
    assert.deepEqual(chosen([children, adults], {}), { judges: ['children', 'adults'], leftOut: [] });
    assert.deepEqual(chosen([children, anyone], { PatientAge: '064Y' }).judges, ['anyone']);
  });

  it('leave a patient of unknown age to another, where one is not to judge without it', () => {
    const known = model('children', { ageYears: { min: 0, max: 15 }, ageUnknown: 'refuse' });
    assert.deepEqual(chosen([known, adults], {}), {
      judges: ['adults'],
      leftOut: ["children: the patient's age is not known; the model is meant for ages of 0 to 15 years"],
    });
  });

  it('all speak, to say why not, where none is meant for the age', () => {
    const newborn = model('infants', { ageYears: { min: 1, max: 5 } });
    assert.deepEqual(chosen([newborn, adults], { PatientAge: '010D' }), { judges: ['infants', 'adults'], leftOut: [] });
    assert.deepEqual(chosen([adults], { PatientAge: '010D' }).judges, ['adults']);
  });

  it('leave what is not for any of them to the one that is meant for the patient', () => {
    assert.deepEqual(chosen([children, adults], { PatientAge: '064Y', ViewPosition: 'LL' }).judges, ['adults']);
  });

  it('do not leave a patient to a model that cannot take the image for another reason', () => {
    const computed = model('scouts', { modalities: ['CT'] });
    assert.deepEqual(chosen([children, computed], { PatientAge: '064Y' }).judges, ['children', 'scouts']);
  });
});
