// How much of the lungs a finding takes up, as it stands with an analysis and with the study (docs/severity.md).

/** The model by which the lungs were found. */
export interface LungModel {
  name: string;
  version: string;
  /** Hex digest of model.onnx. */
  sha256: string;
  deviceUid: string;
  manufacturer: string;
}

export interface MeasuredSeverity {
  status: 'measured';
  /** Per cent, to a tenth: of the patient's right lung, of the left, and of both together. */
  right: number;
  left: number;
  both: number;
  /** boxes: all lung within the regions, which overstates; map: of that, only what the finding's model marked. */
  basis: 'boxes' | 'map';
  model: LungModel;
}
export interface UnmeasuredSeverity {
  status: 'not-measured';
  /** In words for the report. */
  reason: string;
  model: LungModel;
}
export type Severity = MeasuredSeverity | UnmeasuredSeverity;
