// The coded concepts of our results, each with its place in PS3.16. SCT is SNOMED CT, UCUM the units of measure.
import { code, type Dataset } from '../../storage/dicom/dataset.ts';

export interface Code {
  value: string;
  scheme: string;
  meaning: string;
}

/** As an item of a code sequence (PS3.3 8.8); Code Meaning is LO. */
export function codeItem(concept: Code): Dataset {
  return code(concept.value, concept.scheme, concept.meaning.slice(0, 64));
}

/** A local scheme: names that begin with 99 are for those (PS3.3 8.2). */
export const OWN_SCHEME = '99HILUM';

const dcm = (value: string, meaning: string): Code => ({ value, scheme: 'DCM', meaning });
const sct = (value: string, meaning: string): Code => ({ value, scheme: 'SCT', meaning });
/** Ours, for what PS3.16 has no code (docs/conformance-statement.md, annex C). */
const own = (value: string, meaning: string): Code => ({ value, scheme: OWN_SCHEME, meaning });
const ucum = (value: string, meaning: string): Code => ({ value, scheme: 'UCUM', meaning });

/** Concept names of TID 1500, 1501, 1410, 1600 and 4019, and of their context. */
export const CONCEPT = {
  imagingMeasurementReport: dcm('126000', 'Imaging Measurement Report'), // CID 7021
  language: dcm('121049', 'Language of Content Item and Descendants'), // TID 1204
  observerType: dcm('121005', 'Observer Type'), // TID 1002
  device: dcm('121007', 'Device'), // CID 270
  deviceObserverUid: dcm('121012', 'Device Observer UID'), // TID 1004
  deviceObserverName: dcm('121013', 'Device Observer Name'),
  deviceObserverManufacturer: dcm('121014', 'Device Observer Manufacturer'),
  deviceObserverModelName: dcm('121015', 'Device Observer Model Name'),
  procedureReported: dcm('121058', 'Procedure reported'),
  imageLibrary: dcm('111028', 'Image Library'), // TID 1600
  imageLibraryGroup: dcm('126200', 'Image Library Group'),
  modality: dcm('121139', 'Modality'), // TID 1602
  targetRegion: dcm('123014', 'Target Region'),
  acquisitionDate: dcm('126201', 'Acquisition Date'),
  acquisitionTime: dcm('126202', 'Acquisition Time'),
  pixelDataRows: dcm('110910', 'Pixel Data Rows'),
  pixelDataColumns: dcm('110911', 'Pixel Data Columns'),
  imageView: dcm('111031', 'Image View'), // TID 1603
  imagingMeasurements: dcm('126010', 'Imaging Measurements'),
  measurementGroup: dcm('125007', 'Measurement Group'), // TID 1501 and 1410
  trackingIdentifier: dcm('112039', 'Tracking Identifier'),
  trackingUid: dcm('112040', 'Tracking Unique Identifier'),
  finding: dcm('121071', 'Finding'),
  geometricPurpose: dcm('130400', 'Geometric purpose of region'),
  imageRegion: dcm('111030', 'Image Region'),
  probability: dcm('122157', 'Probability'),
  findingSite: sct('363698007', 'Finding Site'),
  laterality: sct('272741003', 'Laterality'),
  opaqueShare: own('OPAQUE_SHARE', 'Opaque share of the lung field'), // 0 to 100 percent
  certaintyOfFinding: dcm('111012', 'Certainty of Finding'), // CID 6048, 0 to 100 percent
  qualitativeEvaluations: { value: 'C0034375', scheme: 'UMLS', meaning: 'Qualitative Evaluations' },
  summaryOfDetections: dcm('111064', 'Summary of Detections'), // values: CID 6042
  processingSummary: dcm('111017', 'CAD Processing and Findings Summary'), // values: CID 6047
  comment: dcm('121106', 'Comment'),
  conclusion: dcm('121077', 'Conclusion'),
  algorithmName: dcm('111001', 'Algorithm Name'), // TID 4019
  algorithmVersion: dcm('111003', 'Algorithm Version'),
  algorithmParameters: dcm('111002', 'Algorithm Parameters'),
} as const satisfies Record<string, Code>;

export const VALUE = {
  english: { value: 'en', scheme: 'RFC5646', meaning: 'English' }, // CID 5000
  present: sct('52101004', 'Present'), // CID 240
  absent: sct('272519000', 'Absent'),
  boundedBy: sct('75958009', 'Bounded by'), // CID 219
  chest: sct('51185008', 'Chest'), // CID 4031
  lung: sct('39607008', 'Lung'), // CID 6129
  right: sct('24028007', 'Right'), // CID 244
  left: sct('7771000', 'Left'),
  bilateral: sct('51440002', 'Bilateral'),
  imagingProcedure: sct('363679005', 'Imaging procedure'), // CID 100
  succeeded: dcm('111222', 'Succeeded'), // CID 6042
  failed: dcm('111224', 'Failed'),
  notAttempted: dcm('111225', 'Not Attempted'),
  allSucceededWithoutFindings: dcm('111241', 'All algorithms succeeded; without findings'), // CID 6047
  allSucceededWithFindings: dcm('111242', 'All algorithms succeeded; with findings'),
  someSucceededWithoutFindings: dcm('111243', 'Not all algorithms succeeded; without findings'),
  someSucceededWithFindings: dcm('111244', 'Not all algorithms succeeded; with findings'),
  noneSucceeded: dcm('111245', 'No algorithms succeeded; without findings'),
  acquisitionEquipment: dcm('109101', 'Acquisition Equipment'), // CID 7005
  processingEquipment: dcm('109102', 'Processing Equipment'),
  sourceImage: dcm('121322', 'Source image for image processing operation'), // CID 7202
  spatialResampling: dcm('113085', 'Spatial resampling'), // CID 7203
} as const satisfies Record<string, Code>;

export const UNIT = {
  one: ucum('1', 'no units'),
  percent: ucum('%', 'Percent'),
  pixels: ucum('{pixels}', 'pixels'),
} as const satisfies Record<string, Code>;

/** Acquisition modalities of CID 29 that a radiograph may come as; others are left undescribed. */
export const MODALITY: Record<string, Code> = {
  CR: dcm('CR', 'Computed Radiography'),
  DX: dcm('DX', 'Digital Radiography'),
  RG: dcm('RG', 'Radiographic imaging'),
  RF: dcm('RF', 'Radiofluoroscopy'),
  XA: dcm('XA', 'X-Ray Angiography'),
  CT: dcm('CT', 'Computed Tomography'),
  MG: dcm('MG', 'Mammography'),
};

/** View Position (0018,5101) as a projection of CID 4010. */
export const VIEW: Record<string, Code> = {
  PA: sct('272479007', 'postero-anterior'),
  AP: sct('399348003', 'antero-posterior'),
  LL: sct('399173006', 'left lateral'),
  RL: sct('399198007', 'right lateral'),
  LATERAL: sct('399067008', 'lateral'),
};
