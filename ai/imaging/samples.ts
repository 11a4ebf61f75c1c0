// From bytes to sample values: the cells of PS3.5 8.1 with their high bit, sign and planes.
import type { PixelDescription } from './pixel-description.ts';

export type Samples = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;

/** Bytes of one frame in native form. */
export function nativeFrameBytes(d: PixelDescription): number {
  const pixels = d.rows * d.columns;
  if (d.bitsAllocated === 1) return Math.ceil(pixels / 8);
  // Every two pixels share one pair of chrominance values (PS3.3 C.7.6.3.1.2).
  const samples = d.photometric === 'YBR_FULL_422' ? pixels * 2 : pixels * d.samplesPerPixel;
  return (samples * d.bitsAllocated) / 8;
}

/**
 * Values from little-endian cells of 1, 8, 16 or 32 bits: shifted down to bit 0, bits outside the stored ones cleared (old files
 * keep overlays there), sign extended. May share memory with `bytes`.
 */
export function samplesFromCells(bytes: Uint8Array, d: PixelDescription): Samples {
  if (d.bitsAllocated === 1) return unpackBits(bytes, d.rows * d.columns);
  const shift = d.highBit + 1 - d.bitsStored;
  const unused = d.bitsAllocated - d.bitsStored;
  if (d.bitsAllocated === 8) {
    const cells = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    if (!d.signed) return unused === 0 ? cells : cells.map((cell) => (cell >> shift) & ((1 << d.bitsStored) - 1));
    return Int8Array.from(cells, (cell) => (cell << (32 - shift - d.bitsStored)) >> (32 - d.bitsStored));
  }
  const own = bytes.byteOffset % (d.bitsAllocated / 8) === 0 ? bytes : bytes.slice();
  if (d.bitsAllocated === 16) {
    const cells = new Uint16Array(own.buffer, own.byteOffset, own.length >> 1);
    if (!d.signed && unused === 0) return cells;
    const left = 32 - shift - d.bitsStored;
    const right = 32 - d.bitsStored;
    if (d.signed) {
      const out = new Int16Array(cells.length);
      for (let i = 0; i < cells.length; i++) out[i] = ((cells[i] as number) << left) >> right;
      return out;
    }
    const out = new Uint16Array(cells.length);
    const mask = (1 << d.bitsStored) - 1;
    for (let i = 0; i < cells.length; i++) out[i] = ((cells[i] as number) >> shift) & mask;
    return out;
  }
  const cells = new Uint32Array(own.buffer, own.byteOffset, own.length >> 2);
  const [left, right] = [32 - shift - d.bitsStored, 32 - d.bitsStored];
  return d.signed ? Int32Array.from(cells, (cell) => (cell << left) >> right) : cells.map((cell) => (cell << left) >>> right);
}

/** Bits are packed from the least significant on (PS3.5 8.1.1, 8.2). */
function unpackBits(bytes: Uint8Array, pixels: number): Uint8Array {
  const out = new Uint8Array(pixels);
  for (let i = 0; i < pixels; i++) out[i] = ((bytes[i >> 3] as number) >> (i & 7)) & 1;
  return out;
}

/** Colour planes one after the other to colour by pixel. */
export function interleavePlanes<T extends Uint8Array | Uint16Array>(planes: T, pixels: number): T {
  const out = planes.slice() as T;
  for (let i = 0; i < pixels; i++) {
    out[3 * i] = planes[i] as number;
    out[3 * i + 1] = planes[pixels + i] as number;
    out[3 * i + 2] = planes[2 * pixels + i] as number;
  }
  return out;
}
