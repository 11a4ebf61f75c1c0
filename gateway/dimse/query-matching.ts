// A key attribute of an identifier as it is matched (PS3.4 C.2.2.2): universal, single value, wildcard, list, range, empty, sequence.
import type { Matching } from '../../storage/archive.ts';
import type { DicomElement, DicomValue } from '../../storage/dicom/dataset.ts';
import { formatPersonName, itemsOf, keywordOf } from '../../storage/dicom/dataset.ts';
import { BINARY_VRS } from '../../storage/dicom/vr.ts';
import { QUERY_STATUS, QueryProblem } from './query-status.ts';

const RANGE_VRS: ReadonlySet<string> = new Set(['DA', 'TM', 'DT']);
/** PS3.5 table 6.2-1; colons and full stops between their parts were the form of ACR-NEMA, and old devices still write them. */
const FORMS: Readonly<Record<string, RegExp>> = {
  DA: /^\d{8}$/,
  TM: /^\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?$/,
  DT: /^\d{4}(\d{2}(\d{2}(\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?)?)?)?([+-](0\d|1[0-4])[0-5]\d)?$/,
};
/** Two quotation marks: matches what has no value (PS3.4 C.2.2.2.7). */
const EMPTY_VALUE = '""';

/**
 * @returns undefined where the key is of a VR that cannot be matched
 * @throws {QueryProblem} where the value is not what its VR wants
 */
export function matchingOf(tag: string, element: DicomElement): Matching | undefined {
  if (element.vr === 'SQ') return sequenceMatching(tag, element);
  const values = (element.Value ?? []).map(textOf).filter((value) => value !== '');
  if (values.length === 0) return BINARY_VRS.has(element.vr) && hasBytes(element) ? undefined : { kind: 'universal' };
  if (values.length === 1 && values[0] === EMPTY_VALUE) return { kind: 'empty' };
  if (RANGE_VRS.has(element.vr)) return timeMatching(tag, element.vr, values);
  // An asterisk alone is universal matching (PS3.4 C.2.2.2.4).
  return values.every((value) => /^\*+$/.test(value)) ? { kind: 'universal' } : { kind: 'values', values };
}

function sequenceMatching(tag: string, element: DicomElement): Matching {
  const [item = {}, ...others] = itemsOf(element);
  if (others.length > 0) throw new QueryProblem(QUERY_STATUS.identifierDoesNotMatchSopClass, `${nameOf(tag)} has more than one item`, [tag]);
  const keys = Object.entries(item).flatMap(([inner, key]) => {
    const matching = matchingOf(inner, key);
    return matching && matching.kind !== 'universal' ? [{ tag: inner, matching }] : [];
  });
  return keys.length === 0 ? { kind: 'universal' } : { kind: 'sequence', keys };
}

function timeMatching(tag: string, vr: string, values: string[]): Matching {
  const form = FORMS[vr]!;
  const plain = values.map((value) => (vr === 'TM' ? value.replaceAll(':', '') : vr === 'DA' ? value.replaceAll('.', '') : value));
  if (plain.every((value) => form.test(value))) return { kind: 'values', values: plain };
  const [range = '', ...others] = plain;
  const ends = others.length === 0 ? endsOf(range, form) : undefined;
  if (!ends) throw new QueryProblem(QUERY_STATUS.unableToProcess, `${nameOf(tag)} "${values.join('\\')}" is no ${vr} and no range of them`, [tag]);
  return { kind: 'range', ...(ends[0] && { from: ends[0] }), ...(ends[1] && { to: ends[1] }) };
}

/** A hyphen may also stand before the zone of a date-time: the one that leaves something right on both sides is meant. */
function endsOf(range: string, form: RegExp): [string, string] | undefined {
  const places = [...range.matchAll(/-/g)].map(({ index }) => index);
  const ends = places.map((at): [string, string] => [range.slice(0, at).trim(), range.slice(at + 1).trim()]);
  return ends.find(([from, to]) => (from !== '' || to !== '') && [from, to].every((end) => end === '' || form.test(end)));
}

function textOf(value: DicomValue): string {
  if (value === null) return '';
  return typeof value === 'object' ? formatPersonName(value) : String(value).trim();
}

function hasBytes({ InlineBinary, BulkDataURI }: DicomElement): boolean {
  return InlineBinary !== undefined || BulkDataURI !== undefined;
}

export function nameOf(tag: string): string {
  return keywordOf(tag) ?? `(${tag.slice(0, 4)},${tag.slice(4)})`;
}
