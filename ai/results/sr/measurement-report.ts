// The content tree of the report: TID 1500 Measurement Report with what its templates ask for (PS3.16).
import { items, text, type Dataset } from '../../../storage/dicom/dataset.ts';
import { CONCEPT, MODALITY, VALUE, type Code } from '../codes.ts';
import { findingLabels, type StudyOutcome } from '../outcome.ts';
import { soughtIn, summaryOf, type StudySummary } from '../wording.ts';
import { codedItem, container, textItem, uidItem } from './content-items.ts';
import { imageLibrary, showsChest } from './image-library.ts';
import { severityStatements } from './severity.ts';
import { algorithmIdentification, imageName, imageStatements, regionStatements } from './statements.ts';

/** The root content item; its elements belong into the document's own dataset. */
export function measurementReport(study: StudyOutcome): Dataset {
  return container(
    CONCEPT.imagingMeasurementReport,
    [
      codedItem('HAS CONCEPT MOD', CONCEPT.language, VALUE.english),
      ...deviceObserver(study),
      ...proceduresReported(study),
      imageLibrary(study.images),
      ...imagingMeasurements(study),
      qualitativeEvaluations(study),
    ],
    { template: '1500' },
  );
}

/** TID 1001, 1002 and 1004: who observed is the model. */
function deviceObserver({ model }: StudyOutcome): Dataset[] {
  return [
    codedItem('HAS OBS CONTEXT', CONCEPT.observerType, CONCEPT.device),
    uidItem('HAS OBS CONTEXT', CONCEPT.deviceObserverUid, model.deviceUid),
    textItem('HAS OBS CONTEXT', CONCEPT.deviceObserverName, `${model.name} ${model.version}`),
    textItem('HAS OBS CONTEXT', CONCEPT.deviceObserverManufacturer, model.manufacturer),
    textItem('HAS OBS CONTEXT', CONCEPT.deviceObserverModelName, model.name),
  ];
}

/**
 * The imaging procedure as the images name it, else the general one of CID 100 with what is known of its kind: no chest
 * radiograph is claimed where none is told of.
 */
function proceduresReported(study: StudyOutcome): Dataset[] {
  const headers = study.images.map((image) => image.header);
  const named = new Map<string, Dataset>();
  for (const header of headers) {
    for (const procedure of items(header, 'ProcedureCodeSequence')) {
      const value = text(procedure, 'CodeValue') ?? text(procedure, 'LongCodeValue');
      const scheme = text(procedure, 'CodingSchemeDesignator');
      const meaning = text(procedure, 'CodeMeaning');
      if (value && scheme && meaning) named.set(`${scheme} ${value}`, procedure);
    }
  }
  const procedures = named.size > 0 ? [...named.values()] : [VALUE.imagingProcedure];
  const kind = named.size > 0 ? [] : procedureKind(headers);
  return procedures.map((procedure) => codedItem('HAS CONCEPT MOD', CONCEPT.procedureReported, procedure, kind));
}

function procedureKind(headers: readonly Dataset[]): Dataset[] {
  const modalities = new Set(headers.map((header) => text(header, 'Modality') ?? ''));
  const modality = modalities.size === 1 ? MODALITY[[...modalities][0]!] : undefined;
  return [
    ...(modality ? [codedItem('HAS CONCEPT MOD', CONCEPT.modality, modality)] : []),
    ...(headers.every(showsChest) ? [codedItem('HAS CONCEPT MOD', CONCEPT.targetRegion, VALUE.chest)] : []),
  ];
}

/** A group for each region (TID 1410), and for what was measured of each lung (TID 1501); no heading where there is none. */
function imagingMeasurements(study: StudyOutcome): Dataset[] {
  const regions = study.images.flatMap((image, index) => regionStatements(study, image, index));
  if (regions.length === 0) return [];
  const severity = study.images.flatMap((image, index) => severityStatements(study, image, imageName(image, index)));
  return [container(CONCEPT.imagingMeasurements, [...algorithmIdentification(study), ...regions, ...severity], { relationship: 'CONTAINS' })];
}

/**
 * The study as a whole, in a code that needs no tree to be walked (CID 6047) and in words; then a group for each frame (TID 1501).
 * The frames' groups stand here, not among the regions, because a reader of Imaging Measurements, like the validator that we
 * hold ourselves to, takes every Measurement Group there for a region once there is one: a frame's statement has no outline.
 */
function qualitativeEvaluations(study: StudyOutcome): Dataset {
  const summary = summaryOf(study);
  return container(
    CONCEPT.qualitativeEvaluations,
    [
      codedItem('CONTAINS', CONCEPT.processingSummary, processingSummary(summary)),
      ...(summary.analyzed > 0 ? findingsOfStudy(study) : []),
      textItem('CONTAINS', CONCEPT.conclusion, summary.sentence),
      textItem('CONTAINS', CONCEPT.comment, researchUse(study)),
      ...study.images.flatMap((image, index) => imageStatements(study, image, index)),
    ],
    { relationship: 'CONTAINS' },
  );
}

/**
 * Present where an image was called so, absent where nothing was found. Of several findings that exclude each other, nothing is
 * said of one that no image was called by, where another was found.
 */
function findingsOfStudy({ labels, images }: StudyOutcome): Dataset[] {
  const findings = findingLabels(labels);
  const called = images.flatMap(({ outcome }) => (outcome.status === 'analyzed' && outcome.positive ? [outcome.label] : []));
  if (called.length === 0) return findings.map(({ code }) => codedItem('CONTAINS', code, VALUE.absent));
  return findings.filter(({ name }) => findings.length === 1 || called.includes(name)).map(({ code }) => codedItem('CONTAINS', code, VALUE.present));
}

function processingSummary({ analyzed, positive, total }: StudySummary): Code {
  if (analyzed === 0) return VALUE.noneSucceeded;
  if (analyzed === total) return positive > 0 ? VALUE.allSucceededWithFindings : VALUE.allSucceededWithoutFindings;
  return positive > 0 ? VALUE.someSucceededWithFindings : VALUE.someSucceededWithoutFindings;
}

function researchUse(study: StudyOutcome): string {
  const { model, intendedUse } = study;
  return (
    `For research use only: not for diagnosis. ${soughtIn(study.labels)} was looked for by the software ${model.name} ${model.version} ` +
    `(${model.manufacturer}) without a person's review. Intended use of the model: ${intendedUse}`
  );
}
