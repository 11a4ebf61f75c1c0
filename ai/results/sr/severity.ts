// How much of the lungs a finding takes up, as the report states it: TID 1501 Measurement and Qualitative Evaluation Group for
// the right lung, the left and both, each with one measurement (TID 300) and the model of the lungs (TID 4019) (PS3.16).
import type { Dataset } from '../../../storage/dicom/dataset.ts';
import type { MeasuredSeverity } from '../../../storage/entities/severity.ts';
import { CONCEPT, UNIT, VALUE, type Code } from '../codes.ts';
import { findingLabel, type OutcomeImage, type StudyOutcome } from '../outcome.ts';
import { severityUid } from '../result-uids.ts';
import { codedItem, container, imageItem, numberItem, textItem, uidItem } from './content-items.ts';
import { imageReference } from './image-library.ts';

const SIDES = [
  { side: 'right', laterality: VALUE.right, words: 'right lung' },
  { side: 'left', laterality: VALUE.left, words: 'left lung' },
  { side: 'both', laterality: VALUE.bilateral, words: 'both lungs' },
] as const satisfies { side: keyof MeasuredSeverity; laterality: Code; words: string }[];

/** @param name of the image within the report */
export function severityStatements(study: StudyOutcome, image: OutcomeImage, name: string): Dataset[] {
  const { outcome } = image;
  if (outcome.status !== 'analyzed' || outcome.severity?.status !== 'measured') return [];
  const { severity } = outcome;
  const { code } = findingLabel(study, outcome.label);
  return SIDES.map(({ side, laterality, words }) =>
    container(
      CONCEPT.measurementGroup,
      [
        textItem('HAS OBS CONTEXT', CONCEPT.trackingIdentifier, `${name}, ${words}`),
        uidItem('HAS OBS CONTEXT', CONCEPT.trackingUid, severityUid(study, image, severity.model.sha256, side)),
        codedItem('CONTAINS', CONCEPT.finding, code),
        codedItem('HAS CONCEPT MOD', CONCEPT.findingSite, VALUE.lung, [codedItem('HAS CONCEPT MOD', CONCEPT.laterality, laterality)]),
        ...lungAlgorithm(study, severity),
        numberItem('CONTAINS', CONCEPT.opaqueShare, severity[side], UNIT.percent),
        imageItem('CONTAINS', imageReference(image)),
      ],
      { relationship: 'CONTAINS', template: '1501' },
    ),
  );
}

function lungAlgorithm({ model }: StudyOutcome, { model: lungs, basis }: MeasuredSeverity): Dataset[] {
  return [
    textItem('HAS CONCEPT MOD', CONCEPT.algorithmName, lungs.name),
    textItem('HAS CONCEPT MOD', CONCEPT.algorithmVersion, lungs.version),
    ...[`sha256=${lungs.sha256}`, `finding=${model.name} ${model.version}`, `basis=${basis}`].map((parameter) =>
      textItem('HAS CONCEPT MOD', CONCEPT.algorithmParameters, parameter),
    ),
  ];
}
