// The words burnt into the picture: a 5 by 7 bitmap font of our own, of the few letters that are needed.

// One number a row, the highest of five bits on the left.
const LETTERS: Record<string, readonly number[]> = {
  S: [15, 16, 16, 14, 1, 1, 30],
  Y: [17, 17, 10, 4, 4, 4, 4],
  N: [17, 25, 21, 19, 17, 17, 17],
  T: [31, 4, 4, 4, 4, 4, 4],
  H: [17, 17, 17, 31, 17, 17, 17],
  E: [31, 16, 16, 30, 16, 16, 31],
  I: [14, 4, 4, 4, 4, 4, 14],
  C: [14, 17, 16, 16, 16, 17, 14],
  R: [30, 17, 17, 30, 20, 18, 17],
  L: [16, 16, 16, 16, 16, 16, 31],
  P: [30, 17, 17, 30, 16, 16, 16],
  A: [4, 10, 17, 17, 31, 17, 17],
};

/** Writes `text` with its top-left corner at (x, y); each dot of the font is `dot` pixels square. */
export function burnIn(
  pixels: Uint16Array,
  columns: number,
  text: string,
  x: number,
  y: number,
  dot: number,
  value: number,
): void {
  const rows = pixels.length / columns;
  Array.from(text).forEach((letter, place) => {
    (LETTERS[letter] ?? []).forEach((bits, line) => {
      for (let bit = 0; bit < 5; bit++) {
        if (!(bits & (16 >> bit))) continue;
        const left = x + (place * 6 + bit) * dot;
        for (let py = Math.max(0, y + line * dot); py < Math.min(rows, y + (line + 1) * dot); py++) {
          for (let px = Math.max(0, left); px < Math.min(columns, left + dot); px++) pixels[py * columns + px] = value;
        }
      }
    });
  });
}
