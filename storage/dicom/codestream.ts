// What the header of a compressed frame says of the image (ISO 10918-1, 14495-1, 15444-1 and -15): Image Pixel attributes that a
// sender may leave out, and the coding, which must be that of the transfer syntax.
import { DicomFormatError } from '../errors.ts';

export interface CodestreamHeader {
  coding: 'jpeg-baseline' | 'jpeg-extended' | 'jpeg-progressive' | 'jpeg-lossless' | 'jpeg-lossless-sv1' | 'jpeg-ls' | 'jpeg-2000' | 'htj2k';
  rows: number;
  columns: number;
  samplesPerPixel: number;
  bitsStored: number;
  isSigned: boolean;
  /** As the codestream has its components; undefined where it does not say. */
  photometricInterpretation: string | undefined;
}

/** A header is a few hundred bytes; an ICC profile before it can take half a megabyte. */
export const CODESTREAM_HEADER_BYTES = 1024 * 1024;

const SOF_CODINGS: Readonly<Record<number, CodestreamHeader['coding']>> = { 0xc0: 'jpeg-baseline', 0xc1: 'jpeg-extended', 0xc2: 'jpeg-progressive', 0xc3: 'jpeg-lossless', 0xf7: 'jpeg-ls' };

/**
 * @param bytes the beginning of a frame, CODESTREAM_HEADER_BYTES of it or all
 * @returns undefined for a coding that is not looked into
 * @throws {DicomFormatError} when it begins as one of these and is broken
 */
export function readCodestreamHeader(bytes: Uint8Array): CodestreamHeader | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  try {
    if (view.length >= 2 && view.readUInt16BE(0) === 0xffd8) return jpeg(view);
    if (view.length >= 4 && view.readUInt32BE(0) === 0xff4fff51) return jpeg2000(view);
    return undefined;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new DicomFormatError('the frame ends within its header', view.length, { cause: error });
  }
}

function jpeg(bytes: Buffer): CodestreamHeader {
  let adobeTransform: number | undefined;
  let frame: Omit<CodestreamHeader, 'photometricInterpretation'> | undefined;
  let subsampled = false;
  for (let at = 2; ; ) {
    if (bytes.readUInt8(at) !== 0xff) throw new DicomFormatError('the JPEG frame has no marker where one should be', at);
    const marker = bytes.readUInt8(at + 1);
    if (marker === 0xff) {
      at++;
      continue;
    }
    const length = bytes.readUInt16BE(at + 2);
    const coding = SOF_CODINGS[marker];
    if (coding) {
      const samplesPerPixel = bytes.readUInt8(at + 9);
      subsampled = samplesPerPixel === 3 && bytes.readUInt8(at + 11) !== bytes.readUInt8(at + 14);
      frame = { coding, bitsStored: bytes.readUInt8(at + 4), rows: bytes.readUInt16BE(at + 5), columns: bytes.readUInt16BE(at + 7), samplesPerPixel, isSigned: false };
    }
    if (marker === 0xee && bytes.toString('latin1', at + 4, at + 9) === 'Adobe') adobeTransform = bytes.readUInt8(at + 15);
    if (marker === 0xda) {
      if (!frame) throw new DicomFormatError('the JPEG frame has no frame header', at);
      const lossless = frame.coding === 'jpeg-lossless';
      const selection = bytes.readUInt8(at + 5 + 2 * bytes.readUInt8(at + 4));
      return { ...frame, coding: lossless && selection === 1 ? 'jpeg-lossless-sv1' : frame.coding, photometricInterpretation: photometricOfJpeg(frame, adobeTransform, subsampled) };
    }
    at += 2 + length;
  }
}

/** Lossless coding transforms no colours; of the others three components are YCbCr unless Adobe's marker denies it (PS3.5 8.2.1). */
function photometricOfJpeg(frame: Pick<CodestreamHeader, 'coding' | 'samplesPerPixel'>, adobeTransform: number | undefined, subsampled: boolean): string | undefined {
  if (frame.samplesPerPixel === 1) return 'MONOCHROME2';
  if (frame.samplesPerPixel !== 3) return undefined;
  if (frame.coding.startsWith('jpeg-l') || adobeTransform === 0) return 'RGB';
  return subsampled ? 'YBR_FULL_422' : 'YBR_FULL';
}

function jpeg2000(bytes: Buffer): CodestreamHeader {
  const samplesPerPixel = bytes.readUInt16BE(40);
  const depth = bytes.readUInt8(42);
  let coding: CodestreamHeader['coding'] = 'jpeg-2000';
  let multipleComponents = 0;
  let reversible = true;
  for (let at = 2; ; ) {
    const marker = bytes.readUInt16BE(at);
    if (marker === 0xff90 || marker === 0xff93) break; // the first tile: the main header is over
    // Part 15 is announced by bit 15 of the capabilities.
    if (marker === 0xff50) coding = (bytes.readUInt32BE(at + 4) & 0x00020000) === 0 ? coding : 'htj2k';
    if (marker === 0xff52) {
      multipleComponents = bytes.readUInt8(at + 8);
      reversible = bytes.readUInt8(at + 13) === 1;
    }
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  const colour = multipleComponents === 0 ? 'RGB' : reversible ? 'YBR_RCT' : 'YBR_ICT';
  return {
    coding,
    columns: bytes.readUInt32BE(8) - bytes.readUInt32BE(16),
    rows: bytes.readUInt32BE(12) - bytes.readUInt32BE(20),
    samplesPerPixel,
    bitsStored: (depth & 0x7f) + 1,
    isSigned: depth >= 0x80,
    photometricInterpretation: samplesPerPixel === 1 ? 'MONOCHROME2' : samplesPerPixel === 3 ? colour : undefined,
  };
}
