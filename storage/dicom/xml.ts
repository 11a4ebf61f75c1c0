// The Native DICOM Model as XML (PS3.19 A.1), which DICOMweb calls application/dicom+xml, from and to the DICOM JSON model.
import { DicomFormatError } from '../errors.ts';
import { bytesOf, parsePersonName } from './dataset.ts';
import type { Dataset, DicomElement, DicomValue, PersonName } from './dataset.ts';
import { isPrivate, keywordOf, vrOfTag } from './dictionary.ts';
import { BINARY_VRS, KNOWN_VRS, NUMBER_SIZES } from './vr.ts';
import { escapeXml, parseXml, type XmlElement } from './xml-document.ts';

const NAMESPACE = 'http://dicom.nema.org/PS3.19/models/NativeDICOM';
const GROUPS = ['Alphabetic', 'Ideographic', 'Phonetic'] as const;
/** PS3.5 6.2.1.1, in the order in which a ^ separates them. */
const COMPONENTS = ['FamilyName', 'GivenName', 'MiddleName', 'NamePrefix', 'NameSuffix'] as const;
const REPEATED: ReadonlySet<string> = new Set(['DicomAttribute', 'Value', 'PersonName', 'Item']);
/** Numbers that a private creator's block may have (PS3.5 7.8.1). */
const BLOCKS = Array.from({ length: 0xf0 }, (_, index) => (index + 0x10).toString(16).toUpperCase());
/** Values that numbers skip, in a document: more are no dataset but an attack. */
const MAX_SKIPPED = 65_536;

/** One document, NativeDicomModel, in UTF-8. Values that XML cannot hold (form feed, other controls) have U+FFFD in their place. */
export function datasetXml(dataset: Dataset): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="${NAMESPACE}" xml:space="preserve">${attributes(dataset)}</NativeDicomModel>\n`;
}

function attributes(dataset: Dataset): string {
  const tags = Object.keys(dataset).toSorted();
  const creators = creatorsOf(dataset, tags);
  return tags.map((tag) => attribute(tag, dataset[tag]!, creators)).join('');
}

interface Creator {
  name: string;
  /** Whether no lower block of the group has the same creator. */
  first: boolean;
}

/** By group and block: 0009 10. */
function creatorsOf(dataset: Dataset, tags: readonly string[]): ReadonlyMap<string, Creator> {
  const creators = new Map<string, Creator>();
  const seen = new Set<string>();
  for (const tag of tags) {
    const name = isCreatorTag(tag) ? creatorOf(dataset[tag]) : undefined;
    if (name === undefined) continue;
    const key = `${tag.slice(0, 4)} ${name}`;
    creators.set(tag.slice(0, 4) + tag.slice(6), { name, first: !seen.has(key) });
    seen.add(key);
  }
  return creators;
}

/** A private attribute is named by its creator, and its block's number is 00 then (PS3.19 A.1.6); of two blocks of one creator the first. */
function attribute(tag: string, element: DicomElement, creators: ReadonlyMap<string, Creator>): string {
  const keyword = isPrivate(tag) ? undefined : keywordOf(tag);
  const creator = isPrivate(tag) ? creators.get(tag.slice(0, 6)) : undefined;
  const shown = creator?.first ? `${tag.slice(0, 4)}00${tag.slice(6)}` : tag;
  const names = `tag="${shown}" vr="${element.vr}"${keyword === undefined ? '' : ` keyword="${escapeXml(keyword)}"`}${creator === undefined ? '' : ` privateCreator="${escapeXml(creator.name)}"`}`;
  const content = contentOf(tag, element);
  return content === '' ? `<DicomAttribute ${names}/>` : `<DicomAttribute ${names}>${content}</DicomAttribute>`;
}

const isCreatorTag = (tag: string): boolean => isPrivate(tag) && /^....00[1-9A-F]/.test(tag);

function creatorOf(element: DicomElement | undefined): string | undefined {
  const value = element?.Value?.[0];
  return typeof value === 'string' ? value : undefined;
}

function contentOf(tag: string, element: DicomElement): string {
  if (element.BulkDataURI !== undefined) return `<BulkData uri="${escapeXml(element.BulkDataURI)}"/>`;
  if (element.frames) throw new TypeError(`${tag} is encapsulated for a file and has no form in XML`);
  const bytes = element.InlineBinary ?? (element.bytes && Buffer.from(bytesOf(element)!).toString('base64'));
  if (bytes) return `<InlineBinary>${bytes}</InlineBinary>`;
  return (element.Value ?? []).map((value, index) => valueXml(element.vr, value, index + 1)).join('');
}

function valueXml(vr: string, value: DicomValue, number: number): string {
  if (vr === 'SQ') return `<Item number="${number}">${value === null ? '' : attributes(value as Dataset)}</Item>`;
  if (vr === 'PN') return `<PersonName number="${number}">${value === null ? '' : groupsXml(typeof value === 'object' ? value : parsePersonName(String(value)))}</PersonName>`;
  return value === null ? `<Value number="${number}"/>` : `<Value number="${number}">${escapeXml(String(value))}</Value>`;
}

function groupsXml(name: PersonName): string {
  return GROUPS.filter((group) => name[group]).map((group) => `<${group}>${componentsXml(name[group]!)}</${group}>`).join('');
}

function componentsXml(group: string): string {
  const parts = group.split('^');
  const last = COMPONENTS.length - 1;
  // A sixth component is against the standard, and is kept with the fifth.
  const components = [...parts.slice(0, last), ...(parts.length > last ? [parts.slice(last).join('^')] : [])];
  return components.map((text, index) => (text === '' ? '' : `<${COMPONENTS[index]}>${escapeXml(text)}</${COMPONENTS[index]}>`)).join('');
}

/**
 * Reads one NativeDicomModel. A private attribute that is named by its creator gets the block that the creator has here, or a free one.
 * @throws {DicomFormatError} when it is not well-formed, is no NativeDicomModel, or an attribute is none of DICOM's
 */
export function parseDatasetXml(text: string): Dataset {
  const root = parseXml(text, REPEATED)['NativeDicomModel'];
  if (root === undefined || typeof root === 'string' || Array.isArray(root)) throw wrong('the XML is no NativeDicomModel (PS3.19 A.1)');
  return new ModelReader().dataset(root, '');
}

const wrong = (message: string): DicomFormatError => new DicomFormatError(message);

class ModelReader {
  #skipped = 0;

  /** @param path what encloses it, for messages */
  dataset(node: XmlElement, path: string): Dataset {
    const found = children(node, 'DicomAttribute').map((child) => ({ child, tag: tagIn(child, path), creator: attributeIn(child, 'privateCreator') }));
    const dataset: Dataset = {};
    const named = (entry: (typeof found)[number]): boolean => isPrivate(entry.tag) && !!entry.creator && !isCreatorTag(entry.tag);
    // Those that say their block's number come first, so that what is named by its creator finds its block, or a free one.
    for (const { child, tag } of found.filter((entry) => !named(entry))) this.#add(dataset, tag, child, path);
    for (const { child, tag, creator } of found.filter(named)) this.#add(dataset, privateTag(dataset, tag, creator!, path), child, path);
    return dataset;
  }

  #add(dataset: Dataset, tag: string, node: XmlElement, path: string): void {
    const place = `${path}${tag}`;
    if (dataset[tag] !== undefined) throw wrong(`${place} is there twice`);
    const vr = attributeIn(node, 'vr') ?? vrOfTag(tag);
    if (!KNOWN_VRS.has(vr)) throw wrong(`${place} has the value representation "${vr}", which DICOM does not have`);
    dataset[tag] = this.#element(vr, node, place);
  }

  #element(vr: string, node: XmlElement, place: string): DicomElement {
    const bulk = child(node, 'BulkData');
    if (bulk) return { vr, BulkDataURI: bulkUri(bulk, place) };
    const inline = child(node, 'InlineBinary');
    if (inline) return { vr, ...inlineBinary(vr, inline, place) };
    const kind = vr === 'SQ' ? 'Item' : vr === 'PN' ? 'PersonName' : 'Value';
    for (const other of ['Item', 'PersonName', 'Value']) if (other !== kind && node[other] !== undefined) throw wrong(`${place} is ${vr} and cannot have ${other}`);
    if (BINARY_VRS.has(vr) && node['Value'] !== undefined) throw wrong(`${place} is ${vr} and has its value as InlineBinary or BulkData`);
    const values = this.#numbered(children(node, kind), place, (entry, number) => {
      if (vr === 'SQ') return this.dataset(entry, `${place}, item ${number}: `);
      return vr === 'PN' ? nameOf(entry) : valueOf(vr, entry['#text'] ?? '', place);
    });
    return values.every((value) => value === null) ? { vr } : { vr, Value: values };
  }

  /** By their numbers, counted from 1; a number that is left out is an empty value. */
  #numbered(entries: XmlElement[], place: string, read: (entry: XmlElement, number: number) => DicomValue): DicomValue[] {
    const values: DicomValue[] = [];
    for (const entry of entries) {
      const text = attributeIn(entry, 'number') ?? String(values.length + 1);
      const number = /^\d{1,9}$/.test(text) ? Number(text) : 0;
      if (number <= values.length) throw wrong(`${place} has a value with the number "${text}" where ${values.length + 1} comes next`);
      this.#skipped += number - 1 - values.length;
      if (this.#skipped > MAX_SKIPPED) throw wrong(`${place} leaves out too many values before its number ${number}`);
      while (values.length < number - 1) values.push(null);
      values.push(read(entry, number));
    }
    return values;
  }
}

function tagIn(node: XmlElement, path: string): string {
  const tag = attributeIn(node, 'tag') ?? '';
  if (!/^[0-9a-f]{8}$/i.test(tag)) throw wrong(`${path}an attribute has the tag "${tag.slice(0, 20)}" instead of eight hexadecimal digits`);
  return tag.toUpperCase();
}

/** Where a private attribute goes that is named by its creator; adds the creator's own element where it is not there. */
function privateTag(dataset: Dataset, tag: string, creator: string, path: string): string {
  const group = tag.slice(0, 4);
  const own = tag.slice(4, 6);
  const taken = (block: string): DicomElement | undefined => dataset[`${group}00${block}`];
  const asSaid = own === '00' || (taken(own) !== undefined && creatorOf(taken(own)) !== creator) ? undefined : own;
  const block = asSaid ?? BLOCKS.find((candidate) => creatorOf(taken(candidate)) === creator) ?? BLOCKS.find((candidate) => taken(candidate) === undefined);
  if (block === undefined) throw wrong(`${path}${tag} has no block left for its creator`);
  dataset[`${group}00${block}`] ??= { vr: 'LO', Value: [creator] };
  return `${group}${block}${tag.slice(6)}`;
}

function bulkUri(bulk: XmlElement, place: string): string {
  const uuid = attributeIn(bulk, 'uuid');
  const uri = attributeIn(bulk, 'uri') ?? (uuid === undefined ? undefined : `urn:uuid:${uuid}`);
  if (!uri) throw wrong(`${place} has BulkData without uri and uuid`);
  return uri;
}

function inlineBinary(vr: string, inline: XmlElement, place: string): { InlineBinary?: string } {
  if (!BINARY_VRS.has(vr)) throw wrong(`${place} is ${vr} and cannot be InlineBinary`);
  const base64 = (inline['#text'] ?? '').replaceAll(/\s+/g, '');
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) throw wrong(`${place} has InlineBinary that is not base64`);
  return base64 === '' ? {} : { InlineBinary: base64 };
}

function nameOf(node: XmlElement): PersonName | null {
  const name: PersonName = {};
  for (const group of GROUPS) {
    const parts = child(node, group);
    const text = parts && COMPONENTS.map((component) => child(parts, component)?.['#text']?.trim() ?? '').join('^').replace(/\^+$/, '');
    if (text) name[group] = text;
  }
  return Object.keys(name).length === 0 ? null : name;
}

/** As the reader of files has it: numbers are numbers where JSON can hold them, and else text. */
function valueOf(vr: string, text: string, place: string): DicomValue {
  const value = ['LT', 'ST', 'UT', 'UC'].includes(vr) ? text.replace(/ +$/, '') : text.trim();
  if (value === '') return null;
  if (vr === 'AT') {
    if (!/^[0-9a-f]{8}$/i.test(value)) throw wrong(`${place} has "${value.slice(0, 20)}" where a tag should be`);
    return value.toUpperCase();
  }
  if (vr in NUMBER_SIZES) return numberOf(vr, value, place);
  if (vr === 'DS' && /^[+-]?(\d+(\.\d*)?|\.\d+)(E[+-]?\d+)?$/i.test(value)) return finite(value);
  if (vr === 'IS' && /^[+-]?\d+$/.test(value)) return finite(value);
  return value;
}

function numberOf(vr: string, value: string, place: string): number | string {
  const float = vr === 'FL' || vr === 'FD';
  if (float && /^[+-]?nan$/i.test(value)) return 'NaN';
  if (float && /^[+-]?inf(inity)?$/i.test(value)) return value.startsWith('-') ? '-Infinity' : 'Infinity';
  if (!(float ? /^[+-]?(\d+(\.\d*)?|\.\d+)(E[+-]?\d+)?$/i : /^[+-]?\d+$/).test(value)) throw wrong(`${place} is ${vr} and has "${value.slice(0, 20)}"`);
  const number = Number(value);
  return float || Number.isSafeInteger(number) ? finite(value) : BigInt(value).toString();
}

function finite(value: string): number | string {
  const number = Number(value);
  return Number.isFinite(number) ? number : value;
}

function attributeIn(node: XmlElement, name: string): string | undefined {
  const value = node[`@${name}`];
  return typeof value === 'string' ? value : undefined;
}

function child(node: XmlElement, name: string): XmlElement | undefined {
  const found = node[name];
  const first = Array.isArray(found) ? found[0] : found;
  return typeof first === 'string' ? { '#text': first } : first;
}

function children(node: XmlElement, name: string): XmlElement[] {
  const found = node[name];
  return Array.isArray(found) ? found : [];
}
