// What the report states about one frame: TID 1501 Measurement and Qualitative Evaluation Group for the frame as a whole,
// TID 1410 Planar ROI Measurements for each region, TID 4019 Algorithm Identification for both (PS3.16).
import { num, type Dataset } from '../../../storage/dicom/dataset.ts';
import type { AnalyzedOutcome, Region } from '../../analysis.ts';
import { CONCEPT, UNIT, VALUE, type Code } from '../codes.ts';
import { findingLabel, findingLabels, type OutcomeImage, type ResultLabel, type StudyOutcome } from '../outcome.ts';
import { statementUid } from '../result-uids.ts';
import { severityInFull } from '../severity-wording.ts';
import { missingAnalysis } from '../wording.ts';
import { codedItem, container, imageItem, numberItem, polylineItem, textItem, uidItem } from './content-items.ts';
import { imageReference } from './image-library.ts';

/** TID 4019: name, version, what the outcome depends on besides, and what ran it. @param outcomes whose thresholds are named */
export function algorithmIdentification(study: StudyOutcome, outcomes = study.images.map((image) => image.outcome)): Dataset[] {
  const { model, settingsDigest } = study;
  const analyzed = outcomes.filter((outcome) => outcome.status === 'analyzed');
  const findings = findingLabels(study.labels);
  const together = findings.length > 1 ? ` for ${findings.map(({ name }) => name).join(' + ')}` : '';
  const parameters = [
    `sha256=${model.sha256}`,
    `settings=${settingsDigest}`,
    ...new Set(analyzed.flatMap(({ threshold, provider }) => [`threshold=${threshold}${together}`, `provider=${provider}`])),
  ];
  return [
    textItem('HAS CONCEPT MOD', CONCEPT.algorithmName, model.name),
    textItem('HAS CONCEPT MOD', CONCEPT.algorithmVersion, model.version),
    ...parameters.map((parameter) => textItem('HAS CONCEPT MOD', CONCEPT.algorithmParameters, parameter)),
  ];
}

/**
 * One group for a frame; of a model with several findings one for each, with its own probability: what is true of them together
 * need not be of any alone.
 * @param index place of the image in the study, from 0
 */
export function imageStatements(study: StudyOutcome, image: OutcomeImage, index: number): Dataset[] {
  const { outcome } = image;
  const name = imageName(image, index);
  const group = (identifier: string, uid: string, statements: Dataset[]): Dataset =>
    container(
      CONCEPT.measurementGroup,
      [
        textItem('HAS OBS CONTEXT', CONCEPT.trackingIdentifier, identifier),
        uidItem('HAS OBS CONTEXT', CONCEPT.trackingUid, uid),
        ...algorithmIdentification(study, [outcome]),
        ...statements,
        imageItem('CONTAINS', imageReference(image)),
      ],
      { relationship: 'CONTAINS', template: '1501' },
    );
  if (outcome.status !== 'analyzed') return [group(name, statementUid(study, image), notAnalyzed(image))];
  const findings = findingLabels(study.labels);
  if (findings.length > 1) return findings.map((label) => group(`${name}, ${label.name}`, statementUid(study, image, label.name), oneOfSeveral(label, outcome)));
  return [group(name, statementUid(study, image), analyzed(findingLabel(study, outcome.label), outcome.probability, outcome, outcome.positive ? VALUE.present : VALUE.absent))];
}

/** Of findings that exclude each other an image is called by one; whether another is there too is then not said. */
function oneOfSeveral(label: ResultLabel, outcome: AnalyzedOutcome): Dataset[] {
  const called = label.name === outcome.label ? VALUE.present : undefined;
  return analyzed(label, outcome.scores[label.name] ?? 0, outcome, outcome.positive ? called : VALUE.absent);
}

/** The finding looked for, how probable it is, whether it counts as there, and that the analysis took place. */
function analyzed({ name, code }: ResultLabel, probability: number, { label, severity }: AnalyzedOutcome, presence: Code | undefined): Dataset[] {
  return [
    codedItem('CONTAINS', CONCEPT.finding, code),
    numberItem('CONTAINS', CONCEPT.probability, probability, UNIT.one),
    ...(presence ? [codedItem('CONTAINS', code, presence)] : []),
    codedItem('CONTAINS', CONCEPT.summaryOfDetections, VALUE.succeeded),
    // What was measured stands among the measurements.
    ...(severity?.status === 'not-measured' && name === label ? [textItem('CONTAINS', CONCEPT.comment, severityInFull(severity))] : []),
  ];
}

function notAnalyzed(image: OutcomeImage): Dataset[] {
  const status = image.outcome.status === 'failed' ? VALUE.failed : VALUE.notAttempted;
  return [
    codedItem('CONTAINS', CONCEPT.summaryOfDetections, status),
    textItem('CONTAINS', CONCEPT.comment, missingAnalysis(image) ?? 'Not analysed.'),
  ];
}

/** @param index place of the image in the study, from 0 */
export function regionStatements(study: StudyOutcome, image: OutcomeImage, index: number): Dataset[] {
  if (image.outcome.status !== 'analyzed') return [];
  return image.outcome.regions.map((region, place) => {
    const label = findingLabel(study, region.label);
    return container(
      CONCEPT.measurementGroup,
      [
        textItem('HAS OBS CONTEXT', CONCEPT.trackingIdentifier, `${imageName(image, index)}, ${region.label} ${place + 1}`),
        uidItem('HAS OBS CONTEXT', CONCEPT.trackingUid, region.trackingUid),
        codedItem('CONTAINS', CONCEPT.finding, label.code),
        codedItem('CONTAINS', CONCEPT.geometricPurpose, VALUE.boundedBy),
        polylineItem('CONTAINS', CONCEPT.imageRegion, outline(region, image.header), imageReference(image)),
        // Certainty of Finding is defined from 0 to 100, which a region's score is once in percent; it is no calibrated probability.
        numberItem('CONTAINS', CONCEPT.certaintyOfFinding, region.score * 100, UNIT.percent),
      ],
      { relationship: 'CONTAINS', template: '1410' },
    );
  });
}

/** Five points, closed, clockwise from the top-left corner, within the image as C.18.6 asks. */
function outline(region: Region, header: Dataset): [number, number][] {
  const right = num(header, 'Columns') ?? Infinity;
  const bottom = num(header, 'Rows') ?? Infinity;
  const x0 = clamp(region.x, right);
  const y0 = clamp(region.y, bottom);
  const x1 = clamp(region.x + region.width, right);
  const y1 = clamp(region.y + region.height, bottom);
  return [
    [x0, y0],
    [x1, y0],
    [x1, y1],
    [x0, y1],
    [x0, y0],
  ];
}

function clamp(value: number, highest: number): number {
  return Math.min(Math.max(value, 0), highest);
}

export function imageName(image: OutcomeImage, index: number): string {
  return image.frames > 1 ? `image ${index + 1} (frame ${image.frame})` : `image ${index + 1}`;
}
