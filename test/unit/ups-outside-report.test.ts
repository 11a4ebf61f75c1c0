// What is read from reports of other AI, our own form among them.
import assert from 'node:assert/strict';
import { encodeReport } from '../../ai/results/structured-report.ts';
import { statementOf } from '../../gateway/pipeline/outside-report.ts';
import { code, dataset, type Dataset } from '../../storage/dicom/dataset.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { analyzed, NOTHING_FOUND, outcomeImage, studyOutcome } from '../support/results.ts';

const item = (type: string, name: [string, string], values: Record<string, unknown>): Dataset => dataset({ ValueType: type, ConceptNameCodeSequence: [code(name[0], name[1], 'x')], ...values });
const probability = (value: number, unit = '1'): Dataset => item('NUM', ['122157', 'DCM'], { MeasuredValueSequence: [dataset({ NumericValue: String(value), MeasurementUnitsCodeSequence: [code(unit, 'UCUM', unit)] })] });
const coded = (name: string, value: string, scheme: string, meaning: string): Dataset => item('CODE', [name, 'DCM'], { ConceptCodeSequence: [code(value, scheme, meaning)] });
const report = (...content: Dataset[]): Dataset => dataset({ ContentSequence: [dataset({ ValueType: 'CONTAINER', ContentSequence: content })] });

describe('a report of other AI', () => {
  it('is positive by its summary, with the highest probability, whatever its unit', () => {
    const said = statementOf(report(coded('121071', '36118008', 'SCT', 'Pneumothorax'), probability(0.2), probability(83, '%'), coded('111017', '111242', 'DCM', 'with findings')));
    assert.deepEqual(said, { finding: 'Pneumothorax', probability: 0.83, positive: true });
  });

  it('is read as it was meant, where it is like ours', () => {
    for (const [outcome, positive] of [[analyzed({ probability: 0.91 }), true], [NOTHING_FOUND, false]] as const) {
      const [made] = encodeReport(studyOutcome([outcomeImage(outcome)]));
      const said = statementOf(parsePart10(made!.bytes).dataset);
      assert.deepEqual([said?.positive, said?.finding], [positive, 'Opacity']);
      assert.ok(Math.abs((said?.probability ?? 9) - outcome.probability) < 0.001);
    }
  });

  it('is negative by its summary, and by a finding that it calls absent', () => {
    assert.equal(statementOf(report(probability(0.1), coded('111017', '111241', 'DCM', 'without findings')))?.positive, false);
    assert.equal(statementOf(report(probability(0.1), coded('121071', '272519000', 'SCT', 'Absent')))?.positive, false);
  });

  for (const [what, content] of [
    ['a probability alone', [probability(0.9)]],
    ['a summary alone', [coded('111017', '111242', 'DCM', 'with findings')]],
    ['a number that is no probability', [probability(83), coded('111017', '111242', 'DCM', 'with findings')]],
    ['that not all of it could be done', [probability(0.1), coded('111017', '111243', 'DCM', 'not all')]],
  ] as [string, Dataset[]][])
    it(`says nothing that is taken for an outcome, where it says ${what}`, () => {
      assert.equal(statementOf(report(...content)), undefined);
    });
});
