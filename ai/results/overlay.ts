// The overlay as a DICOM instance: Secondary Capture Image Storage (PS3.3 A.8.1).
import { dataset, num, nums, text, texts, type Dataset } from '../../storage/dicom/dataset.ts';
import { readPart10, type Part10 } from '../../storage/dicom/part10.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { VALUE, codeItem } from './codes.ts';
import { copied, patientAndStudy } from './copy-attributes.ts';
import {
  GATEWAY_VERSION,
  RESULT_MANUFACTURER,
  RESULT_MODEL_NAME,
  acquisitionEquipment,
  lo,
  lungEquipment,
  modelEquipment,
  resultEquipment,
  st,
} from './equipment.ts';
import { localTime, resultOffset } from './local-time.ts';
import type { EncodedResult, OutcomeImage, StudyOutcome } from './outcome.ts';
import { renderOverlay, type RenderedOverlay } from './overlay/render.ts';
import { overlayUid, seriesUid } from './result-uids.ts';
import { summaryOf } from './wording.ts';

export const SECONDARY_CAPTURE = '1.2.840.10008.5.1.4.1.1.7';

/** Next to the reports, behind the numbers that modalities give. */
const OVERLAY_SERIES_NUMBER = 9802;

/** Transfer syntaxes in which pixels are always changed; of the others the header must say it. */
const LOSSY_SYNTAXES: Readonly<Record<string, string>> = {
  '1.2.840.10008.1.2.4.50': 'ISO_10918_1',
  '1.2.840.10008.1.2.4.51': 'ISO_10918_1',
};

/** What is as true of the overlay as of its source; body part, so that it hangs with it. */
const IMAGE = [
  'BodyPartExamined',
  'Laterality',
  'PatientOrientation',
  'RequestAttributesSequence',
  'BurnedInAnnotation',
  'RecognizableVisualFeatures',
  'AcquisitionDate',
  'AcquisitionTime',
] as const;

/** One overlay for each analysed frame, in the order of the images. */
export async function encodeOverlays(study: StudyOutcome): Promise<EncodedResult[]> {
  const results: EncodedResult[] = [];
  for await (const result of eachOverlay(study)) results.push(result);
  return results;
}

/**
 * The same one by one: an overlay has up to 12 MB, and a multi-frame study would fill the memory.
 * @throws {Error} as readPart10 and decodeFrame do, where the file cannot be read any more
 */
export async function* eachOverlay(study: StudyOutcome): AsyncGenerator<EncodedResult> {
  for (const image of study.images) {
    if (image.outcome.status === 'analyzed') yield await encodeOverlay(study, image);
  }
}

async function encodeOverlay(study: StudyOutcome, image: OutcomeImage): Promise<EncodedResult> {
  const file = await readPart10(image.path);
  const ds = overlayDataset(study, image, await renderOverlay(study, image, file), file);
  const sopInstanceUid = text(ds, 'SOPInstanceUID')!;
  return {
    kind: 'overlay',
    sopClassUid: SECONDARY_CAPTURE,
    sopInstanceUid,
    seriesInstanceUid: text(ds, 'SeriesInstanceUID')!,
    sourceSopInstanceUid: image.sopInstanceUid,
    bytes: writePart10(ds, { sopClassUid: SECONDARY_CAPTURE, sopInstanceUid, characterSets: texts(image.header, 'SpecificCharacterSet') }),
  };
}

function overlayDataset(
  study: StudyOutcome,
  image: OutcomeImage,
  { geometry, rgb }: RenderedOverlay,
  file: Part10,
): Dataset {
  const { header } = image;
  const { model } = study;
  const studyInstanceUid = text(header, 'StudyInstanceUID');
  if (studyInstanceUid === undefined) throw new Error('an overlay needs the Study Instance UID of its image');
  const made = localTime(image.analyzedAt, resultOffset(header, study.timezone, image.analyzedAt));
  const modality = acquisitionEquipment(header);
  return {
    ...patientAndStudy(header),
    ...dataset({ PatientOrientation: null }), // Type 2C
    // Type 2C: unknown where the source does not say it, and perhaps wanted where it names no body part.
    ...(text(header, 'BodyPartExamined') === undefined && dataset({ Laterality: null })),
    ...copied(header, IMAGE),
    ...resultEquipment(study),
    ...dataset({
      ImageType: ['DERIVED', 'SECONDARY'],
      InstanceCreationDate: made.date,
      InstanceCreationTime: made.time,
      SOPClassUID: SECONDARY_CAPTURE,
      SOPInstanceUID: overlayUid(study, SECONDARY_CAPTURE, image),
      ContentDate: made.date,
      ContentTime: made.time,
      TimezoneOffsetFromUTC: made.offset,
      Modality: 'OT',
      ConversionType: 'WSD',
      SeriesDescription: lo(`AI overlay: ${model.name} ${model.version} (research)`),
      ContributingEquipmentSequence: [modelEquipment(study), ...lungEquipment([image]), ...(modality ? [modality] : [])],
      SeriesInstanceUID: seriesUid(study, 'overlay', studyInstanceUid),
      SeriesNumber: String(OVERLAY_SERIES_NUMBER),
      // In the order of the images.
      InstanceNumber: String(image.frames > 1 ? image.frame : (num(header, 'InstanceNumber') ?? 1)),
      ...imageModules(study, image, geometry, file),
      DateOfSecondaryCapture: made.date,
      TimeOfSecondaryCapture: made.time,
      SecondaryCaptureDeviceManufacturer: RESULT_MANUFACTURER,
      SecondaryCaptureDeviceManufacturerModelName: RESULT_MODEL_NAME,
      SecondaryCaptureDeviceSoftwareVersions: lo(GATEWAY_VERSION),
      SamplesPerPixel: 3,
      PhotometricInterpretation: 'RGB',
      PlanarConfiguration: 0,
      Rows: geometry.height,
      Columns: geometry.width,
      BitsAllocated: 8,
      BitsStored: 8,
      HighBit: 7,
      PixelRepresentation: 0,
      PixelData: rgb,
    }),
  };
}

/** What the picture is derived from and how. Pixel spacing is left out: an overlay is not for measuring. */
function imageModules(
  study: StudyOutcome,
  image: OutcomeImage,
  geometry: RenderedOverlay['geometry'],
  file: Part10,
): Record<string, unknown> {
  const { scale, offsetX, offsetY } = geometry;
  const { model } = study;
  return {
    DerivationDescription: st(
      `Image as displayed, resampled, with the regions that ${model.name} ${model.version} marked; for research use only. ` +
        `Overlay pixel = stored pixel * ${scale.toFixed(6)} + (${offsetX}, ${offsetY}).`,
    ),
    DerivationCodeSequence: scale === 1 ? undefined : [codeItem(VALUE.spatialResampling)],
    SourceImageSequence: [
      {
        ReferencedSOPClassUID: image.sopClassUid,
        ReferencedSOPInstanceUID: image.sopInstanceUid,
        ReferencedFrameNumber: image.frames > 1 ? String(image.frame) : undefined,
        PurposeOfReferenceCodeSequence: [codeItem(VALUE.sourceImage)],
      },
    ],
    ImageComments: lo(summaryOf({ ...study, images: [image] }).sentence),
    PixelAspectRatio: pixelAspectRatio(image.header),
    ...lossyCompression(image.header, file.transferSyntaxUid),
  };
}

/** Vertical and horizontal size of a pixel where they differ (PS3.3 C.7.6.3.1.7), as ratio of whole numbers. */
function pixelAspectRatio(header: Dataset): string[] | undefined {
  for (const keyword of ['PixelSpacing', 'ImagerPixelSpacing', 'NominalScannedPixelSpacing', 'PixelAspectRatio']) {
    const [vertical, horizontal] = nums(header, keyword);
    if (vertical !== undefined && horizontal !== undefined && vertical > 0 && horizontal > 0) {
      const ratio = vertical / horizontal;
      return Math.abs(ratio - 1) < 0.001 ? undefined : [String(Math.round(ratio * 10_000)), '10000'];
    }
  }
  return undefined;
}

/** Once lossy, always lossy (PS3.3 C.7.6.1.1.5). */
function lossyCompression(header: Dataset, transferSyntaxUid: string): Record<string, unknown> {
  const method = LOSSY_SYNTAXES[transferSyntaxUid];
  const lossy = text(header, 'LossyImageCompression') === '01' || method !== undefined;
  if (!lossy) return { LossyImageCompression: text(header, 'LossyImageCompression') };
  const ratios = nums(header, 'LossyImageCompressionRatio');
  const methods = text(header, 'LossyImageCompressionMethod') ?? method;
  return {
    LossyImageCompression: '01',
    LossyImageCompressionRatio: ratios.length > 0 ? ratios : undefined,
    LossyImageCompressionMethod: methods,
  };
}
