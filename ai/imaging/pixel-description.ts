// What a dataset says about its pixels: the Image Pixel module (PS3.3 C.7.6.3), checked before anything is read or allocated.
import { num, text } from '../../storage/dicom/dataset.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { DicomFormatError, NotAnalyzableError } from '../../storage/errors.ts';

export interface PixelDescription {
  rows: number;
  columns: number;
  samplesPerPixel: 1 | 3;
  bitsAllocated: 1 | 8 | 16 | 32;
  bitsStored: number;
  highBit: number;
  signed: boolean;
  photometric: string;
  /** Colour planes one after the other. */
  planar: boolean;
}

/** Four times the largest radiographs made; what claims more is not held in memory. */
const MAX_PIXELS = 100_000_000;

const PHOTOMETRICS: Record<string, 1 | 3> = {
  MONOCHROME1: 1,
  MONOCHROME2: 1,
  'PALETTE COLOR': 1,
  RGB: 3,
  YBR_FULL: 3,
  YBR_FULL_422: 3,
  YBR_ICT: 3,
  YBR_RCT: 3,
};

/**
 * @param offset of the pixel data, for errors
 * @throws {DicomFormatError} for attributes that are missing or contradict each other
 * @throws {NotAnalyzableError} for what is legal and yet no picture that we can turn into gray values
 */
export function describePixels(dataset: Dataset, offset: number): PixelDescription {
  const need = (keyword: string, low: number, high: number): number => {
    const value = num(dataset, keyword);
    if (value === undefined) throw new DicomFormatError(`${keyword} is missing`, offset);
    if (!Number.isInteger(value) || value < low || value > high)
      throw new DicomFormatError(`${keyword} is ${value}, not ${low} to ${high}`, offset);
    return value;
  };
  const rows = need('Rows', 1, 65535);
  const columns = need('Columns', 1, 65535);
  if (rows * columns > MAX_PIXELS)
    throw new NotAnalyzableError(`the image has ${columns} by ${rows} pixels, more than the ${MAX_PIXELS} that are decoded`);
  const samplesPerPixel = need('SamplesPerPixel', 1, 65535);
  const photometric = text(dataset, 'PhotometricInterpretation');
  if (!photometric) throw new DicomFormatError('PhotometricInterpretation is missing', offset);
  const expected = PHOTOMETRICS[photometric];
  if (!expected) throw new NotAnalyzableError(`photometric interpretation ${photometric} cannot be turned into gray values`);
  if (samplesPerPixel !== expected)
    throw new DicomFormatError(`${samplesPerPixel} samples per pixel with photometric interpretation ${photometric}`, offset);
  const bitsAllocated = need('BitsAllocated', 1, 64);
  if (bitsAllocated !== 1 && bitsAllocated !== 8 && bitsAllocated !== 16 && bitsAllocated !== 32) {
    throw new NotAnalyzableError(`pixels of ${bitsAllocated} bits allocated cannot be decoded`);
  }
  if (expected === 3 && bitsAllocated !== 8 && bitsAllocated !== 16)
    throw new NotAnalyzableError(`colour of ${bitsAllocated} bits allocated cannot be decoded`);
  const bitsStored = need('BitsStored', 1, bitsAllocated);
  const highBit = num(dataset, 'HighBit') ?? bitsStored - 1;
  if (!Number.isInteger(highBit) || highBit < bitsStored - 1 || highBit >= bitsAllocated) {
    throw new DicomFormatError(`HighBit ${highBit} does not fit ${bitsStored} bits stored of ${bitsAllocated} allocated`, offset);
  }
  return {
    rows,
    columns,
    samplesPerPixel: expected,
    bitsAllocated,
    bitsStored,
    highBit,
    photometric,
    signed: num(dataset, 'PixelRepresentation') === 1,
    planar: expected === 3 && num(dataset, 'PlanarConfiguration') === 1,
  };
}
