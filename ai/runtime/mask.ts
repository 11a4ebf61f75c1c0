// Regions of a segmentation or a class activation map: the connected parts of a probability map, each as the box around it.
import type { OpaqueMap } from '../severity/opaque-share.ts';
import { connectedParts } from './connected-parts.ts';
import type { Box } from './outputs.ts';

export interface ProbabilityMap {
  /** Row-major, 0 to 1. */
  values: Float32Array;
  width: number;
  height: number;
}

/** Which values of a map count. */
interface MapThreshold {
  threshold: number;
  /** The threshold is a share of the map's highest value. */
  relative: boolean;
}

/** Parts of the map at or above the threshold, joined over edges (4-connected), as boxes in pixels of the input, score = mean probability, best first. */
export function maskRegions(
  map: ProbabilityMap,
  input: { width: number; height: number },
  options: MapThreshold & { minArea: number; maxRegions: number },
): Box[] {
  const threshold = leastOf(map, options);
  const least = Math.max(1, options.minArea * map.values.length);
  const scaleX = input.width / map.width;
  const scaleY = input.height / map.height;
  const boxes = connectedParts((place) => map.values[place]! >= threshold, map.width, map.height)
    .filter(({ places }) => places.length >= least)
    .map(({ places, left, top, right, bottom }) => ({
      x1: left * scaleX,
      y1: top * scaleY,
      x2: (right + 1) * scaleX,
      y2: (bottom + 1) * scaleY,
      score: Math.min(1, places.reduce((sum, place) => sum + map.values[place]!, 0) / places.length),
    }));
  return boxes.toSorted((one, other) => other.score - one.score).slice(0, options.maxRegions);
}

/** The places of the map that count, as 1. */
export function markedPlaces(map: ProbabilityMap, options: MapThreshold): OpaqueMap {
  const least = leastOf(map, options);
  return { values: Uint8Array.from(map.values, (value) => (value >= least ? 1 : 0)), width: map.width, height: map.height };
}

function leastOf({ values }: ProbabilityMap, { threshold, relative }: MapThreshold): number {
  return relative ? threshold * values.reduce((highest, value) => Math.max(highest, value), 0) : threshold;
}

/** On a side; with fewer, the boxes would have no edges but those of the network's last cells. */
const FINE = 64;

/** A coarse map on a finer grid, bilinear between the centres of its cells: what a class activation map means between them. */
export function interpolated({ values, width, height }: ProbabilityMap): ProbabilityMap {
  const factor = Math.ceil(FINE / Math.min(width, height));
  if (factor <= 1) return { values, width, height };
  const columns = Array.from({ length: width * factor }, (_, x) => neighbours(x, factor, width));
  const rows = Array.from({ length: height * factor }, (_, y) => neighbours(y, factor, height));
  const fine = new Float32Array(columns.length * rows.length);
  rows.forEach(([top, bottom, down], y) =>
    columns.forEach(([left, right, across], x) => {
      const upper = values[top * width + left]! * (1 - across) + values[top * width + right]! * across;
      const lower = values[bottom * width + left]! * (1 - across) + values[bottom * width + right]! * across;
      fine[y * columns.length + x] = upper * (1 - down) + lower * down;
    }),
  );
  return { values: fine, width: columns.length, height: rows.length };
}

/** The cells before and after a place of the finer grid, and how far it is from the first to the second; beyond the last centre there is one alone. */
function neighbours(place: number, factor: number, size: number): [before: number, after: number, share: number] {
  const at = Math.min(size - 1, Math.max(0, (place + 0.5) / factor - 0.5));
  const before = Math.floor(at);
  return [before, Math.min(size - 1, before + 1), at - before];
}
