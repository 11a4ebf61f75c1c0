// Cells to one frame of a compressed transfer syntax (PS3.5 8.2, annex A.4), by the codecs of dcmjs-codecs.
import type { Cells } from './cells.ts';
import { ybrToRgb } from './color.ts';
import { encodeNative } from './native-codecs.ts';
import type { NativeEncoding } from './native-codecs.ts';
import type { PixelDescription } from './pixel-description.ts';

interface Encoder {
  codec: NativeEncoding['codec'];
  parameters: (d: PixelDescription) => Record<string, unknown>;
  lossy: boolean;
  /** Defined term of Lossy Image Compression Method (PS3.3 C.7.6.1.1.5.1). */
  method?: string;
}

/** Of 8-bit radiographs nothing can be seen of it; of photographs little. */
const JPEG_QUALITY = 90;
/** A tenth of the size: what is agreed on as not to be seen in radiographs of the chest. */
const JPEG_2000_RATIO = 10;
const RPCL = 2;

const ENCODERS: Readonly<Record<string, Encoder>> = {
  '1.2.840.10008.1.2.5': { codec: 'rle', parameters: () => ({}), lossy: false },
  '1.2.840.10008.1.2.4.50': {
    codec: 'jpeg',
    parameters: () => ({ lossy: true, quality: JPEG_QUALITY, sampleFactor: 1 }),
    lossy: true,
    method: 'ISO_10918_1',
  },
  '1.2.840.10008.1.2.4.57': { codec: 'jpeg', parameters: () => ({ lossy: false, predictor: 1, pointTransform: 0 }), lossy: false },
  '1.2.840.10008.1.2.4.70': { codec: 'jpeg', parameters: () => ({ lossy: false, predictor: 1, pointTransform: 0 }), lossy: false },
  '1.2.840.10008.1.2.4.80': { codec: 'jpeg-ls', parameters: () => ({ lossy: false }), lossy: false },
  '1.2.840.10008.1.2.4.81': {
    codec: 'jpeg-ls',
    parameters: ({ bitsStored }) => ({ lossy: true, allowedLossyError: nearLosslessError(bitsStored) }),
    lossy: true,
    method: 'ISO_14495_1',
  },
  '1.2.840.10008.1.2.4.90': { codec: 'jpeg-2000', parameters: () => ({ lossy: false }), lossy: false },
  '1.2.840.10008.1.2.4.91': { codec: 'jpeg-2000', parameters: () => ({ lossy: true, rate: JPEG_2000_RATIO }), lossy: true, method: 'ISO_15444_1' },
  '1.2.840.10008.1.2.4.201': { codec: 'high-throughput-jpeg-2000', parameters: () => ({ lossy: false }), lossy: false },
  '1.2.840.10008.1.2.4.202': {
    codec: 'high-throughput-jpeg-2000',
    parameters: () => ({ lossy: false, progressionOrder: RPCL }),
    lossy: false,
  },
  '1.2.840.10008.1.2.4.203': { codec: 'high-throughput-jpeg-2000', parameters: () => ({ lossy: true }), lossy: true, method: 'ISO_15444_15' },
};

/** Transfer syntaxes that frames can be encoded in. */
export const ENCODABLE: ReadonlySet<string> = new Set(Object.keys(ENCODERS));

/** The lossy compression method of a syntax as the dataset names it; undefined where nothing is lost. */
export function lossyMethod(transferSyntaxUid: string): string | undefined {
  return ENCODERS[transferSyntaxUid]?.method;
}

/** Two gray levels of 256, in the image's own depth; 255 is the most that the codestream can say (T.87 C.2.3). */
function nearLosslessError(bitsStored: number): number {
  return Math.min(255, 2 ** Math.max(1, bitsStored - 7));
}

/** Why pixels of this kind have no encoding in the syntax, or none that our codecs get right; undefined where they have. */
export function whyNotEncodable(d: PixelDescription, transferSyntaxUid: string): string | undefined {
  const encoder = ENCODERS[transferSyntaxUid];
  if (!encoder) return 'there is no encoder for it';
  if (d.bitsAllocated === 1) return 'it has no place for single bits';
  if (encoder.codec === 'rle') return undefined;
  if (d.bitsAllocated > 16) return `it has no place for ${d.bitsAllocated} bits allocated`;
  if (encoder.lossy && d.photometric === 'PALETTE COLOR') return 'indices of a palette cannot be compressed with loss';
  if (transferSyntaxUid === '1.2.840.10008.1.2.4.50' && (d.bitsAllocated !== 8 || d.bitsStored !== 8 || d.signed))
    return 'it takes unsigned samples of 8 bits alone';
  if (encoder.codec !== 'jpeg-2000' && encoder.codec !== 'high-throughput-jpeg-2000') return undefined;
  if (d.samplesPerPixel === 3 && d.bitsAllocated > 8) return 'the codec has no colour of more than 8 bits';
  if (d.bitsAllocated === 8 && d.signed) return 'the codec has no signed samples of 8 bits';
  return undefined;
}

/**
 * @returns the codestream, and the photometric interpretation that goes with it
 * @throws {Error} what the codec says
 */
export async function encodeCells(cells: Cells, d: PixelDescription, transferSyntaxUid: string): Promise<{ bytes: Uint8Array; photometric: string }> {
  const encoder = ENCODERS[transferSyntaxUid];
  if (!encoder) throw new TypeError(`no encoder for ${transferSyntaxUid}`);
  const { codec } = encoder;
  if (codec === 'rle') return { bytes: await encodeNative(codec, cells.bytes, { ...d, photometric: cells.photometric }, {}), photometric: cells.photometric };
  const baseline = codec === 'jpeg' && encoder.lossy;
  let { bytes, photometric } = cells;
  if (baseline && photometric.startsWith('YBR')) {
    // The codec makes YBR of its own, and takes RGB.
    bytes = bytes.slice();
    ybrToRgb(bytes, 8);
    photometric = 'RGB';
  }
  const { values, bitsStored } = codedValues(bytes, cells.highBit, d);
  const encoded = await encodeNative(codec, values, { ...d, bitsStored, photometric }, encoder.parameters(d));
  return { bytes: encoded, photometric: codedPhotometric(codec, encoder.lossy, photometric) };
}

/** What the codestream holds (PS3.5 8.2.1, 8.2.4): the codecs transform RGB, and leave everything else as it is. */
function codedPhotometric(codec: NativeEncoding['codec'], lossy: boolean, photometric: string): string {
  if (photometric !== 'RGB') return photometric;
  if (codec === 'jpeg' && lossy) return 'YBR_FULL_422';
  if (codec !== 'jpeg-2000' && codec !== 'high-throughput-jpeg-2000') return 'RGB';
  return lossy ? 'YBR_ICT' : 'YBR_RCT';
}

/**
 * The stored bits alone, sign extended; or whole cells, where anything else stands beside them (overlays of old files) or a decoder
 * could take cells of two bytes for cells of one.
 */
function codedValues(bytes: Uint8Array, highBit: number, d: PixelDescription): { values: Uint8Array; bitsStored: number } {
  const whole = { values: bytes, bitsStored: d.bitsAllocated };
  if (d.bitsStored === d.bitsAllocated || highBit !== d.bitsStored - 1 || (d.bitsAllocated === 16 && d.bitsStored <= 8)) return whole;
  const wide = d.bitsAllocated === 16;
  const own = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  const cells = wide ? new Uint16Array(own.buffer, own.byteOffset, own.length >> 1) : own;
  const top = 2 ** d.bitsStored;
  if (!d.signed) return cells.every((cell) => cell < top) ? { values: own, bitsStored: d.bitsStored } : whole;
  const [unused, mask] = [32 - d.bitsStored, wide ? 0xffff : 0xff];
  const extended = cells.map((cell) => ((cell << unused) >> unused) & mask);
  if (!cells.every((cell, index) => cell < top || cell === extended[index])) return whole;
  return { values: new Uint8Array(extended.buffer), bitsStored: d.bitsStored };
}
