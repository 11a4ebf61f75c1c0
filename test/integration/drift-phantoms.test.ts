// What the shipped model makes of images that are shown another way: other windows must be found, other patients must not.
// Phantoms through the real decoding, grayscale pipeline and inference. Each seed is a patient of its own.
import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { startAnalyzer, type Analyzer } from '../../ai/analyzer.ts';
import { binsOf, type Quantity } from '../../ai/drift/quantities.ts';
import { sampleOf } from '../../ai/drift/sample.ts';
import { phantomDicom } from '../../ai/phantom/dicom.ts';
import { loadPackage } from '../../ai/runtime/manifest.ts';
import { settingsSchema } from '../../config/settings.ts';
import { isDrifted } from '../../gateway/drift/monitor.ts';
import { compareModel } from '../../gateway/drift/window.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import type { AcceptedHistogram, Histogram } from '../../storage/drift.repository.ts';
import { silent } from '../support/dimse.ts';
import { temporaryFolder } from '../support/gateway.ts';

/** Fewer than in a hospital's week, enough for changes that large; an analysis takes a tenth of a second. */
const IMAGES = 40;
const { drift, inference } = settingsSchema.parse({ drift: { minImages: IMAGES }, inference: { providers: ['cpu'], threads: 1 } });

describe('drift of radiographs', function () {
  this.timeout(240_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let analyzer: Analyzer;
  let accepted: AcceptedHistogram[];

  before(async () => {
    folder = await temporaryFolder();
    analyzer = await startAnalyzer({ models: [await loadPackage(resolve(import.meta.dirname, '../../ai/models/opacity'))], inference, log: silent });
    accepted = (await histogramsOf(730_000)).map((histogram) => ({ ...histogram, station: '', from: '2026-01-01', to: '2026-01-07' }));
  });
  after(async () => {
    await analyzer?.close();
    await folder.remove();
  });

  /** A third with opacities, a quarter AP, a fifth children; `overrides` are attributes of each file. */
  async function histogramsOf(firstSeed: number, overrides: Record<string, unknown> = {}): Promise<Histogram[]> {
    const histograms = new Map<string, Histogram>();
    const analyzeOne = async (index: number): Promise<void> => {
      const path = join(folder.path, `${firstSeed + index}.dcm`);
      const spec = { seed: firstSeed + index, columns: 320, rows: 384, opacities: index % 3 === 0 ? 1 : 0, view: index % 4 === 0 ? 'AP' : 'PA', child: index % 5 === 0 } as const;
      await writeFile(path, await phantomDicom({ ...spec, overrides: { StationName: 'XR1', ...overrides } }));
      const sample = sampleOf(await analyzer.analyze({ path, frame: 1, model: 'opacity' }), (await readPart10(path)).dataset);
      assert.ok(sample, 'every phantom has an outcome');
      for (const [quantity, bin] of Object.entries(sample.bins)) {
        const histogram = histograms.get(quantity) ?? { modelName: 'opacity', modelVersion: '1', station: sample.station, quantity, counts: Array<number>(binsOf(quantity as Quantity)).fill(0) };
        histograms.set(quantity, histogram);
        histogram.counts[bin]! += 1;
      }
    };
    await Promise.all(Array.from({ length: IMAGES }, (_, index) => analyzeOne(index)));
    return [...histograms.values()];
  }

  /** Which quantities have drifted at the station, and the index of each. */
  async function watch(firstSeed: number, overrides?: Record<string, unknown>): Promise<{ drifted: string[]; psi: Record<string, number> }> {
    const model = compareModel({ name: 'opacity', version: '1' }, await histogramsOf(firstSeed, overrides), { site: accepted, package: undefined }, drift);
    const { station, quantities } = model.places[1]!;
    assert.equal(station, 'XR1');
    return { drifted: quantities.filter((quantity) => isDrifted(quantity, false, drift)).map(({ quantity }) => quantity), psi: Object.fromEntries(quantities.map(({ quantity, psi }) => [quantity, Number(psi.toFixed(2))])) };
  }

  it('is not found in other patients of the same station', async () => {
    const { drifted, psi } = await watch(740_000);
    assert.deepEqual(drifted, [], JSON.stringify(psi));
  });

  it('is found when the window gets darker, in the images', async () => {
    const { drifted, psi } = await watch(740_000, { WindowCenter: 2048 * 1.15, WindowWidth: 4096 });
    assert.ok(drifted.includes('mean'), `${drifted.join(' ')} ${JSON.stringify(psi)}`);
    assert.ok((psi['mean'] ?? 0) > 1);
  });

  it('is found when the images come inverted, whatever the model makes of them', async () => {
    const { drifted, psi } = await watch(740_000, { PhotometricInterpretation: 'MONOCHROME1', PresentationLUTShape: 'INVERSE' });
    for (const quantity of ['black', 'white']) assert.ok(drifted.includes(quantity), `${quantity}: ${drifted.join(' ')} ${JSON.stringify(psi)}`);
  });
});
