// The images that a report is about, with what a reader needs to tell them apart: TID 1600 Image Library (PS3.16).
import { items, num, text, type Dataset } from '../../../storage/dicom/dataset.ts';
import { CONCEPT, MODALITY, UNIT, VALUE, VIEW } from '../codes.ts';
import type { OutcomeImage } from '../outcome.ts';
import { codedItem, container, dateItem, imageItem, numberItem, timeItem, type ImageReference } from './content-items.ts';

/** One entry for each instance, however many frames of it were analysed. */
export function imageLibrary(images: readonly OutcomeImage[]): Dataset {
  const instances = [...new Map(images.map((image) => [image.sopInstanceUid, image])).values()];
  const entries = instances.map(({ sopClassUid, sopInstanceUid, header }) =>
    imageItem('CONTAINS', { sopClassUid, sopInstanceUid }, imageDescriptors(header)),
  );
  return container(CONCEPT.imageLibrary, [container(CONCEPT.imageLibraryGroup, entries, { relationship: 'CONTAINS' })], {
    relationship: 'CONTAINS',
    template: '1600',
  });
}

/** Frame number only where the instance has several. */
export function imageReference({ sopClassUid, sopInstanceUid, frame, frames }: OutcomeImage): ImageReference {
  return frames > 1 ? { sopClassUid, sopInstanceUid, frame } : { sopClassUid, sopInstanceUid };
}

/** True where the header says that it shows the chest: body part, or region code in SNOMED CT or in SNOMED RT. */
export function showsChest(header: Dataset): boolean {
  const bodyPart = text(header, 'BodyPartExamined')?.toUpperCase() ?? '';
  if (/^(CHEST|THORAX)$/.test(bodyPart)) return true;
  return items(header, 'AnatomicRegionSequence').some((region) =>
    ['51185008', 'T-D3000'].includes(text(region, 'CodeValue') ?? ''),
  );
}

/** TID 1602 and, of TID 1603, the view. Modality is its mandatory row, so without one there is no description. */
function imageDescriptors(header: Dataset): Dataset[] {
  const modality = MODALITY[text(header, 'Modality') ?? ''];
  if (!modality) return [];
  const descriptors = [codedItem('HAS ACQ CONTEXT', CONCEPT.modality, modality)];
  if (showsChest(header)) descriptors.push(codedItem('HAS ACQ CONTEXT', CONCEPT.targetRegion, VALUE.chest));
  const date = text(header, 'AcquisitionDate');
  if (date !== undefined && /^\d{8}$/.test(date)) {
    descriptors.push(dateItem('HAS ACQ CONTEXT', CONCEPT.acquisitionDate, date));
    const time = text(header, 'AcquisitionTime');
    if (time !== undefined && /^\d{2,6}(\.\d{1,6})?$/.test(time)) {
      descriptors.push(timeItem('HAS ACQ CONTEXT', CONCEPT.acquisitionTime, time));
    }
  }
  const rows = num(header, 'Rows');
  const columns = num(header, 'Columns');
  if (rows) descriptors.push(numberItem('HAS ACQ CONTEXT', CONCEPT.pixelDataRows, rows, UNIT.pixels));
  if (columns) descriptors.push(numberItem('HAS ACQ CONTEXT', CONCEPT.pixelDataColumns, columns, UNIT.pixels));
  const view = VIEW[text(header, 'ViewPosition')?.toUpperCase() ?? ''];
  if (view) descriptors.push(codedItem('HAS ACQ CONTEXT', CONCEPT.imageView, view));
  return descriptors;
}
