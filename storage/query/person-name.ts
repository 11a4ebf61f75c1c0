// Person names as they are compared: without case, accents and what is spelling only (PS3.4 C.2.2.2.1, which leaves that to us).
// The index holds names as the functions dicom_fold_name and dicom_name_sounds make them; these two say the same of a key.

/** Letters that Unicode does not take apart, and a final sigma, which is none after a wildcard. */
const PLAIN: Readonly<Record<string, string>> = { ł: 'l', ø: 'o', đ: 'd', ħ: 'h', ı: 'i', ς: 'σ', ð: 'd', ß: 'ss', æ: 'ae', œ: 'oe', þ: 'th' };

/** 'Müller^Jürg^^' is 'muller^jurg'; also of several component groups, and of names with wildcards. */
export function foldName(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .normalize('NFC')
    .toLowerCase()
    .replace(/[łøđħıςðßæœþ]/g, (letter) => PLAIN[letter]!)
    .replace(/ *([=^]) */g, '$1')
    .replace(/\^+(?==|$)/g, '')
    .trim();
}

/** Of a folded name, wildcards left out. */
export function wordsOf(folded: string): string[] {
  return folded.replace(/[*?]/g, '').split(/[ =^.,'()-]+/).filter((word) => word !== '');
}

const FIRST: Readonly<Record<string, string>> = { c: 'k', q: 'k', z: 's', x: 's', v: 'f', w: 'f', y: 'i' };
const CLASSES = ['aeiouyh', 'bfpvw', 'cgjkqsxz', 'dt', 'l', 'mn', 'r'];
const classOf = (letter: string): string => String(CLASSES.findIndex((letters) => letters.includes(letter)));

/** How a folded word sounds, after Soundex, with w as v is spoken in most of Europe; undefined of one that is not of Latin letters, or an initial. */
export function soundOf(word: string): string | undefined {
  const spoken = word.replaceAll('ph', 'f');
  if (!/^[a-z]{2,}$/.test(spoken)) return undefined;
  const first = spoken.charAt(0);
  const classes = [...(first + spoken.slice(1).replaceAll('h', ''))].map(classOf).join('');
  return (FIRST[first] ?? first) + classes.replace(/(.)\1+/g, '$1').slice(1).replaceAll('0', '');
}
