// What a report of another AI says of a study, where it says it as TID 1500 does in the codes that our own reports use (PS3.16).
import { CONCEPT, VALUE, type Code } from '../../ai/results/codes.ts';
import { items, num, text, type Dataset } from '../../storage/dicom/dataset.ts';

export interface Statement {
  /** Code Meaning of the finding. */
  finding: string;
  /** 0 to 1. */
  probability: number;
  positive: boolean;
}

/** Undefined where it is no report, or lacks either the probability or whether that is a finding. */
export function statementOf(report: Dataset): Statement | undefined {
  const nodes = [...contentItems(report)];
  const probabilities = nodes.filter((node) => isNamed(node, CONCEPT.probability)).flatMap(valueOf);
  const probability = probabilities.length > 0 ? Math.max(...probabilities) : undefined;
  const positive = positiveOf(nodes);
  if (probability === undefined || probability < 0 || probability > 1 || positive === undefined) return undefined;
  const finding = nodes.filter((node) => isNamed(node, CONCEPT.finding)).flatMap((node) => items(node, 'ConceptCodeSequence').flatMap((value) => text(value, 'CodeMeaning') ?? []))[0];
  return { finding: finding ?? 'Finding', probability, positive };
}

/** The summary of CID 6047 decides; else whether a finding is called present or absent, or has a place in the image. */
function positiveOf(nodes: Dataset[]): boolean | undefined {
  const says = (...codes: Code[]): boolean => nodes.some((node) => items(node, 'ConceptCodeSequence').some((value) => codes.some((code) => isCode(value, code))));
  if (says(VALUE.allSucceededWithFindings, VALUE.someSucceededWithFindings, VALUE.present)) return true;
  if (says(VALUE.allSucceededWithoutFindings, VALUE.absent)) return false;
  return nodes.some((node) => isNamed(node, CONCEPT.imageRegion)) ? true : undefined;
}

/** A NUM as a share of one. */
function valueOf(node: Dataset): number[] {
  const [measured] = items(node, 'MeasuredValueSequence');
  const value = measured && num(measured, 'NumericValue');
  if (value === undefined) return [];
  const isPercent = items(measured!, 'MeasurementUnitsCodeSequence').some((unit) => text(unit, 'CodeValue') === '%');
  return [isPercent ? value / 100 : value];
}

function* contentItems(node: Dataset): Generator<Dataset> {
  for (const child of items(node, 'ContentSequence')) {
    yield child;
    yield* contentItems(child);
  }
}

const isNamed = (node: Dataset, code: Code): boolean => items(node, 'ConceptNameCodeSequence').some((name) => isCode(name, code));
const isCode = (item: Dataset, { value, scheme }: Code): boolean => text(item, 'CodeValue') === value && text(item, 'CodingSchemeDesignator') === scheme;
