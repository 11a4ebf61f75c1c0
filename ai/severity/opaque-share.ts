// The share of each lung that is opaque: its pixels within the finding's regions, of all its pixels (docs/severity.md).
import type { Region } from '../analysis.ts';
import type { Placement } from '../runtime/regions.ts';
import { LEFT, RIGHT, type LungFields } from './lung-fields.ts';

/** What the finding's model marked, place by place, in the frame of its output, which spans its input. */
export interface OpaqueMap {
  /** Row-major, 1 where it is at or above the model's threshold. */
  values: Uint8Array;
  width: number;
  height: number;
}

/** A frame of so many places that spans a model's input, and how that input lies in the stored image. */
export interface Frame {
  /** Of the input. */
  input: { width: number; height: number };
  placement: Placement;
}

/** Per cent, to a tenth; 0 of nothing and 100 of all alone. */
export interface OpaqueShare {
  right: number;
  left: number;
  both: number;
}
export interface NoOpaqueShare {
  reason: string;
}

/**
 * Of a region, within the lungs. With less, it is either no opacity of the lung, or the lung fields lack the very part that is
 * opaque, as a white lung may be taken for none. On 271 children's images, whose lungs people had outlined, every region of the
 * opacity model lay within them by 41 % or more; adults' and those from coarse maps reach further beyond.
 */
const LEAST_WITHIN = 1 / 3;

/**
 * @param lungs with the frame of the model of the lungs
 * @param regions in pixels of the stored image
 * @param map with the frame of the finding's model: within the regions, only what it marks counts; without it, all of a region
 */
export function opaqueShare(
  lungs: LungFields & Frame,
  regions: readonly Region[],
  map?: OpaqueMap & Frame,
): OpaqueShare | NoOpaqueShare {
  const area = { [RIGHT]: 0, [LEFT]: 0 };
  const opaque = { [RIGHT]: 0, [LEFT]: 0 };
  const inLungs = regions.map(() => 0);
  const [stepX, stepY] = cell(lungs);
  for (let at = 0; at < lungs.sides.length; at++) {
    const side = lungs.sides[at] as 0 | typeof RIGHT | typeof LEFT;
    if (side === 0) continue;
    area[side] += 1;
    const column = at % lungs.width;
    // The middle of the place, in pixels of the stored image.
    const x = lungs.placement.offsetX + (column + 0.5) * stepX;
    const y = lungs.placement.offsetY + ((at - column) / lungs.width + 0.5) * stepY;
    let covered = false;
    regions.forEach((region, index) => {
      if (x < region.x || y < region.y || x >= region.x + region.width || y >= region.y + region.height) return;
      inLungs[index]! += 1;
      covered = true;
    });
    if (covered && (!map || marks(map, x, y))) opaque[side] += 1;
  }
  const outside = regions.findIndex(({ width, height }, index) => inLungs[index]! * Math.abs(stepX * stepY) < LEAST_WITHIN * width * height);
  if (outside >= 0) return { reason: `region ${outside + 1} lies outside the lungs found` };
  if (opaque[RIGHT] + opaque[LEFT] === 0) return { reason: 'the map of the model marks no lung within its regions' };
  return {
    right: percentOf(opaque[RIGHT], area[RIGHT]),
    left: percentOf(opaque[LEFT], area[LEFT]),
    both: percentOf(opaque[RIGHT] + opaque[LEFT], area[RIGHT] + area[LEFT]),
  };
}

/** Size of one place of the map in pixels of the stored image. */
function cell({ input, placement, width, height }: Frame & { width: number; height: number }): [x: number, y: number] {
  return [(placement.scaleX * input.width) / width, (placement.scaleY * input.height) / height];
}

/** @param x @param y in pixels of the stored image */
function marks(map: OpaqueMap & Frame, x: number, y: number): boolean {
  const [stepX, stepY] = cell(map);
  const column = Math.floor((x - map.placement.offsetX) / stepX);
  const row = Math.floor((y - map.placement.offsetY) / stepY);
  return column >= 0 && row >= 0 && column < map.width && row < map.height && map.values[row * map.width + column] === 1;
}

function percentOf(part: number, whole: number): number {
  const tenths = Math.round((1000 * part) / whole);
  const [least, most] = [part > 0 ? 1 : 0, part < whole ? 999 : 1000];
  return Math.min(Math.max(tenths, least), most) / 10;
}
