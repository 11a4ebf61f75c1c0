import assert from 'node:assert/strict';
import { ageAndSex, analysisWords, conclusion, durationWords, findingWords, imageNumber, extentInShort, extentWords, nameWords, percent, priorityOf } from '../../gateway/web/words.ts';
import type { StudyAnalysis } from '../../gateway/worklist/worklist.ts';
import { studyDetail } from '../support/memory-worklist.ts';

function of(values: object): string {
  return ageAndSex(studyDetail(1, { patientAge: null, patientSex: null, ...values }));
}

describe('words on the page', () => {
  const names: [string, string, string[]][] = [
    ['Müller^Hans-Peter^Karl^Dr.^jun.', 'Müller, Dr. Hans-Peter Karl, jun.', []],
    ['Yamada^Tarou=山田^太郎=やまだ^たろう', 'Yamada, Tarou', ['山田 太郎', 'やまだ たろう']],
    ['=洪^吉洞=홍^길동', '洪 吉洞', ['홍 길동']],
    ['Single', 'Single', []],
    ['', 'No name', []],
    ['^^^^', 'No name', []],
  ];
  for (const [stored, main, others] of names)
    it(`shows the name ${JSON.stringify(stored)} as ${main}`, () => assert.deepEqual(nameWords(stored), { main, others }));

  it('shows the age of the header, or else the one from birth to study', () => {
    assert.equal(of({ patientAge: '007M', patientSex: 'M' }), '7 mo M');
    assert.equal(of({ patientBirthDate: '19621121', studyDate: '20261120' }), '63 y');
    assert.equal(of({ patientBirthDate: '20260110', studyDate: '20261120' }), '10 mo');
    assert.equal(of({ patientBirthDate: '20270110', studyDate: '20261120' }), '');
    assert.equal(of({}), '');
  });

  it('never says that the model is certain', () => {
    assert.deepEqual([0, 0.004, 0.01, 0.555, 0.99, 0.996, 1].map(percent), ['< 1 %', '< 1 %', '1 %', '56 %', '99 %', '> 99 %', '> 99 %']);
  });

  it('tells how much of the lungs is opaque, and never takes a little for nothing', () => {
    const model = { name: 'lungs', version: '1', sha256: '00' };
    const measured = { severity: { right: 12.4, left: 0.4, both: 6.1, basis: 'boxes' as const, model }, severityReason: null };
    assert.equal(extentInShort(measured), 'R 12, L <1 % opaque');
    assert.equal(extentWords(measured), 'Opaque share of the lungs: right 12 %, left <1 %, both 6 %, by the boxes around the regions, which overstate it.');
    const without = { severity: null, severityReason: 'no left lung was found' };
    assert.equal(extentInShort(without), '');
    assert.equal(extentWords(without), 'How much of the lungs is opaque was not measured: no left lung was found.');
    assert.equal(extentWords({ severity: null, severityReason: null }), '');
  });

  it('counts waiting in minutes, then hours, then days', () => {
    const minute = 60_000;
    assert.deepEqual([-5, 0, 59 * minute, 65 * minute, 50 * 60 * minute].map(durationWords), ['0 min', '0 min', '59 min', '1 h 05', '2 d 2 h']);
  });

  it('puts what has no answer apart from what has none found', () => {
    assert.equal(priorityOf(studyDetail(1, { positive: true })), 'finding');
    assert.equal(priorityOf(studyDetail(1, { positive: false })), 'none-found');
    assert.equal(priorityOf(studyDetail(1, { positive: false, flagged: 'two patients' })), 'unknown');
    for (const analysis of ['failed', 'not-analyzable', 'not-routed'] as const) assert.equal(priorityOf(studyDetail(1, { positive: null, analysis })), 'unknown');
    for (const analysis of ['waiting', 'running'] as const) assert.equal(priorityOf(studyDetail(1, { positive: null, analysis })), 'pending');
  });

  it('names what a model that tells findings apart has found, and what its probability is of', () => {
    const several = { probability: 0.93, threshold: 0.5, sought: 'Bacterial pneumonia or viral pneumonia' };
    const found = studyDetail(1, { ...several, positive: true, finding: 'Bacterial pneumonia', regions: 1 });
    assert.equal(findingWords(found), 'Bacterial pneumonia');
    assert.equal(conclusion(found), 'Bacterial pneumonia suspected: probability of bacterial pneumonia or viral pneumonia 93 %, threshold 50 %. 1 region located.');
    const none = studyDetail(1, { ...several, probability: 0.3, positive: false, finding: several.sought });
    assert.match(conclusion(none), /^The model found no bacterial pneumonia or viral pneumonia \(probability 30 %, threshold 50 %\)\./);
    assert.equal(findingWords(none), 'None found');
  });

  it('says of each model what it said of an image, and counts images, not analyses', () => {
    const said = { status: 'analyzed' as const, regions: [], provider: 'cpu', milliseconds: 9, frame: 1, rows: 10, columns: 10, severity: null, severityReason: null };
    const model = (name: string) => ({ name, version: '1.0.0', sha256: 'a'.repeat(64) });
    const opacity: StudyAnalysis = { ...said, sopInstanceUid: '2.25.1', model: model('opacity'), label: 'opacity', finding: 'Opacity', sought: 'Opacity', probability: 0.7, threshold: 0.65, positive: true, scores: { opacity: 0.7 } };
    const type: StudyAnalysis = {
      ...said, sopInstanceUid: '2.25.1', model: model('pneumonia-type'), label: 'viral', finding: 'Bacterial pneumonia or viral pneumonia', sought: 'Bacterial pneumonia or viral pneumonia',
      probability: 0.4, threshold: 0.5, positive: false, scores: { normal: 0.6, bacterial: 0.1, viral: 0.3 },
    };
    const other = { ...opacity, sopInstanceUid: '2.25.2' };
    assert.equal(analysisWords(opacity), 'opacity 1.0.0: Opacity suspected, probability 70 %, threshold 65 %');
    assert.equal(analysisWords(type), 'pneumonia-type 1.0.0: no bacterial pneumonia or viral pneumonia found, probability 40 %, threshold 50 %; normal 60 %, bacterial 10 %, viral 30 %');
    assert.deepEqual([opacity, type, other].map((analysis) => imageNumber([opacity, type, other], analysis)), [1, 1, 2]);
  });

  it('says of a negative that it rules nothing out', () => {
    assert.match(conclusion(studyDetail(1, { positive: false, probability: 0.1, threshold: 0.5 })), /found no opacity \(probability 10 %, threshold 50 %\)\. That does not rule one out/);
    assert.match(conclusion(studyDetail(1, { positive: null, probability: null, analysis: 'failed', reason: 'the worker stopped' })), /^Failed: the worker stopped$/);
  });
});
