// Whether a dataset meets a query's keys (PS3.4 C.2.2.2), in memory: for steps, of which a worklist has few that are open.
import type { Matching, QueryKey } from '../archive.ts';
import { formatPersonName, itemsOf, type Dataset, type DicomElement, type PersonName } from '../dicom/dataset.ts';

/** PS3.4 C.2.2.2.4: of other VRs, * and ? stand for themselves. */
const WILDCARD_VRS: ReadonlySet<string> = new Set(['AE', 'CS', 'LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UR', 'UT']);

export function matches(dataset: Dataset, keys: readonly QueryKey[], fuzzy = false): boolean {
  return keys.every(({ tag, matching }) => matchesElement(dataset[tag], matching, fuzzy));
}

function matchesElement(element: DicomElement | undefined, matching: Matching, fuzzy: boolean): boolean {
  switch (matching.kind) {
    case 'universal':
      return true;
    case 'empty':
      return textsOf(element).length === 0 && itemsOf(element).length === 0;
    case 'sequence':
      return matching.keys.length === 0 || itemsOf(element).some((item) => matches(item, matching.keys, fuzzy));
    case 'range':
      return textsOf(element).some((value) => isWithin(value, element!.vr, matching));
    case 'values':
      return textsOf(element).some((value) => matching.values.some((wanted) => isLike(value, wanted, element!.vr, fuzzy)));
  }
}

function textsOf(element: DicomElement | undefined): string[] {
  return (element?.Value ?? [])
    .map((value) => (value === null ? '' : typeof value === 'object' ? (element!.vr === 'PN' ? formatPersonName(value as PersonName) : '') : String(value).trim()))
    .filter((value) => value !== '');
}

function isLike(value: string, wanted: string, vr: string, fuzzy: boolean): boolean {
  if (vr === 'DT' || vr === 'DA' || vr === 'TM') return isWithin(value, vr, { from: wanted, to: wanted });
  if (!WILDCARD_VRS.has(vr)) return value === wanted || (value !== '' && wanted !== '' && Number(value) === Number(wanted));
  if (vr !== 'PN') return patternOf(wanted).test(value);
  // A name's groups are each a name of their own; the query may give any of them (PS3.4 C.2.2.2.1).
  const groups = [value, ...value.split('=')].map(plain);
  const pattern = patternOf(plain(wanted));
  if (groups.some((group) => pattern.test(group) || pattern.test(group.replace(/\^+$/, '')))) return true;
  const parts = groups.flatMap((group) => group.split(/[\^= ]+/));
  return fuzzy && plain(wanted).split(/[\^= ]+/).filter(Boolean).every((word) => parts.some((part) => patternOf(`${word}*`).test(part)));
}

/** Without case and accents. */
function plain(name: string): string {
  return name.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase();
}

function patternOf(wanted: string): RegExp {
  const escaped = wanted.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll(/\*+/g, '.*').replaceAll('?', '.');
  return new RegExp(`^${escaped}$`, 'su');
}

/** Both ends included; a value and an end that say less than the other mean all that they say: 2026 is the whole year. */
function isWithin(value: string, vr: string, { from, to }: { from?: string; to?: string }): boolean {
  const span = spanOf(value, vr);
  const [first] = (from !== undefined && spanOf(from, vr)) || [];
  const [, last] = (to !== undefined && spanOf(to, vr)) || [];
  return span !== undefined && (first === undefined || span[1] > first) && (last === undefined || span[0] < last);
}

const PARTS = /^(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:\.(\d{1,6}))?([+-]\d{4})?$/;

/** Milliseconds from the beginning of a DA, TM or DT until its end; without an offset in UTC. Undefined where it is none. */
export function spanOf(text: string, vr: string): [number, number] | undefined {
  const written = text.replaceAll(/[:]/g, '').trim();
  const [, year, month, day, hour, minute, second, fraction, offset] = PARTS.exec(vr === 'TM' ? `20000101${written}` : written) ?? [];
  if (year === undefined) return undefined;
  const numbers = [year, month, day, hour, minute, second].filter((part) => part !== undefined).map(Number);
  const at = (parts: number[]): number => Date.UTC(parts[0]!, (parts[1] ?? 1) - 1, parts[2] ?? 1, parts[3] ?? 0, parts[4] ?? 0, parts[5] ?? 0);
  const shift = offset === undefined ? 0 : (Number(offset.slice(0, 3)) * 60 + Number(`${offset[0]}${offset.slice(3)}`)) * 60_000;
  const start = at(numbers) - shift;
  if (fraction !== undefined) {
    const since = start + Number(`0.${fraction}`) * 1000;
    return [since, since + 1000 / 10 ** fraction.length];
  }
  const next = [...numbers];
  next[next.length - 1]! += 1;
  return [start, at(next) - shift];
}
