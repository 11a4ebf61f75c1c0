import assert from 'node:assert/strict';
import type { DriftQuantity, DriftReport } from '../../gateway/drift/report.ts';
import { driftLines } from '../../gateway/web/drift-words.ts';

const quantity = (name: DriftQuantity['quantity'], more: Partial<DriftQuantity> = {}): DriftQuantity => ({
  quantity: name, images: 200, psi: 0.5, ks: 0.4, p: 0, level: 0.438, acceptedLevel: 0.512, drifted: true, since: '2026-03-08T08:00:00.000Z', ...more,
});

describe('the notice of drift on the page', () => {
  it('names each station and model of which something has drifted, what, and since when', () => {
    const report: DriftReport = {
      windowDays: 7, from: '2026-03-02', to: '2026-03-08', minImages: 100, drifted: true,
      models: [
        {
          name: 'opacity', version: '0.1.1', otherStations: 0,
          places: [
            { station: null, images: 900, accepted: null, quantities: [quantity('mean', { drifted: false })] },
            { station: 'XR1', images: 200, accepted: null, quantities: [quantity('mean'), quantity('black', { drifted: false }), quantity('positive', { acceptedLevel: 0.2, level: 0.452, since: '2026-03-07T08:00:00.000Z' })] },
          ],
        },
      ],
    };
    const [line, ...rest] = driftLines(report);
    assert.deepEqual(rest, []);
    assert.equal(line?.place, 'XR1, opacity 0.1.1');
    assert.equal(line?.changes, 'brightness 0.512 → 0.438, share of positive images 20 % → 45 %');
    assert.match(line?.since ?? '', /^2026-03-07/);
  });
});
