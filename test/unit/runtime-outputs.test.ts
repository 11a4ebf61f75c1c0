// From output tensors to probabilities, boxes and regions.
import assert from 'node:assert/strict';
import { manifestSchema } from '../../ai/runtime/manifest.ts';
import type { Manifest } from '../../ai/runtime/manifest.ts';
import { intersectionOverUnion, labelScores, readOutputs, sigmoid, suppress } from '../../ai/runtime/outputs.ts';
import type { Reading } from '../../ai/runtime/outputs.ts';
import { placeRegions } from '../../ai/runtime/regions.ts';

const opacity = { name: 'opacity', positive: true, code: { value: '112001', scheme: 'DCM', meaning: 'Opacity' } };
const bacterial = { name: 'bacterial', positive: true, code: { value: '53084003', scheme: 'SCT', meaning: 'Bacterial pneumonia' } };
const viral = { name: 'viral', positive: true, code: { value: '75570004', scheme: 'SCT', meaning: 'Viral pneumonia' } };
const normal = { name: 'normal', code: { value: '17621005', scheme: 'SCT', meaning: 'Normal' } };

function manifest(changes: Record<string, unknown>): Manifest {
  return manifestSchema.parse({
    name: 'm',
    version: '1',
    sha256: '0'.repeat(64),
    licence: 'none',
    intendedUse: 'tests',
    deviceUid: '2.25.1',
    manufacturer: 'Hilum',
    input: { tensor: 'image', width: 100, height: 100 },
    labels: [opacity],
    operatingPoint: { threshold: 0.5, chosenFor: 'tests' },
    applicability: { modalities: ['CR'] },
    ...changes,
  });
}
const tensor = (dims: number[], values: number[]) => ({ dims, data: Float32Array.from(values) });
const close = (value: number | undefined, expected: number): void => assert.ok(Math.abs((value ?? Number.NaN) - expected) < 1e-6, `${value} is not ${expected}`);
const box = (x1: number, x2: number) => ({ x1, y1: 0, x2, y2: 10, score: 1 });

/** Reads what a detector answered for one image. */
function read(model: Manifest, logit: number, corners: number[][], scores: number[]): Reading {
  const count = scores.length;
  const answer = { logit: tensor([1, 1], [logit]), boxes: tensor([1, count, 4], corners.flat()), scores: tensor([1, count], scores) };
  return readOutputs(model, answer, 1)[0]!;
}

describe('classification', () => {
  const twoClasses = { task: 'classification', outputs: { logit: { tensor: 'logit' } }, labels: [normal, opacity] };

  it('gives each image of a batch its own scores', () => {
    const readings = readOutputs(manifest(twoClasses), { logit: tensor([2, 2], [1, 3, 2, -2]) }, 2);
    close(readings[0]?.probability, sigmoid(2));
    close(readings[0]?.scores['normal'], 1 - sigmoid(2));
    close(readings[1]?.probability, sigmoid(-4));
    assert.deepEqual(readings.map(({ positive }) => positive), [true, false]);
  });

  it('calibrates the positive label and leaves scores that add up to one', () => {
    const calibrated = manifest({ ...twoClasses, calibration: { method: 'platt', scale: 0.5, offset: -1 } });
    const scores = labelScores(calibrated, Float32Array.of(1, 3));
    close(scores['opacity'], sigmoid(0.5 * 2 - 1));
    close(scores['opacity']! + scores['normal']!, 1);
  });

  it('reads one logit as a sigmoid and is positive at the threshold itself', () => {
    const single = manifest({ task: 'classification', outputs: { logit: { tensor: 'logit' } } });
    const [reading] = readOutputs(single, { logit: tensor([1, 1], [0]) }, 1);
    assert.deepEqual(reading, { scores: { opacity: 0.5 }, label: 'opacity', probability: 0.5, positive: true, boxes: [] });
  });

  describe('with several positive labels', () => {
    const threeClasses = (changes: object = {}) =>
      manifest({ task: 'classification', outputs: { logit: { tensor: 'logit' } }, labels: [normal, bacterial, viral], ...changes });
    const read = (model: Manifest, ...logits: number[]): Reading => readOutputs(model, { logit: tensor([1, 3], logits) }, 1)[0]!;
    const sum = (scores: Record<string, number>): number => Object.values(scores).reduce((total, score) => total + score, 0);

    it('is as probable as they are together, and called by the more probable one', () => {
      const powers = [1, Math.exp(0.5), Math.exp(0.75)];
      const total = powers.reduce((all, power) => all + power);
      const reading = read(threeClasses(), 0, 0.5, 0.75);
      close(reading.probability, (powers[1]! + powers[2]!) / total);
      close(reading.scores['viral'], powers[2]! / total);
      assert.deepEqual([reading.label, reading.positive], ['viral', true]);
      assert.equal(read(threeClasses(), 2, 0.5, 0.75).positive, false);
    });

    it('counts as positive though neither reaches the threshold by itself', () => {
      const reading = read(threeClasses(), 0.5, 0.25, 0);
      assert.ok(Math.max(reading.scores['bacterial']!, reading.scores['viral']!) < 0.5);
      assert.deepEqual([reading.label, reading.positive], ['bacterial', true]);
    });

    it('is calibrated as a whole by Platt: each keeps its share, and all add up to one', () => {
      const plain = read(threeClasses(), 1, 0, 2);
      const { probability, scores } = read(threeClasses({ calibration: { method: 'platt', scale: 0.5, offset: -0.25 } }), 1, 0, 2);
      close(probability, sigmoid(0.5 * Math.log(plain.probability / (1 - plain.probability)) - 0.25));
      close(scores['viral']! / scores['bacterial']!, plain.scores['viral']! / plain.scores['bacterial']!);
      close(sum(scores), 1);
      const certain = read(threeClasses({ calibration: { method: 'platt', scale: 1, offset: 0 } }), -100, 0, 100);
      close(certain.probability, 1);
      close(sum(read(threeClasses({ calibration: { method: 'platt', scale: 1, offset: 0 } }), 200, 0, 0).scores), 1);
    });

    it('is calibrated label by label by a vector, before the softmax', () => {
      const vector = { calibration: { method: 'vector', scale: [1, 0.5, 2], offset: [0, 1, -1] } };
      assert.deepEqual(read(threeClasses(vector), 1, 2, 0.5).scores, read(threeClasses(), 1, 2, 0).scores);
    });
  });

  describe('with a class activation map', () => {
    const logit = { tensor: 'logit' };
    const mapped = (changes: object) => manifest({ task: 'classification', outputs: { logit, mask: { tensor: 'cam', activation: 'none', ...changes } } });
    /** 4 x 4 over an input of 100 x 100, with one warm cell. */
    const cam = (cell: number, warm: number) => tensor([1, 1, 4, 4], Array.from({ length: 16 }, (_, at) => (at === cell ? warm : 0)));
    const read = (changes: object, logits: number, map: ReturnType<typeof cam>): Reading => readOutputs(mapped(changes), { logit: tensor([1, 1], [logits]), cam: map }, 1)[0]!;

    it('shows where the warmth is, around the middle of its cell and not along the cells', () => {
      const [box, ...others] = read({ threshold: 0.5 }, 2, cam(6, 0.9)).boxes;
      assert.deepEqual(others, []);
      close((box!.x1 + box!.x2) / 2, 62.5);
      close((box!.y1 + box!.y2) / 2, 37.5);
      assert.ok(box!.x2 - box!.x1 > 18 && box!.x2 - box!.x1 < 25, `${box!.x2 - box!.x1}`);
    });

    it('measures a relative threshold by the highest value of the map, which may be low', () => {
      assert.deepEqual(read({ threshold: 0.5 }, 2, cam(6, 0.2)).boxes, []);
      assert.equal(read({ threshold: 0.5, relative: true }, 2, cam(6, 0.2)).boxes.length, 1);
    });

    it('shows nothing on a negative image', () => {
      assert.deepEqual(read({ threshold: 0.5, relative: true }, -1, cam(6, 0.9)).boxes, []);
    });
  });

  it('refuses outputs that hold no numbers, or are missing, or are of another shape', () => {
    const model = manifest(twoClasses);
    assert.throws(() => readOutputs(model, { logit: tensor([1, 2], [0, Number.NaN]) }, 1), /no numbers/);
    assert.throws(() => readOutputs(model, {}, 1), /no output "logit"/);
    assert.throws(() => readOutputs(model, { logit: tensor([2, 2], [0, 0, 0, 0]) }, 1), /shape \[2, 2\] for a batch of 1/);
    assert.throws(() => readOutputs(model, { logit: tensor([1, 3], [0, 0, 0]) }, 1), /3 logits for 2 labels/);
  });
});

describe('detection', () => {
  const boxes = { tensor: 'boxes', scores: 'scores', scoreThreshold: 0.4, nmsIou: 0.5, maxRegions: 2 };
  const detector = (changes: object = {}) =>
    manifest({ task: 'detection', outputs: { logit: { tensor: 'logit' }, boxes: { ...boxes, ...changes } } });

  it('keeps the best of overlapping boxes, the separate ones, and no more than it may', () => {
    const corners = [[10, 10, 30, 30], [12, 10, 32, 30], [60, 60, 80, 80], [0, 60, 20, 80], [80, 0, 99, 20]];
    const { boxes: kept } = read(detector(), 2, corners, [0.8, 0.9, 0.5, 0.7, 0.3]);
    assert.deepEqual(kept.map(({ x1, score }) => [x1, Math.round(score * 10)]), [[12, 9], [0, 7]]);
  });

  it('shows no boxes on a negative image, whatever their scores', () => {
    assert.deepEqual(read(detector(), -1, [[10, 10, 30, 30]], [0.9]).boxes, []);
  });

  it('shows the best faint box of a positive image, and none that is too faint', () => {
    const corners = [[10, 10, 30, 30], [60, 60, 80, 80]];
    assert.deepEqual(read(detector(), 2, corners, [0.25, 0.3]).boxes.map(({ x1 }) => x1), [60]);
    assert.deepEqual(read(detector(), 2, corners, [0.1, 0.19]).boxes, []);
  });

  it('reads boxes by their centre, in fractions, and leaves out what is no box', () => {
    const model = detector({ format: 'cxcywh', units: 'fraction' });
    const [only, ...others] = read(model, 2, [[0.5, 0.5, 0.2, 0.4], [0.5, 0.5, -0.2, 0.4]], [0.8, 0.9]).boxes;
    assert.deepEqual([only?.x1, only?.y1, only?.x2, only?.y2].map((value) => Math.round(value!)), [40, 30, 60, 70]);
    assert.deepEqual(others, []);
  });

  it('is as positive as its best box where the model gives no logit', () => {
    const model = manifest({ task: 'detection', outputs: { boxes } });
    const [reading] = readOutputs(model, { boxes: tensor([1, 1, 4], [1, 1, 9, 9]), scores: tensor([1, 1], [0.75]) }, 1);
    close(reading?.probability, 0.75);
  });

  it('measures overlap as intersection over union', () => {
    close(intersectionOverUnion(box(0, 10), box(5, 15)), 1 / 3);
    assert.equal(intersectionOverUnion(box(0, 10), box(10, 20)), 0);
    assert.equal(suppress([box(0, 10), box(5, 15)], 0.3, 10).length, 1);
  });
});

describe('a model of the lungs', () => {
  const outputs = { mask: { tensor: 'mask', activation: 'sigmoid' } };
  const model = manifest({ task: 'segmentation', purpose: 'lungs', labels: [], operatingPoint: undefined, outputs });

  it('shows the right lung, then the left, and has no finding', () => {
    const plane = (from: number) => Array.from({ length: 400 }, (_, at) => (at % 20 >= from && at % 20 < from + 6 && at >= 80 && at < 320 ? 2 : -2));
    const [reading] = readOutputs(model, { mask: tensor([1, 2, 20, 20], [...plane(2), ...plane(12)]) }, 1);
    const { lungs, ...rest } = reading!;
    assert.deepEqual(rest, { scores: {}, label: '', probability: 0, positive: false, boxes: [] });
    assert.deepEqual(lungs?.status === 'found' && [lungs.sides[82], lungs.sides[92], lungs.sides[89]], [1, 2, 0]);
  });

  it('is refused where it answers another number of lungs', () => {
    assert.throws(() => readOutputs(model, { mask: tensor([1, 1, 2, 2], [1, 1, 1, 1]) }, 1), /answered 1 lungs, not 2/);
  });
});

describe('segmentation', () => {
  const model = manifest({ task: 'segmentation', outputs: { mask: { tensor: 'mask', activation: 'none', minArea: 0.02 } } });

  it('gives a box around each connected part of the map and leaves out specks', () => {
    const map = Array.from({ length: 100 }, (_, at) => {
      const [x, y] = [at % 10, Math.floor(at / 10)];
      if (x >= 1 && x <= 2 && y >= 3 && y <= 6) return 0.8;
      if (x >= 6 && x <= 8 && y >= 6 && y <= 8) return 0.9;
      return x === 9 && y === 0 ? 1 : 0;
    });
    const [reading] = readOutputs(model, { mask: tensor([1, 1, 10, 10], map) }, 1);
    assert.deepEqual(
      reading?.boxes.map(({ x1, y1, x2, y2 }) => [x1, y1, x2, y2]),
      [[60, 60, 90, 90], [10, 30, 30, 70]],
    );
    close(reading?.probability, Math.fround(0.9));
  });

  it('keeps what its map marks, by which the finding is measured, of a positive image alone', () => {
    const map = Array.from({ length: 100 }, (_, at) => (at % 10 < 3 ? 0.8 : 0.4));
    const [reading] = readOutputs(model, { mask: tensor([1, 1, 10, 10], map) }, 1);
    assert.deepEqual([reading?.map?.width, reading?.map?.height, [...reading!.map!.values.subarray(0, 4)]], [10, 10, [1, 1, 1, 0]]);
    const [negative] = readOutputs(model, { mask: tensor([1, 1, 10, 10], map.map((value) => value / 2)) }, 1);
    assert.equal(negative?.map, undefined);
  });
});

describe('regions', () => {
  const placement = { scaleX: 20, scaleY: 10, offsetX: -100, offsetY: 0, columns: 1800, rows: 1000 };
  const source = { uidRoot: '2.25', instance: 'digest', frame: 1, sha256: 'model', label: 'opacity' };
  const place = (x1: number, y1: number, x2: number, y2: number) => placeRegions([{ x1, y1, x2, y2, score: 0.7 }], placement, source);

  it('are in whole pixels of the stored image', () => {
    const [region] = place(10.02, 20, 30, 50.04);
    assert.deepEqual([region?.x, region?.y, region?.width, region?.height], [100, 200, 400, 300]);
    assert.equal(region?.label, 'opacity');
  });

  it('end at the border of the image, and outside it there are none', () => {
    const [region] = place(0, 90, 50, 120);
    assert.deepEqual([region?.x, region?.y, region?.width, region?.height], [0, 900, 900, 100]);
    assert.deepEqual(place(0, 110, 50, 120), []);
  });

  it('keep their tracking UID when an analysis is repeated, and have another in another place, frame or image', () => {
    const uid = place(10, 20, 30, 50)[0]?.trackingUid;
    assert.match(uid ?? '', /^2\.25\.\d+$/);
    assert.equal(place(10, 20, 30, 50)[0]?.trackingUid, uid);
    assert.notEqual(place(11, 20, 30, 50)[0]?.trackingUid, uid);
    const elsewhere = placeRegions([{ x1: 10, y1: 20, x2: 30, y2: 50, score: 0.7 }], placement, { ...source, frame: 2 });
    assert.notEqual(elsewhere[0]?.trackingUid, uid);
  });
});
