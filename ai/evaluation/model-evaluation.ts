// The shape of report.json: what was judged, by what, and how it came out (docs/evaluation.md).
import type { Figure } from './figures/bootstrap.ts';
import type { FrocPoint } from './figures/boxes.ts';
import type { Counts } from './figures/rates.ts';
import type { PrecisionPoint, RocPoint } from './figures/ranking.ts';
import type { AttributeFigures } from './figures/subgroups.ts';
import type { Advice } from './figures/threshold-advice.ts';

export interface Evaluation {
  /** ISO 8601, UTC. */
  madeAt: string;
  hilum: string;
  data: {
    source: string;
    /** Hex SHA-256 of names, labels and boxes. */
    digest: string;
    images: number;
    leftOut: { name: string; reason: string }[];
  };
  options: { model: string | null; sensitivity: number; bootstrap: number; seed: number; prevalence: number | null; by: string[]; map: Record<string, string> };
  models: ModelEvaluation[];
}

export interface ModelEvaluation {
  model: { name: string; version: string; sha256: string; deviceUid: string; provider: string; labels: string[] };
  /** Of the manifest. */
  threshold: number;
  images: ImageCounts;
  /** What in this report needs a person, worst first. */
  warnings: string[];
  figures: ImageFigures;
  confusion: Counts;
  /** As if each image without an outcome had been called the wrong way. */
  missesCounted: Record<'accuracy' | 'sensitivity' | 'specificity', number | null>;
  /** null where the prevalence of the user's own patients was not given. */
  atPrevalence: { prevalence: number; ppv: Figure; npv: Figure } | null;
  reliability: { from: number; to: number; images: number; predicted: number | null; observed: Figure }[];
  curves: { roc: RocPoint[]; precisionRecall: PrecisionPoint[] };
  /** Images of each truth by step of probability. */
  histogram: { from: number; to: number; positive: number; negative: number }[];
  classes: ClassFigures | null;
  boxes: BoxFigures | null;
  subgroups: AttributeFigures[];
  advice: Advice[];
  /** What the manifest says it was accepted with, beside what it is here. */
  accepted: AcceptedFigure[];
  unanalyzed: { name: string; status: 'not-analyzable' | 'failed'; positive: boolean; reason: string }[];
  /** The positive images with the lowest probability, and the negative ones with the highest. */
  mistakes: { missed: Mistake[]; falseAlarms: Mistake[] };
}

export interface ImageCounts {
  listed: number;
  analyzed: number;
  positive: number;
  negative: number;
  patients: number;
  notAnalyzable: number;
  failed: number;
  /** Images whose patient is not known: each counts as a patient. */
  withoutPatient: number;
}

export const IMAGE_FIGURES = ['auc', 'averagePrecision', 'accuracy', 'sensitivity', 'specificity', 'ppv', 'npv', 'f1', 'calibrationError', 'calibrationInTheLarge', 'brier'] as const;
export type ImageFigures = Record<(typeof IMAGE_FIGURES)[number], Figure>;

export interface ClassFigures {
  names: string[];
  /** Images of which the class is known. */
  images: number;
  /** Rows are the truth. */
  confusion: number[][];
  accuracy: Figure;
  /** Each against the rest. */
  auc: { name: string; figure: Figure }[];
  /** Of the images of two classes alone. */
  pairs: { one: string; other: string; auc: Figure; accuracy: Figure }[];
}

export interface BoxFigures {
  images: number;
  trueBoxes: number;
  /** Positive images without a box: left out here. */
  withoutBoxes: number;
  figures: Record<string, Figure>;
  /** Score from which the regions suit the RSNA challenge best, on these very images. */
  rsnaCut: number;
  froc: FrocPoint[];
}

export interface AcceptedFigure {
  /** Of the manifest: 'heldOutSiim'. */
  set: string;
  name: string;
  accepted: number;
  here: Figure;
  /** Whether the interval here holds it, or lies below or above it. */
  verdict: 'within' | 'worse' | 'better';
}

export interface Mistake {
  name: string;
  probability: number;
}
