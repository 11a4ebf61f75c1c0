// One frame as cells in memory, as native pixel data has them (PS3.5 8.1): what every transfer syntax is turned into on the way to
// another. Neither palette nor rescale is applied, and no colour space that can be kept without loss is left.
import { expand422, ybrToRgb } from './color.ts';
import { decodeSamples } from './decode.ts';
import type { PixelDescription } from './pixel-description.ts';
import { decodeRle } from './rle.ts';
import { interleavePlanes, nativeFrameBytes } from './samples.ts';
import type { Samples } from './samples.ts';

export interface Cells {
  /** Little endian, of `bitsAllocated` bits, colour by pixel. */
  bytes: Uint8Array;
  photometric: string;
  highBit: number;
}

const RLE = '1.2.840.10008.1.2.5';
/** Their samples are in the bytes as they are, bits outside the stored ones as well. */
const NATIVE = new Set(['1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.1.98', '1.2.840.10008.1.2.1.99', '1.2.840.10008.1.2.2']);
/** Lossy already, and in YBR only because their coding wants it: what receives them uncompressed expects RGB. */
const DCT = new Set(['1.2.840.10008.1.2.4.50', '1.2.840.10008.1.2.4.51']);

/**
 * @param bytes of one frame as readFrame gives them
 * @throws {Error} what is wrong with them, in words
 */
export async function decodeCells(bytes: Uint8Array, transferSyntaxUid: string, d: PixelDescription): Promise<Cells> {
  const { photometric, highBit } = d;
  const pixels = d.rows * d.columns;
  if (NATIVE.has(transferSyntaxUid)) {
    const needed = nativeFrameBytes(d);
    if (bytes.length < needed) throw new Error(`it has ${bytes.length} bytes, not the ${needed} that its size needs`);
    // Not a Buffer, whose slice() would be no copy.
    const own = new Uint8Array(bytes.buffer, bytes.byteOffset, needed);
    if (photometric === 'YBR_FULL_422') return { bytes: bytesOf(expand422(wide(own, d), pixels)), photometric: 'YBR_FULL', highBit };
    return { bytes: d.planar ? bytesOf(interleavePlanes(wide(own, d), pixels)) : own, photometric, highBit };
  }
  if (transferSyntaxUid === RLE)
    return { bytes: decodeRle(bytes, pixels, d.samplesPerPixel, d.bitsAllocated / 8), photometric, highBit };
  const decoded = await decodeSamples(bytes, transferSyntaxUid, d);
  const cells = asCells(decoded.samples, d.bitsAllocated);
  const normal = { bytes: cells, photometric: decoded.photometric, highBit: d.bitsStored - 1 };
  if (!DCT.has(transferSyntaxUid) || !decoded.photometric.startsWith('YBR')) return normal;
  const rgb = d.bitsAllocated === 8 ? cells : new Uint16Array(cells.buffer, cells.byteOffset, cells.length / 2);
  ybrToRgb(rgb, d.bitsStored);
  return { ...normal, photometric: 'RGB' };
}

function wide(bytes: Uint8Array, { bitsAllocated }: PixelDescription): Uint8Array | Uint16Array {
  if (bitsAllocated <= 8) return bytes;
  const own = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(own.buffer, own.byteOffset, own.length >> 1);
}

/** @throws {Error} for samples that are wider than the cells */
function asCells(samples: Samples, bitsAllocated: number): Uint8Array {
  if (samples.BYTES_PER_ELEMENT * 8 === bitsAllocated) return bytesOf(samples);
  if (bitsAllocated === 16) return bytesOf(Uint16Array.from(samples));
  if (bitsAllocated === 32) return bytesOf(Uint32Array.from(samples));
  throw new Error(`its samples are wider than the ${bitsAllocated} bits allocated`);
}

function bytesOf(samples: Samples): Uint8Array {
  return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
}
