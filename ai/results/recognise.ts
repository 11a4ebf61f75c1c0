// Tells results from source images, so that no result is ever analysed again or reopens a study.
//
// What it can know is what the header says. Our own objects are known by manufacturer and model name, which PACS keep; one that
// lost both (an anonymiser) is known only as a derived object, or by its UID, which the database knows. An AI that draws into a
// copy of the radiograph without a word about itself in the header looks like a radiograph and is taken for one.
import { items, text, texts, type Dataset } from '../../storage/dicom/dataset.ts';
import { RESULT_MANUFACTURER, RESULT_MODEL_NAME } from './equipment.ts';

/** SOP classes of documents, annotations and measurements: results by nature, whoever made them. */
const RESULT_CLASSES = [
  '1.2.840.10008.5.1.4.1.1.88.', // structured reports, key objects, CAD
  '1.2.840.10008.5.1.4.1.1.11.', // presentation states
  '1.2.840.10008.5.1.4.1.1.66', // raw data, registrations, segmentations, surfaces, tractography
  '1.2.840.10008.5.1.4.1.1.67', // real world value maps
  '1.2.840.10008.5.1.4.1.1.90.', // content assessment
  '1.2.840.10008.5.1.4.1.1.30', // parametric maps
  '1.2.840.10008.5.1.4.1.1.104.', // encapsulated documents
];
const SECONDARY_CAPTURE = '1.2.840.10008.5.1.4.1.1.7';

/** CID 7005. Modifying Equipment (109103), which archives write when they coerce attributes, says nothing of the kind. */
const PROCESSING_EQUIPMENT = '109102';

const ALGORITHM_KEYWORDS = ['SegmentationAlgorithmIdentificationSequence', 'AlgorithmFamilyCodeSequence', 'AlgorithmName'];

/**
 * Whose result this instance is: ours, that of another system, or none: a source instance.
 * @param header of the instance, with its SOP Class UID
 */
export function resultOrigin(header: Dataset): 'own' | 'other-ai' | undefined {
  if (isOwn(header)) return 'own';
  const sopClassUid = text(header, 'SOPClassUID') ?? '';
  if (RESULT_CLASSES.some((prefix) => sopClassUid.startsWith(prefix))) return 'other-ai';
  return isDerivedByAlgorithm(header) || isCaptureOfImages(header, sopClassUid) ? 'other-ai' : undefined;
}

function isOwn(header: Dataset): boolean {
  return text(header, 'Manufacturer') === RESULT_MANUFACTURER && text(header, 'ManufacturerModelName') === RESULT_MODEL_NAME;
}

/** A derived image that names the software which processed it. Original images may name such equipment too: a reader's processing. */
function isDerivedByAlgorithm(header: Dataset): boolean {
  if (texts(header, 'ImageType')[0]?.toUpperCase() !== 'DERIVED') return false;
  const purposes = items(header, 'ContributingEquipmentSequence').flatMap((equipment) =>
    items(equipment, 'PurposeOfReferenceCodeSequence').map((purpose) => text(purpose, 'CodeValue')),
  );
  return purposes.includes(PROCESSING_EQUIPMENT) || ALGORITHM_KEYWORDS.some((keyword) => hasValue(header, keyword));
}

/** A capture of other images' pixels on a workstation; digitised films and photographs (DF, DI, DV, SD) are sources. */
function isCaptureOfImages(header: Dataset, sopClassUid: string): boolean {
  if (sopClassUid !== SECONDARY_CAPTURE && !sopClassUid.startsWith(`${SECONDARY_CAPTURE}.`)) return false;
  const madeOfImages =
    items(header, 'SourceImageSequence').length > 0 || texts(header, 'ImageType')[0]?.toUpperCase() === 'DERIVED';
  const conversion = text(header, 'ConversionType') ?? 'WSD';
  return madeOfImages && conversion === 'WSD';
}

function hasValue(header: Dataset, keyword: string): boolean {
  return items(header, keyword).length > 0 || text(header, keyword) !== undefined;
}
