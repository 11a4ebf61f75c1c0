import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Matching } from '../../storage/archive.ts';
import { code, dataset, tagOf } from '../../storage/dicom/dataset.ts';
import { matches } from '../../storage/ups/matching.ts';

const STEP = dataset({
  PatientName: { Alphabetic: 'Müller^Jörg', Ideographic: '山田^太郎' },
  PatientID: 'P1',
  ProcedureStepLabel: 'AI: chest',
  ScheduledProcedureStepStartDateTime: '20261120143000+0100',
  PatientBirthDate: '19600229',
  ScheduledWorkitemCodeSequence: [code('A1', '99TEST', 'One')],
  InputInformationSequence: null,
});

const meets = (keyword: string, matching: Matching, fuzzy = false): boolean => matches(STEP, [{ tag: tagOf(keyword), matching }], fuzzy);
const values = (...wanted: string[]): Matching => ({ kind: 'values', values: wanted });

describe('matching of steps', () => {
  for (const [what, keyword, matching, expected] of [
    ['a value as it is', 'PatientID', values('P1'), true],
    ['another case, which an ID keeps', 'PatientID', values('p1'), false],
    ['one of several', 'PatientID', values('P9', 'P1'), true],
    ['a wildcard', 'ProcedureStepLabel', values('AI*che?t'), true],
    ['a dot, which is no wildcard', 'ProcedureStepLabel', values('AI. chest'), false],
    ['a name without case and accents', 'PatientName', values('MULLER^jorg'), true],
    ['the ideographic group of a name', 'PatientName', values('山田*'), true],
    ['no part of a name without a wildcard', 'PatientName', values('Müller'), false],
    ['a moment within a range, whatever their zones', 'ScheduledProcedureStepStartDateTime', { kind: 'range', from: '20261120133000+0000', to: '20261120133000+0000' }, true],
    ['a day by its moment', 'ScheduledProcedureStepStartDateTime', values('20261120'), true],
    ['the end of a range, which belongs to it', 'PatientBirthDate', { kind: 'range', to: '19600229' }, true],
    ['the day after', 'PatientBirthDate', { kind: 'range', from: '19600301' }, false],
    ['an attribute of an item', 'ScheduledWorkitemCodeSequence', { kind: 'sequence', keys: [{ tag: tagOf('CodeValue'), matching: values('A1') }] }, true],
    ['two attributes of one item', 'ScheduledWorkitemCodeSequence', { kind: 'sequence', keys: [{ tag: tagOf('CodeValue'), matching: values('A1') }, { tag: tagOf('CodeMeaning'), matching: values('Two') }] }, false],
    ['what is empty', 'InputInformationSequence', { kind: 'empty' }, true],
    ['what is not empty', 'PatientID', { kind: 'empty' }, false],
    ['anything', 'AccessionNumber', { kind: 'universal' }, true],
  ] as [string, string, Matching, boolean][])
    it(`${expected ? 'finds' : 'does not find'} ${what}`, () => {
      assert.equal(meets(keyword, matching), expected);
    });

  it('finds a name by the beginnings of its words only when that is asked for', () => {
    assert.equal(meets('PatientName', values('jor mul'), true), true);
    assert.equal(meets('PatientName', values('jor mul')), false);
  });

  it('finds every value by itself, whatever characters it is made of', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }).filter((text) => text.trim() === text && !/[*?]/.test(text)), (text) => matches(dataset({ WorklistLabel: text }), [{ tag: tagOf('WorklistLabel'), matching: values(text) }])),
    );
  });
});
