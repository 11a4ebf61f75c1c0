// A PNG or JPEG as a DICOM image (Digital X-Ray, PS3.3 A.26), so that it goes the very way that a radiograph goes: decoding,
// grayscale pipeline, what the model is not meant for, inference.
import { open } from 'node:fs/promises';
import sharp from 'sharp';
import { dataset } from '../../storage/dicom/dataset.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { deriveUid } from '../../storage/dicom/uids.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import type { EvaluationCase } from './cases/case.ts';

const DX_FOR_PRESENTATION = '1.2.840.10008.5.1.4.1.1.1.1';

const SIGNATURES = [Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.from([0xff, 0xd8, 0xff])];

/** Whether a file begins as PNG or JPEG does. @throws what the file system throws */
export async function isPicture(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0);
    return SIGNATURES.some((signature) => buffer.subarray(0, bytesRead).subarray(0, signature.length).equals(signature));
  } finally {
    await file.close();
  }
}

/**
 * Gray of 8 bits is shown over its full range; gray of 16 bits as the pipeline shows an image that brings no window. A picture in
 * colour stays one, for the pipeline to judge. What the list says of patient and view goes into the header.
 * @throws {Error} for a file that cannot be decoded
 */
export async function wrapImage(told: EvaluationCase): Promise<{ header: Dataset; bytes: Uint8Array }> {
  // The orientation that a camera notes is not applied: boxes are in pixels as they are stored.
  const image = sharp(told.path, { limitInputPixels: 2e8 });
  const { depth, hasAlpha } = await image.metadata();
  const opaque = hasAlpha ? image.removeAlpha() : image;
  const deep = depth === 'ushort';
  const { data, info } = await (deep ? opaque.toColourspace('grey16').raw({ depth: 'ushort' }) : opaque.raw({ depth: 'uchar' })).toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const gray = channels === 1 ? data : deep || isGray(data, channels) ? firstChannel(data, channels, deep ? 2 : 1) : undefined;
  const bits = deep ? 16 : 8;
  const uid = (part: string): string => deriveUid('2.25', 'evaluation', part, told.name, String(told.frame));
  const header = dataset({
    ...patientAndView(told),
    SpecificCharacterSet: 'ISO_IR 192',
    SOPClassUID: DX_FOR_PRESENTATION,
    SOPInstanceUID: uid('instance'),
    StudyInstanceUID: uid('study'),
    SeriesInstanceUID: uid('series'),
    Modality: 'DX',
    BodyPartExamined: 'CHEST',
    PresentationIntentType: 'FOR PRESENTATION',
    ImageType: ['DERIVED', 'PRIMARY'],
    SamplesPerPixel: gray ? 1 : 3,
    PhotometricInterpretation: gray ? 'MONOCHROME2' : 'RGB',
    ...(gray ? { PresentationLUTShape: 'IDENTITY' } : { PlanarConfiguration: 0 }),
    Rows: height,
    Columns: width,
    BitsAllocated: bits,
    BitsStored: bits,
    HighBit: bits - 1,
    PixelRepresentation: 0,
    ...(gray && !deep ? { WindowCenter: 128, WindowWidth: 256 } : {}),
    PixelData: evenly(gray ?? data),
  });
  return { header, bytes: writePart10(header) };
}

function patientAndView({ patient, ageYears, sex, view, manufacturer }: EvaluationCase): Record<string, unknown> {
  return {
    PatientID: patient?.slice(0, 64) ?? null,
    PatientAge: ageYears === undefined ? undefined : ageString(ageYears),
    PatientSex: sex === undefined ? undefined : /^[mfo]/i.exec(sex)?.[0].toUpperCase(),
    // VR CS: upper case, letters, digits, space, underscore.
    ViewPosition: view?.toUpperCase().replace(/[^A-Z0-9_ ]+/g, ' ').trim().slice(0, 16),
    Manufacturer: manufacturer?.slice(0, 64),
  };
}

/** VR AS; below two years in months, as PS3.5 6.2 would have it told. */
function ageString(years: number): string {
  const [count, unit] = years < 2 ? [years * 12, 'M'] : [years, 'Y'];
  return `${String(Math.floor(count + 1e-9)).padStart(3, '0')}${unit}`;
}

/** Whether all channels are the same, as in a radiograph that was saved as RGB. */
function isGray(data: Uint8Array, channels: number): boolean {
  if (channels < 3) return true;
  for (let at = 0; at + 2 < data.length; at += channels) if (data[at] !== data[at + 1] || data[at] !== data[at + 2]) return false;
  return true;
}

function firstChannel(data: Buffer, channels: number, bytes: number): Buffer {
  const pixels = data.length / channels / bytes;
  const out = Buffer.allocUnsafe(pixels * bytes);
  for (let pixel = 0; pixel < pixels; pixel++) data.copy(out, pixel * bytes, pixel * channels * bytes, pixel * channels * bytes + bytes);
  return out;
}

/** A value has an even number of bytes (PS3.5 7.1.1). */
function evenly(data: Buffer): Buffer {
  return data.length % 2 === 0 ? data : Buffer.concat([data, Buffer.alloc(1)]);
}
