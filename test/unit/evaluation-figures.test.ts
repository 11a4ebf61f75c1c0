// The figures of `hilum evaluate`, against values of scikit-learn 1.2.1 and against cases worked out by hand.
import assert from 'node:assert/strict';
import { Resamples, bootstrap, quantile } from '../../ai/evaluation/figures/bootstrap.ts';
import { boxMeasure } from '../../ai/evaluation/figures/box-measure.ts';
import { challengeScore, hitsOf, overlap } from '../../ai/evaluation/figures/boxes.ts';
import type { LocatedImage, ScoredRectangle } from '../../ai/evaluation/figures/boxes.ts';
import { brierScore, calibrationError, calibrationInTheLarge, reliability } from '../../ai/evaluation/figures/calibration.ts';
import { classMeasure, confusionMatrix } from '../../ai/evaluation/figures/classes.ts';
import { areaUnderRoc, averagePrecision, precisionRecallCurve, rankingOf, rocCurve } from '../../ai/evaluation/figures/ranking.ts';
import { countsAt, predictiveValues, ratesOf } from '../../ai/evaluation/figures/rates.ts';
import { groupMeasure, groupsOf, judgeGroups, twoSided } from '../../ai/evaluation/figures/subgroups.ts';
import { adviceFor, adviceMeasure } from '../../ai/evaluation/figures/threshold-advice.ts';
import { random } from '../../ai/phantom/random.ts';

const near = (actual: number | null | undefined, expected: number, tolerance = 1e-9): void =>
  assert.ok(typeof actual === 'number' && Math.abs(actual - expected) <= tolerance, `${actual}, not ${expected}`);

/** With ties across both truths. */
const PROBABILITY = [0.92, 0.85, 0.85, 0.71, 0.64, 0.64, 0.64, 0.5, 0.33, 0.21, 0.2, 0.05];
const TRUTH = [1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 0, 0];
const ONCE = PROBABILITY.map(() => 1);
/** A resample. */
const WEIGHTS = [2, 0, 1, 1, 3, 1, 0, 1, 2, 1, 0, 1];

describe('figures of the evaluation: ranking and rates', () => {
  const ranking = rankingOf(PROBABILITY, TRUTH);

  it('has the AUC and average precision of scikit-learn, with ties and with weights', () => {
    near(areaUnderRoc(ranking, ONCE), 0.7916666666666667);
    near(areaUnderRoc(ranking, WEIGHTS), 0.6785714285714285);
    near(averagePrecision(ranking, ONCE), 0.751984126984127);
    near(averagePrecision(ranking, WEIGHTS), 0.7234848484848484);
  });

  it('weighs an image twice as if it were there twice', () => {
    const copied = PROBABILITY.flatMap((each, image) => Array.from({ length: WEIGHTS[image]! }, () => [each, TRUTH[image]!] as const));
    const repeated = rankingOf(copied.map(([each]) => each), copied.map(([, truth]) => truth));
    near(areaUnderRoc(repeated, copied.map(() => 1)), areaUnderRoc(ranking, WEIGHTS));
    near(averagePrecision(repeated, copied.map(() => 1)), averagePrecision(ranking, WEIGHTS));
  });

  it('draws curves from corner to corner that hold the same areas', () => {
    const roc = rocCurve(ranking);
    assert.deepEqual([roc[0]!.falsePositiveRate, roc[0]!.sensitivity], [0, 0]);
    assert.deepEqual([roc.at(-1)!.falsePositiveRate, roc.at(-1)!.sensitivity], [1, 1]);
    const area = roc.slice(1).reduce((sum, point, before) => sum + ((point.sensitivity + roc[before]!.sensitivity) / 2) * (point.falsePositiveRate - roc[before]!.falsePositiveRate), 0);
    near(area, 0.7916666666666667);
    assert.deepEqual(precisionRecallCurve(ranking)[0], { threshold: 0.92, recall: 1 / 6, precision: 1 });
  });

  it('tells no AUC where one truth is missing', () => {
    assert.ok(Number.isNaN(areaUnderRoc(rankingOf([0.1, 0.9], [1, 1]), [1, 1])));
    assert.deepEqual(rocCurve(rankingOf([0.1, 0.9], [1, 1])), []);
  });

  it('counts an image at the threshold as positive, as the gateway does', () => {
    assert.deepEqual(countsAt(PROBABILITY, TRUTH, 0.64, ONCE), { truePositive: 5, falsePositive: 2, trueNegative: 4, falseNegative: 1 });
    const rates = ratesOf({ truePositive: 5, falsePositive: 2, trueNegative: 4, falseNegative: 1 });
    near(rates.f1, 0.7692307692307692);
    near(rates.ppv, 5 / 7);
    near(rates.npv, 4 / 5);
    near(rates.accuracy, 9 / 12);
  });

  it('moves the predictive values with the prevalence', () => {
    // Of 1000 patients 100 are ill: 90 are found, 180 of the 900 others called as well.
    near(predictiveValues(0.9, 0.8, 0.1).ppv, 90 / 270);
    near(predictiveValues(0.9, 0.8, 0.1).npv, 720 / 730);
  });

  it('has the calibration error in ten bins and the Brier score of scikit-learn', () => {
    const bins = reliability(PROBABILITY, TRUTH, ONCE);
    near(calibrationError(bins), 0.2316666666666666);
    near(brierScore(PROBABILITY, TRUTH, ONCE), 0.19081666666666666);
    near(calibrationInTheLarge(bins), PROBABILITY.reduce((sum, each) => sum + each, 0) / 12 - 0.5);
    assert.deepEqual([bins[9]!.images, reliability([1], [1], [1])[9]!.images], [1, 1]);
  });
});

describe('figures of the evaluation: classes', () => {
  const scores = [
    [0.49, 0.19, 0.32], [0.53, 0.03, 0.44], [0.79, 0.14, 0.07], [0.31, 0.33, 0.36], [0.06, 0.57, 0.37],
    [0.77, 0.2, 0.03], [0.14, 0.18, 0.68], [0.04, 0.12, 0.84], [0.16, 0.31, 0.53], [0.02, 0.98, 0],
  ];
  const classified = {
    classes: ['normal', 'bacterial', 'viral'],
    truth: Int8Array.of(0, 0, 1, 1, 1, 2, 2, 2, 0, 1),
    told: Int8Array.from(scores, (row) => row.indexOf(Math.max(...row))),
    scores: [0, 1, 2].map((index) => Float64Array.from(scores, (row) => row[index]!)),
  };

  it('tells each class from the rest, and each two from each other, as scikit-learn does', () => {
    const figures = classMeasure(classified)(scores.map(() => 1));
    near(figures['auc normal'], 0.6666666666666666);
    near(figures['auc bacterial'], 0.8333333333333334);
    near(figures['auc viral'], 0.7142857142857143);
    near(figures['auc normal / bacterial'], 0.75);
    near(figures['auc normal / viral'], 0.6666666666666667);
    near(figures['auc bacterial / viral'], 0.75);
    near(figures['accuracy bacterial / viral'], 5 / 7);
    near(figures['accuracy'], 6 / 10);
  });

  it('counts who is taken for whom, truth in rows, and leaves out images whose class is not known', () => {
    assert.deepEqual(confusionMatrix(classified), [[2, 0, 1], [1, 2, 1], [1, 0, 2]]);
    const unknown = { ...classified, truth: classified.truth.map((actual, image) => (image === 0 ? -1 : actual)) };
    assert.deepEqual(confusionMatrix(unknown)[0], [1, 0, 1]);
  });
});

describe('figures of the evaluation: regions', () => {
  const box = (x: number, y: number, width: number, height: number, score = 1): ScoredRectangle => ({ x, y, width, height, score });

  it('gives each true box to the best-scored region that overlaps it most, once', () => {
    near(overlap(box(0, 0, 10, 10), box(5, 0, 10, 10)), 1 / 3);
    const truth = [box(0, 0, 10, 10), box(20, 0, 10, 10)];
    assert.deepEqual(hitsOf([box(1, 0, 10, 10), box(0, 0, 10, 10), box(21, 0, 10, 10), box(50, 50, 5, 5)], truth, 0.5), [true, false, true, false]);
  });

  it('has the average precision of a case worked out by hand', () => {
    // By falling score: hit, miss, hit, miss, of three true boxes. Precision 1, 1/2, 2/3, 1/2; envelope 1 to recall 1/3, 2/3 to 2/3.
    const images: LocatedImage[] = [
      { image: 0, truth: [box(0, 0, 10, 10), box(40, 40, 10, 10)], candidates: [box(0, 0, 10, 10, 0.9), box(40, 41, 10, 10, 0.5)], reported: [box(0, 0, 10, 10, 0.9)] },
      { image: 1, truth: [], candidates: [box(5, 5, 9, 9, 0.8), box(30, 5, 9, 9, 0.4)], reported: [box(5, 5, 9, 9, 0.8)] },
      { image: 2, truth: [box(0, 0, 20, 20)], candidates: [], reported: [] },
    ];
    const figures = boxMeasure(images)([1, 1, 1]);
    near(figures['ap50'], 1 / 3 + (1 / 3) * (2 / 3));
    near(figures['hitRate'], 1 / 3);
    near(figures['precision'], 1 / 2);
    near(figures['falseAnImage'], 1 / 3);
    // Within 0.25 false regions an image, which is none of three images, one box is hit; within 0.5, which is one, two are.
    near(figures['froc 0.25'], 1 / 3);
    near(figures['froc 0.5'], 2 / 3);
    // An image drawn twice weighs twice: now 2, 4 of 5 boxes... precision 2/2, 2/3, 4/5 at recall 2/5, 4/5.
    near(boxMeasure(images)([2, 1, 1])['ap50'], 2 / 5 + (2 / 5) * (4 / 5));
  });

  it('has the score of the RSNA challenge', () => {
    // An overlap of 0.6 (5 x 10 of 10 x 10 would be 0.5; 6 x 10 is 0.6) counts at 0.4, 0.45, 0.5, 0.55, 0.6 of eight.
    near(challengeScore([box(0, 0, 6, 10)], [box(0, 0, 10, 10)]), 5 / 8);
    near(challengeScore([box(0, 0, 10, 10), box(50, 0, 10, 10)], [box(0, 0, 10, 10)]), 1 / 2);
    near(challengeScore([box(0, 0, 10, 10)], []), 0);
    assert.equal(challengeScore([], []), undefined);
  });
});

describe('figures of the evaluation: intervals', () => {
  it('takes percentiles as numpy does', () => {
    near(quantile([1, 2, 4, 8], 0.025), 1.075);
    near(quantile([1, 2, 4, 8], 0.5), 3);
    near(quantile([1, 2, 4, 8], 0.975), 7.7);
  });

  it('comes near the interval of theory for a mean, and is the same each time for one seed', async () => {
    const values = Float64Array.from({ length: 400 }, (_, at) => Number(at < 120));
    const mean = { it: (weights: ArrayLike<number>) => ({ share: values.reduce((sum, value, at) => sum + value * weights[at]!, 0) / 400 }) };
    const patients = Int32Array.from(values.keys());
    const [once, again, other] = await Promise.all([1, 1, 2].map((seed) => bootstrap(mean, patients, { count: 2000, seed })));
    const figure = once!.it.figure('share');
    // sqrt(0.3 * 0.7 / 400) * 1.96 = 0.0449
    near(figure.low, 0.3 - 0.0449, 0.006);
    near(figure.high, 0.3 + 0.0449, 0.006);
    assert.deepEqual(again!.it.figure('share'), figure);
    assert.notDeepEqual(other!.it.figure('share'), figure);
  });

  it('draws patients, not images: ten alike images of each patient make the interval no narrower', async () => {
    const truth = Float64Array.from({ length: 400 }, (_, at) => Number(Math.floor(at / 10) < 12));
    const mean = { it: (weights: ArrayLike<number>) => ({ share: truth.reduce((sum, value, at) => sum + value * weights[at]!, 0) / truth.reduce((sum, _, at) => sum + weights[at]!, 0) }) };
    const byPatient = await bootstrap(mean, Int32Array.from(truth, (_, at) => Math.floor(at / 10)), { count: 1000, seed: 1 });
    const { low, high } = byPatient.it.figure('share');
    // Forty patients: sqrt(0.3 * 0.7 / 40) * 1.96 = 0.142
    near(low, 0.3 - 0.142, 0.03);
    near(high, 0.3 + 0.142, 0.03);
  });

  it('has the exact interval where all patients are right or none, and none where there is but one patient', async () => {
    const all = new Resamples({ share: 1, none: 0 }, 10);
    for (let round = 0; round < 10; round++) all.keep(round, { share: 1, none: 0 });
    near(all.share('share', 20).low, 0.8315665290169146);
    near(all.share('none', 20).high, 0.1684334709830853);
    const lonely = await bootstrap({ it: () => ({ share: 0.4 }) }, Int32Array.of(0, 0, 0), { count: 100, seed: 1 });
    assert.deepEqual(lonely.it.figure('share'), { value: 0.4, low: null, high: null });
  });

  it('stops when it is told to', async () => {
    const stopped = new AbortController();
    stopped.abort(new Error('enough'));
    await assert.rejects(bootstrap({ it: () => ({ share: 0.4 }) }, Int32Array.of(0, 1), { count: 1000, seed: 1, signal: stopped.signal }), /enough/);
  });
});

describe('figures of the evaluation: sub-groups', () => {
  /** 800 images, a patient each; the model misses a third of the positives of the second half, and a tenth of the first's. */
  function scored(missed: readonly [number, number]) {
    const source = random(7);
    const images = Array.from({ length: 800 }, (_, image) => ({ image, truth: image % 2, group: image < 400 ? 'a' : 'b' }));
    const probability = images.map(({ truth, group }) => (truth ? (source.chance(missed[group === 'a' ? 0 : 1]) ? 0.3 : 0.9) : source.between(0, 0.4)));
    return { groups: images.map(({ group }) => group), probability, truth: images.map(({ truth }) => truth), threshold: 0.5, patients: Int32Array.from(images.keys()) };
  }
  async function judge({ groups, ...columns }: ReturnType<typeof scored>) {
    const found = groupsOf([{ name: 'device', values: groups }]);
    const resamples = await bootstrap({ groups: groupMeasure(found, columns) }, columns.patients, { count: 500, seed: 1 });
    return judgeGroups(found, columns, resamples.groups)[0]!.groups;
  }

  it('warns of the group that falls off, by how much, and not of the other', async () => {
    const [a, b] = await judge(scored([0.1, 0.33]));
    assert.deepEqual(a!.warnings, []);
    const warning = b!.warnings.find(({ figure }) => figure === 'sensitivity')!;
    near(warning.difference.value, b!.figures.sensitivity.value! - a!.figures.sensitivity.value!);
    assert.ok(warning.difference.high! < 0);
    assert.equal(warning.standsCorrected, true);
  });

  it('does not warn of a difference that may be chance or is small', async () => {
    for (const group of await judge(scored([0.1, 0.1]))) assert.deepEqual(group.warnings, []);
  });

  it('judges no group with fewer than twenty patients of a kind, and still shows its figures', async () => {
    const few = scored([0, 1]);
    const [, small] = await judge({ ...few, groups: few.groups.map((_, image) => (image < 38 ? 'z' : 'a')) });
    assert.equal(small!.value, 'z');
    assert.equal(small!.figures.sensitivity.value, 1);
    assert.deepEqual(small!.difference, { auc: null, sensitivity: null, specificity: null });
  });

  it('has the chances of the normal distribution', () => {
    near(twoSided(1.96), 0.04999579029644087, 1e-6);
    near(twoSided(-3.2), 0.0013742758758316942, 1e-6);
  });
});

describe('figures of the evaluation: threshold advice', () => {
  const truth = Array.from({ length: 200 }, (_, image) => Number(image < 100));
  // Positives at 0.01 to 1.00, negatives at 0.005 to 0.5.
  const probability = truth.map((positive, image) => (positive ? (image + 1) / 100 : (image - 99) / 200));
  const scored = { probability, truth, patients: Int32Array.from(truth.keys()) };

  it('tells the highest threshold that finds as many as wanted, and its rates', async () => {
    const { advice } = await bootstrap({ advice: adviceMeasure([0.8], scored) }, scored.patients, { count: 500, seed: 1 });
    const told = adviceFor(0.8, advice, scored);
    near(told.threshold.value, 0.21);
    near(told.sensitivity.value, 0.8);
    // Negatives below 0.21: 0.005 to 0.205, 41 of 100.
    near(told.specificity.value, 0.41);
    near(told.ppv.value, 80 / 139);
    assert.ok(told.threshold.low! < 0.21 && told.threshold.high! > 0.21);
    near(told.expected.sensitivity, 0.8, 0.02);
  });

  it('has nothing to tell where there is no positive', async () => {
    const negative = { ...scored, truth: truth.map(() => 0) };
    const { advice } = await bootstrap({ advice: adviceMeasure([0.95], negative) }, negative.patients, { count: 100, seed: 1 });
    const told = adviceFor(0.95, advice, negative);
    assert.deepEqual([told.threshold.value, told.sensitivity.value, told.specificity, told.npv.value], [null, null, { value: null, low: null, high: null }, null]);
  });

  it('tells of new patients less than of those that the threshold was chosen on', async () => {
    const source = random(3);
    const few = Array.from({ length: 60 }, (_, image) => Number(image < 20));
    const noise = { probability: few.map(() => source.between(0, 1)), truth: few, patients: Int32Array.from(few.keys()) };
    const { advice } = await bootstrap({ advice: adviceMeasure([0.95], noise) }, noise.patients, { count: 1000, seed: 1 });
    const told = adviceFor(0.95, advice, noise);
    assert.ok(told.expected.sensitivity! < told.sensitivity.value!, `${told.expected.sensitivity}, here ${told.sensitivity.value}`);
  });
});
