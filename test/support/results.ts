// A study and what its analysis came to, for the tests of ai/results.
import type { AnalysisOutcome, AnalyzedOutcome } from '../../ai/analysis.ts';
import type { OutcomeImage, ResultLabel, StudyOutcome } from '../../ai/results/outcome.ts';
import { code, dataset, num, type Dataset } from '../../storage/dicom/dataset.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import type { LungModel, MeasuredSeverity, UnmeasuredSeverity } from '../../storage/entities/severity.ts';

export const CR_IMAGE = '1.2.840.10008.5.1.4.1.1.1';

/** The header of a chest radiograph with everything that a result takes over. */
export function radiographHeader(values: Record<string, unknown> = {}): Dataset {
  return dataset({
    SpecificCharacterSet: ['', 'ISO 2022 IR 87'],
    SOPClassUID: CR_IMAGE,
    SOPInstanceUID: '2.25.1001',
    StudyInstanceUID: '2.25.1',
    SeriesInstanceUID: '2.25.10',
    StudyDate: '20261103',
    StudyTime: '081500',
    StudyID: 'S77',
    StudyDescription: 'Thorax pa',
    AcquisitionDate: '20261103',
    AcquisitionTime: '081630.5',
    AccessionNumber: 'ACC-4711',
    Modality: 'CR',
    Manufacturer: 'Acme',
    ManufacturerModelName: 'CR 9000',
    StationName: 'ROOM2',
    PatientName: { Alphabetic: 'Yamada^Tarou', Ideographic: '山田^太郎', Phonetic: 'やまだ^たろう' },
    PatientID: 'P-0001',
    IssuerOfPatientID: 'HOSPITAL',
    PatientBirthDate: '19600229',
    PatientSex: 'M',
    PatientAge: '066Y',
    ReferringPhysicianName: { Alphabetic: 'Müller^Jörg' },
    BodyPartExamined: 'CHEST',
    ViewPosition: 'PA',
    PatientOrientation: ['L', 'F'],
    InstanceNumber: '1',
    Rows: 2000,
    Columns: 1600,
    BurnedInAnnotation: 'NO',
    RequestAttributesSequence: [
      {
        RequestedProcedureID: 'RP-9',
        RequestedProcedureDescription: 'Chest X-ray in two planes',
        RequestedProcedureCodeSequence: [code('CXR2', '99HOSP', 'Chest X-ray in two planes')],
        ScheduledProcedureStepID: 'SPS-9',
      },
    ],
    ...values,
  });
}

export function analyzed(values: Partial<AnalyzedOutcome> = {}): AnalyzedOutcome {
  return {
    status: 'analyzed',
    label: 'opacity',
    probability: 0.873_421,
    threshold: 0.52,
    positive: true,
    scores: { opacity: 0.873_421 },
    regions: [
      { x: 300.5, y: 900, width: 350, height: 500, label: 'opacity', score: 0.91, trackingUid: '2.25.501' },
      { x: 1100, y: 1000.25, width: 280, height: 420, label: 'opacity', score: 0.443, trackingUid: '2.25.502' },
    ],
    provider: 'cpu',
    milliseconds: 12,
    ...values,
  };
}

export const LUNGS: LungModel = { name: 'lungs', version: '1.0.0', sha256: 'ab'.repeat(32), deviceUid: '2.25.99', manufacturer: 'Hilum' };
export const MEASURED: MeasuredSeverity = { status: 'measured', right: 12.4, left: 0, both: 6.1, basis: 'boxes', model: LUNGS };
export const NOT_MEASURED: UnmeasuredSeverity = { status: 'not-measured', reason: 'only a part of the left lung was found', model: LUNGS };

export const NOTHING_FOUND = analyzed({ probability: 0.0312, positive: false, scores: { opacity: 0.0312 }, regions: [] });

/** The labels of a model that tells two findings apart, and an image that it called bacterial. */
export const TYPE_LABELS: ResultLabel[] = [
  { name: 'normal', code: { value: '17621005', scheme: 'SCT', meaning: 'Normal' } },
  { name: 'bacterial', positive: true, code: { value: '53084003', scheme: 'SCT', meaning: 'Bacterial pneumonia' } },
  { name: 'viral', positive: true, code: { value: '75570004', scheme: 'SCT', meaning: 'Viral pneumonia' } },
];
export const BACTERIAL = analyzed({
  label: 'bacterial',
  probability: 0.93,
  threshold: 0.5,
  scores: { normal: 0.07, bacterial: 0.6, viral: 0.33 },
  regions: [{ x: 300.5, y: 900, width: 350, height: 500, label: 'bacterial', score: 0.71, trackingUid: '2.25.503' }],
});

export function outcomeImage(outcome: AnalysisOutcome, values: Partial<OutcomeImage> = {}): OutcomeImage {
  return {
    path: '/nowhere',
    header: radiographHeader(),
    digest: 'a'.repeat(64),
    sopInstanceUid: '2.25.1001',
    sopClassUid: CR_IMAGE,
    seriesInstanceUid: '2.25.10',
    frame: 1,
    frames: 1,
    analyzedAt: '2026-11-20T13:12:05.123Z',
    outcome,
    ...values,
  };
}

export function studyOutcome(images: OutcomeImage[], values: Partial<StudyOutcome> = {}): StudyOutcome {
  return {
    uidRoot: '2.25',
    timezone: 'Europe/Zurich',
    settingsDigest: '5e77'.repeat(16),
    createdAt: '2026-11-20T13:12:05.123Z',
    version: 1,
    model: {
      name: 'opacity',
      version: '0.1.0',
      sha256: 'c0de'.repeat(16),
      deviceUid: '2.25.7777',
      manufacturer: 'Hilum',
    },
    labels: [{ name: 'opacity', positive: true, code: { value: '112001', scheme: 'DCM', meaning: 'Opacity' } }],
    intendedUse: 'Research on worklist prioritisation of frontal chest radiographs.',
    images,
    ...values,
  };
}

/** A radiograph as Part 10: the header above with a gray wedge of 12 bits as pixels. */
export function radiographFile(values: Record<string, unknown> = {}): Uint8Array {
  const header = radiographHeader(values);
  const rows = num(header, 'Rows') ?? 0;
  const columns = num(header, 'Columns') ?? 0;
  const pixels = Uint16Array.from({ length: rows * columns }, (_, at) => Math.floor(((at % columns) * 4095) / columns));
  const image = dataset({
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    BitsAllocated: 16,
    BitsStored: 12,
    HighBit: 11,
    PixelRepresentation: 0,
    PixelData: new Uint8Array(pixels.buffer),
  });
  return writePart10({ ...header, ...image });
}
