// From what a model said to the report: of a model of three classes, with figures that it was accepted with.
import assert from 'node:assert/strict';
import type { EvaluationCase } from '../../ai/evaluation/cases/case.ts';
import { evaluateModel } from '../../ai/evaluation/evaluate-model.ts';
import type { Evaluation, ModelEvaluation } from '../../ai/evaluation/model-evaluation.ts';
import { openedModel, reportedRegions } from '../../ai/evaluation/opened-model.ts';
import { reportPage } from '../../ai/evaluation/report/page.ts';
import type { Prediction } from '../../ai/evaluation/run.ts';
import { random } from '../../ai/phantom/random.ts';
import type { ModelPackage } from '../../ai/runtime/manifest.ts';

const code = { value: 'x', scheme: 'x', meaning: 'x' };
const MANIFEST = {
  name: 'kinds',
  labels: [{ name: 'normal', positive: false, code }, { name: 'bacterial', positive: true, code }, { name: 'viral', positive: true, code }],
  operatingPoint: { threshold: 0.5, chosenFor: 'tests' },
  outputs: { logit: { tensor: 'logit' }, boxes: { tensor: 'b', scores: 's', format: 'xyxy', units: 'pixels', scoreThreshold: 0.4, nmsIou: 0.5, maxRegions: 2 } },
  applicability: { modalities: ['DX'], views: ['PA'], bodyParts: ['CHEST', ''], ageUnknown: 'refuse' },
  figures: { 'test all': { images: 600, auc: [0.999, 0.998, 1], 'auc bacterial against viral': [0.5, 0.4, 0.6], calibrationError: 0.4, 'regions ap50': [0.9, 0.8, 1] } },
};
const MODEL = { identity: { name: 'kinds', version: '1', sha256: 'ab', deviceUid: '2.25.1', manufacturer: 'x' }, manifest: MANIFEST } as unknown as ModelPackage;

const told = (name: string, word: string): EvaluationCase => ({ name, path: name, told: name, words: [word], boxes: [], frame: 1, columns: {} });

/** Normal, bacterial and viral by turns, 300 patients with two images each; the boys' pneumonias are often missed. */
function predictions(): Prediction[] {
  const source = random(11);
  return Array.from({ length: 600 }, (_, image) => {
    const patient = Math.floor(image / 2);
    const word = ['normal', 'bacterial', 'viral'][patient % 3]!;
    const sex = patient % 2 ? 'male' : 'female';
    const missed = word !== 'normal' && sex === 'male' && source.chance(0.4);
    const ill = word === 'normal' || missed ? source.between(0, 0.45) : source.between(0.4, 1);
    const bacterial = ill * (word === 'bacterial' ? source.between(0.4, 1) : source.between(0, 0.6));
    return {
      case: told(`${image}.png`, word === 'bacterial' ? 'bacteria' : word),
      model: 'kinds',
      patient: `p${patient}`,
      attributes: { sex, age: '', view: 'PA', manufacturer: '', kind: word === 'normal' ? '' : word },
      result: { status: 'analyzed', probability: ill, scores: { normal: 1 - ill, bacterial, viral: ill - bacterial }, candidates: [] },
    };
  });
}
const options = { count: 300, seed: 1, wantedSensitivity: 0.95, prevalence: undefined, map: new Map(), by: [], provider: 'cpu' };

describe('the report of the evaluation', () => {
  let report: ModelEvaluation;
  before(async () => {
    const unanalyzed = ['1', '2'].map((name): Prediction => ({ ...predictions()[0]!, case: told(`lateral ${name}`, 'viral'), result: { status: 'not-analyzable', reason: 'lateral view <b>' } }));
    report = await evaluateModel(MODEL, [...predictions(), ...unanalyzed], options);
  });

  it('tells the classes from each other, and calls an image by the gateway’s rule', () => {
    const { classes, confusion } = report;
    assert.deepEqual(classes!.names, ['normal', 'bacterial', 'viral']);
    assert.deepEqual(classes!.pairs.map(({ one, other }) => `${one}/${other}`), ['normal/bacterial', 'normal/viral', 'bacterial/viral']);
    const [[, ...calledIll], ...ill] = classes!.confusion as [number[], ...number[][]];
    assert.equal(confusion.falsePositive, calledIll.reduce((sum, count) => sum + count, 0));
    assert.equal(confusion.falseNegative, ill.reduce((sum, row) => sum + row[0]!, 0));
    assert.ok(classes!.pairs[2]!.auc.value! > 0.8 && classes!.pairs[2]!.auc.low! < classes!.pairs[2]!.auc.value!);
  });

  it('warns first of what matters: the sensitivity, the sub-group, what is worse than accepted', () => {
    const { warnings, subgroups } = report;
    assert.match(warnings[0]!, /^the sensitivity at the threshold of the manifest, 0\.\d+ \(.*\), is below the wanted 95 %$/);
    assert.match(warnings[1]!, /^sex male falls off: AUC lower than in the rest by 0\.\d+ .* also allowing for all the comparisons made$/);
    assert.ok(warnings.some((warning) => /^auc is worse than accepted: .*, not 0\.999 \(test all\)$/.test(warning)), warnings.join('\n'));
    assert.deepEqual(subgroups.map(({ attribute }) => attribute), ['sex', 'view', 'kind']);
    assert.deepEqual(subgroups[2]!.groups.map(({ value, figures }) => [value, figures.specificity.value]), [['bacterial', null], ['viral', null]]);
  });

  it('sets the figures beside those of the manifest, as train export writes them', () => {
    assert.deepEqual(report.accepted.map(({ name, accepted, verdict }) => [name, accepted, verdict]), [
      ['auc', 0.999, 'worse'],
      ['auc bacterial against viral', 0.5, 'better'],
      ['calibrationError', 0.4, 'better'],
    ]);
  });

  it('sets beside them what a set of one class can show, and no more', async () => {
    const accepted = { 'test all': { auc: 0.9, accuracy: 0.9, sensitivity: 0.1, specificity: 0.1, precision: 0.1, calibrationError: 0.001 } };
    const model = { ...MODEL, manifest: { ...MANIFEST, figures: accepted } } as unknown as ModelPackage;
    const set = async (words: string[]): Promise<string[]> =>
      (await evaluateModel(model, predictions().filter((each) => words.includes(each.case.words[0]!)), options)).accepted.map(({ name }) => name);
    assert.deepEqual(await set(['normal', 'bacteria', 'viral']), ['auc', 'accuracy', 'sensitivity', 'specificity', 'ppv', 'calibrationError']);
    assert.deepEqual(await set(['bacteria', 'viral']), ['sensitivity']);
    assert.deepEqual(await set(['normal']), ['specificity']);
  });

  it('counts what has no outcome, and what the figures become with it', () => {
    assert.deepEqual([report.images.listed, report.images.analyzed, report.images.notAnalyzable, report.images.patients], [602, 600, 2, 300]);
    const { truePositive, falseNegative } = report.confusion;
    assert.equal(report.missesCounted.sensitivity, truePositive / (truePositive + falseNegative + 2));
  });

  it('is a page that stands alone, with nothing of a file let through as markup', () => {
    const evaluation: Evaluation = {
      madeAt: '2026-01-02T03:04:05.000Z', hilum: '0', data: { source: '<i>list', digest: 'cd', images: 602, leftOut: [] }, models: [report],
      options: { model: null, sensitivity: 0.95, bootstrap: 300, seed: 1, prevalence: null, by: [], map: {} },
    };
    const page = reportPage(evaluation);
    assert.match(page, /bacterial against viral, of these alone/);
    assert.match(page, /lateral view &lt;b&gt;/);
    assert.match(page, /&lt;i&gt;list/);
    assert.doesNotMatch(page, /NaN|undefined|<script|https?:/);
    assert.equal(page.match(/<svg /g)!.length, page.match(/<\/svg>/g)!.length);
  });

  it('is made of one image, or of none that could be analysed, without a figure that is no number', async () => {
    for (const few of [predictions().slice(0, 1), predictions().slice(0, 1).map((each): Prediction => ({ ...each, result: { status: 'failed', reason: 'broken' } }))]) {
      const small = await evaluateModel(MODEL, few, options);
      assert.equal(small.figures.auc.value, null);
      assert.doesNotMatch(JSON.stringify(small), /NaN|Infinity/);
    }
  });
});

describe('the opened model', () => {
  const boxes = [0.9, 0.5, 0.45, 0.3].map((score, x) => ({ x, y: 0, width: 1, height: 1, score }));

  it('tells what the gateway reports by the thresholds of the manifest', () => {
    const { manifest } = MODEL;
    assert.deepEqual(reportedRegions(manifest, 0.6, boxes), boxes.slice(0, 2));
    assert.deepEqual(reportedRegions(manifest, 0.4, boxes), []);
    assert.deepEqual(reportedRegions(manifest, 0.6, boxes.slice(3)), boxes.slice(3));
    assert.deepEqual(reportedRegions(manifest, 0.6, [{ ...boxes[3]!, score: 0.1 }]), []);
  });

  it('takes what an image does not say only where the user named the model', () => {
    const { applicability } = openedModel(MODEL, true).manifest;
    assert.deepEqual([applicability.views, applicability.bodyParts, applicability.ageUnknown], [['PA', ''], ['CHEST', ''], 'accept']);
    assert.deepEqual(openedModel(MODEL, false).manifest.applicability, MODEL.manifest.applicability);
  });
});
