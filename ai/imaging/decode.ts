// One frame of an image's pixels as stored values, from whatever transfer syntax they came in (PS3.5 8 and annex A).
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { readFrame } from '../../storage/dicom/frames.ts';
import type { Part10 } from '../../storage/dicom/part10.ts';
import { TRANSFER_SYNTAXES } from '../../storage/dicom/uids.ts';
import { DicomFormatError, NotAnalyzableError } from '../../storage/errors.ts';
import { endsWhole, readJpeg2000Header, readJpegHeader, readJpegXlSize } from './codestream.ts';
import type { CodestreamHeader } from './codestream.ts';
import { expand422, paletteToRgb, ybrToRgb } from './color.ts';
import { decodeSequentialJpeg } from './jpeg-extended.ts';
import { withLookupTables } from './lookup-table.ts';
import { decodeNative } from './native-codecs.ts';
import type { NativeCodec } from './native-codecs.ts';
import { describePixels } from './pixel-description.ts';
import type { PixelDescription } from './pixel-description.ts';
import { decodeRle } from './rle.ts';
import { interleavePlanes, nativeFrameBytes, samplesFromCells } from './samples.ts';
import type { Samples } from './samples.ts';

export interface StoredFrame {
  rows: number;
  columns: number;
  samplesPerPixel: number;
  bitsAllocated: number;
  bitsStored: number;
  highBit: number;
  signed: boolean;
  /** MONOCHROME1, MONOCHROME2, or RGB, to which other colour has been converted. */
  photometric: string;
  /** Row by row, colour by pixel; values in bits 0 to bitsStored - 1, sign extended. */
  data: Samples;
  /** From 1: enhanced images have attributes for each frame. */
  frameNumber: number;
  /** The dataset with its lookup tables, where the reader had left some of them in the file for their size. */
  datasetWithTables?: Dataset;
}

type Method = 'cells' | 'rle' | 'dct' | NativeCodec;

const METHODS: Readonly<Record<string, Method>> = {
  '1.2.840.10008.1.2': 'cells',
  '1.2.840.10008.1.2.1': 'cells',
  '1.2.840.10008.1.2.1.98': 'cells',
  '1.2.840.10008.1.2.1.99': 'cells',
  '1.2.840.10008.1.2.2': 'cells',
  '1.2.840.10008.1.2.5': 'rle',
  '1.2.840.10008.1.2.4.50': 'dct',
  '1.2.840.10008.1.2.4.51': 'dct',
  '1.2.840.10008.1.2.4.57': 'jpeg',
  '1.2.840.10008.1.2.4.70': 'jpeg',
  '1.2.840.10008.1.2.4.80': 'jpeg-ls',
  '1.2.840.10008.1.2.4.81': 'jpeg-ls',
  '1.2.840.10008.1.2.4.90': 'jpeg-2000',
  '1.2.840.10008.1.2.4.91': 'jpeg-2000',
  '1.2.840.10008.1.2.4.110': 'jpeg-xl',
  '1.2.840.10008.1.2.4.111': 'jpeg-xl',
  '1.2.840.10008.1.2.4.112': 'jpeg-xl',
  '1.2.840.10008.1.2.4.201': 'high-throughput-jpeg-2000',
  '1.2.840.10008.1.2.4.202': 'high-throughput-jpeg-2000',
  '1.2.840.10008.1.2.4.203': 'high-throughput-jpeg-2000',
};

/** Syntaxes of the codecs that may change values: JPEG-LS near-lossless, JPEG 2000, JPEG XL, HTJ2K. */
const LOSSY = new Set([
  '1.2.840.10008.1.2.4.81',
  '1.2.840.10008.1.2.4.91',
  '1.2.840.10008.1.2.4.111',
  '1.2.840.10008.1.2.4.112',
  '1.2.840.10008.1.2.4.203',
]);

export function canDecode(transferSyntaxUid: string): boolean {
  return transferSyntaxUid in METHODS;
}

/**
 * @param frame from 1
 * @throws {NotAnalyzableError} for an image without pixels, or pixels that we have no decoder for, saying which
 * @throws {DicomFormatError} for pixel data that is damaged or does not fit its attributes
 */
export async function decodeFrame(file: Part10, frame: number): Promise<StoredFrame> {
  const { pixelData, transferSyntaxUid } = file;
  if (!pixelData) throw new NotAnalyzableError('the instance has no pixel data');
  if (pixelData.tag !== '7FE00010') throw new NotAnalyzableError('the pixel data is in floating point');
  const method = METHODS[transferSyntaxUid];
  if (!method) {
    throw new NotAnalyzableError(
      `transfer syntax ${TRANSFER_SYNTAXES[transferSyntaxUid]?.name ?? 'unknown'} (${transferSyntaxUid}) cannot be decoded`,
    );
  }
  const described = describePixels(file.dataset, pixelData.offset);
  const bytes = await readFrame(file, frame);
  let decoded: Decoded;
  try {
    decoded = await decodeBytes(bytes, transferSyntaxUid, method, described);
  } catch (error) {
    throw new DicomFormatError(`frame ${frame} cannot be decoded: ${(error as Error).message}`, pixelData.offset, {
      cause: error,
    });
  }
  return toStored(decoded, described, file, frame);
}

export interface Decoded {
  /** As in StoredFrame. */
  samples: Samples;
  /** Of the samples; differs from the dataset's only where a codec has converted it. */
  photometric: string;
}

/** The samples of one frame's bytes, neither palette nor colour space applied. @throws {Error} what is wrong, in words */
export function decodeSamples(bytes: Uint8Array, transferSyntaxUid: string, described: PixelDescription): Promise<Decoded> {
  const method = METHODS[transferSyntaxUid];
  if (!method) throw new TypeError(`no decoder for ${transferSyntaxUid}`);
  return decodeBytes(bytes, transferSyntaxUid, method, described);
}

async function decodeBytes(bytes: Uint8Array, syntax: string, method: Method, d: PixelDescription): Promise<Decoded> {
  const pixels = d.rows * d.columns;
  if (method === 'cells') {
    const needed = nativeFrameBytes(d);
    if (bytes.length < needed) throw new Error(`it has ${bytes.length} bytes, not the ${needed} that its size needs`);
    let samples = samplesFromCells(bytes.subarray(0, needed), d);
    if (d.photometric === 'YBR_FULL_422') samples = expand422(samples as Uint8Array, pixels);
    else if (d.planar) samples = interleavePlanes(samples as Uint8Array, pixels);
    return { samples, photometric: d.photometric };
  }
  if (method === 'rle') {
    if (d.bitsAllocated === 1) throw new Error('RLE of single bits');
    return {
      samples: samplesFromCells(decodeRle(bytes, pixels, d.samplesPerPixel, d.bitsAllocated / 8), d),
      photometric: d.photometric,
    };
  }
  if (method === 'dct') {
    const image = decodeSequentialJpeg(bytes, { width: d.columns, height: d.rows, components: d.samplesPerPixel });
    return { samples: image.precision > 8 ? image.data : Uint8Array.from(image.data), photometric: d.photometric };
  }
  const header = readHeader(bytes, method, d);
  const cells = await decodeNative(method, bytes, header, d.signed);
  const bitsAllocated = header.precision > 8 ? 16 : 8;
  if (cells.length !== (pixels * d.samplesPerPixel * bitsAllocated) / 8) throw new Error(`the codec gave ${cells.length} bytes`);
  if (LOSSY.has(syntax) && bitsAllocated === 16 && d.highBit === d.bitsStored - 1) clamp(cells, header.precision, d);
  // Some files code whole cells, high bit and all; else the codestream holds the stored bits alone.
  const whole = header.precision > d.bitsStored;
  const samples = samplesFromCells(
    cells,
    whole ? { ...d, bitsAllocated } : { ...d, bitsAllocated, bitsStored: header.precision, highBit: header.precision - 1 },
  );
  const converted = d.photometric === 'YBR_ICT' || d.photometric === 'YBR_RCT';
  return { samples, photometric: converted ? 'RGB' : d.photometric };
}

/** Lossy codecs come out a little beyond the values that can be stored; cut to their bits, white would turn black. */
function clamp(cells: Uint8Array, precision: number, { bitsStored, signed }: PixelDescription): void {
  const bits = Math.min(precision, bitsStored);
  // Signed values in less than whole cells are two's complement in unsigned codes: there is nothing beyond to be cut.
  if (bits === 16 || (signed && precision < 16)) return;
  const values = signed
    ? new Int16Array(cells.buffer, cells.byteOffset, cells.length >> 1)
    : new Uint16Array(cells.buffer, cells.byteOffset, cells.length >> 1);
  const [low, high] = signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (value > high) values[i] = high;
    else if (value < low) values[i] = low;
  }
}

/** @throws {Error} for a codestream that is cut off, or of another size than the dataset says */
function readHeader(bytes: Uint8Array, method: NativeCodec, d: PixelDescription): CodestreamHeader {
  const header =
    method === 'jpeg-xl'
      ? { ...readJpegXlSize(bytes), components: d.samplesPerPixel, precision: d.bitsStored }
      : method === 'jpeg' || method === 'jpeg-ls'
        ? readJpegHeader(bytes)
        : readJpeg2000Header(bytes);
  if (header.width !== d.columns || header.height !== d.rows || header.components !== d.samplesPerPixel) {
    throw new Error(
      `its codestream has ${header.width} by ${header.height} pixels of ${header.components} samples where the dataset says ${d.columns} by ${d.rows} of ${d.samplesPerPixel}`,
    );
  }
  if (header.precision < 2 || header.precision > 16) throw new Error(`its codestream has ${header.precision} bits a sample`);
  if (method !== 'jpeg-xl' && !endsWhole(bytes)) throw new Error('its codestream ends too early');
  return header;
}

async function toStored(
  { samples, photometric }: Decoded,
  d: PixelDescription,
  file: Part10,
  frameNumber: number,
): Promise<StoredFrame> {
  const dataset = await withLookupTables(file);
  const stored = {
    rows: d.rows,
    columns: d.columns,
    samplesPerPixel: d.samplesPerPixel,
    bitsAllocated: d.bitsAllocated,
    bitsStored: d.bitsStored,
    highBit: d.highBit,
    signed: d.signed,
    frameNumber,
    ...(dataset === file.dataset ? {} : { datasetWithTables: dataset }),
  };
  if (photometric === 'PALETTE COLOR') {
    const data = paletteToRgb(samples, dataset);
    return {
      ...stored,
      samplesPerPixel: 3,
      bitsAllocated: 8,
      bitsStored: 8,
      highBit: 7,
      signed: false,
      photometric: 'RGB',
      data,
    };
  }
  if (d.samplesPerPixel === 1) return { ...stored, photometric, data: samples };
  if (!(samples instanceof Uint8Array || samples instanceof Uint16Array))
    throw new NotAnalyzableError('colour with signed samples cannot be decoded');
  if (!photometric.startsWith('YBR')) return { ...stored, photometric: 'RGB', data: samples };
  // A copy: native samples may be the very bytes of a file held in memory.
  const rgb = samples.slice();
  ybrToRgb(rgb, d.bitsStored);
  return { ...stored, photometric: 'RGB', data: rgb };
}
