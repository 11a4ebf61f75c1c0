// Who made a result: General and Enhanced General Equipment (PS3.3 C.7.5) is the gateway, Contributing Equipment Sequence
// (C.12.1) the model and, for what shows the image, the modality.
import packageJson from '../../package.json' with { type: 'json' };
import { dataset, text, texts, type Dataset } from '../../storage/dicom/dataset.ts';
import { VALUE, codeItem } from './codes.ts';
import type { OutcomeImage, StudyOutcome } from './outcome.ts';

/** By these two our results are known again; no other object that we make may carry both. */
export const RESULT_MANUFACTURER = 'Hilum';
export const RESULT_MODEL_NAME = 'Hilum Gateway';

export const GATEWAY_VERSION: string = packageJson.version;

export function resultEquipment(study: StudyOutcome): Dataset {
  return dataset({
    Manufacturer: RESULT_MANUFACTURER,
    ManufacturerModelName: RESULT_MODEL_NAME,
    // Enhanced General Equipment wants one; the software device has no other number than its UID.
    DeviceSerialNumber: study.model.deviceUid,
    SoftwareVersions: [lo(`Hilum ${GATEWAY_VERSION}`), lo(`${study.model.name} ${study.model.version}`)],
  });
}

/** The model as an item of Contributing Equipment Sequence. */
export function modelEquipment(study: StudyOutcome): Dataset {
  const { model, settingsDigest } = study;
  return dataset({
    Manufacturer: lo(model.manufacturer),
    ManufacturerModelName: lo(model.name),
    SoftwareVersions: [lo(model.version)],
    DeviceSerialNumber: model.sha256.slice(0, 64),
    DeviceUID: model.deviceUid,
    ContributionDescription: st(
      `Automatic analysis, for research use only. Model sha256 ${model.sha256}, settings digest ${settingsDigest}.`,
    ),
    PurposeOfReferenceCodeSequence: [codeItem(VALUE.processingEquipment)],
  });
}

/** The model by which the lungs were found, where what it said is shown. */
export function lungEquipment(images: readonly OutcomeImage[]): Dataset[] {
  const model = images.map(({ outcome }) => (outcome.status === 'analyzed' ? outcome.severity?.model : undefined)).find((found) => found !== undefined);
  if (!model) return [];
  return [
    dataset({
      Manufacturer: lo(model.manufacturer),
      ManufacturerModelName: lo(model.name),
      SoftwareVersions: [lo(model.version)],
      DeviceSerialNumber: model.sha256.slice(0, 64),
      DeviceUID: model.deviceUid,
      ContributionDescription: st(`Automatic outline of the lungs, for research use only. Model sha256 ${model.sha256}.`),
      PurposeOfReferenceCodeSequence: [codeItem(VALUE.processingEquipment)],
    }),
  ];
}

/** The modality that made the source, as its header names it; undefined where it does not. */
export function acquisitionEquipment(header: Dataset): Dataset | undefined {
  const manufacturer = text(header, 'Manufacturer');
  if (manufacturer === undefined) return undefined;
  const one = (keyword: string): string | undefined => text(header, keyword);
  const versions = texts(header, 'SoftwareVersions').filter((version) => version !== '');
  return dataset({
    Manufacturer: manufacturer,
    InstitutionName: one('InstitutionName'),
    StationName: one('StationName'),
    ManufacturerModelName: one('ManufacturerModelName'),
    DeviceSerialNumber: one('DeviceSerialNumber'),
    SoftwareVersions: versions.length > 0 ? versions : undefined,
    PurposeOfReferenceCodeSequence: [codeItem(VALUE.acquisitionEquipment)],
  });
}

/** LO holds 64 characters and no backslash (PS3.5 6.2). */
export function lo(value: string): string {
  return value.replaceAll('\\', '/').slice(0, 64).trim();
}

/** ST holds 1024 characters. */
export function st(value: string): string {
  return value.slice(0, 1024);
}
