// A picture of floating-point densities to paint shapes on: filled outlines, round strokes, blur, cloudy texture.
import type { Random } from './random.ts';

export type Point = readonly [x: number, y: number];

export interface Canvas {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

export function canvas(width: number, height: number): Canvas {
  return { width, height, data: new Float32Array(width * height) };
}

/** A closed or open curve through the given points (uniform Catmull-Rom), `steps` straight pieces between two points. */
export function curve(points: readonly Point[], closed: boolean, steps = 8): Point[] {
  const n = points.length;
  const at = (i: number): Point => points[closed ? (i + n) % n : Math.max(0, Math.min(n - 1, i))] as Point;
  const out: Point[] = [];
  for (let i = 0; i < (closed ? n : n - 1); i++) {
    const [p0, p1, p2, p3] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
    for (let s = 0; s < steps; s++) {
      const t = s / steps;
      const along = (a: number, b: number, c: number, d: number): number =>
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t * t * t);
      out.push([along(p0[0], p1[0], p2[0], p3[0]), along(p0[1], p1[1], p2[1], p3[1])]);
    }
  }
  if (!closed) out.push(at(n - 1));
  return out;
}

/** Sets every pixel whose centre lies inside the outline (pixels, even-odd rule) to `value`. */
export function fill(target: Canvas, outline: readonly Point[], value: number): void {
  const { width, height, data } = target;
  const crossings: number[] = [];
  const ys = outline.map((point) => point[1]);
  const bottom = Math.min(height, Math.ceil(Math.max(...ys)));
  for (let y = Math.max(0, Math.floor(Math.min(...ys))); y < bottom; y++) {
    crossings.length = 0;
    const yc = y + 0.5;
    for (let i = 0, j = outline.length - 1; i < outline.length; j = i++) {
      const [x1, y1] = outline[j] as Point;
      const [x2, y2] = outline[i] as Point;
      if (y1 <= yc !== y2 <= yc) crossings.push(x1 + ((yc - y1) * (x2 - x1)) / (y2 - y1));
    }
    crossings.sort((a, b) => a - b);
    for (let k = 0; k + 1 < crossings.length; k += 2) {
      const from = Math.max(0, Math.ceil((crossings[k] as number) - 0.5));
      const to = Math.min(width, Math.ceil((crossings[k + 1] as number) - 0.5));
      if (to > from) data.fill(value, y * width + from, y * width + to);
    }
  }
}

/**
 * Adds a round stroke along `path`. `radius` (pixels) may taper: from radius[0] to radius[1]. `profile` gives the density
 * for the depth below the surface, 0 at the edge to 1 at the centre line; the stroke does not add to itself.
 * @param scratch an all-zero canvas of the same size; all zero again afterwards
 */
export function stroke(
  target: Canvas,
  scratch: Canvas,
  path: readonly Point[],
  radius: readonly [number, number],
  profile: (depth: number, along: number) => number,
): void {
  const { width, height } = target;
  let [left, top, right, bottom] = [width, height, 0, 0];
  const n = path.length - 1;
  for (let i = 0; i < n; i++) {
    const [x1, y1] = path[i] as Point;
    const [x2, y2] = path[i + 1] as Point;
    const r1 = radius[0] + ((radius[1] - radius[0]) * i) / n;
    const r = Math.max(0.6, r1);
    const x0 = Math.max(0, Math.floor(Math.min(x1, x2) - r));
    const xe = Math.min(width, Math.ceil(Math.max(x1, x2) + r) + 1);
    const y0 = Math.max(0, Math.floor(Math.min(y1, y2) - r));
    const ye = Math.min(height, Math.ceil(Math.max(y1, y2) + r) + 1);
    [left, top, right, bottom] = [Math.min(left, x0), Math.min(top, y0), Math.max(right, xe), Math.max(bottom, ye)];
    const [dx, dy] = [x2 - x1, y2 - y1];
    const squared = dx * dx + dy * dy || 1;
    for (let y = y0; y < ye; y++) {
      for (let x = x0; x < xe; x++) {
        const t = Math.max(0, Math.min(1, ((x - x1) * dx + (y - y1) * dy) / squared));
        const ex = x - x1 - t * dx;
        const ey = y - y1 - t * dy;
        const depth = 1 - Math.sqrt(ex * ex + ey * ey) / r;
        const p = y * width + x;
        if (depth > (scratch.data[p] as number)) scratch.data[p] = depth;
      }
    }
  }
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const p = y * width + x;
      const depth = scratch.data[p] as number;
      if (depth > 0) target.data[p] = (target.data[p] as number) + profile(depth, right > left ? (x - left) / (right - left) : 0);
      scratch.data[p] = 0;
    }
  }
}

/**
 * Blurs in place by two box filters, close to a Gaussian of standard deviation `sigma` pixels; edges repeat.
 * @param spare a canvas of the same size, whose content is lost
 */
export function blur(target: Canvas, sigma: number, spare: Canvas): void {
  // Two boxes of 2r + 1 pixels have a variance of 2 ((2r + 1)^2 - 1) / 12.
  const r = Math.round((Math.sqrt(6 * sigma * sigma + 1) - 1) / 2);
  if (r < 1) return;
  const { width, height, data } = target;
  const other = spare.data;
  for (let pass = 0; pass < 2; pass++) {
    boxRows(data, other, width, height, r);
    boxColumns(other, data, width, height, r);
  }
}

function boxRows(from: Float32Array, to: Float32Array, width: number, height: number, r: number): void {
  const scale = 1 / (2 * r + 1);
  for (let y = 0; y < height; y++) {
    const o = y * width;
    const first = from[o] as number;
    const last = from[o + width - 1] as number;
    let sum = first * r;
    for (let x = 0; x < r; x++) sum += x < width ? (from[o + x] as number) : last;
    for (let x = 0; x < width; x++) {
      sum += x + r < width ? (from[o + x + r] as number) : last;
      to[o + x] = sum * scale;
      sum -= x - r >= 0 ? (from[o + x - r] as number) : first;
    }
  }
}

/** Works row by row with one running sum for each column: the memory is read in order. */
function boxColumns(from: Float32Array, to: Float32Array, width: number, height: number, r: number): void {
  const scale = 1 / (2 * r + 1);
  const row = (y: number): number => Math.max(0, Math.min(height - 1, y)) * width;
  const sums = new Float32Array(width);
  for (let y = -r - 1; y < r; y++) {
    const o = row(y);
    for (let x = 0; x < width; x++) sums[x] = (sums[x] as number) + (from[o + x] as number);
  }
  for (let y = 0; y < height; y++) {
    const [add, drop, o] = [row(y + r), row(y - r - 1), y * width];
    for (let x = 0; x < width; x++) {
      const sum = (sums[x] as number) + (from[add + x] as number) - (from[drop + x] as number);
      sums[x] = sum;
      to[o + x] = sum * scale;
    }
  }
}

/** The picture at another size, by linear interpolation. */
export function enlarged(from: Canvas, width: number, height: number): Canvas {
  const out = canvas(width, height);
  const left = new Int32Array(width);
  const share = new Float32Array(width);
  for (let x = 0; x < width; x++) {
    const fx = Math.max(0, Math.min(from.width - 1.001, ((x + 0.5) * from.width) / width - 0.5));
    left[x] = fx;
    share[x] = fx - Math.floor(fx);
  }
  const step = from.width > 1 ? 1 : 0;
  for (let y = 0; y < height; y++) {
    const fy = Math.max(0, Math.min(from.height - 1.001, ((y + 0.5) * from.height) / height - 0.5));
    const v = fy - Math.floor(fy);
    const upper = Math.floor(fy) * from.width;
    const lower = from.height > 1 ? upper + from.width : upper;
    for (let x = 0; x < width; x++) {
      const i = left[x] as number;
      const u = share[x] as number;
      const a = (from.data[upper + i] as number) * (1 - u) + (from.data[upper + i + step] as number) * u;
      const b = (from.data[lower + i] as number) * (1 - u) + (from.data[lower + i + step] as number) * u;
      out.data[y * width + x] = a + (b - a) * v;
    }
  }
  return out;
}

/** Cloudy texture: octaves of value noise, mean about 0, most values within -1 to 1. `grain` is the coarsest cell in pixels. */
export function clouds(width: number, height: number, grain: number, octaves: number, source: Random): Canvas {
  const out = canvas(width, height);
  let amplitude = 1;
  for (let octave = 0, cell = grain; octave < octaves && cell >= 1.5; octave++, cell /= 2, amplitude *= 0.6) {
    const columns = Math.ceil(width / cell) + 2;
    const [lefts, shares] = [new Int32Array(width), new Float32Array(width)];
    for (let x = 0; x < width; x++) {
      lefts[x] = x / cell;
      shares[x] = smooth(x / cell - Math.floor(x / cell));
    }
    const lattice = Float32Array.from(
      { length: columns * (Math.ceil(height / cell) + 2) },
      () => source.between(-1, 1) * amplitude,
    );
    for (let y = 0; y < height; y++) {
      const gy = Math.floor(y / cell);
      const v = smooth(y / cell - gy);
      for (let x = 0; x < width; x++) {
        const u = shares[x] as number;
        const i = gy * columns + (lefts[x] as number);
        const upper = (lattice[i] as number) * (1 - u) + (lattice[i + 1] as number) * u;
        const lower = (lattice[i + columns] as number) * (1 - u) + (lattice[i + columns + 1] as number) * u;
        out.data[y * width + x] = (out.data[y * width + x] as number) + upper * (1 - v) + lower * v;
      }
    }
  }
  return out;
}

function smooth(t: number): number {
  return t * t * (3 - 2 * t);
}
