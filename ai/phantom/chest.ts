// A synthetic frontal chest radiograph: no patient, deterministic by seed, with opacities of known place, size and contrast.
// Densities of tissue are summed along the beam, then pass the film's curve, as in a real radiograph.
import { blur, canvas, clouds, enlarged, fill, stroke } from './canvas.ts';
import type { Canvas, Point } from './canvas.ts';
import { chest } from './anatomy.ts';
import type { Chest } from './anatomy.ts';
import { burnIn } from './lettering.ts';
import { addOpacity, placeOpacities } from './opacity.ts';
import type { Box, OpacitySpec } from './opacity.ts';
import { normalTable, random } from './random.ts';
import type { Random } from './random.ts';

export type { Box, OpacitySpec };

export interface PhantomSpec {
  seed: number;
  /** Pixels; 1024 by default. */
  columns?: number;
  rows?: number;
  /** MONOCHROME2 by default. */
  photometric?: 'MONOCHROME1' | 'MONOCHROME2';
  /** 12 by default. */
  bitsStored?: 8 | 10 | 12 | 14 | 16;
  /** Where opacities are wanted, in pixels of the image, or how many at random places; none by default. */
  opacities?: readonly OpacitySpec[] | number;
  view?: 'PA' | 'AP';
  child?: boolean;
}

export interface Phantom {
  columns: number;
  rows: number;
  /** Stored values, row by row. */
  pixels: Uint16Array;
  /** What is to be found in it, in pixels of the image; opacities that fell outside the lungs are left out. */
  opacities: Box[];
}

/** Larger images are drawn at this many pixels on the long side and enlarged: a detector blurs about as much. */
const DRAWN_AT = 1024;

export function chestPhantom(spec: PhantomSpec): Phantom {
  const columns = spec.columns ?? 1024;
  const rows = spec.rows ?? 1024;
  const source = random(spec.seed);
  const scale = Math.min(1, DRAWN_AT / Math.max(columns, rows));
  const width = Math.max(1, Math.round(columns * scale));
  const height = Math.max(1, Math.round(rows * scale));
  const place = pose(width, height, source);
  const anatomy = chest({ child: spec.child ?? false, view: spec.view ?? 'PA' }, source);
  const { density, lung } = drawTissue(anatomy, width, height, place, source);

  const [toX, toY] = [width / columns, height / rows];
  // Streams of their own: the same patient with and without opacities, alike to the last grain of noise.
  const places = random(spec.seed ^ 0x0bac17e5);
  const wanted =
    typeof spec.opacities === 'number'
      ? placeOpacities(spec.opacities, lung, places)
      : (spec.opacities ?? []).map((o) => ({
          x: o.x * toX,
          y: o.y * toY,
          width: o.width * toX,
          height: o.height * toY,
          contrast: o.contrast,
        }));
  const [neck, belly] = [place([0, -0.5]), place([0, 0.5])];
  const midline = (y: number): number => neck[0] + ((belly[0] - neck[0]) * (y - neck[1])) / (belly[1] - neck[1]);
  const added = canvas(width, height);
  const found = wanted.map((o) => addOpacity(added, lung, o, midline, places)).filter((box) => box !== undefined);
  for (let p = 0; p < density.data.length; p++)
    density.data[p] = (density.data[p] as number) + 0.42 * Math.min(1.05, added.data[p] as number);

  const pixels = expose(density, columns, rows, spec, random(spec.seed ^ 0x0de7ec70));
  return {
    columns,
    rows,
    pixels,
    opacities: found.map((b) => ({ x: b.x / toX, y: b.y / toY, width: b.width / toX, height: b.height / toY })),
  };
}

type Place = { (point: Point): Point; unit: number };

/** How the patient stands before the detector: a little turned, nearer or farther, not quite in the middle. */
function pose(width: number, height: number, source: Random): Place {
  const unit = Math.min(width, height * 1.02) * source.between(0.95, 1.12);
  // A plate on end is chosen for a tall patient.
  const tall = Math.max(1, Math.min(1.13, height / width));
  const angle = source.normal() * 0.018;
  const [cos, sin] = [Math.cos(angle) * unit, Math.sin(angle) * unit];
  const cx = width * (0.5 + source.normal() * 0.012);
  const cy = height * (0.53 + source.normal() * 0.015);
  return Object.assign(([x, y]: Point): Point => [cx + x * cos - y * tall * sin, cy + x * sin + y * tall * cos], { unit });
}

function ellipse(centre: Point, rx: number, ry: number): Point[] {
  return Array.from({ length: 24 }, (_, i) => [
    centre[0] + rx * Math.cos((i * Math.PI) / 12),
    centre[1] + ry * Math.sin((i * Math.PI) / 12),
  ]);
}

/** Density of a bone by the depth below its surface: the hard shell shows as two brighter lines. */
function cortex(depth: number): number {
  return 0.5 * Math.sqrt(depth) + 0.75 * Math.exp(-((depth - 0.2) ** 2) / 0.02);
}

/** Sums what lies in the beam: 0 is air, about 1 the mediastinum. `lung` is how much air can be displaced, 0 to 1. */
function drawTissue(
  anatomy: Chest,
  width: number,
  height: number,
  place: Place,
  source: Random,
): { density: Canvas; lung: Canvas } {
  const { unit } = place;
  const scratch = canvas(width, height);
  const spare = canvas(width, height);
  const filled = (outlines: readonly Point[][], sigma: number): Canvas => {
    const layer = canvas(width, height);
    for (const outline of outlines) fill(layer, outline.map(place), 1);
    blur(layer, sigma * unit, spare);
    return layer;
  };
  // What is blurred widely loses nothing when it is drawn small.
  const [smallWidth, smallHeight] = [Math.ceil(width / 4), Math.ceil(height / 4)];
  const soft = (outlines: readonly Point[][], sigma: number): Canvas => {
    const layer = canvas(smallWidth, smallHeight);
    for (const outline of outlines)
      fill(
        layer,
        outline.map((point) => place(point)).map(([x, y]) => [(x * smallWidth) / width, (y * smallHeight) / height]),
        1,
      );
    blur(layer, (sigma * unit) / 4, spare);
    return enlarged(layer, width, height);
  };

  const body = filled([anatomy.body], 0.006);
  const trunk = soft([anatomy.body], 0.045);
  const lungEdge = filled(anatomy.lungs, 0.0035);
  const lungDepth = soft(anatomy.lungs, 0.035);
  const heart = filled([anatomy.heart], 0.006);
  const heartDepth = soft([anatomy.heart], 0.03);
  const middle = soft([anatomy.mediastinum, anatomy.aorticKnob], 0.012);
  const scapulae = filled(anatomy.scapulae, 0.004);
  const spine = filled(
    anatomy.vertebrae.map((v) => {
      const [x, y] = v.centre;
      return [
        [x - v.width, y - v.height],
        [x - v.width * 0.86, y],
        [x - v.width, y + v.height],
        [x + v.width, y + v.height],
        [x + v.width * 0.86, y],
        [x + v.width, y - v.height],
      ];
    }),
    0.0035,
  );
  const pedicles = filled(
    anatomy.vertebrae.flatMap(({ centre: [x, y], width: w, height: h }) => [
      ellipse([x - w * 0.62, y - h * 0.2], w * 0.2, h * 0.34),
      ellipse([x + w * 0.62, y - h * 0.2], w * 0.2, h * 0.34),
      ellipse([x, y + h * 0.5], w * 0.16, h * 0.5),
    ]),
    0.002,
  );
  const breasts = soft(
    anatomy.breasts.map((b) => ellipse(b.centre, b.radius, b.radius * 0.85)),
    0.012,
  );

  const bone = canvas(width, height);
  for (const rib of anatomy.ribs) {
    const strength = rib.anterior ? 0.075 : 0.135;
    stroke(bone, scratch, rib.path.map(place), [rib.radius * unit, rib.radius * unit], (depth) => strength * cortex(depth));
  }
  for (const clavicle of anatomy.clavicles)
    stroke(bone, scratch, clavicle.map(place), [0.0165 * unit, 0.0145 * unit], (depth) => 0.12 * cortex(depth));
  for (const humerus of anatomy.humeri)
    stroke(bone, scratch, humerus.map(place), [0.042 * unit, 0.026 * unit], (depth) => 0.2 * cortex(depth));
  blur(bone, 0.0014 * unit, spare);
  const vessels = canvas(width, height);
  for (const v of anatomy.vessels)
    stroke(
      vessels,
      scratch,
      v.path.map(place),
      [v.from * unit, v.to * unit],
      (depth) => Math.min(0.07, v.from * 9) * Math.sqrt(depth),
    );
  blur(vessels, 0.0012 * unit, spare);
  const airway = canvas(width, height);
  stroke(airway, scratch, anatomy.neckAir.map(place), [0.017 * unit, 0.0155 * unit], (depth) => Math.sqrt(depth));
  for (const bronchus of anatomy.bronchi)
    stroke(airway, scratch, bronchus.map(place), [0.012 * unit, 0.007 * unit], (depth) => 0.7 * Math.sqrt(depth));
  blur(airway, 0.003 * unit, spare);
  const bubble = anatomy.stomachBubble
    ? filled([ellipse(anatomy.stomachBubble.centre, anatomy.stomachBubble.width, anatomy.stomachBubble.height)], 0.006)
    : undefined;

  const mottle = enlarged(clouds(Math.ceil(width / 2), Math.ceil(height / 2), 0.045 * unit, 5, source), width, height);
  const lung = canvas(width, height);
  const density = canvas(width, height);
  const tilt = source.between(-0.04, 0.04);
  const airiness = source.between(0.44, 0.54);
  const [heartWeight, boneWeight] = [source.between(0.6, 0.75), source.between(0.7, 1.15)];
  for (let p = 0; p < density.data.length; p++) {
    const at = (layer: Canvas): number => layer.data[p] as number;
    const y = Math.floor(p / width) / height;
    const x = (p % width) / width;
    const inLung = at(lungEdge);
    const cardiac = at(heart) * (0.35 + 0.65 * at(heartDepth));
    // Heart and mediastinum stand where air would be; some lung lies before and behind them.
    const air =
      inLung * (0.5 + 0.5 * at(lungDepth)) * (1 - 0.25 * at(scapulae)) * (1 - heartWeight * cardiac) * (1 - 0.6 * at(middle));
    lung.data[p] = inLung * Math.min(1, 0.35 + 0.8 * at(lungDepth)) * (1 - 0.75 * at(heart)) * (1 - 0.6 * at(middle));
    density.data[p] =
      at(body) * (0.3 + 0.34 * at(trunk) * at(trunk) + 0.1 * y + tilt * (x - 0.5)) -
      airiness * air +
      0.07 * cardiac +
      at(middle) * 0.06 +
      (0.1 * at(spine) + 0.055 * at(pedicles)) * boneWeight +
      at(bone) * boneWeight * (0.55 + 0.45 * inLung) +
      at(vessels) * inLung * (1 - 0.7 * at(heart)) +
      at(scapulae) * 0.05 +
      at(breasts) * 0.055 * at(body) -
      at(airway) * 0.085 -
      (bubble ? at(bubble) * 0.16 : 0) +
      at(mottle) * (0.006 + 0.012 * inLung) * at(body);
  }
  return { density, lung };
}

/** The detector: film curve, blur by enlarging, quantum noise, collimator, lettering; to stored values. */
function expose(density: Canvas, columns: number, rows: number, spec: PhantomSpec, source: Random): Uint16Array {
  const top = 2 ** (spec.bitsStored ?? 12) - 1;
  const [centre, steepness] = [source.between(0.4, 0.48), source.between(4.2, 5.6)];
  // A curve by table: one lookup a pixel instead of one exponential.
  const steps = 4096;
  const film = Float32Array.from(
    { length: steps },
    (_, i) => top * (0.03 + 0.93 / (1 + Math.exp(-steepness * ((i / steps) * 1.6 - 0.3 - centre)))),
  );
  const noise = normalTable(source);
  const grain = source.between(0.005, 0.014) * top;
  const pixels = new Uint16Array(columns * rows);
  const tissues = (density.width === columns && density.height === rows ? density : enlarged(density, columns, rows)).data;
  const inside = collimator(columns, rows, source);
  const border = (source.chance(0.5) ? 0.02 : 0.93) * top;
  const inverted = spec.photometric === 'MONOCHROME1';
  let dice = spec.seed >>> 0;
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const tissue = tissues[y * columns + x] as number;
      const exposed = film[Math.max(0, Math.min(steps - 1, (((tissue + 0.3) * steps) / 1.6) | 0))] as number;
      dice = (Math.imul(dice, 1664525) + 1013904223) >>> 0;
      // Fewer quanta pass where the tissue is denser: more noise there.
      const grainy = (noise[dice >>> 16] as number) * grain * (0.6 + 0.6 * Math.min(1, exposed / top));
      const value = inside && !inside(x, y) ? border + grainy * 0.3 : exposed + grainy;
      const stored = Math.max(0, Math.min(top, Math.round(value)));
      pixels[y * columns + x] = inverted ? top - stored : stored;
    }
  }
  const dot = Math.max(1, Math.round(columns / 330));
  const white = inverted ? 0 : top;
  for (let y = Math.max(0, rows - dot * 17); y < rows - dot * 6; y++)
    pixels.fill(top - white, y * columns + dot * 6, y * columns + dot * 63);
  burnIn(pixels, columns, 'SYNTHETIC', dot * 8, rows - dot * 15, dot, white);
  burnIn(pixels, columns, 'L', Math.round(columns * 0.9), Math.round(rows * 0.07), dot * 2, white);
  burnIn(pixels, columns, spec.view ?? 'PA', Math.round(columns * 0.9), Math.round(rows * 0.07) + dot * 18, dot, white);
  return pixels;
}

/** In one image of three the lead blades can be seen at the edges, not quite parallel to the picture. */
function collimator(columns: number, rows: number, source: Random): ((x: number, y: number) => boolean) | undefined {
  const seen = source.chance(0.33);
  const lean = source.normal() * 0.012;
  const [left, right, upper, lower] = Array.from({ length: 4 }, () => source.between(0, 0.05)) as [
    number,
    number,
    number,
    number,
  ];
  if (!seen) return undefined;
  return (x, y) => {
    const u = (x + 0.5) / columns;
    const v = (y + 0.5) / rows;
    return u + lean * v > left && u + lean * v < 1 - right && v - lean * u > upper && v - lean * u < 1 - lower;
  };
}
