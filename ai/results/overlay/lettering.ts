// Text as outlines, from fonts that come with the package: a fresh machine may have none, and then text in a picture stays away.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** What we use of opentype.js, which is CommonJS and brings no types. */
interface PathCommand {
  type: 'M' | 'L' | 'C' | 'Q' | 'Z';
  x?: number;
  y?: number;
  x1?: number;
  y1?: number;
  x2?: number;
  y2?: number;
}
interface Glyph {
  /** 0 is the box for what the font does not have. */
  index: number;
  advanceWidth?: number;
  getPath(x: number, y: number, fontSize: number): { commands: PathCommand[] };
}
interface Font {
  unitsPerEm: number;
  charToGlyph(character: string): Glyph;
  getKerningValue(left: Glyph, right: Glyph): number;
}
const opentype = createRequire(import.meta.url)('opentype.js') as { parse(file: ArrayBuffer): Font };

export type Weight = 'normal' | 'bold';

/** A line of text whose baseline starts at 0,0. */
export interface Line {
  /** SVG path data. */
  path: string;
  /** Pixels. */
  width: number;
}

/** In the order in which a character is looked for; the package splits Noto Sans by script. */
const SUBSETS = ['latin', 'latin-ext', 'cyrillic', 'greek'] as const;

const fonts = new Map<string, Font>();

/**
 * Sets a line of text. A character of no subset (an ideograph) comes out as '?', never as nothing.
 * @param size pixels from ascender to descender, as CSS counts font sizes
 */
export function setLine(text: string, size: number, weight: Weight = 'normal'): Line {
  let x = 0;
  let path = '';
  let previous: { font: Font; glyph: Glyph } | undefined;
  for (const character of text) {
    const { font, glyph } = glyphOf(character, weight) ?? glyphOf('?', weight)!;
    const unit = size / font.unitsPerEm;
    if (previous?.font === font) x += font.getKerningValue(previous.glyph, glyph) * unit;
    path += pathData(glyph.getPath(x, 0, size).commands);
    x += (glyph.advanceWidth ?? 0) * unit;
    previous = { font, glyph };
  }
  return { path, width: x };
}

/**
 * Sets a line that is not wider than told: smaller, down to `smallest`, and then with its end cut off.
 * @returns the line and the size that it came to
 */
export function fitLine(text: string, size: number, room: number, weight: Weight = 'normal', smallest = 0.75): Line & { size: number } {
  const whole = setLine(text, size, weight);
  if (whole.width <= room) return { ...whole, size };
  const reduced = size * Math.max(smallest, room / whole.width);
  let shown = [...text];
  let line = setLine(text, reduced, weight);
  while (line.width > room && shown.length > 1) {
    // The first guess is by proportion; what is left then goes letter by letter.
    shown = shown.slice(0, Math.min(shown.length - 1, Math.ceil((shown.length * room) / line.width)));
    line = setLine(cutOff(shown.join('')), reduced, weight);
  }
  return { ...line, size: reduced };
}

/** SVG path data; the library's own leaves out the space before a number that rounds to minus nought. */
function pathData(commands: readonly PathCommand[]): string {
  return commands
    .map(({ type, x1, y1, x2, y2, x, y }) => type + [x1, y1, x2, y2, x, y].filter((value) => value !== undefined).map(rounded).join(' '))
    .join('');
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

function glyphOf(character: string, weight: Weight): { font: Font; glyph: Glyph } | undefined {
  for (const subset of SUBSETS) {
    const font = loadFont(subset, weight);
    const glyph = font.charToGlyph(character);
    if (glyph.index !== 0) return { font, glyph };
  }
  return undefined;
}

function loadFont(subset: string, weight: Weight): Font {
  const name = `noto-sans-${subset}-${weight === 'bold' ? 700 : 400}-normal.woff`;
  const known = fonts.get(name);
  if (known) return known;
  const file = readFileSync(fileURLToPath(import.meta.resolve(`@fontsource/noto-sans/files/${name}`)));
  const font = opentype.parse(file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength) as ArrayBuffer);
  fonts.set(name, font);
  return font;
}

/** @param start of a text that goes on: "viral 3" may have been "viral 30 %", so that a number at its end is no number to show */
export function cutOff(start: string): string {
  return `${start.replace(/(?<=\s)\d{1,3}\s*$/, '').trimEnd()}...`;
}
