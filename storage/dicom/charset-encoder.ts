// Text to bytes by Specific Character Set (PS3.3 C.12.1.1.2, PS3.5 6.1), code extensions by ISO 2022 included: the other way of
// charset.ts, whose tables it turns round.
import { CHARSET_VRS, G1_BY_REGISTRATION, isDelimiter, JIS_X_0208, JIS_X_0212, registration, type CodeElement } from './charset.ts';

/** The bytes of a text, or undefined where the sets cannot hold it. */
export type TextEncode = (text: string, vr: string) => Uint8Array | undefined;

/** Code points to bytes, in the form of G1 (high bits set) for sets that are used there, else of G0. */
type Table = ReadonlyMap<string, readonly number[]>;

interface Designation {
  slot: 'g0' | 'g1';
  /** Without ESC. */
  escape: string;
  table: () => Table;
}

const ESC = 0x1b;
const ASCII = '(B';
/** JIS X 0201 Romaji, which is ASCII but for two characters. */
const ROMAJI = '(J';

/** Rows of the double byte sets that the standards themselves fill; decoders know extensions in the others. */
const KANJI_ROWS = [[1, 8], [16, 84]] as const;
const SUPPLEMENTARY_ROWS = [[2, 2], [6, 7], [9, 11], [16, 77]] as const;
const HANGUL_ROWS = [[1, 12], [16, 40], [42, 93]] as const;
const HANZI_ROWS = [[1, 9], [16, 87]] as const;

const oneByte = (element: CodeElement): (() => Table) => once(() => turnRound(element, Array.from({ length: 96 }, (_, index) => [0xa0 + index])));
const twoBytes = (element: CodeElement, rows: readonly (readonly [number, number])[], high: number): (() => Table) => {
  const cells = Array.from({ length: 94 }, (_, index) => index + 1);
  const inRow = (row: number): number[][] => cells.map((cell) => [(row + 0x20) | high, (cell + 0x20) | high]);
  return once(() => turnRound(element, rows.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, index) => inRow(from + index)).flat())));
};

const G1_ESCAPES: Readonly<Record<number, string>> = {
  13: ')I', 58: '$)A', 100: '-A', 101: '-B', 109: '-C', 110: '-D', 126: '-F', 127: '-G', 138: '-H', 144: '-L', 148: '-M', 149: '$)C', 166: '-T', 203: '-b',
};
const ROWS_OF_G1: Readonly<Record<number, typeof HANGUL_ROWS | typeof HANZI_ROWS>> = { 58: HANZI_ROWS, 149: HANGUL_ROWS };

/** By the number in the defined term. */
const DESIGNATIONS: ReadonlyMap<number, Designation> = new Map<number, Designation>([
  [87, { slot: 'g0', escape: '$B', table: twoBytes(JIS_X_0208, KANJI_ROWS, 0) }],
  [159, { slot: 'g0', escape: '$(D', table: twoBytes(JIS_X_0212, SUPPLEMENTARY_ROWS, 0) }],
  ...Object.entries(G1_ESCAPES).map(([number, escape]): [number, Designation] => {
    const element = G1_BY_REGISTRATION[Number(number)]!;
    const rows = ROWS_OF_G1[Number(number)];
    return [Number(number), { slot: 'g1', escape, table: rows ? twoBytes(element, rows, 0x80) : oneByte(element) }];
  }),
]);

const WITHOUT_EXTENSIONS = /^ISO_IR (6|13|100|101|109|110|126|127|138|144|148|166|203)$/;
const WITH_EXTENSIONS = /^ISO 2022 IR (6|13|58|87|100|101|109|110|126|127|138|144|148|149|159|166|203)$/;
/** Sets of two bytes are never the first (PS3.3 table C.12-4). */
const NEVER_FIRST = /IR (58|87|149|159)$/;

/** Whether these are terms as the standard defines them, so that what is written with them is read everywhere. */
export function areDefinedTerms([first = '', ...others]: readonly string[]): boolean {
  if (others.length === 0) return first === '' || ['ISO_IR 192', 'GB18030', 'GBK'].includes(first) || WITHOUT_EXTENSIONS.test(first) || (WITH_EXTENSIONS.test(first) && !NEVER_FIRST.test(first));
  return (first === '' || (WITH_EXTENSIONS.test(first) && !NEVER_FIRST.test(first))) && others.every((term) => WITH_EXTENSIONS.test(term));
}

/** @param terms of Specific Character Set, none for the default repertoire; see areDefinedTerms */
export function textEncoder(terms: readonly string[]): TextEncode {
  const [first = ''] = terms;
  // In JIS X 0201 Romaji the code of a tilde is that of an overline.
  const highest = registration(first) === 13 ? 0x7d : 0x7e;
  const encode = first === 'ISO_IR 192' ? (text: string) => Buffer.from(text, 'utf8') : first === 'GB18030' || first === 'GBK' ? encodeGbk : encodeIso2022(terms);
  return (text, vr) => {
    if (isAscii(text, highest)) return Buffer.from(text, 'latin1');
    return CHARSET_VRS.has(vr) ? encode(text, vr) : undefined;
  };
}

function isAscii(text: string, highest: number): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > highest || code === ESC) return false;
  }
  return true;
}

function encodeIso2022(terms: readonly string[]): TextEncode {
  const numbers = terms.map(registration);
  const initialG0 = numbers[0] === 13 ? ROMAJI : ASCII;
  const initialG1 = DESIGNATIONS.get(numbers[0]!);
  const others = numbers.flatMap((number) => DESIGNATIONS.get(number) ?? []);
  return (text, vr) => {
    const bytes: number[] = [];
    const escape = (sequence: string): void => void bytes.push(ESC, ...Buffer.from(sequence, 'latin1'));
    let g0 = initialG0;
    let g1 = initialG1;
    const backToAscii = (): void => {
      if (g0 !== initialG0) escape(initialG0);
      g0 = initialG0;
    };
    for (const character of text) {
      const code = character.codePointAt(0)!;
      if (code < 0x80) {
        if (code === ESC || (code === 0x7e && initialG0 === ROMAJI)) return undefined;
        backToAscii();
        bytes.push(code);
        if (isDelimiter(code, vr === 'PN')) g1 = initialG1;
        continue;
      }
      const set = [g1, ...others].find((candidate) => candidate?.table().has(character));
      if (set === undefined) return undefined;
      if (set.slot === 'g1' && set !== g1) {
        escape(set.escape);
        g1 = set;
      }
      if (set.slot === 'g0' && set.escape !== g0) {
        escape(set.escape);
        g0 = set.escape;
      }
      bytes.push(...set.table().get(character)!);
    }
    backToAscii();
    return Uint8Array.from(bytes);
  };
}

/** The two byte part, which GB18030 and GBK share; what needs four bytes is rare enough to go as UTF-8. */
const GBK_TABLE = once(() => {
  const trails = Array.from({ length: 0xfe - 0x40 + 1 }, (_, index) => 0x40 + index).filter((trail) => trail !== 0x7f);
  const pairs = Array.from({ length: 0xfe - 0x81 + 1 }, (_, index) => 0x81 + index).flatMap((lead) => trails.map((trail) => [lead, trail]));
  const decoder = new TextDecoder('gbk');
  return turnRound({ width: 2, decode: (run) => decoder.decode(run) }, pairs);
});

function encodeGbk(text: string): Uint8Array | undefined {
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0)!;
    const pair = code < 0x80 ? [code] : GBK_TABLE().get(character);
    if (pair === undefined) return undefined;
    bytes.push(...pair);
  }
  return Uint8Array.from(bytes);
}

/** Characters that a decoder gives for more than one code keep the first. Private use ones are nobody else's. */
function turnRound(element: CodeElement, codes: readonly number[][]): Table {
  const table = new Map<string, readonly number[]>();
  for (const code of codes) {
    const text = element.decode(Uint8Array.from(code));
    if ([...text].length === 1 && !/[\ufffd\p{Co}\p{Cc}]/u.test(text) && !table.has(text)) table.set(text, code);
  }
  return table;
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
