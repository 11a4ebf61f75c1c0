// XML from outside (XML 1.0) to a tree, within bounds: no document type, so that there are no entities to expand, and no more text
// or depth than a dataset has.
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { DicomFormatError } from '../errors.ts';

/** An element. Children stand under their names, as arrays where `repeated` says so; attributes under theirs with @ before them. */
export interface XmlElement {
  [name: string]: string | XmlElement | XmlElement[] | undefined;
  /** All text directly in it, joined. */
  '#text'?: string;
}

/** Characters; the headers of the largest multi-frame objects have a third. */
const MAX_DOCUMENT_LENGTH = 96 * 1024 * 1024;
/** 64 sequences in each other are 128 elements, and a person name in the last of them a few more. */
const MAX_DEPTH = 140;
/** Characters that XML 1.0 2.2 has no place for. */
// oxlint-disable-next-line no-control-regex -- control characters are what it is about
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/**
 * The document's tree: its root element stands under its name, without namespace prefix.
 * @param repeated names of elements that come as arrays, however many there are
 * @throws {DicomFormatError} when it is not well-formed, has a document type, or is larger or deeper than any dataset
 */
export function parseXml(text: string, repeated: ReadonlySet<string>): XmlElement {
  if (text.length > MAX_DOCUMENT_LENGTH) throw new DicomFormatError(`the XML is longer than ${MAX_DOCUMENT_LENGTH} characters`);
  const document = text.startsWith('\ufeff') ? text.slice(1) : text;
  if (FORBIDDEN.test(document)) throw new DicomFormatError('the XML has a character that XML 1.0 does not allow');
  if (/<!(?!--|\[CDATA\[)/.test(document)) throw new DicomFormatError('the XML has a document type or another declaration, which is not accepted');
  const valid = XMLValidator.validate(document);
  if (valid !== true) throw new DicomFormatError(`the XML is not well-formed: ${valid.err.msg} (line ${valid.err.line}, column ${valid.err.col})`);
  try {
    return parserFor(repeated).parse(document) as XmlElement;
  } catch (error) {
    if (error instanceof DicomFormatError) throw error;
    throw new DicomFormatError(`the XML cannot be read: ${(error as Error).message}`, undefined, { cause: error });
  }
}

function parserFor(repeated: ReadonlySet<string>): XMLParser {
  return new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    removeNSPrefix: true,
    parseTagValue: false,
    trimValues: false,
    alwaysCreateTextNode: true,
    ignoreDeclaration: true,
    ignorePiTags: true,
    maxNestedTags: MAX_DEPTH,
    isArray: (name, _path, _leaf, attribute) => !attribute && repeated.has(name),
    entityDecoder: {
      decode: decodeReferences,
      setExternalEntities: () => undefined,
      addInputEntities: () => undefined,
      reset: () => undefined,
      setXmlVersion: () => undefined,
    },
  });
}

/** Character references and the five entities that XML has by itself (XML 1.0 4.1, 4.6). */
function decodeReferences(text: string): string {
  if (!text.includes('&')) return text;
  return text.replaceAll(/&([^;&<\s]{0,12};?)/g, (reference, name: string) => {
    const character = referenced(name);
    if (character === undefined) throw new DicomFormatError(`the XML refers to "${reference}", which it does not have`);
    return character;
  });
}

function referenced(name: string): string | undefined {
  if (!name.endsWith(';')) return undefined;
  const numeric = /^#(?:x([0-9a-f]{1,6})|(\d{1,7}));$/i.exec(name);
  if (!numeric) return ENTITIES[name.slice(0, -1)];
  const code = numeric[1] === undefined ? Number(numeric[2]) : parseInt(numeric[1], 16);
  if (code > 0x10ffff) return undefined;
  const character = String.fromCodePoint(code);
  return FORBIDDEN.test(character) ? undefined : character;
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
