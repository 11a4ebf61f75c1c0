// Colour spaces to RGB (PS3.3 C.7.6.3.1.2) and palettes to RGB (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6).
import { bytesOf, get, nums } from '../../storage/dicom/dataset.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { NotAnalyzableError } from '../../storage/errors.ts';
import { lookupTable } from './lookup-table.ts';
import type { Samples } from './samples.ts';

/** YBR_FULL to RGB, interleaved, in place. `bits` stored a sample. */
export function ybrToRgb(data: Uint8Array | Uint16Array, bits: number): void {
  const top = 2 ** bits - 1;
  const middle = 2 ** (bits - 1);
  const bound = (value: number): number => (value < 0 ? 0 : value > top ? top : Math.round(value));
  for (let i = 0; i + 2 < data.length; i += 3) {
    const y = data[i] as number;
    const cb = (data[i + 1] as number) - middle;
    const cr = (data[i + 2] as number) - middle;
    data[i] = bound(y + 1.402 * cr);
    data[i + 1] = bound(y - 0.344136 * cb - 0.714136 * cr);
    data[i + 2] = bound(y + 1.772 * cb);
  }
}

/** Native YBR_FULL_422 (Y Y Cb Cr for every two pixels) to three samples a pixel. */
export function expand422<T extends Uint8Array | Uint16Array>(data: T, pixels: number): T {
  const out = (data instanceof Uint8Array ? new Uint8Array(pixels * 3) : new Uint16Array(pixels * 3)) as T;
  for (let i = 0; i < pixels; i++) {
    const pair = (i >> 1) * 4;
    out[3 * i] = data[pair + (i & 1)] as number;
    out[3 * i + 1] = data[pair + 2] as number;
    out[3 * i + 2] = data[pair + 3] as number;
  }
  return out;
}

/** Palette indices to RGB of 8 bits. @throws {NotAnalyzableError} for a palette that is missing or segmented */
export function paletteToRgb(indices: Samples, dataset: Dataset): Uint8Array {
  const tables = ['Red', 'Green', 'Blue'].map((colour) => {
    const descriptor = nums(dataset, `${colour}PaletteColorLookupTableDescriptor`);
    const data = get(dataset, `${colour}PaletteColorLookupTableData`);
    if (descriptor.length < 3 || !data || !(bytesOf(data) ?? data.Value)) {
      throw new NotAnalyzableError(
        `the image is PALETTE COLOR and its ${colour} palette is ${data ? 'out of reach' : 'missing or segmented'}`,
      );
    }
    return lookupTable(descriptor, data, false);
  });
  const out = new Uint8Array(indices.length * 3);
  tables.forEach((table, channel) => {
    // Bits for each entry are 8 or 16; some writers say 16 and fill only 8.
    const largest = table.values.reduce((most, value) => Math.max(most, value), 0);
    const down = largest > 255 ? Math.max(8, table.bits) - 8 : 0;
    for (let i = 0; i < indices.length; i++) {
      const place = Math.max(0, Math.min(table.values.length - 1, (indices[i] as number) - table.first));
      out[3 * i + channel] = (table.values[place] as number) >> down;
    }
  });
  return out;
}
