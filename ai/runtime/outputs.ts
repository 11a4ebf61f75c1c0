// From a model's output tensors to scores, a calibrated probability and boxes, as the manifest says how to read them.
import { lungFields, type LungFields, type NoLungFields } from '../severity/lung-fields.ts';
import type { OpaqueMap } from '../severity/opaque-share.ts';
import { interpolated, markedPlaces, maskRegions, type ProbabilityMap } from './mask.ts';
import type { Label, Manifest } from './manifest.ts';

/** One output of a run: float32, row-major, the first axis is the image of the batch. */
export interface OutputTensor {
  dims: readonly number[];
  data: Float32Array;
}

/** A box in pixels of the model's input, score 0 to 1. */
export interface Box {
  x1: number;
  y1: number;
  x2: number;
  y2: number;
  score: number;
}

/** What a model said about one image, before it is placed in the stored image. */
export interface Reading {
  /** Every label by name, 0 to 1, calibrated. */
  scores: Record<string, number>;
  /** The most probable of the positive labels. */
  label: string;
  /** That one of the positive labels is true. */
  probability: number;
  positive: boolean;
  boxes: Box[];
  /** What the map of a positive image marks, where the model gives one. */
  map?: OpaqueMap;
  /** Of a model of the lungs, which says nothing else. */
  lungs?: LungFields | NoLungFields;
}

/** @throws {Error} when a tensor is missing, of another shape than the manifest says, or holds no numbers */
export function readOutputs(manifest: Manifest, tensors: Record<string, OutputTensor>, count: number): Reading[] {
  return Array.from({ length: count }, (_, index) => readOne(manifest, (name, rank) => slice(tensors, name, rank, index, count)));
}

type Slice = (name: string, rank: number) => OutputTensor;

function readOne(manifest: Manifest, tensor: Slice): Reading {
  const { input, outputs, purpose } = manifest;
  if (purpose === 'lungs') return { ...NO_FINDING, lungs: readLungs(manifest, tensor) };
  const map = outputs.mask && readMap(manifest, tensor);
  const candidates = outputs.boxes ? readBoxes(manifest, tensor) : map ? maskRegions(map, input, outputs.mask!) : [];
  const scores = labelScores(manifest, outputs.logit ? tensor(outputs.logit.tensor, 2).data : highestScore(manifest, candidates, tensor));
  const found = positiveLabels(manifest).map(({ name }) => ({ name, score: scores[name] ?? 0 }));
  const label = found.reduce((best, each) => (each.score > best.score ? each : best)).name;
  const probability = Math.min(1, found.reduce((sum, { score }) => sum + score, 0));
  const positive = probability >= manifest.operatingPoint.threshold;
  if (!positive) return { scores, label, probability, positive, boxes: [] };
  return { scores, label, probability, positive, boxes: selectBoxes(manifest, candidates), ...(map && { map: markedPlaces(map, outputs.mask!) }) };
}

const NO_FINDING = { scores: {}, label: '', probability: 0, positive: false, boxes: [] };

function readLungs({ outputs }: Manifest, tensor: Slice): LungFields | NoLungFields {
  const { activation, threshold, tensor: name } = outputs.mask!;
  const { data, dims } = tensor(name, 4);
  const [, lungs, height, width] = dims;
  if (lungs !== 2) throw new Error(`the model answered ${lungs} lungs, not 2`);
  const values = activation === 'sigmoid' ? data.map(sigmoid) : data;
  const plane = width! * height!;
  return lungFields({ values: values.subarray(0, plane), threshold }, { values: values.subarray(plane), threshold }, width!, height!);
}

/** The labels that are findings; their probability together decides. */
export function positiveLabels(manifest: Pick<Manifest, 'labels'>): Label[] {
  return manifest.labels.filter(({ positive }) => positive);
}

/** Without a logit of its own, an image is as positive as its best place. */
function highestScore({ outputs }: Manifest, candidates: readonly Box[], tensor: Slice): Float32Array {
  const scores = outputs.boxes ? tensor(outputs.boxes.scores, 2).data : Float32Array.from(candidates, ({ score }) => score);
  return Float32Array.of(toLogit(scores.reduce((highest, score) => Math.max(highest, score), 0)));
}

/** Scores by label from the logits of one image, calibrated as the manifest says. */
export function labelScores(manifest: Manifest, logits: Float32Array): Record<string, number> {
  const { labels, calibration } = manifest;
  if (logits.length !== labels.length) throw new Error(`the model answered ${logits.length} logits for ${labels.length} labels`);
  const shifted = calibration.method === 'vector' ? logits.map((logit, index) => calibration.scale[index]! * logit + calibration.offset[index]!) : logits;
  const softly = (manifest.outputs.logit?.activation ?? (labels.length === 1 ? 'sigmoid' : 'softmax')) === 'softmax';
  const scores = softly ? softmax(shifted) : Array.from(shifted, sigmoid);
  const calibrated = calibration.method === 'platt' ? platt(manifest, scores, shifted, softly, calibration) : scores;
  return Object.fromEntries(labels.map(({ name }, index) => [name, calibrated[index]!]));
}

/**
 * Platt's calibration of the positive labels together. Each keeps its share of their sum; of labels that exclude each other the
 * negative ones share what is left.
 */
function platt({ labels }: Manifest, scores: number[], logits: Float32Array, softly: boolean, { scale, offset }: { scale: number; offset: number }): number[] {
  const sum = scores.reduce((total, score, index) => (labels[index]!.positive ? total + score : total), 0);
  const logOdds = softly ? toLogit(sum) : logits[labels.findIndex(({ positive }) => positive)]!;
  const calibrated = sigmoid(scale * logOdds + offset);
  const share = sum > 0 ? calibrated / sum : 1;
  const rest = softly && sum < 1 ? (1 - calibrated) / (1 - sum) : 1;
  return scores.map((score, index) => score * (labels[index]!.positive ? share : rest));
}

/** Boxes of one image in pixels of the input, any score, best first; what is not a box is left out. */
function readBoxes({ input, outputs }: Manifest, tensor: Slice): Box[] {
  const { format, units, ...names } = outputs.boxes!;
  const corners = tensor(names.tensor, 3);
  const scores = tensor(names.scores, 2).data;
  if (corners.dims[2] !== 4 || corners.dims[1] !== scores.length)
    throw new Error(`the model answered boxes [${corners.dims.join(', ')}] for ${scores.length} scores`);
  const [width, height] = units === 'fraction' ? [input.width, input.height] : [1, 1];
  const boxes: Box[] = [];
  // Half the threshold is the least that can still become a region (selectBoxes).
  const least = outputs.boxes!.scoreThreshold / 2;
  scores.forEach((score, index) => {
    if (score < least) return;
    const [a, b, c, d] = corners.data.subarray(index * 4, index * 4 + 4) as unknown as [number, number, number, number];
    const [x1, y1, x2, y2] = format === 'xyxy' ? [a, b, c, d] : [a - c / 2, b - d / 2, a + c / 2, b + d / 2];
    if (x2 > x1 && y2 > y1) boxes.push({ x1: x1 * width, y1: y1 * height, x2: x2 * width, y2: y2 * height, score: Math.min(1, score) });
  });
  return boxes.toSorted((one, other) => other.score - one.score);
}

function readMap({ outputs, task }: Manifest, tensor: Slice): ProbabilityMap {
  const { activation, tensor: name } = outputs.mask!;
  const { data, dims } = tensor(name, 4);
  const values = activation === 'sigmoid' ? data.map(sigmoid) : data;
  const map = { values, width: dims[3]!, height: dims[2]! };
  return task === 'classification' ? interpolated(map) : map;
}

/**
 * The boxes that become regions of a positive image. Where none reaches the threshold, the best one is shown if it comes
 * half way: a positive image with a faint place is more use than one with none.
 */
export function selectBoxes({ outputs }: Manifest, candidates: readonly Box[]): Box[] {
  if (!outputs.boxes) return candidates.slice(0, outputs.mask?.maxRegions ?? 0);
  const { scoreThreshold, nmsIou, maxRegions } = outputs.boxes;
  const strong = candidates.filter(({ score }) => score >= scoreThreshold);
  const [best] = candidates;
  if (strong.length === 0) return best && best.score >= scoreThreshold / 2 ? [best] : [];
  return suppress(strong, nmsIou, maxRegions);
}

/** Non-maximum suppression: from the best box down, whatever overlaps a kept one by more than `iou` goes. */
export function suppress(boxes: readonly Box[], iou: number, most: number): Box[] {
  const kept: Box[] = [];
  for (const box of boxes.toSorted((one, other) => other.score - one.score)) {
    if (kept.length === most) break;
    if (kept.every((other) => intersectionOverUnion(box, other) <= iou)) kept.push(box);
  }
  return kept;
}

export function intersectionOverUnion(one: Box, other: Box): number {
  const width = Math.min(one.x2, other.x2) - Math.max(one.x1, other.x1);
  const height = Math.min(one.y2, other.y2) - Math.max(one.y1, other.y1);
  if (width <= 0 || height <= 0) return 0;
  const area = (box: Box): number => (box.x2 - box.x1) * (box.y2 - box.y1);
  return (width * height) / (area(one) + area(other) - width * height);
}

function slice(tensors: Record<string, OutputTensor>, name: string, rank: number, index: number, count: number): OutputTensor {
  const tensor = tensors[name];
  if (!tensor) throw new Error(`the model gave no output "${name}"`);
  if (tensor.dims.length !== rank || tensor.dims[0] !== count)
    throw new Error(`the model's output "${name}" has the shape [${tensor.dims.join(', ')}] for a batch of ${count}`);
  const size = tensor.data.length / count;
  const data = tensor.data.subarray(index * size, (index + 1) * size);
  if (!data.every(Number.isFinite)) throw new Error(`the model's output "${name}" holds values that are no numbers`);
  return { dims: [1, ...tensor.dims.slice(1)], data };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

export function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value));
}

function toLogit(probability: number): number {
  // A float32 sigmoid is exactly 0 or 1 beyond about 17.
  const inside = clamp(probability, 1e-7, 1 - 1e-7);
  return Math.log(inside / (1 - inside));
}

function softmax(logits: Float32Array): number[] {
  const highest = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - highest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
