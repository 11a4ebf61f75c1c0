// How much of the lungs is opaque, by maps whose pixels can be counted by hand.
import assert from 'node:assert/strict';
import type { Region } from '../../ai/analysis.ts';
import type { Placement } from '../../ai/runtime/regions.ts';
import { LEFT as LEFT_LUNG, RIGHT as RIGHT_LUNG, lungFields, type LungFields, type LungMap } from '../../ai/severity/lung-fields.ts';
import { SeverityMeter, type MeasuredFinding } from '../../ai/severity/meter.ts';
import { opaqueShare, type Frame } from '../../ai/severity/opaque-share.ts';
import { loadPackage, type ModelPackage } from '../../ai/runtime/manifest.ts';
import { pino } from 'pino';

const SIZE = 64;
type Block = [left: number, top: number, right: number, bottom: number];
const RIGHT: Block = [8, 12, 28, 52];
const LEFT: Block = [36, 12, 56, 52];

function lung(...blocks: Block[]): LungMap {
  const values = new Float32Array(SIZE * SIZE);
  for (const [left, top, right, bottom] of blocks) for (let y = top; y < bottom; y++) values.fill(0.9, y * SIZE + left, y * SIZE + right);
  return { values, threshold: 0.5 };
}
const fields = (right: Block[], left: Block[]) => lungFields(lung(...right), lung(...left), SIZE, SIZE);

/** The stored image is ten times as wide and five times as high as the input. */
const placement: Placement = { scaleX: 10, scaleY: 5, offsetX: 0, offsetY: 0, columns: 640, rows: 320 };
const frame: Frame = { input: { width: SIZE, height: SIZE }, placement };
const region = (x: number, y: number, width: number, height: number): Region => ({ x, y, width, height, label: 'opacity', score: 0.9, trackingUid: '2.25.1' });

describe('the lung fields', () => {
  it('are the two lungs, the right one on the left of the image', () => {
    const found = fields([RIGHT], [LEFT]);
    assert.equal(found.status, 'found');
    const { sides } = found as LungFields;
    assert.deepEqual([sides[12 * SIZE + 8], sides[51 * SIZE + 55], sides[12 * SIZE + 7], sides[52 * SIZE + 8]], [1, 2, 0, 0]);
    assert.equal(sides.filter((side) => side === 1).length, 800);
  });

  it('leave out specks beside the lungs', () => {
    const found = fields([RIGHT, [0, 0, 4, 4]], [LEFT]) as LungFields;
    assert.equal(found.sides.filter((side) => side === 1).length, 800);
  });

  const implausible: [what: string, right: Block[], left: Block[], reason: RegExp][] = [
    ['a lung that is missing', [RIGHT], [], /no left lung/],
    ['a tiny lung', [[8, 12, 14, 22]], [LEFT], /no right lung/],
    ['a lung of which only a part was found', [RIGHT], [[36, 12, 43, 52]], /only a part of the left lung/],
    ['a lung whose lower half is missing', [RIGHT], [[36, 12, 56, 32]], /only a part of the left lung/],
    ['a lung in pieces', [[8, 12, 28, 30], [8, 34, 28, 52]], [LEFT], /right lung was found in several pieces/],
    ['a lung that is flat', [[2, 20, 30, 30]], [[34, 20, 62, 30]], /right lung found is too low/],
    ['lungs that run into each other', [[8, 12, 32, 52]], [[32, 12, 56, 52]], /run into each other/],
    ['lungs that share a seam', [[8, 12, 33, 52]], [[32, 12, 56, 52]], /run into each other/],
    ['lungs that overlap', [[8, 12, 36, 52]], [[28, 12, 56, 52]], /overlap/],
    ['lungs with their sides changed', [LEFT], [RIGHT], /side by side/],
    ['lungs one below the other', [[8, 0, 28, 30]], [[36, 32, 56, 62]], /side by side/],
    ['one lung taken for both', [RIGHT], [RIGHT], /overlap/],
    ['a whole image taken for lung', [[0, 0, 31, 64]], [[33, 0, 64, 64]], /too large/],
  ];
  for (const [what, right, left, reason] of implausible)
    it(`are none where there is ${what}`, () => {
      const found = fields(right, left);
      assert.match((found as { reason: string }).reason, reason);
    });
});

describe('the opaque share', () => {
  const lungs = { ...(fields([RIGHT], [LEFT]) as LungFields), ...frame };

  it('counts the lung within the regions, each lung by itself and both together', () => {
    // Columns 18 to 28 and rows 12 to 32 of the right lung's 20 x 40.
    assert.deepEqual(opaqueShare(lungs, [region(180, 60, 100, 100)]), { right: 25, left: 0, both: 12.5 });
  });

  it('leaves out what of a region lies beyond the lung', () => {
    // Columns 0 to 18: of those, 8 to 18 are lung; all of its rows.
    assert.deepEqual(opaqueShare(lungs, [region(0, 60, 180, 200)]), { right: 50, left: 0, both: 25 });
  });

  it('counts once what two regions share, and a region over both lungs in each', () => {
    const wide = region(80, 60, 480, 50); // rows 12 to 22 of both lungs
    const inside = region(80, 60, 100, 50);
    assert.deepEqual(opaqueShare(lungs, [wide, inside]), { right: 25, left: 25, both: 25 });
  });

  it('counts of a region only what the map marks', () => {
    // A map of 8 x 8 places, each of 8 x 8 pixels of the input: the region lies over the columns 1 to 3 of the map, of which 2 is marked.
    const values = new Uint8Array(64).map((_, at) => (at % 8 === 2 ? 1 : 0));
    const map = { values, width: 8, height: 8, ...frame };
    // Columns 16 to 24 of the right lung, of 20, over rows 12 to 32, of 40.
    assert.deepEqual(opaqueShare(lungs, [region(80, 60, 200, 100)], map), { right: 20, left: 0, both: 10 });
    const nothing = { ...map, values: new Uint8Array(64) };
    assert.match((opaqueShare(lungs, [region(80, 60, 200, 100)], nothing) as { reason: string }).reason, /marks no lung/);
  });

  it('is never 0 where something is opaque, nor 100 where something is not', () => {
    // The left half of the frame is one lung, the right half the other: 2,048 places each.
    const sides = Uint8Array.from({ length: SIZE * SIZE }, (_, at) => (at % SIZE < SIZE / 2 ? RIGHT_LUNG : LEFT_LUNG));
    const whole = { status: 'found' as const, sides, width: SIZE, height: SIZE, ...frame };
    const { scaleX, scaleY, offsetX, offsetY } = frame.placement;
    const everywhere = [region(offsetX, offsetY, SIZE * scaleX, SIZE * scaleY)];
    const one = { values: new Uint8Array(SIZE * SIZE), width: SIZE, height: SIZE, ...frame };
    one.values[0] = 1;
    assert.deepEqual(opaqueShare(whole, everywhere, one), { right: 0.1, left: 0, both: 0.1 });
    const butOne = { ...one, values: one.values.map((value) => 1 - value) };
    assert.deepEqual(opaqueShare(whole, everywhere, butOne), { right: 99.9, left: 100, both: 99.9 });
  });

  it('is none where a region lies outside the lungs, which then lack it', () => {
    const outside = region(0, 0, 90, 60); // touches the right lung with one column and no row
    assert.deepEqual(opaqueShare(lungs, [region(180, 60, 100, 100), outside]), { reason: 'region 2 lies outside the lungs found' });
  });

  it('finds the place also where the two models see the image differently', () => {
    // The lungs' input is letterboxed: the image of 640 x 320 fills its rows 16 to 48, at ten pixels a place.
    const boxed: Frame = { input: { width: SIZE, height: SIZE }, placement: { scaleX: 10, scaleY: 10, offsetX: 0, offsetY: -160, columns: 640, rows: 320 } };
    const low: Block[] = [[8, 16, 28, 48]];
    const found = lungFields(lung(...low), lung([36, 16, 56, 48]), SIZE, SIZE) as LungFields;
    // The upper half of the image, over the right lung.
    assert.deepEqual(opaqueShare({ ...found, ...boxed }, [region(80, 0, 200, 160)]), { right: 50, left: 0, both: 25 });
  });
});

describe('the meter of severity', () => {
  const log = pino({ level: 'silent' });
  const pixels = new Uint8Array(SIZE * SIZE);
  let model: ModelPackage;
  let finding: MeasuredFinding;
  before(async () => {
    model = await loadPackage(new URL('../fixtures/models/lungs', import.meta.url).pathname);
    finding = { regions: [region(180, 60, 100, 100)], input: model.manifest.input, placement };
  });

  it('gives up lungs that do not come in time, and says so', async () => {
    const meter = new SeverityMeter(model, { infer: () => new Promise(() => {}) }, log, 0.05);
    const severity = await meter.measure(finding, { pixels, placement }, 0);
    assert.deepEqual(severity, { status: 'not-measured', reason: 'the model of the lungs failed', model: model.identity });
  });

  it('says why where the frame shows no lungs that could be measured, without asking the model', async () => {
    const meter = new SeverityMeter(model, { infer: () => Promise.reject(new Error('asked')) }, log);
    const severity = await meter.measure(finding, { reason: 'lateral view' }, 0);
    assert.deepEqual(severity, { status: 'not-measured', reason: 'lateral view', model: model.identity });
    const unlocated = await meter.measure({ ...finding, regions: [] }, { pixels, placement }, 0);
    assert.equal(unlocated.status === 'not-measured' && unlocated.reason, 'no region was located');
  });
});
