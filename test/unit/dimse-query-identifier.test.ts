import assert from 'node:assert/strict';
import { matchingOf } from '../../gateway/dimse/query-matching.ts';
import { FIND_MODELS } from '../../gateway/dimse/query-models.ts';
import { parseFind, parseRetrieve } from '../../gateway/dimse/query-identifier.ts';
import { QueryProblem } from '../../gateway/dimse/query-status.ts';
import { dataset, type DicomElement } from '../../storage/dicom/dataset.ts';

const PATIENT_ROOT = FIND_MODELS['1.2.840.10008.5.1.4.1.2.1.1']!;
const STUDY_ROOT = FIND_MODELS['1.2.840.10008.5.1.4.1.2.2.1']!;
const plain = { relational: false, combinedDateTime: false, fuzzy: false };
const matching = (vr: string, ...values: (string | number)[]) => matchingOf('00100010', values.length === 0 ? { vr } : { vr, Value: values });

describe('matching of a key', () => {
  const cases: [string, DicomElement, unknown][] = [
    ['no value', { vr: 'LO' }, { kind: 'universal' }],
    ['an asterisk alone', { vr: 'LO', Value: ['*'] }, { kind: 'universal' }],
    ['one value', { vr: 'LO', Value: ['X'] }, { kind: 'values', values: ['X'] }],
    ['wildcards', { vr: 'PN', Value: [{ Alphabetic: 'DO?^*' }] }, { kind: 'values', values: ['DO?^*'] }],
    ['all groups of a name', { vr: 'PN', Value: [{ Alphabetic: 'A', Ideographic: 'B', Phonetic: 'C' }] }, { kind: 'values', values: ['A=B=C'] }],
    ['a list', { vr: 'UI', Value: ['1.2', '1.3'] }, { kind: 'values', values: ['1.2', '1.3'] }],
    ['a number', { vr: 'IS', Value: [5] }, { kind: 'values', values: ['5'] }],
    ['two quotation marks', { vr: 'LO', Value: ['""'] }, { kind: 'empty' }],
    ['a date', { vr: 'DA', Value: ['20260101'] }, { kind: 'values', values: ['20260101'] }],
    ['a date as ACR-NEMA wrote it', { vr: 'DA', Value: ['2026.01.01'] }, { kind: 'values', values: ['20260101'] }],
    ['a range', { vr: 'DA', Value: ['20260101-20260131'] }, { kind: 'range', from: '20260101', to: '20260131' }],
    ['a range without an end', { vr: 'TM', Value: ['0800-'] }, { kind: 'range', from: '0800' }],
    ['a range without a beginning', { vr: 'TM', Value: ['-08:30'] }, { kind: 'range', to: '0830' }],
    ['a date and time with a zone', { vr: 'DT', Value: ['20260101120000-0500'] }, { kind: 'values', values: ['20260101120000-0500'] }],
    ['a range of years', { vr: 'DT', Value: ['2019-2026'] }, { kind: 'range', from: '2019', to: '2026' }],
    ['a range of dates and times with zones', { vr: 'DT', Value: ['202601011200-0500-202601021200-0500'] }, { kind: 'range', from: '202601011200-0500', to: '202601021200-0500' }],
    ['a sequence with nothing in it', { vr: 'SQ', Value: [{ '00080100': { vr: 'SH' } }] }, { kind: 'universal' }],
    ['a sequence', { vr: 'SQ', Value: [dataset({ CodeValue: 'X' })] }, { kind: 'sequence', keys: [{ tag: '00080100', matching: { kind: 'values', values: ['X'] } }] }],
    ['bytes', { vr: 'OB', InlineBinary: 'AAA=' }, undefined],
  ];
  for (const [what, element, expected] of cases) it(`understands ${what}`, () => assert.deepEqual(matchingOf('00100010', element), expected));

  for (const [vr, value] of [['DA', '2026-02'], ['DA', '-'], ['DA', '20260101--20260102'], ['TM', '8'], ['DT', 'yesterday']] as const)
    it(`refuses ${value} as ${vr}`, () => assert.throws(() => matching(vr, value), QueryProblem));
});

describe('an identifier', () => {
  it('is understood whatever the case of its level', () => {
    assert.equal(parseFind(dataset({ QueryRetrieveLevel: 'study' }), STUDY_ROOT, plain).query.level, 'study');
  });

  it('may leave Patient ID out above a study in Patient Root, and nothing else that is above its level', () => {
    assert.equal(parseFind(dataset({ QueryRetrieveLevel: 'STUDY' }), PATIENT_ROOT, plain).query.level, 'study');
    assert.throws(() => parseFind(dataset({ QueryRetrieveLevel: 'SERIES', PatientID: 'P' }), PATIENT_ROOT, plain), /StudyInstanceUID is needed/);
    assert.equal(parseFind(dataset({ QueryRetrieveLevel: 'SERIES' }), STUDY_ROOT, { ...plain, relational: true }).query.level, 'series');
  });

  it('asks for no attribute of a level below its own, and still matches it', () => {
    const { query, hasUnsupportedKeys } = parseFind(dataset({ QueryRetrieveLevel: 'STUDY', StudyDate: null, Modality: 'CR' }), STUDY_ROOT, plain);
    assert.deepEqual([query.include, query.keys.map(({ tag }) => tag), hasUnsupportedKeys], [['00080020'], ['00080060'], true]);
  });

  it('selects what is at its level, within what is above', () => {
    const uids = { StudyInstanceUID: '1.2', SeriesInstanceUID: ['1.3', '1.4'], SOPInstanceUID: '1.5', PatientID: 'P' };
    assert.deepEqual(parseRetrieve(dataset({ QueryRetrieveLevel: 'SERIES', ...uids }), PATIENT_ROOT, plain), { patientId: 'P', studyInstanceUids: ['1.2'], seriesInstanceUids: ['1.3', '1.4'] });
    assert.deepEqual(parseRetrieve(dataset({ QueryRetrieveLevel: 'PATIENT', PatientID: 'P' }), PATIENT_ROOT, plain), { patientId: 'P' });
    assert.deepEqual(parseRetrieve(dataset({ QueryRetrieveLevel: 'IMAGE', SOPInstanceUID: ['1.5', '1.6'] }), STUDY_ROOT, { relational: true }), { sopInstanceUids: ['1.5', '1.6'] });
  });
});
