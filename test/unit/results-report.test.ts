import assert from 'node:assert/strict';
import { encodeReport, COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR } from '../../ai/results/structured-report.ts';
import type { AnalysisOutcome } from '../../ai/analysis.ts';
import type { StudyOutcome } from '../../ai/results/outcome.ts';
import { get, items, num, nums, personName, text, type Dataset } from '../../storage/dicom/dataset.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { BACTERIAL, NOTHING_FOUND, TYPE_LABELS, analyzed, outcomeImage, radiographHeader, studyOutcome } from '../support/results.ts';

const LATERAL = outcomeImage(
  { status: 'not-analyzable', reason: 'lateral view' },
  {
    sopInstanceUid: '2.25.1002',
    digest: 'b'.repeat(64),
    header: radiographHeader({ SOPInstanceUID: '2.25.1002', ViewPosition: 'LL' }),
  },
);

function report(study: StudyOutcome): Dataset {
  return parsePart10(encodeReport(study)[0]!.bytes).dataset;
}

/** Every content item below, with the meaning of its name before it. */
function* walk(item: Dataset): Generator<{ name: string; item: Dataset }> {
  for (const child of items(item, 'ContentSequence')) {
    yield { name: text(items(child, 'ConceptNameCodeSequence')[0] ?? {}, 'CodeMeaning') ?? '', item: child };
    yield* walk(child);
  }
}

function named(item: Dataset, name: string): Dataset[] {
  return [...walk(item)].filter((entry) => entry.name === name).map((entry) => entry.item);
}

function codeValue(item: Dataset | undefined): string | undefined {
  return item && text(items(item, 'ConceptCodeSequence')[0] ?? {}, 'CodeValue');
}

function numericValue(item: Dataset | undefined): number | undefined {
  return item && num(items(item, 'MeasuredValueSequence')[0] ?? {}, 'NumericValue');
}

/** The groups that state something about a frame as a whole. */
function frameGroups(ds: Dataset): Dataset[] {
  return named(named(ds, 'Qualitative Evaluations')[0]!, 'Measurement Group');
}

describe('the structured report', () => {
  it('gives every region as a closed outline on its image, with finding, certainty and the tracking UID of the analysis', () => {
    const ds = report(studyOutcome([outcomeImage(analyzed()), LATERAL]));
    const groups = named(named(ds, 'Imaging Measurements')[0]!, 'Measurement Group');
    assert.equal(groups.length, 2);
    const [first] = groups;
    const region = named(first!, 'Image Region')[0]!;
    assert.equal(text(region, 'GraphicType'), 'POLYLINE');
    assert.deepEqual(nums(region, 'GraphicData'), [300.5, 900, 650.5, 900, 650.5, 1400, 300.5, 1400, 300.5, 900]);
    const source = items(items(region, 'ContentSequence')[0]!, 'ReferencedSOPSequence')[0]!;
    assert.equal(text(source, 'ReferencedSOPInstanceUID'), '2.25.1001');
    assert.equal(text(named(first!, 'Tracking Unique Identifier')[0]!, 'UID'), '2.25.501');
    assert.equal(codeValue(named(first!, 'Finding')[0]), '112001');
    assert.equal(numericValue(named(first!, 'Certainty of Finding')[0]), 91);
  });

  it('keeps an outline within the image, as the standard asks', () => {
    const regions = [{ x: -4, y: 1990, width: 2000, height: 30, label: 'opacity', score: 0.5, trackingUid: '2.25.5' }];
    const ds = report(studyOutcome([outcomeImage(analyzed({ regions }))]));
    assert.deepEqual(nums(named(ds, 'Image Region')[0]!, 'GraphicData'), [0, 1990, 1600, 1990, 1600, 2000, 0, 2000, 0, 1990]);
  });

  it('states for each image whether the finding is there and how probable it is', () => {
    const ds = report(studyOutcome([outcomeImage(analyzed()), outcomeImage(NOTHING_FOUND, { sopInstanceUid: '2.25.1003' })]));
    const [found, none] = frameGroups(ds);
    assert.equal(codeValue(named(found!, 'Opacity')[0]), '52101004');
    assert.equal(numericValue(named(found!, 'Probability')[0]), 0.873421);
    assert.equal(codeValue(named(none!, 'Opacity')[0]), '272519000');
    assert.equal(numericValue(named(none!, 'Probability')[0]), 0.0312);
    assert.equal(codeValue(named(none!, 'Summary of Detections')[0]), '111222');
    assert.equal(codeValue(named(ds, 'CAD Processing and Findings Summary')[0]), '111242');
  });

  describe('of a model that tells two findings apart', () => {
    const study = (...outcomes: AnalysisOutcome[]): Dataset =>
      report(studyOutcome(outcomes.map((outcome, index) => outcomeImage(outcome, { sopInstanceUid: `2.25.200${index}` })), { labels: TYPE_LABELS }));
    const presence = (item: Dataset): (string | undefined)[] => ['Bacterial pneumonia', 'Viral pneumonia'].map((name) => codeValue(items(item, 'ContentSequence').find((child) => text(items(child, 'ConceptNameCodeSequence')[0] ?? {}, 'CodeMeaning') === name)));
    const [PRESENT, ABSENT] = ['52101004', '272519000'];
    const none = analyzed({ label: 'viral', probability: 0.3, threshold: 0.5, positive: false, scores: { normal: 0.7, bacterial: 0.1, viral: 0.2 }, regions: [] });

    it('states of each how probable it is by itself, and calls the image by the more probable one alone', () => {
      const ds = study(BACTERIAL);
      const groups = frameGroups(ds);
      assert.deepEqual(groups.map((group) => codeValue(named(group, 'Finding')[0])), ['53084003', '75570004']);
      assert.deepEqual(groups.map((group) => numericValue(named(group, 'Probability')[0])), [0.6, 0.33]);
      assert.deepEqual(groups.map(presence), [[PRESENT, undefined], [undefined, undefined]]);
      assert.equal(new Set(groups.map((group) => text(named(group, 'Tracking Unique Identifier')[0]!, 'UID'))).size, 2);
      assert.deepEqual(presence(named(ds, 'Qualitative Evaluations')[0]!), [PRESENT, undefined]);
      assert.ok(named(ds, 'Algorithm Parameters').some((item) => text(item, 'TextValue') === 'threshold=0.5 for bacterial + viral'));
      assert.equal(codeValue(named(named(ds, 'Imaging Measurements')[0]!, 'Finding')[0]), '53084003');
    });

    it('says in words which was found, and that the probability that counts is of both together', () => {
      assert.equal(
        text(named(study(BACTERIAL), 'Conclusion')[0]!, 'TextValue'),
        'Bacterial pneumonia found in 1 of 1 image analysed; 1 region located. Highest probability of bacterial pneumonia or viral pneumonia 93 %: bacterial pneumonia 60 %, viral pneumonia 33 %.',
      );
      const both = study(BACTERIAL, { ...BACTERIAL, label: 'viral', regions: [] }, none);
      assert.match(text(named(both, 'Conclusion')[0]!, 'TextValue')!, /^Bacterial pneumonia found in 1, viral pneumonia found in 1 of 3 images analysed; /);
      assert.deepEqual(presence(named(both, 'Qualitative Evaluations')[0]!), [PRESENT, PRESENT]);
    });

    it('calls both absent where their sum is below the threshold', () => {
      const ds = study(none);
      assert.deepEqual(frameGroups(ds).map(presence), [[ABSENT, undefined], [undefined, ABSENT]]);
      assert.deepEqual(presence(named(ds, 'Qualitative Evaluations')[0]!), [ABSENT, ABSENT]);
      assert.match(text(named(ds, 'Conclusion')[0]!, 'TextValue')!, /^No bacterial pneumonia or viral pneumonia found in 1 image analysed\./);
    });

    it('makes one statement of an image that was not analysed', () => {
      assert.equal(frameGroups(study(LATERAL.outcome)).length, 1);
    });
  });

  it('is a report too when nothing was found, and says so', () => {
    const ds = report(studyOutcome([outcomeImage(NOTHING_FOUND)]));
    assert.equal(codeValue(named(ds, 'CAD Processing and Findings Summary')[0]), '111241');
    assert.match(text(named(ds, 'Conclusion')[0]!, 'TextValue')!, /^No opacity found in 1 image analysed\. Highest probability 3 %\.$/);
    assert.equal(named(ds, 'Imaging Measurements').length, 0);
  });

  it('says in code and in words that an image was not analysed, and why, beside one that was', () => {
    const ds = report(studyOutcome([outcomeImage(analyzed()), LATERAL]));
    const lateral = frameGroups(ds)[1]!;
    assert.equal(codeValue(named(lateral, 'Summary of Detections')[0]), '111225');
    assert.equal(text(named(lateral, 'Comment')[0]!, 'TextValue'), 'Not analysed: lateral view.');
    assert.equal(named(lateral, 'Probability').length, 0);
    assert.equal(codeValue(named(ds, 'CAD Processing and Findings Summary')[0]), '111244');
  });

  it('is a report too when no image could be analysed or the analysis failed, with the reason', () => {
    const reason = 'no frontal chest radiograph in the study';
    const ds = report(studyOutcome([LATERAL], { reason }));
    assert.equal(codeValue(named(ds, 'CAD Processing and Findings Summary')[0]), '111245');
    assert.match(text(named(ds, 'Conclusion')[0]!, 'TextValue')!, /no statement about opacity.*no frontal chest radiograph/);
    const failed = report(studyOutcome([outcomeImage({ status: 'failed', reason: 'the worker crashed twice' })]));
    const group = frameGroups(failed)[0]!;
    assert.equal(codeValue(named(group, 'Summary of Detections')[0]), '111224');
    assert.match(text(named(group, 'Comment')[0]!, 'TextValue')!, /the worker crashed twice/);
  });

  it('names model, version, checksum, settings and threshold, the device that observed, and that it is for research', () => {
    const ds = report(studyOutcome([outcomeImage(analyzed())]));
    assert.equal(text(named(ds, 'Device Observer UID')[0]!, 'UID'), '2.25.7777');
    assert.equal(text(named(ds, 'Algorithm Version')[0]!, 'TextValue'), '0.1.0');
    const parameters = new Set(named(ds, 'Algorithm Parameters').map((item) => text(item, 'TextValue')));
    assert.deepEqual(parameters, new Set([`sha256=${'c0de'.repeat(16)}`, `settings=${'5e77'.repeat(16)}`, 'threshold=0.52', 'provider=cpu']));
    const equipment = items(ds, 'ContributingEquipmentSequence')[0]!;
    assert.equal(text(equipment, 'DeviceUID'), '2.25.7777');
    assert.equal(text(equipment, 'SoftwareVersions'), '0.1.0');
    assert.ok(named(ds, 'Comment').some((item) => text(item, 'TextValue')?.startsWith('For research use only')));
  });

  it('takes over patient, study and request, names in any script', () => {
    const ds = report(studyOutcome([outcomeImage(NOTHING_FOUND)]));
    assert.deepEqual(personName(ds, 'PatientName'), {
      Alphabetic: 'Yamada^Tarou',
      Ideographic: '山田^太郎',
      Phonetic: 'やまだ^たろう',
    });
    assert.equal(text(ds, 'SpecificCharacterSet'), 'ISO_IR 192');
    assert.equal(text(ds, 'ReferringPhysicianName'), 'Müller^Jörg');
    assert.equal(text(ds, 'IssuerOfPatientID'), 'HOSPITAL');
    const request = items(ds, 'ReferencedRequestSequence')[0]!;
    assert.equal(text(request, 'AccessionNumber'), 'ACC-4711');
    assert.equal(text(request, 'RequestedProcedureID'), 'RP-9');
    assert.equal(text(items(request, 'RequestedProcedureCodeSequence')[0]!, 'CodeValue'), 'CXR2');
  });

  it('leaves nothing out that must be there when the source is bare', () => {
    const bare = { '00080016': radiographHeader()['00080016']!, '0020000D': radiographHeader()['0020000D']! };
    const ds = report(studyOutcome([outcomeImage(NOTHING_FOUND, { header: bare })]));
    for (const keyword of ['PatientName', 'PatientID', 'StudyDate', 'AccessionNumber', 'ReferringPhysicianName', 'StudyID']) {
      assert.ok(get(ds, keyword), keyword);
    }
    assert.equal(get(ds, 'ReferencedRequestSequence'), undefined);
  });

  it('lists every source instance once as evidence, and the frame where there are several', () => {
    const frames = [1, 2].map((frame) => outcomeImage(analyzed(), { frame, frames: 2 }));
    const ds = report(studyOutcome([...frames, LATERAL]));
    const series = items(items(ds, 'CurrentRequestedProcedureEvidenceSequence')[0]!, 'ReferencedSeriesSequence');
    const instances = series.flatMap((entry) => items(entry, 'ReferencedSOPSequence'));
    assert.deepEqual(instances.map((instance) => text(instance, 'ReferencedSOPInstanceUID')), ['2.25.1001', '2.25.1002']);
    const selected = named(ds, 'Image Region').map((region) => items(items(region, 'ContentSequence')[0]!, 'ReferencedSOPSequence')[0]!);
    assert.deepEqual(selected.map((item) => num(item, 'ReferencedFrameNumber')), [1, 1, 2, 2]);
  });

  it('names the report before it', () => {
    const predecessor = { sopClassUid: COMPREHENSIVE_3D_SR, sopInstanceUid: '2.25.9', seriesInstanceUid: '2.25.8', studyInstanceUid: '2.25.1' };
    const ds = report(studyOutcome([outcomeImage(NOTHING_FOUND)], { predecessor, version: 2 }));
    const series = items(items(ds, 'PredecessorDocumentsSequence')[0]!, 'ReferencedSeriesSequence')[0]!;
    assert.equal(text(items(series, 'ReferencedSOPSequence')[0]!, 'ReferencedSOPInstanceUID'), '2.25.9');
    assert.equal(num(ds, 'InstanceNumber'), 2);
  });

  it('gives the time in the zone of the source, so that copied study times stay right', () => {
    const inWinter = report(studyOutcome([outcomeImage(NOTHING_FOUND)], { createdAt: '2026-07-01T22:30:00Z' }));
    assert.equal(text(inWinter, 'TimezoneOffsetFromUTC'), '+0100', 'the study was made in winter time');
    assert.equal(text(inWinter, 'ContentDate'), '20260701');
    assert.equal(text(inWinter, 'ContentTime'), '233000');
    const header = radiographHeader({ TimezoneOffsetFromUTC: '-0330' });
    const stated = report(studyOutcome([outcomeImage(NOTHING_FOUND, { header })]));
    assert.equal(text(stated, 'TimezoneOffsetFromUTC'), '-0330');
    assert.equal(text(stated, 'ContentTime'), '094205');
  });

  it('has the same UID and bytes for the same outcome, and another UID when anything that it depends on changes', () => {
    const study = studyOutcome([outcomeImage(analyzed())]);
    const [preferred, alternative] = encodeReport(study);
    assert.deepEqual(encodeReport(structuredClone(study))[0]!.bytes, preferred!.bytes);
    const others: StudyOutcome[] = [
      { ...study, settingsDigest: 'x' },
      { ...study, model: { ...study.model, sha256: 'd'.repeat(64) } },
      { ...study, version: 2 },
      { ...study, images: [outcomeImage(analyzed(), { digest: 'e'.repeat(64) })] },
      { ...study, images: [...study.images, LATERAL] },
    ];
    const uids = others.map((other) => encodeReport(other)[0]!.sopInstanceUid);
    assert.equal(new Set([...uids, preferred!.sopInstanceUid, alternative!.sopInstanceUid]).size, 7);
  });

  it('comes as Comprehensive 3D SR and, for those who do not take that, as Comprehensive SR with the same content', () => {
    const [preferred, alternative] = encodeReport(studyOutcome([outcomeImage(analyzed())]));
    assert.equal(preferred!.sopClassUid, COMPREHENSIVE_3D_SR);
    assert.equal(alternative!.sopClassUid, COMPREHENSIVE_SR);
    assert.equal(alternative!.alternativeTo, preferred!.sopInstanceUid);
    const [a, b] = [preferred!, alternative!].map((result) => items(parsePart10(result.bytes).dataset, 'ContentSequence'));
    assert.deepEqual(a, b);
  });
});
