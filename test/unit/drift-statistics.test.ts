// What is counted of an image. Expected statistics: from the Python code of docs/drift.md with numpy 1.24.
import assert from 'node:assert/strict';
import { headerStatistics, inputStatistics } from '../../ai/drift/image-statistics.ts';
import { QUANTITIES } from '../../ai/drift/quantities.ts';
import { referenceSchema } from '../../ai/drift/reference.ts';
import { sampleOf } from '../../ai/drift/sample.ts';
import { stationOf } from '../../ai/drift/station.ts';
import { dataset } from '../../storage/dicom/dataset.ts';

// 7 x 5, numpy.random.default_rng(5).integers(0, 256, (5, 7))
const IMAGE = [
  [171, 206, 5, 206, 120, 131, 161],
  [73, 250, 13, 71, 98, 146, 104],
  [33, 11, 0, 12, 38, 255, 48],
  [167, 192, 60, 72, 111, 67, 249],
  [45, 229, 204, 216, 29, 100, 160],
];

describe('the statistics of a model input', () => {
  it('are, to the last digit, those that training counts', () => {
    assert.deepEqual(inputStatistics(Uint8Array.from(IMAGE.flat()), 7, 5), {
      mean: 0.4541176470588235,
      deviation: 0.31000000885869833,
      black: 0.05714285714285714,
      white: 0.05714285714285714,
      sharpness: 1.1175815947074732,
    });
  });

  it('of an image of one value are numbers', () => {
    assert.deepEqual(inputStatistics(new Uint8Array(64).fill(51), 8, 8), { mean: 0.2, deviation: 0, black: 0, white: 0, sharpness: 0 });
  });
});

describe('the header', () => {
  it('tells the aspect, and the spacing of the detector before that of the image', () => {
    const image = { columns: 2000, rows: 2500 };
    assert.deepEqual(headerStatistics(dataset({ ImagerPixelSpacing: [0.15, 0.15], PixelSpacing: [0.2, 0.2] }), image), { aspect: 0.8, spacing: 0.15 });
    assert.deepEqual(headerStatistics(dataset({ PixelSpacing: [0.2, 0.2] }), image), { aspect: 0.8, spacing: 0.2 });
    assert.deepEqual(headerStatistics(dataset({ PixelSpacing: [0, 0] }), image), { aspect: 0.8 });
  });

  it('names the station, by its name or else by the device', () => {
    assert.equal(stationOf(dataset({ StationName: ' XR  1 ', Manufacturer: 'Maker' })), 'XR 1');
    assert.equal(stationOf(dataset({ StationName: '', Manufacturer: 'Maker', ManufacturerModelName: 'DR 500', DeviceSerialNumber: '4711' })), 'Maker DR 500 4711');
    assert.equal(stationOf(dataset({ ManufacturerModelName: 'DR 500' })), 'DR 500');
    assert.equal(stationOf(dataset({})), 'unknown');
    assert.equal(stationOf(dataset({ StationName: `A\u0000B${'x'.repeat(100)}` })), `A B${'x'.repeat(61)}`);
  });
});

describe('what an analysis adds', () => {
  const statistics = { mean: 0.51, deviation: 0.25, black: 0, white: 0.3, sharpness: 0.062, aspect: 1 };
  const outcome = { status: 'analyzed', label: 'opacity', probability: 0.97, threshold: 0.5, positive: true, scores: {}, regions: [], provider: 'cpu', milliseconds: 1 } as const;

  it('is a bin of each quantity that is known', () => {
    assert.deepEqual(sampleOf({ ...outcome, regions: [], statistics }, dataset({ StationName: 'XR1' })), {
      station: 'XR1',
      bins: { probability: 19, positive: 1, mean: 25, deviation: 25, black: 0, white: 15, sharpness: 12, aspect: 12 },
    });
  });

  it('is nothing where there was no outcome', () => {
    assert.equal(sampleOf({ status: 'not-analyzable', reason: 'blank' }, dataset({})), undefined);
    assert.equal(sampleOf({ ...outcome, regions: [] }, dataset({})), undefined);
  });
});

describe('the reference of a package', () => {
  const probability = { edges: Array.from({ length: 21 }, (_, i) => Number((i * 0.05).toFixed(2))), counts: Array<number>(20).fill(5) };
  const problemsOf = (histograms: object): string[] =>
    referenceSchema.safeParse({ set: 'a test', n: 100, histograms }).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [];

  it('may hold any of the quantities, edges written with as many digits as one likes', () => {
    assert.deepEqual(problemsOf({ probability }), []);
    assert.deepEqual(problemsOf({ probability, sharpness: { edges: [...QUANTITIES.sharpness], counts: Array<number>(40).fill(1) } }), []);
  });

  it('is refused with other bins, too few counts, an unknown quantity, no image, or without the probability', () => {
    assert.deepEqual(problemsOf({ probability: { ...probability, edges: probability.edges.map((edge) => edge * 2) } }), ['histograms.probability.edges: are not those of probability in docs/drift.md']);
    assert.deepEqual(problemsOf({ probability: { ...probability, counts: [1] } }), ['histograms.probability.counts: must be one less than edges']);
    assert.deepEqual(problemsOf({ probability: { ...probability, counts: Array<number>(20).fill(0) } }), ['histograms.probability.counts: hold no image']);
    assert.match(problemsOf({ probability, colour: probability })[0] ?? '', /colour/);
    assert.match(problemsOf({})[0] ?? '', /^histograms\.probability: /);
  });
});
