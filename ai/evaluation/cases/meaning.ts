// What a label of the list says to a model: one of the model's own labels, or common words for ill and not ill.
import type { Label, Manifest } from '../../runtime/manifest.ts';

export interface Meaning {
  positive: boolean;
  /** The model's label, where it is known which; undefined where only positive or negative is. */
  label: string | undefined;
}

/** --map WORD=MEANING: positive, negative, skip or a label of the model; words in the form of plain(). */
export type WordMap = ReadonlyMap<string, string>;

/** Of PNEUMONIA, Lung_Opacity, "no finding": letters and digits in lower case, one space between words. */
export function plain(word: string): string {
  return word.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().replace(/[^\p{L}\p{N}]+/gu, ' ').trim();
}

const NEGATIVE = new Set([
  '0', 'no', 'n', 'false', 'none', 'negative', 'neg', 'normal', 'healthy', 'clear', 'control', 'nofinding',
  'no finding', 'no findings', 'no pneumonia', 'no opacity', 'no lung opacity', 'no lung opacity not normal', 'non pneumonia', 'no disease',
  'not pneumonia', 'no acute finding', 'no acute findings', 'pneumonia negative', 'opacity negative',
]);
const POSITIVE = new Set([
  '1', 'yes', 'y', 'true', 'positive', 'pos', 'pneumonia', 'pneumonias', 'opacity', 'opacities', 'lung opacity', 'lung opacities', 'infiltrate',
  'infiltrates', 'infiltration', 'consolidation', 'airspace opacity', 'pneumonia positive', 'opacity positive', 'abnormal',
]);
/** Kinds of pneumonia by the names that data sets have for them. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  bacterial: ['bacterial', 'bacteria', 'bacterial pneumonia', 'pneumonia bacterial', 'pneumonia bacteria'],
  viral: ['viral', 'virus', 'viral pneumonia', 'pneumonia viral', 'pneumonia virus', 'covid', 'covid 19', 'covid19'],
};

/** Kind of pneumonia that a word names, in the words of KINDS. */
export function kindOf(word: string): string | undefined {
  return Object.keys(KINDS).find((kind) => KINDS[kind]!.includes(plain(word)));
}

/** @returns undefined for a word that says nothing to this model; 'skip' where the map says so */
export function meaningOf(word: string, manifest: Pick<Manifest, 'labels'>, map: WordMap): Meaning | 'skip' | undefined {
  const mapped = map.get(plain(word));
  if (mapped === 'skip') return 'skip';
  const wanted = plain(mapped ?? word);
  const { labels } = manifest;
  const own = labels.find(({ name }) => plain(name) === wanted) ?? labels.find(({ name }) => kindOf(name) !== undefined && kindOf(name) === kindOf(wanted));
  if (own) return { positive: own.positive, label: own.name };
  if (NEGATIVE.has(wanted)) return { positive: false, label: only(labels, false) };
  if (POSITIVE.has(wanted) || kindOf(wanted) !== undefined) return { positive: true, label: only(labels, true) };
  return undefined;
}

/** The label, where there is but one of the kind. */
function only(labels: readonly Label[], positive: boolean): string | undefined {
  const [first, ...others] = labels.filter((label) => label.positive === positive);
  return others.length === 0 ? first?.name : undefined;
}

/** Of several labels of one image: ill if any says so, and of one kind if all that say so agree. */
export function joinedMeaning(meanings: readonly Meaning[]): Meaning | undefined {
  const [first] = meanings;
  if (!first) return undefined;
  const said = meanings.some(({ positive }) => positive) ? meanings.filter(({ positive }) => positive) : meanings;
  const names = new Set(said.map(({ label }) => label));
  return { positive: said[0]!.positive, label: names.size === 1 ? said[0]!.label : undefined };
}
