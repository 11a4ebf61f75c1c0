// Opacities like pneumonia: soft, cloudy, irregular consolidations inside the lung fields, of known place, size and contrast.
import { canvas, clouds } from './canvas.ts';
import type { Canvas } from './canvas.ts';
import type { Random } from './random.ts';

export interface Box {
  /** From the left edge of the leftmost pixel, pixels. */
  x: number;
  y: number;
  width: number;
  height: number;
}
export interface OpacitySpec extends Box {
  /** 1 makes lung as dense as the heart; 0.2 is hard to see, 0.8 a dense consolidation. */
  contrast: number;
}

/** Where an opacity counts as present: above this fraction of its own peak; about where a reader would draw its edge. */
const EDGE = 0.28;

/** Places `count` opacities at random in the lungs, 10 to 45 % of the picture's width each, overlapping little. */
export function placeOpacities(count: number, lung: Canvas, source: Random): OpacitySpec[] {
  const out: OpacitySpec[] = [];
  for (let tries = 0; out.length < count && tries < 400; tries++) {
    const x = Math.floor(source.between(0, lung.width));
    const y = Math.floor(source.between(0, lung.height));
    if ((lung.data[y * lung.width + x] ?? 0) < 0.5) continue;
    const width = lung.width * (0.12 + 0.33 * Math.pow(source.between(0, 1), 1.2));
    const height = Math.min(lung.height * 0.5, width * source.between(0.7, 1.6));
    const near = out.some(
      (o) =>
        Math.abs(o.x + o.width / 2 - x) < (o.width + width) * 0.45 &&
        Math.abs(o.y + o.height / 2 - y) < (o.height + height) * 0.45,
    );
    if (!near) out.push({ x: x - width / 2, y: y - height / 2, width, height, contrast: source.between(0.32, 0.85) });
  }
  return out;
}

/**
 * Adds one opacity to `density`, where 1 is what turns lung into soft tissue; only as far as there is lung to fill.
 * It stays in the lung that its middle is in.
 * @param lung 0 to 1, how much air there is in the way
 * @param midline where the patient's middle is in row y, pixels
 * @returns the extent of what can be seen of it, or undefined where it falls outside the lungs
 */
export function addOpacity(
  density: Canvas,
  lung: Canvas,
  spec: OpacitySpec,
  midline: (y: number) => number,
  source: Random,
): Box | undefined {
  const { width, height } = density;
  const left = Math.max(0, Math.floor(spec.x - spec.width * 0.35));
  const top = Math.max(0, Math.floor(spec.y - spec.height * 0.35));
  const right = Math.min(width, Math.ceil(spec.x + spec.width * 1.35));
  const bottom = Math.min(height, Math.ceil(spec.y + spec.height * 1.35));
  if (right - left < 2 || bottom - top < 2) return undefined;
  const blobs = Array.from({ length: 9 }, (_, i) => {
    const turn = source.between(0, 2 * Math.PI);
    const out = i === 0 ? 0 : source.between(0.12, 0.34);
    return {
      x: spec.x + spec.width * (0.5 + out * Math.cos(turn)),
      y: spec.y + spec.height * (0.5 + out * Math.sin(turn)),
      rx: spec.width * (i === 0 ? 0.3 : source.between(0.1, 0.2)),
      ry: spec.height * (i === 0 ? 0.3 : source.between(0.1, 0.2)),
      strength: i === 0 ? 1 : source.between(0.5, 0.95),
    };
  });
  const onRight = spec.x + spec.width / 2 > midline(spec.y + spec.height / 2);
  const patch = canvas(right - left, bottom - top);
  const texture = clouds(patch.width, patch.height, Math.max(6, spec.width * 0.3), 5, source);
  let peak = 0;
  for (let y = 0; y < patch.height; y++) {
    const middle = midline(y + top);
    for (let x = 0; x < patch.width; x++) {
      const air = lung.data[(y + top) * width + x + left] as number;
      if (air === 0 || x + left > middle !== onRight) continue;
      let clear = 1;
      for (const blob of blobs) {
        const dx = (x + left - blob.x) / blob.rx;
        const dy = (y + top - blob.y) / blob.ry;
        const d = dx * dx + dy * dy;
        if (d < 9) clear *= 1 - Math.min(0.95, blob.strength * Math.exp(-0.75 * d));
      }
      const p = y * patch.width + x;
      const cloudy = Math.max(0, 1 - clear) * (1 + 0.38 * (texture.data[p] as number) * (0.4 + clear));
      const value = Math.max(0, cloudy) * air;
      patch.data[p] = value;
      if (value > peak) peak = value;
    }
  }
  if (peak < 0.15) return undefined;
  let box: [number, number, number, number] | undefined;
  for (let y = 0; y < patch.height; y++) {
    for (let x = 0; x < patch.width; x++) {
      const value = patch.data[y * patch.width + x] as number;
      const p = (y + top) * width + x + left;
      density.data[p] = (density.data[p] as number) + value * spec.contrast;
      if (value < EDGE * peak) continue;
      box = box
        ? [Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x + 1), Math.max(box[3], y + 1)]
        : [x, y, x + 1, y + 1];
    }
  }
  return box && { x: box[0] + left, y: box[1] + top, width: box[2] - box[0], height: box[3] - box[1] };
}
