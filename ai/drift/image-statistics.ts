// What a model's input looks like in a few numbers, and what the header says of its geometry. The formulae are those of
// docs/drift.md: training counts the same ones, and only equal numbers can be compared.
import { num } from '../../storage/dicom/dataset.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';

/** Gray values that count as black and as white: a margin for lossy compression. */
const BLACK = 5;
const WHITE = 250;

export interface InputStatistics {
  mean: number;
  deviation: number;
  black: number;
  white: number;
  sharpness: number;
}
export interface ImageStatistics extends InputStatistics {
  aspect: number;
  /** Undefined where the header does not say. */
  spacing?: number | undefined;
}

/** @param pixels height x width, row by row, 0 black to 255 white */
export function inputStatistics(pixels: Uint8Array, width: number, height: number): InputStatistics {
  let [sum, squares, black, white, steps] = [0, 0, 0, 0, 0];
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++, at++) {
      const value = pixels[at]!;
      sum += value;
      squares += value * value;
      if (value <= BLACK) black += 1;
      else if (value >= WHITE) white += 1;
      if (x > 0) steps += Math.abs(value - pixels[at - 1]!);
      if (y > 0) steps += Math.abs(value - pixels[at - width]!);
    }
  const n = width * height;
  const deviation = Math.sqrt(n * squares - sum * sum) / (255 * n);
  const pairs = height * (width - 1) + (height - 1) * width;
  return { mean: sum / (255 * n), deviation, black: black / n, white: white / n, sharpness: deviation === 0 ? 0 : steps / (pairs * 255 * deviation) };
}

/** @param image of the stored image, in pixels */
export function headerStatistics(header: Dataset, image: { columns: number; rows: number }): Pick<ImageStatistics, 'aspect' | 'spacing'> {
  const spacing = [num(header, 'ImagerPixelSpacing'), num(header, 'PixelSpacing')].find((value) => value !== undefined && value > 0);
  return { aspect: image.columns / image.rows, ...(spacing !== undefined && { spacing }) };
}
