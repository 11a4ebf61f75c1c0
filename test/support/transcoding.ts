// Images of every kind that transfer syntaxes treat differently, and files of them in another syntax, for unit and peer tests.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DatasetTranscoder } from '../../gateway/transcode/dataset-transcoder.ts';
import type { ArchivedInstance } from '../../storage/archive.ts';
import { dataset, text } from '../../storage/dicom/dataset.ts';
import { frameCount } from '../../storage/dicom/frames.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { writeFileMeta, writePart10 } from '../../storage/dicom/write.ts';

export interface Kind {
  name: string;
  columns: number;
  rows: number;
  bitsAllocated: 8 | 16 | 32;
  bitsStored: number;
  signed?: boolean;
  photometric?: string;
  planar?: boolean;
  frames?: number;
  extra?: Record<string, unknown>;
}

const PALETTE = Object.fromEntries(
  ['Red', 'Green', 'Blue'].flatMap((colour) => [
    [`${colour}PaletteColorLookupTableDescriptor`, [256, 0, 16]],
    [`${colour}PaletteColorLookupTableData`, new Uint8Array(512).fill(7)],
  ]),
);

/** Odd numbers of rows and columns, so that odd lengths and padding occur. */
export const KINDS: readonly Kind[] = [
  { name: '8 bits', columns: 63, rows: 47, bitsAllocated: 8, bitsStored: 8 },
  { name: '12 of 16 bits', columns: 61, rows: 50, bitsAllocated: 16, bitsStored: 12 },
  { name: '10 of 16 bits, signed', columns: 61, rows: 50, bitsAllocated: 16, bitsStored: 10, signed: true },
  { name: '16 bits', columns: 64, rows: 48, bitsAllocated: 16, bitsStored: 16 },
  { name: '16 bits, signed', columns: 33, rows: 31, bitsAllocated: 16, bitsStored: 16, signed: true },
  { name: '14 of 16 bits, 3 frames', columns: 33, rows: 31, bitsAllocated: 16, bitsStored: 14, frames: 3 },
  { name: '8 of 16 bits', columns: 40, rows: 40, bitsAllocated: 16, bitsStored: 8 },
  { name: 'RGB', columns: 63, rows: 47, bitsAllocated: 8, bitsStored: 8, photometric: 'RGB' },
  { name: 'RGB in planes, 2 frames', columns: 32, rows: 33, bitsAllocated: 8, bitsStored: 8, photometric: 'RGB', planar: true, frames: 2 },
  { name: 'YBR_FULL', columns: 62, rows: 47, bitsAllocated: 8, bitsStored: 8, photometric: 'YBR_FULL' },
  { name: 'a palette', columns: 50, rows: 50, bitsAllocated: 8, bitsStored: 8, photometric: 'PALETTE COLOR', extra: PALETTE },
];

/** Pixels of a slope with some noise, all values of the range possible; a function of the kind alone. */
export function pixelsOf({ columns, rows, bitsAllocated, bitsStored, signed = false, photometric = '', frames = 1 }: Kind): Uint8Array {
  const samples = /^(RGB|YBR)/.test(photometric) ? 3 : 1;
  const count = columns * rows * samples * frames;
  const cells = bitsAllocated === 8 ? new Uint8Array(count) : bitsAllocated === 16 ? new Uint16Array(count) : new Uint32Array(count);
  let noise = 1;
  for (let i = 0; i < count; i++) {
    noise = (noise * 48_271) % 2_147_483_647;
    const value = Math.floor((((i / samples) % columns) / columns) * 2 ** bitsStored + (noise % 2 ** Math.max(2, bitsStored - 5))) % 2 ** bitsStored;
    cells[i] = signed ? value - 2 ** (bitsStored - 1) : value;
  }
  return new Uint8Array(cells.buffer);
}

export function imageOf(kind: Kind, transferSyntaxUid = EXPLICIT_VR_LITTLE_ENDIAN): Uint8Array {
  const { columns, rows, bitsAllocated, bitsStored, signed = false, photometric = 'MONOCHROME2', planar = false, frames = 1, extra } = kind;
  const colour = /^(RGB|YBR)/.test(photometric);
  const values = {
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.7',
    SOPInstanceUID: '2.25.41',
    StudyInstanceUID: '2.25.42',
    SeriesInstanceUID: '2.25.43',
    PatientID: 'KIND',
    Modality: 'OT',
    SamplesPerPixel: colour ? 3 : 1,
    PhotometricInterpretation: photometric,
    ...(colour && { PlanarConfiguration: planar ? 1 : 0 }),
    ...(frames > 1 && { NumberOfFrames: frames }),
    Rows: rows,
    Columns: columns,
    BitsAllocated: bitsAllocated,
    BitsStored: bitsStored,
    HighBit: bitsStored - 1,
    PixelRepresentation: signed ? 1 : 0,
    ...extra,
    PixelData: pixelsOf(kind),
  };
  return writePart10(dataset(values), { transferSyntaxUid });
}

/** What the archive says of a file. */
export async function archivedFile(path: string): Promise<ArchivedInstance> {
  const file = await readPart10(path);
  return {
    studyInstanceUid: text(file.dataset, 'StudyInstanceUID') ?? '2.25.42',
    seriesInstanceUid: text(file.dataset, 'SeriesInstanceUID') ?? '2.25.43',
    sopInstanceUid: text(file.dataset, 'SOPInstanceUID') ?? '2.25.41',
    sopClassUid: text(file.dataset, 'SOPClassUID') ?? '1.2.840.10008.5.1.4.1.1.7',
    transferSyntaxUid: file.transferSyntaxUid,
    path,
    bytes: file.size,
    frames: file.pixelData ? frameCount(file.dataset) : 0,
    digest: '',
  };
}

/** A file of the instance in another syntax, as a retrieve would write it. */
export async function transcodedFile(transcoder: DatasetTranscoder, from: string, to: string, folder: string): Promise<string> {
  const instance = await archivedFile(from);
  const parts: Uint8Array[] = [writeFileMeta({ ...instance, transferSyntaxUid: to })];
  for await (const chunk of await transcoder.dataset(instance, to)) parts.push(chunk);
  const path = join(folder, `${to}-${Math.random().toString(36).slice(2)}.dcm`);
  writeFileSync(path, Buffer.concat(parts));
  return path;
}
