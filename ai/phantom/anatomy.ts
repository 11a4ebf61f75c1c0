// Outlines of a frontal chest in its own coordinates: x from the midline, positive towards the patient's left (the right of the
// picture), y downwards from the middle of the chest; 1 is the width of the picture. Drawn by hand, to look like a radiograph.
import { curve } from './canvas.ts';
import type { Point } from './canvas.ts';
import type { Random } from './random.ts';

export interface Chest {
  body: Point[];
  neckAir: Point[];
  bronchi: Point[][];
  /** Patient's right (picture's left), then left. */
  lungs: [Point[], Point[]];
  heart: Point[];
  mediastinum: Point[];
  aorticKnob: Point[];
  scapulae: Point[][];
  clavicles: Point[][];
  humeri: Point[][];
  /** Posterior part from the spine to the side, then the anterior part; with the radius of each. */
  ribs: { path: Point[]; radius: number; anterior: boolean }[];
  vertebrae: { centre: Point; width: number; height: number }[];
  vessels: { path: Point[]; from: number; to: number }[];
  breasts: { centre: Point; radius: number }[];
  stomachBubble: { centre: Point; width: number; height: number } | undefined;
}

export interface Build {
  child: boolean;
  view: 'PA' | 'AP';
}

export function chest(build: Build, source: Random): Chest {
  const jitter = (amount: number): number => source.between(-amount, amount);
  // A child's chest is as wide as it is high; the heart takes more of it, and more so from the front (AP).
  const wide = build.child ? source.between(0.86, 1) : source.between(0.92, 1.08);
  const high = build.child ? source.between(0.74, 0.86) : source.between(0.92, 1.08);
  const heartSize = (build.child ? 1.12 : 1) * (build.view === 'AP' ? 1.1 : 1) * source.between(0.88, 1.15);
  const dome = [source.between(-0.02, 0.03), source.between(-0.02, 0.03)] as const;
  const wobble = Array.from({ length: 16 }, () => [jitter(0.006), jitter(0.006)] as const);
  const place = (points: readonly Point[], side = 1): Point[] =>
    points.map(([x, y], i) => [(x + (wobble[i % 16]?.[0] ?? 0)) * wide * side, (y + (wobble[(i * 5) % 16]?.[1] ?? 0)) * high]);
  const sizeless = (points: readonly Point[], side = 1): Point[] => points.map(([x, y]) => [x * wide * side, y * high]);

  const lung = (side: 1 | -1): Point[] => {
    const lift = dome[side === 1 ? 1 : 0] + (side === 1 ? 0.025 : 0);
    const outer = curve(
      place(
        [
          [0.062, -0.3],
          [0.082, -0.375],
          [0.135, -0.405],
          [0.212, -0.375],
          [0.275, -0.29],
          [0.322, -0.16],
          [0.348, -0.02],
          [0.36, 0.13],
          [0.362, 0.26 + lift],
          [0.357, 0.325 + lift],
        ],
        side,
      ),
      false,
    );
    const base = curve(
      place(
        [
          [0.354, 0.337 + lift],
          [0.325, 0.285 + lift],
          [0.27, 0.235 + lift],
          [0.2, 0.212 + lift],
          [0.13, 0.222 + lift],
          [0.07, 0.262 + lift],
        ],
        side,
      ),
      false,
    );
    const inner = curve(
      place(
        [
          [0.055, 0.25 + lift],
          [0.05, 0.1],
          [0.05, -0.05],
          [0.055, -0.18],
          [0.062, -0.3],
        ],
        side,
      ),
      false,
    );
    return [...outer, ...base, ...inner];
  };

  const neck = build.child ? 0.13 : 0.105;
  const side: Point[] = [
    [neck, -0.9],
    [neck, -0.53],
    [neck + 0.05, -0.475],
    [0.3, -0.43],
    [0.46, -0.385],
    [0.62, -0.28],
    [0.62, -0.1],
    [0.47, -0.13],
    [0.42, -0.06],
    [0.415, 0.1],
    [0.41, 0.3],
    [0.405, 0.9],
  ];
  const body = [...curve(sizeless(side), false), ...curve(sizeless(side, -1), false).toReversed()];

  return {
    body,
    neckAir: sizeless([
      [0, -0.9],
      [0, -0.45],
      [-0.004, -0.3],
      [-0.006, -0.185],
    ]),
    bronchi: [
      curve(
        sizeless([
          [-0.006, -0.185],
          [-0.03, -0.14],
          [-0.055, -0.1],
        ]),
        false,
      ),
      curve(
        sizeless([
          [-0.006, -0.185],
          [0.03, -0.15],
          [0.075, -0.115],
        ]),
        false,
      ),
    ],
    lungs: [lung(-1), lung(1)],
    heart: curve(
      [
        [-0.03, -0.15],
        [0.06, -0.14],
        [0.095, -0.07],
        [0.135, 0.02],
        [0.19, 0.12],
        [0.212, 0.2],
        [0.18, 0.27],
        [0.03, 0.3],
        [-0.07, 0.275],
        [-0.102, 0.2],
        [-0.11, 0.11],
        [-0.088, 0.01],
        [-0.062, -0.07],
      ].map(([x, y], i): Point => [
        ((x ?? 0) * heartSize + (wobble[i]?.[0] ?? 0)) * wide,
        (((y ?? 0) - 0.1) * (0.6 + 0.4 * heartSize) + 0.1) * high,
      ]),
      true,
    ),
    mediastinum: curve(
      sizeless([
        [-0.065, -0.46],
        [0.065, -0.46],
        [0.06, -0.3],
        [0.058, -0.15],
        [0.065, 0],
        [0.06, 0.3],
        [-0.06, 0.3],
        [-0.062, 0],
        [-0.055, -0.15],
        [-0.065, -0.3],
      ]),
      true,
    ),
    aorticKnob: curve(
      sizeless([
        [0.03, -0.215],
        [0.068, -0.212],
        [0.084, -0.178],
        [0.07, -0.14],
        [0.03, -0.13],
      ]),
      true,
    ),
    scapulae: [1, -1].map((s) =>
      curve(
        place(
          [
            [0.3, -0.36],
            [0.4, -0.33],
            [0.405, -0.2],
            [0.365, -0.03],
            [0.335, -0.08],
            [0.31, -0.22],
          ],
          s,
        ),
        true,
      ),
    ),
    clavicles: [1, -1].map((s) => {
      const tilt = jitter(0.02);
      return curve(
        sizeless(
          [
            [0.035, -0.295 + tilt],
            [0.12, -0.335 + tilt],
            [0.22, -0.365],
            [0.31, -0.4],
            [0.41, -0.405],
          ],
          s,
        ),
        false,
      );
    }),
    humeri: [1, -1].map((s) =>
      curve(
        sizeless(
          [
            [0.455, -0.36],
            [0.5, -0.31],
            [0.56, -0.22],
            [0.64, -0.1],
          ],
          s,
        ),
        false,
      ),
    ),
    ribs: ribs(build, source, wide, high),
    vertebrae: Array.from({ length: 17 }, (_, i) => ({
      centre: [jitter(0.002), (-0.62 + i * 0.075) * high] as const,
      width: (0.031 + i * 0.0007) * wide,
      height: (0.0285 + i * 0.0003) * high,
    })),
    vessels: vessels(source, wide, high),
    breasts:
      !build.child && source.chance(0.4)
        ? [1, -1].map((s) => ({
            centre: [s * 0.2 * wide, source.between(0.14, 0.22) * high] as const,
            radius: source.between(0.13, 0.17) * wide,
          }))
        : [],
    stomachBubble: source.chance(0.55)
      ? {
          centre: [source.between(0.13, 0.22) * wide, (0.31 + dome[1]) * high],
          width: source.between(0.04, 0.08),
          height: source.between(0.02, 0.045),
        }
      : undefined,
  };
}

function ribs(build: Build, source: Random, wide: number, high: number): Chest['ribs'] {
  const slope = (build.child ? 0.6 : 1) * source.between(0.75, 1.2);
  const out: Chest['ribs'] = [];
  for (const side of [1, -1]) {
    for (let i = 0; i < 11; i++) {
      const t = i / 10;
      const start = -0.385 + i * 0.0665 + source.between(-0.004, 0.004);
      const reach = 0.15 + 0.235 * Math.min(1, Math.pow(t + 0.06, 0.55) * 1.12);
      const drop = slope * (0.03 + 0.14 * Math.min(1, t + 0.25));
      const radius = (0.0135 + 0.003 * Math.sin(Math.PI * t)) * source.between(0.92, 1.08) * (build.child ? 0.85 : 1);
      const at = (x: number, y: number): Point => [x * side * wide, y * high];
      out.push({
        path: curve(
          [
            at(0.035, start),
            at(reach * 0.3, start - 0.018),
            at(reach * 0.62, start - 0.002 + drop * 0.2),
            at(reach * 0.87, start + drop * 0.55),
            at(reach * 0.985, start + drop * 1.05),
          ],
          false,
        ),
        radius,
        anterior: false,
      });
      if (i < 8) {
        const end = start + drop * 1.05;
        out.push({
          path: curve(
            [
              at(reach * 0.985, end),
              at(reach * 0.99, end + 0.028),
              at(reach * 0.9, end + 0.07 * slope + 0.02),
              at(reach * 0.68, end + 0.105 * slope + 0.025),
              at(Math.max(0.1, reach * 0.42), end + 0.1 * slope + 0.02),
            ],
            false,
          ),
          radius: radius * 1.12,
          anterior: true,
        });
      }
    }
  }
  return out;
}

/** Arteries from each hilum outwards, each parting into two thinner ones until they are too fine to see. */
function vessels(source: Random, wide: number, high: number): Chest['vessels'] {
  const out: Chest['vessels'] = [];
  const grow = (from: Point, angle: number, length: number, radius: number, depth: number): void => {
    const bend = source.between(-0.25, 0.25);
    const middle: Point = [from[0] + Math.cos(angle) * length * 0.5, from[1] + Math.sin(angle) * length * 0.5];
    const end: Point = [middle[0] + Math.cos(angle + bend) * length * 0.5, middle[1] + Math.sin(angle + bend) * length * 0.5];
    out.push({ path: curve([from, middle, end], false, 4), from: radius, to: radius * 0.75 });
    if (depth === 0) return;
    for (const turn of [source.between(0.15, 0.6), -source.between(0.15, 0.6)]) {
      grow(end, angle + bend + turn, length * source.between(0.68, 0.9), radius * source.between(0.62, 0.8), depth - 1);
    }
  };
  for (const side of [1, -1]) {
    for (const angle of [-1.4, -0.95, -0.45, 0.05, 0.5, 0.95, 1.35]) {
      const hilum: Point = [side * source.between(0.06, 0.085) * wide, ((side === 1 ? -0.09 : -0.065) + 0.035 * angle) * high];
      const turned = angle + source.between(-0.15, 0.15);
      grow(hilum, side === 1 ? turned : Math.PI - turned, source.between(0.055, 0.085), source.between(0.0075, 0.0115), 4);
    }
  }
  return out;
}
