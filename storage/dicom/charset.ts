// Text of a dataset by its Specific Character Set (PS3.3 C.12.1.1.2, PS3.5 6.1), code extensions by ISO 2022 included.
import { latin1 } from './vr.ts';

/** VRs that Specific Character Set governs (PS3.5 6.1.2.2); all other text is in the default repertoire. */
export const CHARSET_VRS: ReadonlySet<string> = new Set(['LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UT']);

export type TextDecode = (bytes: Uint8Array, vr: string) => string;

/** A designated set: how many bytes one character takes, and how a run of such characters is read. */
export interface CodeElement {
  width: 1 | 2;
  decode(run: Uint8Array): string;
}

function icu(label: string): (run: Uint8Array) => string {
  let decoder: TextDecoder | undefined;
  return (run) => (decoder ??= new TextDecoder(label)).decode(run);
}
function single(label: string): CodeElement {
  return { width: 1, decode: icu(label) };
}

const LATIN1: CodeElement = { width: 1, decode: latin1 };
/** Half-width katakana, A1 to DF (JIS X 0201). */
const KATAKANA: CodeElement = {
  width: 1,
  decode(run) {
    const codes = Array.from(run, (byte) => (byte >= 0xa1 && byte <= 0xdf ? 0xff61 + byte - 0xa1 : 0xfffd));
    return codes.map((code) => String.fromCharCode(code)).join('');
  },
};
const decodeEucJp = icu('euc-jp');
export const JIS_X_0208: CodeElement = { width: 2, decode: (run) => decodeEucJp(run.map((byte) => byte | 0x80)) };
export const JIS_X_0212: CodeElement = {
  width: 2,
  decode(run) {
    const bytes: number[] = [];
    for (let index = 0; index < run.length; index += 2) bytes.push(0x8f, run[index]! | 0x80, (run[index + 1] ?? 0x20) | 0x80);
    return decodeEucJp(Uint8Array.from(bytes));
  },
};
const KS_X_1001: CodeElement = { width: 2, decode: icu('euc-kr') };
const GB_2312: CodeElement = { width: 2, decode: icu('gb18030') };

/** The set in G1 by the number in the defined term 'ISO_IR n' or 'ISO 2022 IR n'. */
export const G1_BY_REGISTRATION: Readonly<Record<number, CodeElement>> = {
  13: KATAKANA,
  58: GB_2312,
  100: LATIN1,
  101: single('iso-8859-2'),
  109: single('iso-8859-3'),
  110: single('iso-8859-4'),
  126: single('iso-8859-7'),
  127: single('iso-8859-6'),
  138: single('iso-8859-8'),
  144: single('iso-8859-5'),
  148: single('iso-8859-9'),
  149: KS_X_1001,
  166: single('windows-874'),
  203: single('iso-8859-15'),
};

/** Escape sequences without ESC (PS3.3 tables C.12-3 and C.12-4): which of G0 and G1 they fill. Undefined in G0 is ASCII. */
const ESCAPES: Readonly<Record<string, { g0: CodeElement | undefined } | { g1: CodeElement }>> = {
  '(B': { g0: undefined },
  '(J': { g0: undefined },
  '$@': { g0: JIS_X_0208 },
  '$B': { g0: JIS_X_0208 },
  '$(D': { g0: JIS_X_0212 },
  ')I': { g1: KATAKANA },
  '$)A': { g1: GB_2312 },
  '$)C': { g1: KS_X_1001 },
  '-A': { g1: LATIN1 },
  '-B': { g1: G1_BY_REGISTRATION[101]! },
  '-C': { g1: G1_BY_REGISTRATION[109]! },
  '-D': { g1: G1_BY_REGISTRATION[110]! },
  '-F': { g1: G1_BY_REGISTRATION[126]! },
  '-G': { g1: G1_BY_REGISTRATION[127]! },
  '-H': { g1: G1_BY_REGISTRATION[138]! },
  '-L': { g1: G1_BY_REGISTRATION[144]! },
  '-M': { g1: G1_BY_REGISTRATION[148]! },
  '-T': { g1: G1_BY_REGISTRATION[166]! },
  '-b': { g1: G1_BY_REGISTRATION[203]! },
};

/**
 * A decoder for the values of Specific Character Set; none is the default repertoire. Unknown terms and bytes that are not of the
 * set are read as UTF-8 where they are valid, else as Latin 1, rather than lost.
 */
export function textDecoder(terms: readonly string[]): TextDecode {
  const first = normalize(terms[0] ?? '');
  if (first === 'UTF8') return whole(utf8);
  if (first === 'GB18030' || first === 'GBK') return whole(icu(first === 'GBK' ? 'gbk' : 'gb18030'));
  const sets = terms.map((term) => G1_BY_REGISTRATION[registration(term)]).filter((set) => set !== undefined);
  const initial = G1_BY_REGISTRATION[registration(terms[0] ?? '')];
  // Without a set for G1, bytes above 7F should not occur: a second term often tells what they are (Korean without its escape).
  const fallback = initial ?? sets.find((set) => set.width === 2);
  return (bytes, vr) => {
    if (isPlainAscii(bytes)) return latin1(bytes);
    if (!fallback && !bytes.includes(ESC)) return utf8(bytes);
    return decodeIso2022(bytes, vr === 'PN', fallback ?? LATIN1);
  };
}

function whole(decode: (bytes: Uint8Array) => string): TextDecode {
  return (bytes) => (isPlainAscii(bytes) ? latin1(bytes) : decode(bytes));
}

/** Also what writers make of the defined terms: 'ISO IR 100', 'ISO-IR 100', 'UTF-8'. */
function normalize(term: string): string {
  const upper = term.toUpperCase().replace(/[^A-Z0-9]/g, '');
  return upper === 'ISOIR192' || upper === 'ISO2022IR192' ? 'UTF8' : upper;
}

/** 87 of 'ISO 2022 IR 87'; NaN where there is none. */
export function registration(term: string): number {
  return Number(/IR(\d+)$/.exec(normalize(term))?.[1] ?? NaN);
}

const fatalUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
function utf8(bytes: Uint8Array): string {
  try {
    return fatalUtf8.decode(bytes);
  } catch {
    return latin1(bytes);
  }
}

function isPlainAscii(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte >= 0x80 || byte === ESC) return false;
  return true;
}

const ESC = 0x1b;
const TAB = 0x09;
const LF = 0x0a;
const FF = 0x0c;
const CR = 0x0d;
const BACKSLASH = 0x5c;
const CARET = 0x5e;
const EQUALS = 0x3d;

/** Runs of characters of the sets in G0 (bytes below 80) and G1; a delimiter brings back the initial sets (PS3.5 6.1.2.5.3). */
function decodeIso2022(bytes: Uint8Array, isPersonName: boolean, initialG1: CodeElement): string {
  let g0: CodeElement | undefined;
  let g1 = initialG1;
  let text = '';
  let index = 0;
  while (index < bytes.length) {
    const byte = bytes[index]!;
    if (byte === ESC) {
      const escape = escapeAt(bytes, index + 1);
      if (escape === undefined) {
        text += '\ufffd';
        index++;
        continue;
      }
      const designation = ESCAPES[escape]!;
      if ('g0' in designation) g0 = designation.g0;
      else g1 = designation.g1;
      index += 1 + escape.length;
      continue;
    }
    if (byte < 0x80 && (g0 === undefined || byte <= 0x20)) {
      // No delimiter stands inside a double byte set but the control characters.
      if (isDelimiter(byte, isPersonName)) {
        g0 = undefined;
        g1 = initialG1;
      }
      text += String.fromCharCode(byte);
      index++;
      continue;
    }
    const set = byte < 0x80 ? g0! : g1;
    const end = runEnd(bytes, index, byte >= 0x80, set.width);
    text += set.decode(bytes.subarray(index, end));
    index = end;
  }
  return text;
}

function escapeAt(bytes: Uint8Array, index: number): string | undefined {
  for (const length of [2, 3]) {
    const escape = latin1(bytes.subarray(index, index + length));
    if (escape in ESCAPES) return escape;
  }
  return undefined;
}

function runEnd(bytes: Uint8Array, start: number, high: boolean, width: number): number {
  let end = start;
  while (end < bytes.length) {
    const byte = bytes[end]!;
    if (high ? byte < 0x80 : byte >= 0x80 || byte <= 0x20) break;
    end += width;
  }
  return Math.min(end, bytes.length);
}

/** Before these the initial sets are in force again, and after them too (PS3.5 6.1.2.5.3). */
export function isDelimiter(byte: number, isPersonName: boolean): boolean {
  if (byte === BACKSLASH || byte === CR || byte === LF || byte === FF || byte === TAB) return true;
  return isPersonName && (byte === CARET || byte === EQUALS);
}
