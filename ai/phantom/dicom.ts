// A phantom as a DICOM file: Computed Radiography (PS3.3 A.2) or Digital X-Ray (PS3.3 A.26), in many transfer syntaxes.
import { code, dataset } from '../../storage/dicom/dataset.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, deriveUid } from '../../storage/dicom/uids.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { chestPhantom } from './chest.ts';
import type { PhantomSpec } from './chest.ts';
import { ENCODINGS, encodeFrame } from './encode.ts';
import type { Encoding } from './encode.ts';

export interface PhantomDicomSpec extends PhantomSpec {
  modality?: 'CR' | 'DX';
  /** Explicit VR Little Endian by default; see ENCODINGS. */
  transferSyntaxUid?: string;
  /** 'Alphabetic=Ideographic=Phonetic'. */
  patientName?: string;
  patientId?: string;
  /** UIDs that are not given are derived from the rest, so that the same spec gives the same file. */
  studyInstanceUid?: string;
  seriesInstanceUid?: string;
  sopInstanceUid?: string;
  /** Defined terms of Specific Character Set; UTF-8 unless told. */
  characterSets?: readonly string[];
  /** Attributes by keyword that replace or add to ours; undefined leaves one out. */
  overrides?: Record<string, unknown>;
}

const CR_IMAGE = '1.2.840.10008.5.1.4.1.1.1';
const DX_FOR_PRESENTATION = '1.2.840.10008.5.1.4.1.1.1.1';
const DX_FOR_PROCESSING = '1.2.840.10008.5.1.4.1.1.1.1.1';

/** Width of the detector in millimetres: a 35 cm cassette. */
const DETECTOR_WIDTH = 350;

/**
 * @returns the bytes of a Part 10 file
 * @throws {RangeError} for a transfer syntax that we have no encoder for, or that cannot hold the values
 */
export async function phantomDicom(spec: PhantomDicomSpec): Promise<Uint8Array> {
  const transferSyntaxUid = spec.transferSyntaxUid ?? EXPLICIT_VR_LITTLE_ENDIAN;
  const encoding = ENCODINGS[transferSyntaxUid];
  if (!encoding) throw new RangeError(`phantoms are not made in transfer syntax ${transferSyntaxUid}`);
  const bitsStored = spec.bitsStored ?? (transferSyntaxUid === '1.2.840.10008.1.2.4.50' ? 8 : 12);
  const bitsAllocated = bitsStored === 8 ? 8 : 16;
  const photometric = spec.photometric ?? 'MONOCHROME2';
  const { columns, rows, pixels } = chestPhantom({ ...spec, bitsStored });
  const cells =
    bitsAllocated === 8 ? Uint8Array.from(pixels) : new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
  const frame = await encodeFrame(encoding, cells, { columns, rows, bitsAllocated, bitsStored, photometric });
  const range = 2 ** bitsStored;
  const values = {
    ...patientAndStudy(spec),
    ...(spec.modality === 'DX' ? digitalXRay(spec, columns, photometric, encoding) : computedRadiography(spec, columns)),
    SamplesPerPixel: 1,
    PhotometricInterpretation: photometric,
    Rows: rows,
    Columns: columns,
    BitsAllocated: bitsAllocated,
    BitsStored: bitsStored,
    HighBit: bitsStored - 1,
    PixelRepresentation: 0,
    // Raw data have no window (PS3.3 C.8.11.3).
    ...(isForProcessing(spec) ? {} : { WindowCenter: range / 2, WindowWidth: range, WindowCenterWidthExplanation: 'Full range' }),
    ...(encoding.lossy
      ? {
          LossyImageCompression: '01',
          LossyImageCompressionRatio: Math.round((cells.length / frame.length) * 100) / 100,
          LossyImageCompressionMethod: encoding.method,
        }
      : { LossyImageCompression: '00' }),
    ...spec.overrides,
    PixelData: encoding.codec === 'native' ? frame : [frame],
  };
  return writePart10(dataset(values), { transferSyntaxUid, characterSets: spec.characterSets });
}

function patientAndStudy(spec: PhantomDicomSpec): Record<string, unknown> {
  const { overrides: _, ...identity } = spec;
  const uid = (part: string): string => deriveUid('2.25', 'phantom', part, JSON.stringify(identity));
  const studyInstanceUid = spec.studyInstanceUid ?? uid('study');
  return {
    SpecificCharacterSet: 'ISO_IR 192',
    SOPInstanceUID: spec.sopInstanceUid ?? uid('instance'),
    InstanceCreationDate: '20260102',
    InstanceCreationTime: '101530',
    PatientName: spec.patientName ?? `Synthetic^Seed ${spec.seed}`,
    PatientID: spec.patientId ?? `SYNTHETIC-${spec.seed}`,
    PatientBirthDate: spec.child ? '20221115' : '19781115',
    PatientSex: 'O',
    PatientAge: spec.child ? '003Y' : '047Y',
    QualityControlSubject: 'YES',
    PatientComments: 'SYNTHETIC: drawn by a program, no patient',
    StudyInstanceUID: studyInstanceUid,
    StudyDate: '20260102',
    StudyTime: '101500',
    StudyID: String(spec.seed),
    AccessionNumber: `SYN${spec.seed}`,
    ReferringPhysicianName: null,
    StudyDescription: 'Chest radiograph (SYNTHETIC)',
    // By study, so that images of one study in the same projection do not share a series by chance.
    SeriesInstanceUID: spec.seriesInstanceUid ?? uid('series'),
    SeriesNumber: 1,
    SeriesDescription: `Chest ${spec.view ?? 'PA'} (SYNTHETIC)`,
    SeriesDate: '20260102',
    SeriesTime: '101510',
    BodyPartExamined: 'CHEST',
    ViewPosition: spec.view ?? 'PA',
    Manufacturer: 'Hilum',
    ManufacturerModelName: 'Chest phantom',
    DeviceSerialNumber: String(spec.seed),
    SoftwareVersions: '1',
    InstitutionName: 'SYNTHETIC',
    InstanceNumber: 1,
    ContentDate: '20260102',
    ContentTime: '101530',
    AcquisitionDate: '20260102',
    AcquisitionTime: '101520',
    AcquisitionNumber: 1,
    PatientOrientation: ['L', 'F'],
    ImageComments: 'SYNTHETIC: drawn by a program, no patient',
    BurnedInAnnotation: 'NO',
  };
}

/** CR Series and CR Image modules (PS3.3 C.8.1.1, C.8.1.2). */
function computedRadiography(spec: PhantomDicomSpec, columns: number): Record<string, unknown> {
  return {
    SOPClassUID: CR_IMAGE,
    Modality: 'CR',
    ImageType: ['ORIGINAL', 'PRIMARY'],
    KVP: 120,
    PlateID: 'SYNTHETIC',
    ImagerPixelSpacing: spacing(columns),
    DistanceSourceToDetector: 1800,
    PresentationLUTShape: shape(spec.photometric),
  };
}

/** DX modules (PS3.3 C.8.11). */
function digitalXRay(spec: PhantomDicomSpec, columns: number, photometric: string, encoding: Encoding): Record<string, unknown> {
  const ap = spec.view === 'AP';
  return {
    SOPClassUID: isForProcessing(spec) ? DX_FOR_PROCESSING : DX_FOR_PRESENTATION,
    Modality: 'DX',
    PresentationIntentType: 'FOR PRESENTATION',
    ImageType: [encoding.lossy ? 'DERIVED' : 'ORIGINAL', 'PRIMARY', ''],
    AnatomicRegionSequence: [code('51185008', 'SCT', 'Chest')],
    ImageLaterality: 'U',
    PixelIntensityRelationship: 'LOG',
    PixelIntensityRelationshipSign: photometric === 'MONOCHROME1' ? -1 : 1,
    RescaleIntercept: 0,
    RescaleSlope: 1,
    RescaleType: 'US',
    PresentationLUTShape: shape(photometric),
    DetectorType: 'DIRECT',
    PositionerType: 'COLUMN',
    ImagerPixelSpacing: spacing(columns),
    KVP: 120,
    DistanceSourceToDetector: 1800,
    ViewCodeSequence: [
      {
        ...code(ap ? '399348003' : '272479007', 'SCT', ap ? 'antero-posterior' : 'postero-anterior'),
        ...dataset({ ViewModifierCodeSequence: null }),
      },
    ],
    AcquisitionContextSequence: null,
    ...(encoding.lossy
      ? { DerivationDescription: 'Lossy compression', DerivationCodeSequence: [code('113040', 'DCM', 'Lossy Compression')] }
      : {}),
  };
}

function isForProcessing(spec: PhantomDicomSpec): boolean {
  return spec.modality === 'DX' && spec.overrides?.['PresentationIntentType'] === 'FOR PROCESSING';
}

function shape(photometric = 'MONOCHROME2'): string {
  return photometric === 'MONOCHROME1' ? 'INVERSE' : 'IDENTITY';
}

function spacing(columns: number): [number, number] {
  const millimetres = Math.round((DETECTOR_WIDTH / columns) * 1e6) / 1e6;
  return [millimetres, millimetres];
}
