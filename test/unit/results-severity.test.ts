// How much of the lungs is opaque, in the report and in the legend of the overlay.
import assert from 'node:assert/strict';
import { legendLines } from '../../ai/results/overlay/legend.ts';
import { reportUid, overlayUid } from '../../ai/results/result-uids.ts';
import { COMPREHENSIVE_3D_SR, reportDataset } from '../../ai/results/structured-report.ts';
import type { StudyOutcome } from '../../ai/results/outcome.ts';
import { items, num, text, type Dataset } from '../../storage/dicom/dataset.ts';
import type { Severity } from '../../storage/entities/severity.ts';
import { LUNGS, MEASURED, NOTHING_FOUND, NOT_MEASURED, analyzed, outcomeImage, studyOutcome } from '../support/results.ts';

function* walk(item: Dataset): Generator<Dataset> {
  for (const child of items(item, 'ContentSequence')) {
    yield child;
    yield* walk(child);
  }
}
const nameOf = (item: Dataset): string | undefined => text(items(item, 'ConceptNameCodeSequence')[0] ?? {}, 'CodeMeaning');
const named = (item: Dataset, name: string): Dataset[] => [...walk(item)].filter((child) => nameOf(child) === name);
const value = (item: Dataset): string | undefined => text(items(item, 'ConceptCodeSequence')[0] ?? {}, 'CodeValue');
const report = (study: StudyOutcome): Dataset => reportDataset(study, COMPREHENSIVE_3D_SR);
const study = (severity: Severity = MEASURED): StudyOutcome => studyOutcome([outcomeImage(analyzed({ severity }))]);
const legend = (outcome: ReturnType<typeof analyzed>): string => legendLines(studyOutcome([outcomeImage(outcome)]), outcomeImage(outcome), outcome, 'now')[1]![0].text;

describe('severity in the report', () => {
  it('is a measurement in per cent for the right lung, the left and both, each with its site, side, image and algorithm', () => {
    const measurements = named(report(study()), 'Imaging Measurements')[0]!;
    const groups = items(measurements, 'ContentSequence').filter((group) => named(group, 'Opaque share of the lung field').length > 0);
    const told = groups.map((group) => {
      const [share] = named(group, 'Opaque share of the lung field');
      const measured = items(share!, 'MeasuredValueSequence')[0]!;
      const unit = items(measured, 'MeasurementUnitsCodeSequence')[0]!;
      const [site] = named(group, 'Finding Site');
      return [value(site!), value(named(site!, 'Laterality')[0]!), num(measured, 'NumericValue'), text(unit, 'CodeValue'), text(unit, 'CodingSchemeDesignator')];
    });
    assert.deepEqual(told, [
      ['39607008', '24028007', 12.4, '%', 'UCUM'],
      ['39607008', '7771000', 0, '%', 'UCUM'],
      ['39607008', '51440002', 6.1, '%', 'UCUM'],
    ]);
    for (const group of groups) {
      assert.equal(value(named(group, 'Finding')[0]!), '112001');
      assert.equal(text(named(group, 'Algorithm Name')[0]!, 'TextValue'), 'lungs');
      const parameters = named(group, 'Algorithm Parameters').map((item) => text(item, 'TextValue'));
      assert.deepEqual(parameters, [`sha256=${LUNGS.sha256}`, 'finding=opacity 0.1.0', 'basis=boxes']);
      const image = items(group, 'ContentSequence').find((item) => text(item, 'ValueType') === 'IMAGE')!;
      assert.equal(text(items(image, 'ReferencedSOPSequence')[0]!, 'ReferencedSOPInstanceUID'), '2.25.1001');
    }
    const uids = groups.map((group) => text(named(group, 'Tracking Unique Identifier')[0]!, 'UID'));
    assert.equal(new Set(uids).size, 3);
  });

  it('says in the conclusion that boxes overstate it', () => {
    const conclusion = text(named(report(study()), 'Conclusion')[0]!, 'TextValue')!;
    assert.ok(conclusion.endsWith('Opaque share of the lung fields: right 12 %, left 0 %, both 6 %, by the boxes around the regions, which overstate it.'), conclusion);
  });

  it('names the model of the lungs as equipment, and who is behind the code that is ours', () => {
    const ds = report(study());
    assert.deepEqual(items(ds, 'ContributingEquipmentSequence').map((item) => text(item, 'DeviceUID')), ['2.25.7777', LUNGS.deviceUid]);
    assert.equal(text(items(ds, 'CodingSchemeIdentificationSequence')[0]!, 'CodingSchemeDesignator'), '99HILUM');
  });

  it('is no number where the lungs were not found plausibly, but the reason at the image and in the conclusion', () => {
    const ds = report(study(NOT_MEASURED));
    assert.equal(named(ds, 'Opaque share of the lung field').length, 0);
    const sentence = 'How much of the lungs is opaque was not measured: only a part of the left lung was found.';
    const comments = named(named(ds, 'Qualitative Evaluations')[0]!, 'Comment').map((item) => text(item, 'TextValue'));
    assert.ok(comments.includes(sentence), comments.join('\n'));
    assert.ok(text(named(ds, 'Conclusion')[0]!, 'TextValue')!.endsWith(sentence));
  });

  it('is not spoken of where nothing was found, or no model of the lungs was asked', () => {
    for (const outcome of [NOTHING_FOUND, analyzed()]) {
      const ds = report(studyOutcome([outcomeImage(outcome)]));
      assert.doesNotMatch(JSON.stringify(ds), /opaque|lungs/i);
    }
  });

  it('makes another UID with another model of the lungs, and where a failure took the number', () => {
    const other = { ...MEASURED, model: { ...LUNGS, sha256: 'cd'.repeat(32) } };
    const failed = { ...NOT_MEASURED, reason: 'the model of the lungs failed' };
    const studies = [study(), study(other), study(NOT_MEASURED), study(failed), studyOutcome([outcomeImage(analyzed())])];
    for (const uid of [(it: StudyOutcome) => reportUid(it, COMPREHENSIVE_3D_SR), (it: StudyOutcome) => overlayUid(it, '1.2', it.images[0]!)]) {
      assert.equal(new Set(studies.map(uid)).size, studies.length);
      assert.equal(uid(study()), uid(study()));
    }
  });
});

describe('severity in the legend', () => {
  it('is a short line with the sides and what it is measured by', () => {
    assert.equal(legend(analyzed({ severity: MEASURED })), 'Opaque: right 12 %, left 0 % (by boxes)   2 regions');
    assert.equal(legend(analyzed({ severity: { ...MEASURED, basis: 'map', left: 0.4 } })), 'Opaque: right 12 %, left <1 %   2 regions');
    assert.equal(legend(analyzed({ severity: NOT_MEASURED })), '2 regions   1: 91 %   2: 44 %   Extent not measured');
  });
});
