import assert from 'node:assert/strict';
import { dataset, type Dataset } from '../../storage/dicom/dataset.ts';
import { patientContradiction } from '../../storage/identity.ts';

const patient = (values: Record<string, unknown>): Dataset => dataset({ PatientID: 'P1', PatientBirthDate: '19700101', PatientSex: 'F', ...values });
const named = (name: Record<string, string>, more: Record<string, unknown> = {}): Dataset => patient({ PatientName: name, ...more });

describe('one patient or two', () => {
  it('tells them apart by Patient ID, issuer, birth date and sex', () => {
    for (const [other, reason] of [
      [{ PatientID: 'P2' }, 'Patient ID differs'],
      [{ PatientID: null }, 'Patient ID differs'],
      [{ PatientBirthDate: '19700102' }, "Patient's Birth Date differs"],
      [{ PatientSex: 'M' }, "Patient's Sex differs"],
    ] as const)
      assert.equal(patientContradiction(patient({}), patient(other)), reason);
    assert.equal(patientContradiction(patient({ IssuerOfPatientID: 'A' }), patient({ IssuerOfPatientID: 'B' })), 'Issuer of Patient ID differs');
    assert.equal(patientContradiction(patient({}), patient({ PatientSex: null, PatientBirthDate: null, IssuerOfPatientID: 'A' })), undefined);
  });

  it('tells them apart by family and given name, where nothing else is known too', () => {
    const john = dataset({ PatientName: { Alphabetic: 'Smith^John' } });
    assert.equal(patientContradiction(john, dataset({ PatientName: { Alphabetic: 'Smith^Mary' } })), "Patient's Name differs");
    assert.equal(patientContradiction(john, dataset({ PatientName: { Alphabetic: 'Jones^John' } })), "Patient's Name differs");
  });

  it('takes case, accents, punctuation, initials and further name components for the same', () => {
    const known = named({ Alphabetic: 'Müller-Lüdenscheidt^Jörg' });
    for (const name of ['MULLER LUDENSCHEIDT^JORG', 'Müller-Lüdenscheidt^J.', 'Müller-Lüdenscheidt^Jörg^Peter^Dr.', 'Müller-Lüdenscheidt'])
      assert.equal(patientContradiction(known, named({ Alphabetic: name })), undefined, name);
  });

  it('compares a name in one script only with a name in the same', () => {
    const known = named({ Alphabetic: 'Yamada^Tarou', Ideographic: '山田^太郎' });
    assert.equal(patientContradiction(known, named({ Ideographic: '山田^太郎' })), undefined);
    assert.equal(patientContradiction(known, named({ Ideographic: '鈴木^太郎' })), "Patient's Name differs");
  });
});
