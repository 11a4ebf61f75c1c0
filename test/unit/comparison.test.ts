// A candidate beside the model in use: what the figures say.
import assert from 'node:assert/strict';
import { Registry } from 'prom-client';
import { agreementOf } from '../../gateway/comparison/comparison.ts';
import { observeComparisons } from '../../gateway/comparison/metrics.ts';

describe('the agreement of two models', () => {
  it("is Cohen's kappa: what they agree on beyond chance", () => {
    // Fleiss, Levin and Paik: 100 cases, agreement 0.85, by chance 0.5.
    const { images, agreement, kappa } = agreementOf({ bothPositive: 45, onlyCandidatePositive: 5, onlyModelPositive: 10, bothNegative: 40 });
    assert.deepEqual([images, agreement], [100, 0.85]);
    assert.ok(Math.abs(kappa! - 0.7) < 1e-12);
  });

  it('is not known without an image, and its kappa not where both say the same of every one', () => {
    assert.deepEqual(agreementOf({ bothPositive: 0, onlyCandidatePositive: 0, onlyModelPositive: 0, bothNegative: 0 }), { images: 0, agreement: null, kappa: null });
    assert.deepEqual(agreementOf({ bothPositive: 0, onlyCandidatePositive: 0, onlyModelPositive: 0, bothNegative: 9 }), { images: 9, agreement: 1, kappa: null });
    assert.equal(agreementOf({ bothPositive: 0, onlyCandidatePositive: 4, onlyModelPositive: 4, bothNegative: 0 }).kappa, -1);
  });

  it('is asked of the database once a minute, however often the metrics are read, and again after a failure', async () => {
    const registry = new Registry();
    const model = { name: 'opacity', version: '1', sha256: '0' };
    const counts = { bothPositive: 1, onlyCandidatePositive: 0, onlyModelPositive: 1, bothNegative: 2, onlyCandidateAnalyzed: 0, onlyModelAnalyzed: 0 };
    const figures = { candidate: { ...model, name: 'new' }, model, ...counts, ...agreementOf(counts), meanDifference: -0.1, correlation: null };
    let asked = 0;
    let now = 0;
    observeComparisons(
      registry,
      async () => {
        asked += 1;
        if (asked === 1) throw new Error('Postgres is away');
        return [figures];
      },
      () => now,
    );
    assert.doesNotMatch(await registry.metrics(), /hilum_shadow_images\{/);
    const metrics = await registry.metrics();
    assert.match(metrics, /hilum_shadow_images\{candidate="new",candidate_version="1",model="opacity",model_version="1"\} 4/);
    assert.match(metrics, /hilum_shadow_probability_difference\{.*\} -0\.1/);
    assert.doesNotMatch(metrics, /correlation\{/);
    now = 59_000;
    await registry.metrics();
    assert.equal(asked, 2);
    now = 61_000;
    await registry.metrics();
    assert.equal(asked, 3);
  });
});
