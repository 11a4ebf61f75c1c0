// Whether the model is as good for every group of patients as for the rest: sex, age, view, manufacturer, and what the list has.
import { areaUnderRoc, rankingOf } from './ranking.ts';
import { countsAt, ratesOf } from './rates.ts';
import type { Figure, Measure, Resamples } from './bootstrap.ts';

export interface Attribute {
  name: string;
  /** Value of each image; '' where it is not known. */
  values: readonly string[];
  /** Values in the order of the report; those that are not in it come after, by name. */
  order?: readonly string[];
  /** Says what kind a positive image is of: each group is set against all negative images, and has no specificity of its own. */
  ofPositives?: boolean;
}

/** What the sub-groups are judged by. */
export const JUDGED = ['auc', 'sensitivity', 'specificity'] as const;
export type Judged = (typeof JUDGED)[number];

/** Patients with, and patients without the finding that a group and its rest need: with fewer, one patient moves a rate by 5 %. */
export const LEAST_PATIENTS = 20;
/** A smaller difference does not matter to a reader, however sure it is. */
export const LEAST_DIFFERENCE = 0.05;

export interface GroupFigures {
  value: string;
  images: number;
  positive: number;
  patients: number;
  figures: Record<Judged, Figure>;
  /** The group less the rest; null where either is too small to judge. */
  difference: Record<Judged, Figure | null>;
  /** Where the group falls off. */
  warnings: GroupWarning[];
}
export interface GroupWarning {
  figure: Judged;
  difference: Figure;
  /** Whether it would stand if all the comparisons made were allowed one false alarm in twenty between them (Bonferroni). */
  standsCorrected: boolean;
}
export interface AttributeFigures {
  attribute: string;
  /** Images that do not tell. */
  unknown: number;
  groups: GroupFigures[];
}

interface Scored {
  probability: ArrayLike<number>;
  truth: ArrayLike<number>;
  threshold: number;
  /** Number of each image's patient. */
  patients: Int32Array;
}
interface Group {
  key: string;
  attribute: Attribute;
  value: string;
  members: number[];
  rest: number[];
}

export function groupsOf(attributes: readonly Attribute[]): Group[] {
  return attributes.flatMap((attribute) => {
    const images = [...attribute.values.keys()].filter((image) => attribute.values[image] !== '');
    return valuesInOrder(attribute).map((value) => ({
      key: `${attribute.name}=${value}`,
      attribute,
      value,
      members: images.filter((image) => attribute.values[image] === value),
      rest: images.filter((image) => attribute.values[image] !== value),
    }));
  });
}

function valuesInOrder({ values, order = [] }: Attribute): string[] {
  const place = (value: string): number => (order.includes(value) ? order.indexOf(value) : order.length);
  return [...new Set(values)].filter((value) => value !== '').sort((one, other) => place(one) - place(other) || (one < other ? -1 : 1));
}

/** `KEY auc`, `KEY sensitivity`, `KEY specificity`, and the same with `KEY less rest`. */
export function groupMeasure(groups: readonly Group[], { probability, truth, threshold }: Scored): Measure {
  const negatives = Array.from({ length: truth.length }, (_, image) => image).filter((image) => !truth[image]);
  const judge = (members: readonly number[], { ofPositives }: Attribute): ((weights: ArrayLike<number>) => Record<Judged, number>) => {
    const ranking = rankingOf(probability, truth, ofPositives ? [...members, ...negatives] : members);
    return (weights) => {
      const { sensitivity, specificity } = ratesOf(countsAt(probability, truth, threshold, weights, members));
      return { auc: areaUnderRoc(ranking, weights), sensitivity, specificity };
    };
  };
  const judges = groups.map(({ key, attribute, members, rest }) => ({ key, ofGroup: judge(members, attribute), ofRest: judge(rest, attribute) }));
  return (weights) => {
    const figures: Record<string, number> = {};
    for (const { key, ofGroup, ofRest } of judges) {
      const [group, rest] = [ofGroup(weights), ofRest(weights)];
      for (const name of JUDGED) {
        figures[`${key} ${name}`] = group[name];
        figures[`${key} less rest ${name}`] = group[name] - rest[name];
      }
    }
    return figures;
  };
}

/** @param resamples of groupMeasure */
export function judgeGroups(groups: readonly Group[], scored: Scored, resamples: Resamples): AttributeFigures[] {
  const judged = groups.map((group) => judgeGroup(group, scored, resamples));
  const comparisons = judged.flatMap(({ difference }) => Object.values(difference)).filter((difference) => difference !== null).length;
  for (const [index, group] of groups.entries()) judged[index]!.warnings = warningsOf(group, judged[index]!, resamples, comparisons);
  const attributes = [...new Set(groups.map(({ attribute }) => attribute))];
  return attributes.map((attribute) => ({
    attribute: attribute.name,
    unknown: attribute.values.filter((value, image) => value === '' && (!attribute.ofPositives || scored.truth[image])).length,
    groups: judged.filter((_, index) => groups[index]!.attribute === attribute),
  }));
}

function judgeGroup({ key, attribute, value, members, rest }: Group, scored: Scored, resamples: Resamples): GroupFigures {
  const [own, others] = [patientsOf(members, scored), patientsOf(rest, scored)];
  const enough: Record<Judged, boolean> = {
    auc: Math.min(own.positive, others.positive, ...(attribute.ofPositives ? [] : [own.negative, others.negative])) >= LEAST_PATIENTS,
    sensitivity: Math.min(own.positive, others.positive) >= LEAST_PATIENTS,
    specificity: Math.min(own.negative, others.negative) >= LEAST_PATIENTS,
  };
  const difference = (name: Judged): Figure | null => (enough[name] ? resamples.figure(`${key} less rest ${name}`) : null);
  return {
    value,
    images: members.length,
    positive: members.filter((image) => scored.truth[image]).length,
    patients: own.all,
    figures: {
      auc: resamples.figure(`${key} auc`),
      sensitivity: resamples.share(`${key} sensitivity`, own.positive),
      specificity: resamples.share(`${key} specificity`, own.negative),
    },
    difference: { auc: difference('auc'), sensitivity: difference('sensitivity'), specificity: difference('specificity') },
    warnings: [],
  };
}

function warningsOf({ key }: Group, { difference }: GroupFigures, resamples: Resamples, comparisons: number): GroupWarning[] {
  return JUDGED.flatMap((figure) => {
    const found = difference[figure];
    if (!found || found.value === null || found.high === null) return [];
    if (found.value > -LEAST_DIFFERENCE || found.high >= 0) return [];
    const error = resamples.error(`${key} less rest ${figure}`) ?? Number.POSITIVE_INFINITY;
    const standsCorrected = twoSided(found.value / error) * comparisons < 0.05;
    return [{ figure, difference: found, standsCorrected }];
  });
}

/** Chance of so large a deviation of a normal variable; by Abramowitz and Stegun 7.1.26, to 1.5e-7. */
export function twoSided(deviation: number): number {
  const x = Math.abs(deviation) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return series * Math.exp(-x * x);
}

function patientsOf(images: readonly number[], { patients, truth }: Scored): { all: number; positive: number; negative: number } {
  const distinct = (wanted: readonly number[]): number => new Set(wanted.map((image) => patients[image])).size;
  return { all: distinct(images), positive: distinct(images.filter((image) => truth[image])), negative: distinct(images.filter((image) => !truth[image])) };
}
