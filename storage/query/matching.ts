// From a key to a condition in SQL, for any attribute that is kept as DICOM JSON (PS3.4 C.2.2.2).
import type { Matching, QueryKey } from '../archive.ts';
import { vrOfTag } from '../dicom/dictionary.ts';
import { boundsInUtc, boundsOf, DIGITS, isMomentVr, type MomentVr } from './moments.ts';
import { foldName, soundOf, wordsOf } from './person-name.ts';
import type { Parameters } from './statement.ts';
import { groupPattern, hasWildcards, likePattern, regexText } from './wildcards.ts';

export interface MatchContext {
  parameters: Parameters;
  fuzzy: boolean;
  /** Study Date bounds the search from below: its index finds few studies, and those in order. */
  dated?: boolean;
  /** Timezone Offset From UTC of the request: of its DT values that have none. */
  zone: string | undefined;
  /** The same of the dataset that is asked, in SQL. */
  datasetZone: string;
}

const NUMBER_VRS: ReadonlySet<string> = new Set(['DS', 'FD', 'FL', 'IS', 'SL', 'SS', 'SV', 'UL', 'US', 'UV']);

/**
 * @param element the element in SQL, null where there is none: `header->'00080060'`
 * @returns undefined where everything matches
 */
export function matchElement(element: string, { tag, matching }: QueryKey, context: MatchContext, depth = 0): string | undefined {
  const value = `value${depth}`;
  const anyValue = (condition: string): string => `exists (select from jsonb_array_elements(${element}->'Value') as ${value} where ${condition})`;
  switch (matching.kind) {
    case 'universal':
      return undefined;
    case 'empty':
      return `(${element} is null or not ${element} ?| '{Value,InlineBinary,BulkDataURI}')`;
    case 'sequence': {
      const conditions = matching.keys.flatMap((key) => matchElement(`${value}->'${key.tag}'`, key, context, depth + 1) ?? []);
      return conditions.length === 0 ? undefined : anyValue(conditions.join(' and '));
    }
    default:
      return anyValue(matchValue(value, vrOfTag(tag), matching, context));
  }
}

type ValueMatching = Extract<Matching, { kind: 'values' | 'range' }>;

/** @param value one value of the element, as jsonb */
function matchValue(value: string, vr: string, matching: ValueMatching, context: MatchContext): string {
  const asText = `(${value} #>> '{}')`;
  if (isMomentVr(vr)) return matchMoment(asText, vr, matching, context);
  if (matching.kind === 'range') return 'false'; // no other VR has ranges
  if (vr === 'PN') {
    const groups = ['Alphabetic', 'Ideographic', 'Phonetic'].map((group) => `coalesce(${value}->>'${group}', '')`).join(` || '=' || `);
    const name = `dicom_fold_name('=' || ${groups} || '=')`;
    return matchName(name, `dicom_name_sounds(${name})`, matching.values, context);
  }
  if (NUMBER_VRS.has(vr)) return matchNumber(value, matching.values, context.parameters);
  return matchText(asText, vr, matching.values, context.parameters);
}

/** Case counts, spaces at either end do not (PS3.4 C.2.2.2.1). */
export function matchText(column: string, vr: string, values: readonly string[], parameters: Parameters): string {
  const wanted = values.map((value) => value.trim());
  const plain = wanted.filter((value) => !hasWildcards(vr, value));
  const patterns = wanted.filter((value) => hasWildcards(vr, value));
  const conditions = [
    ...(plain.length > 0 ? [`${column} = any(${parameters.add(plain, 'text[]')})`] : []),
    ...patterns.map((pattern) => `${column} like ${parameters.add(likePattern(pattern))}`),
  ];
  return either(conditions);
}

/** jsonb compares numbers by value: 1.50 is 1.5. What was no number stands as text. */
function matchNumber(value: string, values: readonly string[], parameters: Parameters): string {
  const wanted = values.flatMap((each) => {
    const text = each.trim();
    const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
    return [...(/^[ -~]*$/.test(text) ? [JSON.stringify(text)] : []), ...(Number.isFinite(number) ? [String(number)] : [])];
  });
  return `${value} = any(${parameters.add(wanted, 'text[]')}::jsonb[])`;
}

function matchMoment(value: string, vr: MomentVr, matching: ValueMatching, context: MatchContext): string {
  const within = (from: string | undefined, to: string | undefined): string => {
    const bounds = [...(from === undefined ? [] : [bound(value, vr, '>=', from, context)]), ...(to === undefined ? [] : [bound(value, vr, '<=', to, context)])];
    return bounds.length === 0 ? 'true' : `(${bounds.join(' and ')})`;
  };
  return matching.kind === 'range' ? within(matching.from, matching.to) : either(matching.values.map((each) => within(each, each)));
}

/** In UTC where both sides say what they are away from it; else the times are compared as they were written. */
function bound(value: string, vr: MomentVr, side: '>=' | '<=', limit: string, { parameters, zone, datasetZone }: MatchContext): string {
  const end = side === '>=' ? 'first' : 'last';
  const digits = (text: string): string => `dicom_digits(${text}, ${DIGITS[vr]}) collate "C"`;
  const written = (text: string): string => `${digits(text)} ${side} ${parameters.add(boundsOf(vr, limit)[end])}`;
  if (vr !== 'DT') return written(value);
  const local = written(`regexp_replace(${value}, '[+-][0-9]{4} *$', '')`);
  const utc = boundsInUtc(limit, zone)?.[end];
  return utc === undefined ? local : `coalesce(dicom_instant(${value}, ${datasetZone}) collate "C" ${side} ${parameters.add(utc)}, ${local})`;
}

/**
 * A name matches in any of its component groups; a key that has several, in each of them.
 * @param name folded, each group between two equals signs
 * @param sounds of the same, an array
 */
export function matchName(name: string, sounds: string, values: readonly string[], { parameters, fuzzy }: MatchContext): string {
  return either(values.flatMap((value) => {
    const folded = foldName(value);
    const groups = folded.split('=').filter((group) => group !== '');
    const exact = groups.map((group) => matchGroup(name, group, parameters)).join(' and ') || `${name} = '===='`;
    const words = fuzzy ? wordsOf(folded) : [];
    const alike = words.map((word) => {
      const sound = soundOf(word);
      const begins = `${name} ~ ${parameters.add(`[ =^.,'()-]${regexText(word)}`)}`;
      return sound === undefined ? begins : `(${begins} or ${sounds} @> array[${parameters.add(sound)}])`;
    });
    return alike.length > 0 ? [exact, alike.join(' and ')] : [exact];
  }));
}

function matchGroup(name: string, group: string, parameters: Parameters): string {
  // 'Doe^*' is everyone of that family name, also who has no given name.
  const family = /^(.*[^*?^])\^+\*$/.exec(group)?.[1];
  if (family !== undefined) return `(${matchGroup(name, `${family}^?*`, parameters)} or ${matchGroup(name, family, parameters)})`;
  const inner = group.replace(/^\*+|\*+$/g, '');
  const before = group.startsWith('*') ? '%' : '%=';
  const after = group.endsWith('*') ? '%' : '=%';
  const like = `${name} like ${parameters.add(before + likePattern(inner) + after)}`;
  if (!/[*?]/.test(inner)) return like;
  const pattern = `${group.startsWith('*') ? '' : '='}${groupPattern(inner)}${group.endsWith('*') ? '' : '='}`;
  return `(${like} and ${name} ~ ${parameters.add(pattern)})`;
}

export function either(conditions: readonly string[]): string {
  if (conditions.length === 0) return 'false';
  return conditions.length === 1 ? conditions[0]! : `(${conditions.map((condition) => `(${condition})`).join(' or ')})`;
}
