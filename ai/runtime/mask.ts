// Regions of a segmentation: the connected parts of a probability map, each as the box around it.
import type { Box } from './outputs.ts';

export interface ProbabilityMap {
  /** Row-major, 0 to 1. */
  values: Float32Array;
  width: number;
  height: number;
}

/**
 * Parts of the map at or above the threshold, joined over edges (4-connected), as boxes in pixels of the input, score = mean
 * probability, best first.
 */
export function maskRegions(
  map: ProbabilityMap,
  input: { width: number; height: number },
  options: { threshold: number; minArea: number; maxRegions: number },
): Box[] {
  const seen = new Uint8Array(map.values.length);
  const least = Math.max(1, options.minArea * map.values.length);
  const scaleX = input.width / map.width;
  const scaleY = input.height / map.height;
  const boxes: Box[] = [];
  for (let start = 0; start < map.values.length; start++) {
    if (seen[start] || map.values[start]! < options.threshold) continue;
    const part = connectedPart(map, start, options.threshold, seen);
    if (part.area < least) continue;
    boxes.push({
      x1: part.left * scaleX,
      y1: part.top * scaleY,
      x2: (part.right + 1) * scaleX,
      y2: (part.bottom + 1) * scaleY,
      score: Math.min(1, part.sum / part.area),
    });
  }
  return boxes.toSorted((one, other) => other.score - one.score).slice(0, options.maxRegions);
}

function connectedPart({ values, width, height }: ProbabilityMap, start: number, threshold: number, seen: Uint8Array) {
  const part = { left: width, right: 0, top: height, bottom: 0, area: 0, sum: 0 };
  const stack = [start];
  seen[start] = 1;
  const visit = (place: number): void => {
    if (seen[place] || values[place]! < threshold) return;
    seen[place] = 1;
    stack.push(place);
  };
  for (let place = stack.pop(); place !== undefined; place = stack.pop()) {
    const x = place % width;
    const y = (place - x) / width;
    part.left = Math.min(part.left, x);
    part.right = Math.max(part.right, x);
    part.top = Math.min(part.top, y);
    part.bottom = Math.max(part.bottom, y);
    part.area += 1;
    part.sum += values[place]!;
    if (x > 0) visit(place - 1);
    if (x < width - 1) visit(place + 1);
    if (y > 0) visit(place - width);
    if (y < height - 1) visit(place + width);
  }
  return part;
}
