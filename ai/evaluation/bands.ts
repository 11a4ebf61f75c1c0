// A column of the list as sub-groups: its values where they are few, quarters of the images where they are many numbers.
import { EvaluationInputError } from './cases/case.ts';
import { quantile } from './figures/bootstrap.ts';
import type { Attribute } from './figures/subgroups.ts';

/** More cannot be compared, nor read. */
const MOST_VALUES = 20;

/** @throws {EvaluationInputError} for many values that are no numbers */
export function bandsOf(column: string, values: readonly string[]): Attribute {
  const distinct = new Set(values.filter((value) => value !== ''));
  if (distinct.size <= MOST_VALUES) return { name: `${column} (list)`, values };
  const numbers = values.map((value) => (value === '' ? Number.NaN : Number(value)));
  if (values.some((value, index) => value !== '' && Number.isNaN(numbers[index])))
    throw new EvaluationInputError(`--by ${column}: ${distinct.size} different values are too many for sub-groups (at most ${MOST_VALUES}, or numbers)`);
  const sorted = Float64Array.from(numbers.filter((number) => !Number.isNaN(number))).sort();
  const edges = [...new Set([0, 0.25, 0.5, 0.75, 1].map((share) => quantile(sorted, share)))];
  const names = edges.slice(1).map((edge, index) => `${tidy(edges[index]!)} to ${tidy(edge)}`);
  const bandOf = (number: number): number => Math.max(0, edges.findIndex((edge, index) => index > 0 && number <= edge) - 1);
  return { name: `${column} (list)`, values: numbers.map((number) => (Number.isNaN(number) ? '' : names[bandOf(number)]!)), order: names };
}

function tidy(number: number): string {
  return String(Number(number.toPrecision(4)));
}
