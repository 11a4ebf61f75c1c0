// Walks a dataset from its first byte to its last (PS3.5 7), keeps the header and finds what is broken. Tolerant of what can
// still be understood: odd lengths, unknown and wrong VRs, group lengths, sequences in UN, delimiters in items of defined length.
import { DicomFormatError } from '../errors.ts';
import { textDecoder } from './charset.ts';
import type { TextDecode } from './charset.ts';
import type { Dataset, DicomElement } from './dataset.ts';
import { isSignedChoice, keywordOf, vrOfTag } from './dictionary.ts';
import { READ_AHEAD } from './source.ts';
import type { Reading, Window } from './source.ts';
import { decodeValue, hex4 } from './values.ts';
import { BINARY_VRS, KNOWN_VRS, LONG_VRS } from './vr.ts';

export interface Encoding {
  explicitVr: boolean;
  bigEndian: boolean;
}

/** A value that was left out of the dataset; offset from the start of the file (deflated: of the inflated dataset). */
export interface BulkValue {
  tag: string;
  vr: string;
  offset: number;
  length: number;
}

export interface PixelData {
  /** 7FE00010, or 7FE00008 (float), 7FE00009 (double). */
  tag: string;
  vr: string;
  /** First byte after the element's header; encapsulated: the item of the Basic Offset Table. */
  offset: number;
  /** Bytes of the value in the file; encapsulated: through the sequence delimiter. */
  length: number;
  encapsulated: boolean;
}

/** Longest value that is kept in the header. */
export const MAX_VALUE_BYTES = 64 * 1024;
/** A top-level element with more content than this is left out as one bulk value (functional groups of thousands of frames). */
const MAX_ELEMENT_BYTES = 4 * 1024 * 1024;
/** The header as a whole; beyond it is no image's header. */
const MAX_HEADER_BYTES = 32 * 1024 * 1024;
/** Reading 20 million elements takes seconds; no real instance has as many. */
const MAX_ELEMENTS = 20_000_000;
/** No template or functional group of the standard comes near. */
const MAX_DEPTH = 64;
/** What an element takes in memory beside its value. */
const ELEMENT_OVERHEAD = 64;

const UNDEFINED_LENGTH = 0xffffffff;
const ITEM = 'FFFEE000';
const ITEM_END = 'FFFEE00D';
const SEQUENCE_END = 'FFFEE0DD';
const PIXEL_DATA_TAGS: ReadonlySet<string> = new Set(['7FE00008', '7FE00009', '7FE00010']);
const EXPLICIT_LITTLE_ENDIAN: Encoding = { explicitVr: true, bigEndian: false };
const UN_CONTENT: Encoding = { explicitVr: false, bigEndian: false };

interface Header {
  tag: string;
  vr: string;
  /** Offset of the tag. */
  offset: number;
  /** Offset of the value. */
  start: number;
  length: number;
}

/**
 * Told of everything in the order in which it stands, while it is read: for writing the same dataset in another encoding. Group
 * lengths, trailing padding and delimiters are not told.
 */
export interface DatasetObserver {
  /** A value of defined length that is no sequence. `vr` as it stands in the file, of the dictionary in Implicit VR. */
  value(element: ObservedValue): void;
  sequence(tag: string): void;
  item(): void;
  itemEnd(): void;
  sequenceEnd(): void;
  /** An element of fragments (PS3.5 A.4): items from `start`, the sequence delimiter included. */
  fragments(tag: string, start: number, length: number, depth: number): void;
}
export interface ObservedValue {
  tag: string;
  vr: string;
  /** Of the value in the source. */
  start: number;
  length: number;
  bigEndian: boolean;
  /** 0 in the dataset itself, 1 in an item of it. */
  depth: number;
}

/** What encloses the elements that are being read. */
interface Scope {
  encoding: Encoding;
  /** No value may reach beyond: end of the innermost item or sequence of defined length, or of the source. */
  limit: number;
  depth: number;
  decodeText: TextDecode;
}

export class DatasetReader {
  readonly bulk: BulkValue[] = [];
  pixelData: PixelData | undefined;
  /** Where the next element starts. */
  position: number;
  private readonly window: Window;
  private readonly observer: DatasetObserver | undefined;
  /** Tag of the last element that was begun, for the message when the source ends in it. */
  private last = '';
  private signedPixels = false;
  private elements = 0;
  private headerBytes = 0;
  private elementBytes = 0;

  constructor(window: Window, position: number, observer?: DatasetObserver) {
    this.window = window;
    this.position = position;
    this.observer = observer;
  }

  /** @throws {DicomFormatError} naming the tag and the offset where the dataset is broken */
  *readDataset(encoding: Encoding): Reading<Dataset> {
    const dataset: Dataset = {};
    const scope: Scope = { encoding, limit: Infinity, depth: 0, decodeText: textDecoder([]) };
    while (yield* this.anotherElement()) {
      const header = yield* this.readHeader(scope);
      if (!this.mayStandHere(header)) {
        yield* this.expectPadding(header);
        break;
      }
      this.elementBytes = 0;
      const keptBefore = this.headerBytes;
      yield* this.readElement(header, scope, dataset);
      if (this.elementBytes > MAX_ELEMENT_BYTES) {
        this.headerBytes = keptBefore + ELEMENT_OVERHEAD;
        dataset[header.tag] = this.leaveOut(header, this.position);
      }
    }
    return dataset;
  }

  /** Group 0002 in Explicit VR Little Endian; the group length is not needed, and is wrong in many files. */
  *readFileMeta(): Reading<Dataset> {
    const meta: Dataset = {};
    const scope: Scope = { encoding: EXPLICIT_LITTLE_ENDIAN, limit: Infinity, depth: 0, decodeText: textDecoder([]) };
    while (yield* this.anotherElement()) {
      if (this.window.view.getUint16(this.position - this.window.start, true) !== 0x0002) break;
      this.elementBytes = 0;
      yield* this.readElement(yield* this.readHeader(scope), scope, meta);
    }
    return meta;
  }

  /** Makes `length` bytes at `offset` available. */
  *demand(offset: number, length: number, what: () => string, ahead = READ_AHEAD): Reading<void> {
    if (this.window.has(offset, length)) return;
    if (offset + length <= this.window.size) yield { offset, length, ahead };
    if (!this.window.has(offset, length)) throw new DicomFormatError(`cut off in ${what()}`, Math.min(offset, this.window.size));
  }

  /** Whether the source goes on; a rest too short for an element must be zeros. */
  private *anotherElement(): Reading<boolean> {
    const { window, position } = this;
    if (window.has(position, 8)) return true;
    if (position + 8 <= window.size) yield { offset: position, length: 8, ahead: READ_AHEAD };
    if (window.has(position, 8)) return true;
    if (position > window.size) throw new DicomFormatError(`cut off in the value of ${describe(this.last)}`, window.size);
    const rest = window.size - position;
    if (rest === 0) return false;
    if (!window.has(position, rest)) yield { offset: position, length: rest, ahead: rest };
    if (window.slice(position, rest).every((byte) => byte === 0)) return false;
    throw new DicomFormatError(`${rest} bytes too many after the last element, or cut off in an element's header`, position);
  }

  private *readHeader(scope: Scope): Reading<Header> {
    const offset = this.position;
    if (++this.elements > MAX_ELEMENTS) throw new DicomFormatError(`more than ${MAX_ELEMENTS} elements`, offset);
    const inHeader = (): string => 'the header of an element';
    const wanted = Math.min(12, scope.limit - offset, this.window.size - offset);
    if (wanted < 8) throw new DicomFormatError(`${wanted} bytes too many at the end of an item`, offset);
    // Where a deflated dataset ends is known once it has ended: its last element may be shorter than the longest header.
    if (!this.window.has(offset, wanted)) yield { offset, length: wanted, ahead: READ_AHEAD };
    const limit = Math.min(scope.limit, this.window.size);
    yield* this.demand(offset, Math.min(wanted, Math.max(8, limit - offset)), inHeader);
    const { view, start } = this.window;
    const at = offset - start;
    const little = !scope.encoding.bigEndian;
    const group = view.getUint16(at, little);
    const tag = hex4(group) + hex4(view.getUint16(at + 2, little));
    if (group === 0xfffe || !scope.encoding.explicitVr) {
      this.position = offset + 8;
      const vr = group === 0xfffe ? '' : this.implicitVr(tag);
      return { tag, vr, offset, start: this.position, length: view.getUint32(at + 4, little) };
    }
    const vr = String.fromCharCode(view.getUint8(at + 4), view.getUint8(at + 5));
    const room = limit - offset;
    if (KNOWN_VRS.has(vr) ? LONG_VRS.has(vr) : this.looksLong(vr, at, room, little)) {
      if (room < 12) throw new DicomFormatError(`cut off in the header of ${describe(tag)}`, offset);
      this.position = offset + 12;
      return { tag, vr: KNOWN_VRS.has(vr) ? vr : 'UN', offset, start: this.position, length: view.getUint32(at + 8, little) };
    }
    this.position = offset + 8;
    if (/^[A-Z]{2}$/.test(vr))
      return { tag, vr: KNOWN_VRS.has(vr) ? vr : 'UN', offset, start: this.position, length: view.getUint16(at + 6, little) };
    // Some writers put elements in Implicit VR among the others, above all private ones.
    const length = view.getUint32(at + 4, little);
    if (length !== UNDEFINED_LENGTH && length > room - 8)
      throw new DicomFormatError(`${describe(tag)} has no value representation`, offset);
    return { tag, vr: this.implicitVr(tag), offset, start: this.position, length };
  }

  /** New VRs have two reserved bytes and a long length (PS3.5 7.1.2), those of careless writers may not. */
  private looksLong(vr: string, at: number, room: number, little: boolean): boolean {
    if (!/^[A-Z]{2}$/.test(vr) || room < 12) return false;
    const { view } = this.window;
    const length = view.getUint32(at + 8, little);
    return view.getUint16(at + 6, little) === 0 && (length === UNDEFINED_LENGTH || length <= room - 12);
  }

  private implicitVr(tag: string): string {
    return this.signedPixels && isSignedChoice(tag) ? 'SS' : vrOfTag(tag);
  }

  private mayStandHere({ tag }: Header): boolean {
    // Groups 0000 to 0003 and 0006 are the command's, the file meta's and nobody's; FFFE are delimiters (PS3.5 7.1, 7.8.1).
    if (tag < '00040000' || /^(0005|0006|0007|FFFE|FFFF)/.test(tag)) return false;
    // After pixel data of a wrong length its own bytes would be taken for elements.
    return this.pixelData === undefined || tag > this.pixelData.tag;
  }

  /** Zeros up to the end are padding of the file; all else is broken. */
  private *expectPadding(header: Header): Reading<void> {
    let offset = header.offset;
    for (;;) {
      if (offset < this.window.size && !this.window.has(offset, 1)) yield { offset, length: 1, ahead: READ_AHEAD };
      if (!this.window.has(offset, 1)) return;
      const rest = this.window.bytes.subarray(offset - this.window.start);
      if (rest.some((byte) => byte !== 0))
        throw new DicomFormatError(`${describe(header.tag)} cannot stand here: trailing bytes or a wrong length`, header.offset);
      offset += rest.length;
    }
  }

  private *readElement(header: Header, scope: Scope, target: Dataset): Reading<void> {
    const { tag, length } = header;
    if (length === UNDEFINED_LENGTH) return yield* this.readUndefinedLength(header, scope, target);
    this.expectRoom(describe(tag), header, scope);
    this.last = tag;
    const end = this.position + length;
    if (scope.depth === 0 && PIXEL_DATA_TAGS.has(tag)) {
      this.pixelData ??= { tag, vr: header.vr, offset: this.position, length, encapsulated: false };
      this.observeValue(header, scope);
      this.position = end;
      return;
    }
    // PS3.5 6.2.2 note 2: what stands in UN although the dictionary has it is read by the dictionary, in little endian.
    const known = header.vr === 'UN' ? this.implicitVr(tag) : header.vr;
    const encoding = header.vr === 'UN' && scope.encoding.explicitVr ? UN_CONTENT : scope.encoding;
    if (known === 'SQ') return yield* this.readSequence(header, end, { ...scope, encoding }, target);
    if (tag.endsWith('0000') || tag === 'FFFCFFFC') {
      this.position = end;
      return;
    }
    this.account(header.offset, length > MAX_VALUE_BYTES ? 0 : length);
    if (length > MAX_VALUE_BYTES || this.isLeftOut()) {
      this.observeValue(header, scope);
      this.position = end;
      if (!this.isLeftOut()) target[tag] = this.leaveOut({ ...header, vr: known }, end);
      return;
    }
    yield* this.demand(this.position, length, () => `the value of ${describe(tag)}`, Math.max(length, READ_AHEAD));
    this.observeValue(header, scope);
    const element = decodeValue(known, this.window.slice(this.position, length), encoding.bigEndian, scope.decodeText);
    target[tag] = element;
    this.position = end;
    if (tag === '00080005') scope.decodeText = textDecoder((element.Value ?? []).map((term) => String(term ?? '')));
    else if (tag === '00280103') this.signedPixels = element.Value?.[0] === 1;
  }

  private *readUndefinedLength(header: Header, scope: Scope, target: Dataset): Reading<void> {
    const { tag, vr } = header;
    const inPixelData = PIXEL_DATA_TAGS.has(tag);
    if (inPixelData || (BINARY_VRS.has(vr) && vr !== 'UN')) {
      const offset = this.position;
      yield* this.skipFragments(header, scope);
      const length = this.position - offset;
      this.observer?.fragments(tag, offset, length, scope.depth);
      if (scope.depth === 0 && inPixelData) this.pixelData ??= { tag, vr, offset, length, encapsulated: true };
      else if (!this.isLeftOut()) target[tag] = this.leaveOut({ ...header, vr: 'OB' }, this.position);
      return;
    }
    if (vr === 'SQ' || vr === 'UN' || !scope.encoding.explicitVr) {
      const encoding = vr === 'UN' ? UN_CONTENT : scope.encoding;
      return yield* this.readSequence(header, undefined, { ...scope, encoding }, target);
    }
    throw new DicomFormatError(`${describe(tag)} is ${vr} and cannot have an undefined length`, header.offset);
  }

  /** @param end undefined when a delimiter ends the sequence */
  private *readSequence(header: Header, end: number | undefined, scope: Scope, target: Dataset): Reading<void> {
    const name = describe(header.tag);
    if (scope.depth >= MAX_DEPTH) throw new DicomFormatError(`${name} is nested more than ${MAX_DEPTH} deep`, header.offset);
    const limit = Math.min(end ?? Infinity, scope.limit);
    this.account(header.offset, 0);
    const items: Dataset[] = [];
    this.observer?.sequence(header.tag);
    while (end === undefined || this.position < end) {
      const item = yield* this.readItemHeader(limit, scope, () => `${name}, which has no delimiter`);
      if (item.tag === SEQUENCE_END) {
        if (end === undefined) break;
        continue;
      }
      if (item.tag !== ITEM) throw new DicomFormatError(`${name} has ${describe(item.tag)} where an item should be`, item.offset);
      const dataset: Dataset = {};
      this.observer?.item();
      yield* this.readItem(item, name, { ...scope, limit, depth: scope.depth + 1 }, dataset);
      this.observer?.itemEnd();
      this.account(item.offset, 0);
      if (this.isLeftOut()) items.length = 0;
      else items.push(dataset);
    }
    this.observer?.sequenceEnd();
    target[header.tag] = items.length === 0 ? { vr: 'SQ' } : { vr: 'SQ', Value: items };
  }

  private *readItem(item: Header, name: string, scope: Scope, dataset: Dataset): Reading<void> {
    const delimited = item.length === UNDEFINED_LENGTH;
    if (!delimited) this.expectRoom(`an item of ${name}`, item, scope);
    const end = delimited ? scope.limit : this.position + item.length;
    const inner: Scope = { ...scope, limit: end, encoding: yield* this.encodingOfItem(scope, end) };
    while (delimited || this.position < end) {
      yield* this.demand(this.position, 8, () => `an item of ${name}, which has no delimiter`);
      const header = yield* this.readHeader(inner);
      if (header.tag === ITEM_END) {
        if (delimited) return;
        continue;
      }
      if (header.tag.startsWith('FFFE'))
        throw new DicomFormatError(`an item of ${name} has no delimiter before ${describe(header.tag)}`, header.offset);
      yield* this.readElement(header, inner, dataset);
    }
  }

  /** Content of UN should be implicit, and is explicit from some writers: then the VR's letters make an impossible length. */
  private *encodingOfItem(scope: Scope, end: number): Reading<Encoding> {
    if (scope.encoding.explicitVr || this.position + 8 > Math.min(end, this.window.size)) return scope.encoding;
    yield* this.demand(this.position, 8, () => 'an item');
    const at = this.position - this.window.start;
    const { view } = this.window;
    const vr = String.fromCharCode(view.getUint8(at + 4), view.getUint8(at + 5));
    const length = view.getUint32(at + 4, !scope.encoding.bigEndian);
    const possible = length === UNDEFINED_LENGTH || length <= Math.min(end, this.window.size) - this.position - 8;
    return KNOWN_VRS.has(vr) && !possible ? { ...scope.encoding, explicitVr: true } : scope.encoding;
  }

  /** Walks the fragments of encapsulated pixel data (PS3.5 A.4) without reading them. */
  private *skipFragments(header: Header, scope: Scope): Reading<void> {
    const name = describe(header.tag);
    let length = 0;
    for (;;) {
      const ahead = length < READ_AHEAD ? READ_AHEAD : 8;
      const item = yield* this.readItemHeader(scope.limit, scope, () => `${name}, which has no sequence delimiter`, ahead);
      if (item.tag === SEQUENCE_END) return;
      if (item.tag !== ITEM)
        throw new DicomFormatError(`${name} has ${describe(item.tag)} where a fragment should be`, item.offset);
      this.expectRoom(`a fragment of ${name}`, item, scope);
      length = item.length;
      this.position += length;
    }
  }

  private *readItemHeader(limit: number, scope: Scope, what: () => string, ahead = READ_AHEAD): Reading<Header> {
    const offset = this.position;
    if (++this.elements > MAX_ELEMENTS) throw new DicomFormatError(`more than ${MAX_ELEMENTS} elements`, offset);
    if (offset + 8 > limit) throw new DicomFormatError(`cut off in ${what()}`, offset);
    yield* this.demand(offset, 8, what, ahead);
    const at = offset - this.window.start;
    const little = !scope.encoding.bigEndian;
    const { view } = this.window;
    this.position = offset + 8;
    const tag = hex4(view.getUint16(at, little)) + hex4(view.getUint16(at + 2, little));
    return { tag, vr: '', offset, start: this.position, length: view.getUint32(at + 4, little) };
  }

  private observeValue({ tag, vr, start, length }: Header, { encoding, depth }: Scope): void {
    this.observer?.value({ tag, vr, start, length, bigEndian: encoding.bigEndian, depth });
  }

  private expectRoom(what: string, header: Header, scope: Scope): void {
    const left = Math.min(scope.limit, this.window.size) - header.start;
    if (header.length <= left) return;
    const place = scope.limit < this.window.size ? 'what encloses it' : 'the file';
    throw new DicomFormatError(`${what} is ${header.length} bytes long, but ${place} has only ${left} left`, header.offset);
  }

  private account(offset: number, bytes: number): void {
    this.elementBytes += bytes + ELEMENT_OVERHEAD;
    if (!this.isLeftOut()) this.headerBytes += bytes + ELEMENT_OVERHEAD;
    if (this.headerBytes > MAX_HEADER_BYTES)
      throw new DicomFormatError(`the header is longer than ${MAX_HEADER_BYTES} bytes`, offset);
  }

  /** Whether the top-level element that is being read has grown too long to be kept. */
  private isLeftOut(): boolean {
    return this.elementBytes > MAX_ELEMENT_BYTES;
  }

  /** The element that stands in the dataset for a value that was left out, see readBulk. */
  private leaveOut(header: Header, end: number): DicomElement {
    const bulk = { tag: header.tag, vr: header.vr, offset: header.start, length: end - header.start };
    this.bulk.push(bulk);
    return { vr: header.vr, BulkDataURI: `?offset=${bulk.offset}&length=${bulk.length}` };
  }
}

/** '(0010,0010) PatientName' */
export function describe(tag: string): string {
  const keyword = keywordOf(tag);
  return `(${tag.slice(0, 4)},${tag.slice(4)})${keyword === undefined ? '' : ` ${keyword}`}`;
}
