// What one run of one model version on one frame came to. The words are those of docs/architecture.md.
import type { Severity } from '../storage/entities/severity.ts';
import type { Analysis } from '../storage/entities/workitem.ts';
import type { ImageStatistics } from './drift/image-statistics.ts';

export interface ModelIdentity {
  name: string;
  version: string;
  /** Hex digest of model.onnx. */
  sha256: string;
  deviceUid: string;
  manufacturer: string;
}

/** A located opacity, in pixels of the stored image: x and y from the top-left corner of the top-left pixel. */
export interface Region {
  x: number;
  y: number;
  width: number;
  height: number;
  /** Name of the manifest's label. */
  label: string;
  /** 0 to 1. */
  score: number;
  /** Derived from instance digest, frame, model and place, so that a repeated analysis gives the same UID. */
  trackingUid: string;
}

export interface AnalyzedOutcome {
  status: 'analyzed';
  /** The most probable of the model's positive labels. */
  label: string;
  /** Calibrated probability that one of the positive labels is true, 0 to 1; the score of each is in `scores`. */
  probability: number;
  threshold: number;
  /** probability >= threshold */
  positive: boolean;
  /** Every class by name, 0 to 1. */
  scores: Record<string, number>;
  regions: Region[];
  /** Execution provider that ran it: cpu, webgpu, cuda. */
  provider: string;
  milliseconds: number;
  /** Of a positive image, where a model of the lungs serves the route. */
  severity?: Severity;
  /** Of this run's image, for the watch on drift; not kept with the outcome. */
  statistics?: ImageStatistics;
}
export interface NotAnalyzableOutcome {
  status: 'not-analyzable';
  reason: string;
}
export interface FailedOutcome {
  status: 'failed';
  reason: string;
}
export type AnalysisOutcome = AnalyzedOutcome | NotAnalyzableOutcome | FailedOutcome;

/** An outcome as its row holds it: null is what its status does not have. */
export type StoredOutcome = Pick<
  Analysis,
  'status' | 'reason' | 'label' | 'probability' | 'threshold' | 'positive' | 'scores' | 'provider' | 'milliseconds' | 'severity'
> & { regions: Region[] | null };

export function outcomeOf(stored: StoredOutcome): AnalysisOutcome {
  if (stored.status !== 'analyzed') return { status: stored.status, reason: stored.reason ?? '' };
  return {
    status: 'analyzed',
    label: stored.label ?? '',
    probability: stored.probability ?? 0,
    threshold: stored.threshold ?? 0,
    positive: stored.positive ?? false,
    scores: stored.scores ?? {},
    regions: (stored.regions ?? []).map(({ x, y, width, height, label, score, trackingUid }) => ({ x, y, width, height, label, score, trackingUid })),
    provider: stored.provider ?? '',
    milliseconds: stored.milliseconds ?? 0,
    ...(stored.severity && { severity: stored.severity }),
  };
}
