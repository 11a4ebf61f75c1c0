// UIDs of results. They are derived from all that a result depends on, so that encoding it again gives the same UID and
// nothing else ever does.
import { deriveUid } from '../../storage/dicom/uids.ts';
import type { EncodedResult, OutcomeImage, StudyOutcome } from './outcome.ts';

/** Goes up whenever the encoders write something else for the same outcome: one UID never has two contents. */
export const ENCODER_VERSION = '3';

/** A report speaks of a version of the study's outcome. */
export function reportUid(study: StudyOutcome, sopClassUid: string): string {
  return instanceUid(study, 'structured-report', sopClassUid, study.images, [String(study.version), study.predecessor?.sopInstanceUid ?? '']);
}

/** An overlay speaks of a frame alone: while that and its analysis stay as they are, a later version of the outcome keeps it. */
export function overlayUid(study: StudyOutcome, sopClassUid: string, image: OutcomeImage): string {
  return instanceUid(study, 'overlay', sopClassUid, [image], []);
}

function instanceUid(study: StudyOutcome, kind: EncodedResult['kind'], sopClassUid: string, images: readonly OutcomeImage[], more: string[]): string {
  return deriveUid(
    study.uidRoot,
    'instance',
    kind,
    sopClassUid,
    study.model.sha256,
    study.settingsDigest,
    ENCODER_VERSION,
    ...(study.purges === undefined ? [] : ['purged', String(study.purges)]),
    ...more,
    ...images.flatMap((image) => [image.sopInstanceUid, image.digest, String(image.frame), ...lungsOf(image)]),
  );
}

/** The model by which the lungs were found, and why they were not, which need not be of image and models alone: a failure may not come again. */
function lungsOf({ outcome }: OutcomeImage): string[] {
  if (outcome.status !== 'analyzed' || !outcome.severity) return [];
  const { severity } = outcome;
  return ['lungs', severity.model.sha256, severity.status === 'measured' ? '' : severity.reason];
}

/** One series a study, kind and model: all versions of a result stand side by side in it. */
export function seriesUid(study: StudyOutcome, kind: EncodedResult['kind'], studyInstanceUid: string): string {
  return deriveUid(study.uidRoot, 'series', kind, studyInstanceUid, study.model.sha256, ENCODER_VERSION);
}

/** Tracking Unique Identifier of what was measured of a lung. @param lungs checksum of the model of the lungs */
export function severityUid(study: StudyOutcome, image: OutcomeImage, lungs: string, side: string): string {
  return deriveUid(study.uidRoot, 'severity', image.digest, String(image.frame), study.model.sha256, lungs, side);
}

/**
 * Tracking Unique Identifier of the statement about a frame as a whole; the same when its analysis is repeated.
 * @param finding name of the label, where there is a statement for each of several
 */
export function statementUid(study: StudyOutcome, image: OutcomeImage, finding?: string): string {
  return deriveUid(study.uidRoot, 'statement', image.digest, String(image.frame), study.model.sha256, ...(finding === undefined ? [] : [finding]));
}
