// DICOM images whose analysis by the fixture model tiny can be worked out by hand: 4 x 4 cells, dark but for chosen ones.
import { dataset } from '../../storage/dicom/dataset.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { writePart10 } from '../../storage/dicom/write.ts';

export interface GridImage {
  /** For each frame the bright cells, 0 to 15 in reading order. */
  frames?: number[][];
  columns?: number;
  rows?: number;
  transferSyntaxUid?: string;
  /** Other attributes; undefined leaves one out. */
  changes?: Record<string, unknown>;
}

const DARK = 20;
const BRIGHT = 250;

export function gridPixels(bright: readonly number[], columns: number, rows: number): Uint8Array {
  return Uint8Array.from({ length: columns * rows }, (_, at) => {
    const cell = Math.floor(((at % columns) * 4) / columns) + 4 * Math.floor((Math.floor(at / columns) * 4) / rows);
    return bright.includes(cell) ? BRIGHT : DARK;
  });
}

/** A Part 10 file: a frontal CR of a chest of 8 bits, unless told otherwise. */
export function gridImage({ frames = [[]], columns = 128, rows = 256, transferSyntaxUid = EXPLICIT_VR_LITTLE_ENDIAN, changes = {} }: GridImage): Uint8Array {
  const values = {
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.1',
    SOPInstanceUID: '2.25.1001',
    StudyInstanceUID: '2.25.1002',
    SeriesInstanceUID: '2.25.1003',
    StudyDate: '20260102',
    PatientID: 'GRID',
    PatientName: { Alphabetic: 'Grid^Image' },
    PatientAge: '050Y',
    Modality: 'CR',
    BodyPartExamined: 'CHEST',
    ViewPosition: 'PA',
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    Rows: rows,
    Columns: columns,
    BitsAllocated: 8,
    BitsStored: 8,
    HighBit: 7,
    PixelRepresentation: 0,
    WindowCenter: 128,
    WindowWidth: 256,
    ...(frames.length > 1 && { NumberOfFrames: frames.length }),
    PixelData: Buffer.concat(frames.map((bright) => gridPixels(bright, columns, rows))),
    ...changes,
  };
  return writePart10(dataset(values), { transferSyntaxUid });
}
