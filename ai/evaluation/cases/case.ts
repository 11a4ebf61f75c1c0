// One image of the list that a model is judged by, with what is known to be true of it.
import type { Rectangle } from '../figures/boxes.ts';

/** An opacity, in pixels of the stored image, with the label of its row. */
export interface CaseBox extends Rectangle {
  word: string;
}

export interface EvaluationCase {
  /** As the list names it; in all outputs. */
  name: string;
  /** The file. */
  path: string;
  /** Where it was told: 'labels.csv row 7', for errors. */
  told: string;
  /** The labels as they are written, each once: several where boxes of one image have their own. */
  words: string[];
  boxes: CaseBox[];
  /** From 1. */
  frame: number;
  /** What the list says of the patient; the file's header goes before it, but for the patient of a list. */
  patient?: string;
  /** The patient is told by the file's name alone, as in Kermany's set; other programs name files alike (IM-0001-0001.dcm). */
  patientByName?: boolean;
  ageYears?: number;
  sex?: string;
  view?: string;
  manufacturer?: string;
  /** Columns that the sub-groups are wanted by. */
  columns: Record<string, string>;
}

export interface CaseList {
  /** The list's file, or the folder. */
  source: string;
  cases: EvaluationCase[];
  /** Hex SHA-256 of names, labels and boxes: two reports with the same one were judged by the same truth. */
  digest: string;
  /** What was in the data and is not judged, with the reason in words. */
  leftOut: { name: string; reason: string }[];
  /** Whether the list has boxes at all. */
  hasBoxes: boolean;
}

/** What is wrong with the data or the wish, in one line that names file, row and column. */
export class EvaluationInputError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EvaluationInputError';
  }
}
