// The two lungs of a radiograph from the maps of a model of the lungs, or why they are none that anything may be measured by:
// a share of a lung that was missed, merged or torn apart would be a wrong number.
import { connectedParts, type Part } from '../runtime/connected-parts.ts';

/** Bits of LungFields.sides. */
export const RIGHT = 1;
export const LEFT = 2;
const BOTH = RIGHT | LEFT;

/** Where the lungs are, in the frame of the lung model's output, which spans its input. */
export interface LungFields {
  status: 'found';
  /** Row-major, width x height: RIGHT, LEFT or 0; the patient's sides. */
  sides: Uint8Array;
  width: number;
  height: number;
}
export interface NoLungFields {
  status: 'not-found';
  /** In words for the report. */
  reason: string;
}

export interface LungMap {
  /** Row-major, at or above `threshold` is lung. */
  values: Float32Array;
  threshold: number;
}

/*
 * The limits are shares of the image. Among 1,500 lung masks that people drew on children's radiographs, which fill the image
 * more or less, a lung covered 8 to 35 % of it, the smaller one was at least 0.52 times as large as the other and the shorter one
 * 0.69 times as tall, the centres were 27 to 52 % of the width apart, a lung was at least 44 % of the height tall, and the two
 * were level over 82 % of the shorter. Adults' images show more around the lungs, so that the limits of size are lower.
 */
const LEAST_AREA = 0.03;
const MOST_AREA = 0.45;
const LEAST_HEIGHT = 0.25;
/** Of the smaller lung to the larger, and of the shorter to the taller: below, a part of one is missing, as a white part may be. */
const LEAST_AREA_RATIO = 0.5;
const LEAST_HEIGHT_RATIO = 0.65;
const LEAST_DISTANCE = 0.15;
const LEAST_LEVEL = 0.6;
/** More of a lung than this outside its largest part, and it is not one lung. */
const MOST_SCATTERED = 0.1;
/** Of the smaller lung: pixels that both maps claim. */
const MOST_SHARED = 0.05;
/** Of the shorter lung's height: rows in which the two touch. The mediastinum keeps lungs apart. */
const MOST_TOUCHING = 0.1;

/**
 * @param right map of the patient's right lung @param left of the left one; both width x height
 * @returns the largest connected part of each, where both look like lungs
 */
export function lungFields(right: LungMap, left: LungMap, width: number, height: number): LungFields | NoLungFields {
  const lungs: [Part, Part] = [largest(right, width, height), largest(left, width, height)];
  const reason = lungProblem(lungs, [total(right), total(left)], shared(right, left), width, height);
  if (reason !== undefined) return { status: 'not-found', reason };
  const sides = new Uint8Array(width * height);
  for (const place of lungs[0].places) sides[place] = RIGHT;
  for (const place of lungs[1].places) sides[place]! |= LEFT;
  if (touchingRows(sides, width, height) > MOST_TOUCHING * Math.min(tall(lungs[0]), tall(lungs[1])))
    return { status: 'not-found', reason: 'the lungs found run into each other' };
  // What both claim, a few pixels at most, is neither's.
  return { status: 'found', sides: sides.map((side) => (side === BOTH ? 0 : side)), width, height };
}

function lungProblem([right, left]: [Part, Part], totals: [number, number], both: number, width: number, height: number): string | undefined {
  const image = width * height;
  for (const [name, lung, all] of [['right', right, totals[0]], ['left', left, totals[1]]] as const) {
    if (all < LEAST_AREA * image) return `no ${name} lung was found`;
    if (all - lung.places.length > MOST_SCATTERED * all) return `the ${name} lung was found in several pieces`;
    if (lung.places.length > MOST_AREA * image) return `the ${name} lung found is too large to be one`;
    if (tall(lung) < LEAST_HEIGHT * height) return `the ${name} lung found is too low to be a whole one`;
  }
  const [smaller, larger] = right.places.length < left.places.length ? [right, left] : [left, right];
  if (both > MOST_SHARED * smaller.places.length) return 'the lungs found overlap';
  const [shorter, taller] = tall(right) < tall(left) ? [right, left] : [left, right];
  const partial =
    smaller.places.length < LEAST_AREA_RATIO * larger.places.length ? smaller : tall(shorter) < LEAST_HEIGHT_RATIO * tall(taller) ? shorter : undefined;
  if (partial) return `only a part of the ${partial === right ? 'right' : 'left'} lung was found`;
  // On the image's left is the patient's right.
  if (left.centreX - right.centreX < LEAST_DISTANCE * width) return 'the lungs found do not lie side by side, the right one on the left of the image';
  const level = Math.min(right.bottom, left.bottom) - Math.max(right.top, left.top) + 1;
  if (level < LEAST_LEVEL * tall(shorter)) return 'the lungs found do not lie side by side';
  return undefined;
}

const tall = ({ top, bottom }: Part): number => bottom - top + 1;

function largest(map: LungMap, width: number, height: number): Part {
  const parts = connectedParts((place) => map.values[place]! >= map.threshold, width, height);
  return parts.reduce((most, part) => (part.places.length > most.places.length ? part : most), NOTHING);
}

const NOTHING: Part = { places: [], top: 0, bottom: -1, left: 0, right: -1, centreX: 0 };

function total({ values, threshold }: LungMap): number {
  let sum = 0;
  for (const value of values) if (value >= threshold) sum += 1;
  return sum;
}

function shared(right: LungMap, left: LungMap): number {
  let sum = 0;
  for (let place = 0; place < right.values.length; place++) if (right.values[place]! >= right.threshold && left.values[place]! >= left.threshold) sum += 1;
  return sum;
}

/** Rows in which a place of one lung is a place of the other, or the next is. */
function touchingRows(sides: Uint8Array, width: number, height: number): number {
  let rows = 0;
  for (let y = 0; y < height; y++) {
    let touches = false;
    for (let at = y * width; at < (y + 1) * width && !touches; at++) touches = (sides[at]! | (at + 1 < (y + 1) * width ? sides[at + 1]! : 0)) === BOTH;
    if (touches) rows += 1;
  }
  return rows;
}
