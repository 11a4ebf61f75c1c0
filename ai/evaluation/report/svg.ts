// Plots as SVG text: a frame with axes, and marks in its own coordinates. Static, so that a report opens anywhere and prints.

export interface Axis {
  label: string;
  from: number;
  to: number;
  ticks: readonly number[];
  /** The same distance is the same factor; `from` above 0. */
  logarithmic?: boolean;
  tick?(value: number): string;
}
export interface Size {
  width: number;
  height: number;
}
type Place = readonly [x: number, y: number];

const MARGIN = { left: 56, right: 14, top: 10, bottom: 44 };
const PLOT: Size = { width: 430, height: 340 };

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

export class Plot {
  readonly #x: Axis;
  readonly #y: Axis;
  readonly #size: Size;
  readonly #marks: string[] = [];

  constructor(x: Axis, y: Axis, size: Size = PLOT) {
    this.#x = x;
    this.#y = y;
    this.#size = size;
  }

  line(points: readonly Place[], style: string): void {
    if (points.length < 2) return;
    this.#marks.push(`<polyline class="line ${style}" points="${points.map((point) => this.#at(point).join(',')).join(' ')}"/>`);
  }

  dot([x, y]: Place, style: string, title: string, radius = 4.5): void {
    const [left, top] = this.#at([x, y]);
    this.#marks.push(`<circle class="${style}" cx="${left}" cy="${top}" r="${radius}"><title>${escaped(title)}</title></circle>`);
  }

  /** From one corner to the other. */
  box(one: Place, other: Place, style: string, title: string): void {
    const [[x0, y0], [x1, y1]] = [this.#at(one), this.#at(other)];
    const [left, top, width, height] = [Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0)];
    this.#marks.push(`<rect class="${style}" x="${left}" y="${top}" width="${tidy(width)}" height="${tidy(height)}"><title>${escaped(title)}</title></rect>`);
  }

  /** @param anchor start, middle or end of the text is at the place */
  text(place: Place, words: string, anchor: 'start' | 'middle' | 'end', style = ''): void {
    const [left, top] = this.#at(place);
    this.#marks.push(`<text class="${style}" x="${left}" y="${top}" text-anchor="${anchor}">${escaped(words)}</text>`);
  }

  /** @param title what a person who cannot see the plot is told */
  svg(title: string): string {
    const { width, height } = this.#size;
    return [
      `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">`,
      ...this.#frame(),
      ...this.#marks,
      '</svg>',
    ].join('');
  }

  #frame(): string[] {
    const { width, height } = this.#size;
    const [right, bottom] = [width - MARGIN.right, height - MARGIN.bottom];
    const vertical = this.#x.ticks.map((tick) => {
      const [x] = this.#at([tick, this.#y.from]);
      return `<line class="grid" x1="${x}" y1="${MARGIN.top}" x2="${x}" y2="${bottom}"/><text class="tick" x="${x}" y="${bottom + 15}" text-anchor="middle">${tickText(this.#x, tick)}</text>`;
    });
    const horizontal = this.#y.ticks.map((tick) => {
      const [, y] = this.#at([this.#x.from, tick]);
      return `<line class="grid" x1="${MARGIN.left}" y1="${y}" x2="${right}" y2="${y}"/><text class="tick" x="${MARGIN.left - 6}" y="${y + 4}" text-anchor="end">${tickText(this.#y, tick)}</text>`;
    });
    const [middle, centre] = [(MARGIN.left + right) / 2, (MARGIN.top + bottom) / 2];
    return [
      ...vertical,
      ...horizontal,
      `<text class="axis" x="${middle}" y="${height - 8}" text-anchor="middle">${escaped(this.#x.label)}</text>`,
      `<text class="axis" transform="translate(14 ${centre}) rotate(-90)" text-anchor="middle">${escaped(this.#y.label)}</text>`,
    ];
  }

  #at([x, y]: Place): [number, number] {
    const { width, height } = this.#size;
    const left = MARGIN.left + share(this.#x, x) * (width - MARGIN.left - MARGIN.right);
    const top = height - MARGIN.bottom - share(this.#y, y) * (height - MARGIN.top - MARGIN.bottom);
    return [tidy(left), tidy(top)];
  }
}

/** Where between its ends, 0 to 1; beyond them, at them. */
function share({ from, to, logarithmic }: Axis, value: number): number {
  const inside = Math.min(Math.max(value, Math.min(from, to)), Math.max(from, to));
  return logarithmic ? Math.log(inside / from) / Math.log(to / from) : (inside - from) / (to - from);
}

function tickText({ tick }: Axis, value: number): string {
  return escaped(tick ? tick(value) : String(value));
}

function tidy(number: number): number {
  return Math.round(number * 100) / 100;
}
