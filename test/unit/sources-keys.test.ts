import assert from 'node:assert/strict';
import { settingsSchema, type Source } from '../../config/settings.ts';
import { getContexts } from '../../gateway/dimse/get-scu.ts';
import { partsOf } from '../../gateway/sources/fetch.ts';
import { combinations, dayIn, identifierOf, KeyError, parseKeys } from '../../gateway/sources/keys.ts';
import { judged } from '../../gateway/sources/modality-worklist.ts';
import { questionsOf } from '../../gateway/sources/watch.ts';
import { dataset, keywordOf } from '../../storage/dicom/dataset.ts';

const TODAY = '20260301';

describe('keys of a query', () => {
  it('are keywords or tags, with a value or without', () => {
    assert.deepEqual(parseKeys(['PatientID=A=B', '0010,0010=M*', '(0008,0050)', '00080020=20260101-'], 'study', TODAY), {
      PatientID: 'A=B', PatientName: 'M*', AccessionNumber: '', StudyDate: '20260101-',
    });
    assert.deepEqual(parseKeys(['RequestAttributesSequence.RequestedProcedureID=R1'], 'series', TODAY), { 'RequestAttributesSequence.RequestedProcedureID': 'R1' });
    assert.deepEqual(parseKeys(['Modality=CR'], 'study', TODAY), { ModalitiesInStudy: 'CR' });
    assert.deepEqual(parseKeys(['Modality=CR'], 'series', TODAY), { Modality: 'CR' });
  });

  it('know today in dates, over the end of a month, and nowhere else', () => {
    const date = (value: string): string | undefined => parseKeys([`StudyDate=${value}`], 'study', TODAY)['StudyDate'];
    assert.deepEqual(['today', 'today-1', 'today-7-today', 'today-', '-today', 'today-20260401', 'TODAY'].map(date), [
      '20260301', '20260228', '20260222-20260301', '20260301-', '-20260301', '20260301-20260401', '20260301',
    ]);
    assert.equal(parseKeys(['PatientID=today'], 'study', TODAY)['PatientID'], 'today');
  });

  it('are refused with the reason', () => {
    const refused = (...args: string[]): string => {
      try {
        identifierOf(parseKeys(args, 'study', TODAY));
      } catch (error) {
        assert.ok(error instanceof KeyError, String(error));
        return error.message;
      }
      return '';
    };
    assert.equal(refused('PatientIdentifier=1'), '"PatientIdentifier" is not a DICOM keyword or tag');
    assert.equal(refused('00091001=1'), '"00091001" is not a DICOM keyword or tag');
    assert.equal(refused('PatientID.PatientName=1'), 'PatientID is not a sequence');
    assert.equal(refused('PatientID=1', '00100020=2'), 'PatientID is given twice');
    assert.match(refused('RequestAttributesSequence=1'), /is a sequence: ask for one of its attributes/);
    assert.equal(refused('Rows=many'), 'Rows is a number, not "many"');
  });

  it('become an identifier: sequences nested, lists split, empty ones asked for', () => {
    const identifier = identifierOf({ PatientID: '', StudyInstanceUID: '1.2\\1.3', PatientName: 'M*', 'RequestAttributesSequence.RequestedProcedureID': 'R1', 'RequestAttributesSequence.ScheduledProcedureStepID': '' });
    assert.deepEqual(identifier, {
      '00100020': { vr: 'LO' },
      '0020000D': { vr: 'UI', Value: ['1.2', '1.3'] },
      '00100010': { vr: 'PN', Value: [{ Alphabetic: 'M*' }] },
      '00400275': { vr: 'SQ', Value: [{ '00401001': { vr: 'SH', Value: ['R1'] }, '00400009': { vr: 'SH' } }] },
    });
  });

  it('are asked one value at a time', () => {
    assert.deepEqual(combinations({ ModalitiesInStudy: ['CR', 'DX'], InstitutionName: ['A'] }), [
      { ModalitiesInStudy: 'CR', InstitutionName: 'A' },
      { ModalitiesInStudy: 'DX', InstitutionName: 'A' },
    ]);
  });
});

describe('the days that a watch asks for', () => {
  const source = (watch: Record<string, unknown>): Source =>
    settingsSchema.parse({ sources: [{ name: 'archive', type: 'dicomweb', url: 'http://archive', watch }] }).sources[0]!;
  /** Half past midnight in Zurich, still the day before in UTC. */
  const midnight = new Date('2026-02-28T23:30:00Z');

  it("are those of the settings' zone: yesterday, where a study may still be arriving, to tomorrow, where a clock is ahead", () => {
    assert.equal(dayIn('Europe/Zurich', midnight), '20260301');
    assert.deepEqual(questionsOf(source({ query: { Modality: ['CR'] } }), 'Europe/Zurich', midnight), [{ ModalitiesInStudy: 'CR', StudyDate: '20260228-20260302' }]);
    assert.deepEqual(questionsOf(source({ query: { Modality: ['CR'] } }), 'UTC', midnight)[0]?.['StudyDate'], '20260227-20260301');
    assert.equal(questionsOf(source({ days: 7 }), 'Europe/Zurich', midnight)[1]?.['StudyDate'], '20260222-20260302');
  });
});

describe('what is fetched of a study', () => {
  const listed = ['1.1', '1.2', '2.1', '2.2'].map((uid) => ({ seriesInstanceUid: uid.slice(0, 1), sopInstanceUid: uid }));

  it('is all of it at once, a series at once, or single instances', () => {
    assert.deepEqual(partsOf(listed, listed), [{}]);
    assert.deepEqual(partsOf(listed, listed.slice(1)), [{ seriesInstanceUid: '1', sopInstanceUids: ['1.2'] }, { seriesInstanceUid: '2' }]);
  });

  it('is proposed in every transfer syntax by itself where there is room, and always within 128 contexts', () => {
    for (const count of [1, 2, 3, 8, 40, 63, 126]) {
      const classes = Array.from({ length: count }, (_, index) => `1.2.${index}`);
      const { contexts, roles } = getContexts(['1.9', '1.8'], classes);
      assert.ok(contexts.length <= 128, `${contexts.length} contexts for ${count} classes`);
      assert.deepEqual(roles?.map(({ abstractSyntax, scu, scp }) => [abstractSyntax, scu, scp]), classes.map((uid) => [uid, false, true]));
      for (const uid of classes) {
        const syntaxes = contexts.filter(({ abstractSyntax }) => abstractSyntax === uid).flatMap(({ transferSyntaxes }) => transferSyntaxes);
        assert.equal(new Set(syntaxes).size, syntaxes.length);
        assert.ok(syntaxes.includes('1.2.840.10008.1.2.4.70') && syntaxes.includes('1.2.840.10008.1.2'));
      }
    }
    const [, , alone] = getContexts(['1.9', '1.8'], ['1.2.1']).contexts;
    assert.deepEqual(alone?.transferSyntaxes, ['1.2.840.10008.1.2.1']);
  });
});

describe('an item of a modality worklist', () => {
  const header = dataset({ PatientID: 'P1', PatientName: 'A^B', AccessionNumber: 'X1' });
  const item = (values: Record<string, unknown> = {}) => dataset({ PatientID: 'P1', PatientName: 'A^B', PatientBirthDate: '19700203', PatientSex: 'F', AccessionNumber: 'X1', ...values });
  const settings = { matchBy: 'AccessionNumber' as const, complete: ['PatientBirthDate' as const, 'PatientSex' as const, 'PatientID' as const] };
  const outcomeOf = (image: typeof header, items: (typeof header)[]) => {
    const { outcome, detail, attributes = {} } = judged(image, settings, items);
    return [outcome, detail, Object.keys(attributes).map((tag) => keywordOf(tag)).toSorted()];
  };

  it('completes, where it is of the same patient', () => {
    assert.deepEqual(outcomeOf(header, [item()]), ['completed', null, ['PatientBirthDate', 'PatientID', 'PatientSex']]);
    assert.deepEqual(outcomeOf(dataset({ AccessionNumber: 'X1' }), [item()])[0], 'completed');
  });

  it('is not believed where it speaks of another patient, or several items of different ones', () => {
    assert.deepEqual(outcomeOf(header, [item({ PatientID: 'P2' })]), ['contradiction', 'Patient ID differs', []]);
    assert.deepEqual(outcomeOf(dataset({ PatientSex: 'M', AccessionNumber: 'X1' }), [item()]), ['contradiction', "Patient's Sex differs", []]);
    assert.deepEqual(outcomeOf(header, [item(), item({ PatientID: 'P2' })]), ['ambiguous', 'items of different patients have this AccessionNumber', []]);
  });

  it('leaves out what the items of one request do not agree in, or do not say', () => {
    assert.deepEqual(outcomeOf(header, [item(), item({ PatientSex: null })])[2], ['PatientBirthDate', 'PatientID']);
    assert.deepEqual(outcomeOf(header, [])[0], 'no-match');
  });
});
