// XML from outside (XML 1.0, Namespaces 1.0) to a tree, within bounds. A reader of our own because those that there are hold a long
// text a character at a time, which for 40 MB of base64 takes 1.5 GB. Strict: no document type, so that there are no entities to
// expand, and nothing that is not well-formed.
import { DicomFormatError } from '../errors.ts';

/** An element. Children stand under their names, as arrays where `repeated` says so; attributes under theirs with @ before them. */
export interface XmlElement {
  [name: string]: string | XmlElement | XmlElement[] | undefined;
  /** All text directly in it, joined. */
  '#text'?: string;
}

/** Characters; the headers of the largest multi-frame objects have a tenth, and more than that is sent as bulk data. */
const MAX_DOCUMENT_LENGTH = 64 * 1024 * 1024;
/** A few hundred bytes each in memory; ten thousand functional groups have half of it. */
const MAX_ELEMENTS = 1_000_000;
/** 64 sequences in each other are 128 elements, and a person name in the last of them a few more. */
const MAX_DEPTH = 140;
/** Characters that XML 1.0 2.2 has no place for, beside halves of surrogate pairs. */
// oxlint-disable-next-line no-control-regex -- control characters are what it is about
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/;
const ENTITIES: ReadonlyMap<string, string> = new Map([['amp', '&'], ['lt', '<'], ['gt', '>'], ['quot', '"'], ['apos', "'"]]);

/** XML 1.0 2.3, and beyond ASCII whatever is no markup: no name that we look for has any of it. */
const NAME = String.raw`[A-Za-z_:\u0080-\uffff][\w:.\-\u0080-\uffff]*`;
const START = new RegExp(`<(${NAME})`, 'y');
const ATTRIBUTE = new RegExp(`\\s+(${NAME})\\s*=\\s*(?:"([^<"]*)"|'([^<']*)')`, 'y');
const START_END = /\s*(\/?)>/y;
const END = new RegExp(`</(${NAME})\\s*>`, 'y');
/** &#x10FFFF; without its ampersand. */
const MAX_REFERENCE = 9;

/**
 * The document's tree: its root element stands under its name; names are without their namespace's prefix.
 * @param repeated names of elements that come as arrays, however many there are
 * @throws {DicomFormatError} when it is not well-formed, has a document type, or is larger or deeper than any dataset
 */
export function parseXml(text: string, repeated: ReadonlySet<string>): XmlElement {
  if (text.length > MAX_DOCUMENT_LENGTH) throw new DicomFormatError(`the XML is longer than ${MAX_DOCUMENT_LENGTH} characters`);
  if (FORBIDDEN.test(text) || !text.isWellFormed()) throw new DicomFormatError('the XML has a character that XML 1.0 does not allow');
  const document = text.startsWith('\ufeff') ? text.slice(1) : text;
  return new Parser(document.includes('\r') ? document.replaceAll(/\r\n?/g, '\n') : document, repeated).parse();
}

class Parser {
  readonly #text: string;
  readonly #repeated: ReadonlySet<string>;
  readonly #document: XmlElement = Object.create(null) as XmlElement;
  readonly #open: { name: string; element: XmlElement }[] = [];
  #position = 0;
  #elements = 0;
  #hasRoot = false;

  constructor(text: string, repeated: ReadonlySet<string>) {
    this.#text = text;
    this.#repeated = repeated;
  }

  parse(): XmlElement {
    while (this.#position < this.#text.length) {
      const markup = this.#text.indexOf('<', this.#position);
      this.#characters(this.#text.slice(this.#position, markup < 0 ? undefined : markup));
      if (markup < 0) break;
      this.#position = markup;
      this.#markup();
    }
    const unclosed = this.#open.at(-1);
    if (unclosed) throw this.#wrong(`<${unclosed.name}> has no end`);
    if (!this.#hasRoot) throw this.#wrong('there is no element');
    return this.#document;
  }

  #markup(): void {
    const text = this.#text;
    switch (text[this.#position + 1]) {
      case '/':
        return this.#endTag();
      case '?':
        // The declaration says how the text was encoded, which is undone already; other instructions are for others.
        return this.#skipTo('?>', 2);
      case '!':
        if (text.startsWith('<!--', this.#position)) return this.#comment();
        if (text.startsWith('<![CDATA[', this.#position) && this.#open.length > 0) return this.#cdata();
        throw this.#wrong('a document type or another declaration is not accepted');
      default:
        return this.#startTag();
    }
  }

  #startTag(): void {
    const name = this.#match(START)?.[1];
    if (name === undefined) throw this.#wrong('a < is not followed by a name');
    if (this.#open.length === 0 && this.#hasRoot) throw this.#wrong('there is a second root element');
    if (this.#open.length >= MAX_DEPTH) throw this.#wrong(`elements are nested more than ${MAX_DEPTH} deep`);
    if (++this.#elements > MAX_ELEMENTS) throw this.#wrong(`there are more than ${MAX_ELEMENTS} elements`);
    const element = Object.create(null) as XmlElement;
    for (let found = this.#match(ATTRIBUTE); found; found = this.#match(ATTRIBUTE)) {
      const key = `@${localName(found[1]!)}`;
      if (key in element && !isNamespace(found[1]!)) throw this.#wrong(`<${name}> has the attribute ${found[1]} twice`);
      element[key] = this.#decode((found[2] ?? found[3] ?? '').replaceAll(/[\t\n]/g, ' '));
    }
    const end = this.#match(START_END);
    if (!end) throw this.#wrong(`<${name}> is not closed, or has an attribute that is none`);
    this.#hasRoot = true;
    this.#add(localName(name), element);
    if (end[1] === '') this.#open.push({ name, element });
  }

  #add(name: string, element: XmlElement): void {
    const parent = this.#open.at(-1)?.element ?? this.#document;
    const before = parent[name];
    if (Array.isArray(before)) before.push(element);
    else if (before !== undefined) parent[name] = [before as XmlElement, element];
    else parent[name] = this.#repeated.has(name) ? [element] : element;
  }

  #endTag(): void {
    const name = this.#match(END)?.[1];
    const open = this.#open.pop();
    if (name === undefined || name !== open?.name) throw this.#wrong(`</${name ?? ''}> is where ${open ? `</${open.name}>` : 'nothing'} should be`);
  }

  #comment(): void {
    const start = this.#position + 4;
    const end = this.#text.indexOf('--', start);
    if (end < 0 || this.#text[end + 2] !== '>') throw this.#wrong('a comment has no end, or two hyphens in it');
    this.#position = end + 3;
  }

  #cdata(): void {
    const start = this.#position + 9;
    this.#skipTo(']]>', 9);
    this.#append(this.#text.slice(start, this.#position - 3));
  }

  #skipTo(end: string, from: number): void {
    const place = this.#text.indexOf(end, this.#position + from);
    if (place < 0) throw this.#wrong(`there is no ${end}`);
    this.#position = place + end.length;
  }

  #characters(characters: string): void {
    if (characters === '') return;
    if (this.#open.length > 0) {
      if (characters.includes(']]>')) throw this.#wrong(']]> is in text');
      this.#append(this.#decode(characters));
    } else if (characters.trim() !== '') throw this.#wrong('there is text outside the root element');
  }

  #append(characters: string): void {
    const { element } = this.#open.at(-1)!;
    element['#text'] = (element['#text'] ?? '') + characters;
  }

  /** Character references and the five entities that XML has by itself (XML 1.0 4.1, 4.6). */
  #decode(text: string): string {
    let decoded = '';
    let from = 0;
    for (let at = text.indexOf('&'); at >= 0; at = text.indexOf('&', from)) {
      const end = text.indexOf(';', at);
      const character = end < 0 || end - at > MAX_REFERENCE ? undefined : referenced(text.slice(at + 1, end));
      if (character === undefined) throw this.#wrong(`there is "${/^[^;<\s]{0,12};?/.exec(text.slice(at, at + 12))![0]}", which XML does not have`);
      decoded += text.slice(from, at) + character;
      from = end + 1;
    }
    return from === 0 ? text : decoded + text.slice(from);
  }

  /** What stands here, and goes beyond it. */
  #match(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.#position;
    const found = expression.exec(this.#text);
    if (found) this.#position += found[0].length;
    return found;
  }

  #wrong(message: string): DicomFormatError {
    const before = this.#text.slice(0, this.#position);
    const line = before.split('\n').length;
    return new DicomFormatError(`the XML is not well-formed, or not taken: ${message} (line ${line}, column ${before.length - before.lastIndexOf('\n')})`);
  }
}

const localName = (name: string): string => name.slice(name.indexOf(':') + 1);
const isNamespace = (name: string): boolean => name.startsWith('xmlns');

function referenced(name: string): string | undefined {
  const numeric = name.startsWith('#') ? /^#(?:x([0-9a-f]{1,6})|(\d{1,7}))$/i.exec(name) : undefined;
  if (!numeric) return ENTITIES.get(name);
  const code = numeric[1] === undefined ? Number(numeric[2]) : parseInt(numeric[1], 16);
  if (code > 0x10ffff) return undefined;
  const character = String.fromCodePoint(code);
  return FORBIDDEN.test(character) || !character.isWellFormed() ? undefined : character;
}

/** Text with all that is markup escaped; what XML cannot hold at all becomes U+FFFD, so that the document stays well-formed. */
export function escapeXml(text: string): string {
  if (!/[^ !#-%'-;=?-~\u00a0-\ud7ff]/.test(text)) return text;
  return text
    .toWellFormed()
    // oxlint-disable-next-line no-control-regex -- control characters are what it is about
    .replaceAll(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll(/[\t\n\r]/g, (space) => `&#${space.charCodeAt(0)};`); // a parser makes others of these where they stand bare
}
