// The data dictionary (PS3.6): keyword, tag and value representation. The table is dcmjs's; retired elements have their keyword
// without its RETIRED_ prefix here.
import dcmjs from 'dcmjs';

/** Choices of the dictionary as the default that an Implicit VR reader takes (PS3.5 A.1). */
const CHOICES: Readonly<Record<string, string>> = { ox: 'OW', xs: 'US', lt: 'OW', up: 'UL', na: 'UN' };

interface Entry {
  keyword: string;
  vr: string;
  /** US or SS, by Pixel Representation (PS3.5 A.1). */
  signedChoice: boolean;
}
const byTag = new Map<string, Entry>();
const byKeyword = new Map<string, string>();
let byLowerCase: Map<string, string> | undefined;

for (const { tag, vr, name } of Object.values(dcmjs.data.DicomMetaDictionary.nameMap)) {
  const hex = tag.slice(1, 5) + tag.slice(6, 10);
  const keyword = name.replace(/^RETIRED_/, '');
  // The current element wins over a retired one of the same keyword.
  if (!byKeyword.has(keyword) || keyword === name) byKeyword.set(keyword, hex);
  if (!byTag.has(hex) || keyword === name) byTag.set(hex, { keyword, vr: CHOICES[vr] ?? vr, signedChoice: vr === 'xs' });
}

/** @throws {TypeError} for a keyword that is not in the dictionary: a mistake in our code or in the settings */
export function tagOf(keyword: string): string {
  const tag = byKeyword.get(keyword);
  if (tag === undefined) throw new TypeError(`"${keyword}" is not a keyword of the DICOM data dictionary`);
  return tag;
}

export function isKeyword(keyword: string): boolean {
  return byKeyword.has(keyword);
}

/** The keyword that somebody who wrote it in other letters meant: patientId, PatientId. */
export function keywordInAnyCase(text: string): string | undefined {
  byLowerCase ??= new Map([...byKeyword.keys()].map((keyword) => [keyword.toLowerCase(), keyword]));
  return byLowerCase.get(text.toLowerCase());
}

export function keywordOf(tag: string): string | undefined {
  return entryOf(tag)?.keyword;
}

/** The VR of a tag: 'LO' for a private creator (PS3.5 7.8), 'UL' for a group length (7.2), 'UN' for what the dictionary lacks. */
export function vrOfTag(tag: string): string {
  if (tag.endsWith('0000')) return 'UL';
  if (isPrivate(tag)) return /^....00[1-9A-F]/.test(tag) ? 'LO' : 'UN';
  return entryOf(tag)?.vr ?? 'UN';
}

export function vrOf(keyword: string): string {
  return vrOfTag(tagOf(keyword));
}

/** Whether the element is US or SS depending on Pixel Representation. */
export function isSignedChoice(tag: string): boolean {
  return entryOf(tag)?.signedChoice ?? false;
}

export function isPrivate(tag: string): boolean {
  return (parseInt(tag.charAt(3), 16) & 1) === 1;
}

/** Overlays and curves repeat in the even groups 6000-60FF and 5000-50FF; the dictionary has the first (PS3.5 7.6). */
function entryOf(tag: string): Entry | undefined {
  const entry = byTag.get(tag);
  if (entry || !/^(50|60)/.test(tag)) return entry;
  return byTag.get(`${tag.slice(0, 2)}00${tag.slice(4)}`);
}
