// What a set of results is made from, and what comes out of making it.
import type { AnalysisOutcome, ModelIdentity } from '../analysis.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';

/** One frame of a source instance and what its analysis came to. */
export interface OutcomeImage {
  /** Part 10 file with the pixels. */
  path: string;
  /** Its header as DICOM JSON, text decoded, without bulk data. */
  header: Dataset;
  /** Hex digest of the dataset without file meta. */
  digest: string;
  sopInstanceUid: string;
  sopClassUid: string;
  seriesInstanceUid: string;
  /** From 1. */
  frame: number;
  /** Number of frames of the instance. */
  frames: number;
  /** When the outcome came about, ISO 8601 with zone. */
  analyzedAt: string;
  outcome: AnalysisOutcome;
}

/** One label of the model's manifest with its code. */
export interface ResultLabel {
  name: string;
  code: { value: string; scheme: string; meaning: string };
  /** A finding; where there are several, their probability together is compared with the threshold. */
  positive?: boolean;
}

/** The report before this one, of the same study and model. */
export interface PredecessorDocument {
  sopClassUid: string;
  sopInstanceUid: string;
  seriesInstanceUid: string;
  studyInstanceUid: string;
}

/** Everything that the results of one study and one model are derived from: the same outcome gives the same bytes. */
export interface StudyOutcome {
  uidRoot: string;
  /** IANA zone of sources without Timezone Offset From UTC. */
  timezone: string;
  settingsDigest: string;
  /** ISO 8601 with zone. */
  createdAt: string;
  predecessor?: PredecessorDocument;
  /** How often the study was purged and came again; its documents are others each time. */
  purges?: number;
  /** From 1; higher when late instances or a changed version made a new outcome. */
  version: number;
  model: ModelIdentity;
  labels: ResultLabel[];
  intendedUse: string;
  /** At least one; all of one study, in the order in which they are numbered in the results. */
  images: OutcomeImage[];
  /** Why the study as a whole came to nothing, in words: 'no frontal chest radiograph in the study'. */
  reason?: string;
}

/** A DICOM object that we made, as Part 10 bytes. */
export interface EncodedResult {
  kind: 'structured-report' | 'overlay';
  sopClassUid: string;
  sopInstanceUid: string;
  seriesInstanceUid: string;
  bytes: Uint8Array;
  /** The image that an overlay shows. */
  sourceSopInstanceUid?: string;
  /** SOP Instance UID of the preferred form, where this one is for destinations that do not accept that. */
  alternativeTo?: string;
}

/**
 * The label of this name, else the first that is a finding.
 * @throws {Error} if the model has no label at all
 */
export function findingLabel({ labels }: { labels: readonly ResultLabel[] }, name?: string): ResultLabel {
  const label = labels.find((candidate) => candidate.name === name) ?? findingLabels(labels)[0];
  if (!label) throw new Error('a result needs at least one label with its code');
  return label;
}

/** Those whose probability together is reported; the first where none is said to be. */
export function findingLabels(labels: readonly ResultLabel[]): readonly ResultLabel[] {
  const findings = labels.filter(({ positive }) => positive === true);
  return findings.length > 0 ? findings : labels.slice(0, 1);
}
