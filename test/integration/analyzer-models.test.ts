// Models of every kind through the real analyzer: what each says of an image, and where its regions lie in the stored image.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { AnalyzedOutcome, Region } from '../../ai/analysis.ts';
import { startAnalyzer, type Analyzer } from '../../ai/analyzer.ts';
import { loadPackage } from '../../ai/runtime/manifest.ts';
import { gridImage } from '../support/grid-image.ts';
import { modelPackage, type PackageSpec } from '../support/model-packages.ts';

const MODELS: PackageSpec[] = [
  { name: 'one-logit', kind: 'classification' },
  { name: 'types', kind: 'types' },
  { name: 'boxes', kind: 'detection' },
  { name: 'mask', kind: 'segmentation', changes: { input: { tensor: 'image', width: 64, height: 64, fit: 'letterbox' } } },
];
/** Of the stored image: twice as high as wide, so that a swap of the two shows. */
const [COLUMNS, ROWS] = [128, 256];

describe('a model package', function () {
  this.timeout(120_000);
  let folder: string;
  let analyzer: Analyzer;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hilum-models-'));
    const models = await Promise.all(MODELS.map(async (spec) => loadPackage(await modelPackage(folder, spec))));
    analyzer = await startAnalyzer({ models, inference: { providers: ['cpu'], threads: 1, maxBatch: 4, timeoutSeconds: 60 }, log: pino({ level: 'silent' }) });
  });
  after(async () => {
    await analyzer?.close();
    await rm(folder, { recursive: true });
  });

  let files = 0;
  /** @param bright cells, 0 to 15: 32 columns and 64 rows of the stored image each */
  async function analyze(model: string, bright: number[]): Promise<AnalyzedOutcome> {
    const path = join(folder, `${++files}.dcm`);
    // Without a bright cell, a slope: what has one value is blank.
    const slope = Buffer.from(Uint8Array.from({ length: COLUMNS * ROWS }, (_, at) => 20 + (at % COLUMNS) / 8));
    const changes = { SOPInstanceUID: `2.25.77${files}`, ...(bright.length === 0 && { PixelData: slope }) };
    await writeFile(path, gridImage({ frames: [bright], columns: COLUMNS, rows: ROWS, changes }));
    const outcome = await analyzer.analyze({ path, frame: 1, model });
    assert.ok(outcome.status === 'analyzed', JSON.stringify(outcome));
    return outcome;
  }
  const places = (regions: Region[]): number[][] => regions.map(({ x, y, width, height }) => [x, y, width, height]);

  it('of one logit says how probable the finding is, and locates nothing', async () => {
    const [found, none] = await Promise.all([analyze('one-logit', [6]), analyze('one-logit', [])]);
    assert.deepEqual([found.label, found.positive, found.regions], ['opacity', true, []]);
    assert.ok(found.probability > 0.98 && none.probability < 0.01);
    assert.equal(none.positive, false);
  });

  it('of three classes calls the image by the more probable finding, and locates it by its class activation map', async () => {
    const left = await analyze('types', [5]);
    assert.deepEqual([left.label, left.positive], ['bacterial', true]);
    assert.ok(Math.abs(left.probability - left.scores['bacterial']! - left.scores['viral']!) < 1e-6);
    const [region, ...others] = left.regions;
    assert.deepEqual([region?.label, others], ['bacterial', []]);
    // The cell, to within a step of the finer grid.
    for (const [value, expected, step] of [[region!.x, 32, 2], [region!.y, 64, 4], [region!.width, 32, 4], [region!.height, 64, 8]] as const)
      assert.ok(Math.abs(value - expected) <= step, `${JSON.stringify(region)}: ${value} is not ${expected}`);
    const right = await analyze('types', [14]);
    assert.deepEqual([right.label, right.regions.map(({ label }) => label)], ['viral', ['viral']]);
    const none = await analyze('types', []);
    assert.deepEqual([none.positive, none.regions], [false, []]);
    assert.ok(none.scores['normal']! > 0.99);
  });

  it('of boxes locates each finding where its box lies in the stored image', async () => {
    const { regions } = await analyze('boxes', [6, 12]);
    assert.deepEqual(places(regions).toSorted((one, other) => one[0]! - other[0]!), [[0, 192, 32, 64], [64, 64, 32, 64]]);
  });

  it('of a mask locates each connected part, also within the borders of a letterbox', async () => {
    // Two columns of cells in a row fill one cell of the input: 64 x 64 of the stored image.
    const { regions, positive, label } = await analyze('mask', [0, 1, 4, 5, 14, 15]);
    assert.deepEqual([positive, label], [true, 'opacity']);
    assert.deepEqual(places(regions).toSorted((one, other) => one[1]! - other[1]!), [[0, 0, 64, 128], [64, 192, 64, 64]]);
    assert.equal((await analyze('mask', [])).positive, false);
  });
});
