// How far two distributions are apart. Expected values: by hand where the numbers are round, else from SciPy 1.10 (named beside).
import assert from 'node:assert/strict';
import { compare, groupBins, kolmogorovSmirnov, kolmogorovSmirnovP, populationStabilityIndex, proportionsP } from '../../ai/drift/compare.ts';
import { binOf, binsOf, levelOf, QUANTITIES, QUANTITY_NAMES } from '../../ai/drift/quantities.ts';
import { isDrifted } from '../../gateway/drift/monitor.ts';
import { seededRandom } from '../support/random.ts';

const close = (value: number, expected: number, relative = 1e-9): void =>
  assert.ok(Math.abs(value - expected) <= relative * Math.abs(expected), `${value} is not ${expected}`);

const BEFORE = [0, 2, 8, 30, 60, 60, 30, 8, 2, 0];
const NOW = [0, 0, 2, 10, 35, 55, 60, 28, 9, 1];

describe('the population stability index', () => {
  it('is 0 of equal shares, whatever the numbers of images', () => {
    close(1 + populationStabilityIndex([100, 200, 300], [1000, 2000, 3000]), 1, 1e-4);
    assert.equal(populationStabilityIndex(BEFORE, BEFORE), 0);
  });

  it('is the sum of (now - before) * ln(now / before), half an image added to each group', () => {
    const [low, high] = [100.5 / 201, 50.5 / 201]; // [100, 100] -> [50, 150], 200 images each, two groups
    close(populationStabilityIndex([100, 100], [50, 150]), (high - low) * Math.log(high / low) + (150.5 / 201 - low) * Math.log(150.5 / 201 / low));
    close(populationStabilityIndex(BEFORE, NOW), 0.5098236313545331); // numpy, the formula of docs/drift.md
    close(populationStabilityIndex([97, 1, 1, 1], [50, 20, 20, 10]), 1.5482495271969934);
  });

  it('stays finite where a group was empty, or has become so', () => {
    const gone = populationStabilityIndex([50, 50, 0], [0, 50, 50]);
    assert.ok(Number.isFinite(gone) && gone > 1, String(gone));
  });

  it('groups bins by what was accepted: a tenth each, and nothing on either side of a peak is lost', () => {
    assert.deepEqual(groupBins(BEFORE), [[0, 3], [3, 4], [4, 5], [5, 6], [6, 7], [7, 10]]);
    assert.deepEqual(groupBins([0, 0, 100, 0, 0]), [[0, 2], [2, 3], [3, 5]]);
    assert.deepEqual(groupBins([97, 1, 1, 1]), [[0, 1], [1, 4]]);
  });
});

describe('the Kolmogorov-Smirnov test', () => {
  it('finds the distance that scipy.stats.ks_2samp finds on the same binned values', () => close(kolmogorovSmirnov(BEFORE, NOW), 0.29));

  it('gives the p that scipy.special.kolmogorov gives for the corrected distance', () => {
    close(kolmogorovSmirnovP(0.29, 200, 200), 6.361457032740028e-8);
    close(kolmogorovSmirnovP(0.1, 100, 1000), 0.3075158125869264);
    close(kolmogorovSmirnovP(0.3, 700, 1200), 2.1253128331311824e-35);
    assert.equal(kolmogorovSmirnovP(0, 100, 100), 1);
  });

  it('is near the two-sample p of scipy.stats.ks_2samp', () => {
    close(kolmogorovSmirnovP(0.1, 100, 1000), 0.30222731867496555, 0.02);
    close(kolmogorovSmirnovP(0.2, 100, 100), 0.03143877776953241, 0.01);
    close(kolmogorovSmirnovP(0.05, 200, 5000), 0.7038605140500664, 0.02);
  });
});

describe('a change of the share of positives', () => {
  it('has the p of scipy.stats.chi2_contingency without correction', () => {
    close(proportionsP([176, 24], [135, 45]), 0.0010295464614886395, 1e-6);
    close(proportionsP([97, 3], [870, 30]), 0.8594902925736074, 1e-6);
    assert.equal(proportionsP([100, 0], [50, 0]), 1);
  });

  it('is told as shares', () => {
    const { level, acceptedLevel, ks } = compare('positive', [90, 10], [60, 40]);
    assert.deepEqual([acceptedLevel, level], [0.1, 0.4]);
    close(ks, 0.3);
  });
});

describe('the bins', () => {
  it('take an edge into the bin above it, and what lies outside into the outermost', () => {
    assert.deepEqual([0, 0.049, 0.05, 0.999, 1, 1.5, -1].map((value) => binOf('probability', value)), [0, 0, 1, 19, 19, 19, 0]);
    assert.deepEqual([0, 1].map((value) => binOf('positive', value)), [0, 1]);
    assert.deepEqual([0, 0.0015, 0.75].map((value) => binOf('black', value)), [0, 1, 18]);
    assert.equal(binOf('aspect', 1), 12);
  });

  it('have rising edges, and give back the mean of what they hold within half a bin', () => {
    for (const quantity of QUANTITY_NAMES) {
      const edges = QUANTITIES[quantity];
      assert.ok(edges.every((edge, index) => index === 0 || edge > edges[index - 1]!), quantity);
      const counts = Array<number>(binsOf(quantity)).fill(0);
      counts[1] = 7;
      if (quantity !== 'positive') close(levelOf(quantity, counts), (edges[1]! + edges[2]!) / 2);
    }
  });
});

describe('a quantity counts as drifted', () => {
  const bounds = { psiWarn: 0.2, positiveWarn: 0.1 };
  const random = seededRandom(1);
  /** Mean brightness of so many images, spread 0.05. */
  const draw = (images: number, mean: number): number[] => {
    const counts = Array<number>(binsOf('mean')).fill(0);
    for (let i = 0; i < images; i++) counts[binOf('mean', mean + 0.05 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()))]! += 1;
    return counts;
  };
  const drifted = (accepted: readonly number[], recent: readonly number[], before = false): boolean => isDrifted({ quantity: 'mean', ...compare('mean', accepted, recent) }, before, bounds);

  it('not by chance: of 500 times 100 images like the accepted ones, none', () => {
    for (let time = 0; time < 500; time++) assert.equal(drifted(draw(1000, 0.5), draw(100, 0.5)), false, `time ${time}`);
  });

  it('whenever 100 images are brighter by their spread', () => {
    for (let time = 0; time < 100; time++) assert.equal(drifted(draw(1000, 0.5), draw(100, 0.55)), true, `time ${time}`);
  });

  it('not at a change that is sure and small', () => {
    const [accepted, recent] = [draw(20_000, 0.5), draw(20_000, 0.51)];
    assert.ok(compare('mean', accepted, recent).p < 1e-9);
    assert.equal(drifted(accepted, recent), false);
  });

  it('from the bound on, and until it is below three quarters of it', () => {
    const at = (psi: number, before: boolean, p = 0): boolean => isDrifted({ quantity: 'black', psi, p, level: 0, acceptedLevel: 0 }, before, bounds);
    assert.deepEqual([at(0.199, false), at(0.2, false), at(0.2, false, 0.001), at(0.151, true), at(0.149, true)], [false, true, false, true, false]);
  });

  it('where the share of positives changes by a tenth, though the index of a rare finding stays small', () => {
    const rise = compare('positive', [950, 50], [252, 48]);
    assert.ok(rise.psi < 0.2);
    assert.equal(isDrifted({ quantity: 'positive', ...rise }, false, bounds), true);
  });
});
