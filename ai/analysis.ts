// What one run of one model version on one frame came to. The words are those of docs/architecture.md.

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
  /** Label of the positive finding. */
  label: string;
  /** Calibrated probability of the positive finding, 0 to 1. */
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
