// The elements of a JSON array as texts, one after the other while the array comes in: a study's metadata has thousands of
// datasets, and only one of them is held.
import { DicomFormatError } from '../../storage/errors.ts';
import { decodeText } from './metadata-text.ts';

const OPEN = 0x5b;
const CLOSE = 0x5d;
const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const DEEPER = new Set([OPEN, 0x7b]);
const BACK = new Set([CLOSE, 0x7d]);
const SPACE = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * A single value that is no array counts as an array of it.
 * @param limit of one element, in bytes
 * @throws {DicomFormatError} where the text is not one JSON array, or an element is longer; what an element holds is not looked at
 */
export async function* jsonItems(source: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<string, void, undefined> {
  const scan = new Scan(limit);
  for await (const chunk of source) yield* scan.take(chunk);
  yield* scan.end();
}

class Scan {
  readonly #limit: number;
  #position = 0;
  #state: 'before' | 'array' | 'single' | 'after' = 'before';
  #depth = 0;
  #inString = false;
  #escaped = false;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #isBlank = true;
  #items = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  *take(chunk: Uint8Array): Generator<string, void, undefined> {
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inString = false;
        continue;
      }
      if (SPACE.has(byte)) continue;
      if (this.#state === 'before') {
        // A byte order mark is none of JSON's, and some writers begin with it.
        if (byte === 0xef || byte === 0xbb || byte === 0xbf) {
          start = at + 1;
          continue;
        }
        this.#state = byte === OPEN ? 'array' : 'single';
        if (byte === OPEN) {
          start = at + 1;
          continue;
        }
      }
      if (this.#state === 'after') throw new DicomFormatError('the metadata goes on after its array', this.#position + at);
      if (byte === QUOTE) this.#inString = true;
      else if (DEEPER.has(byte)) this.#depth++;
      else if (this.#state === 'array' && this.#depth === 0 && (byte === COMMA || byte === CLOSE)) {
        this.#keep(chunk.subarray(start, at));
        start = at + 1;
        const isEmptyArray = byte === CLOSE && this.#items === 0 && this.#isBlank;
        if (!isEmptyArray) yield this.#item(this.#position + at);
        if (byte === CLOSE) this.#state = 'after';
        continue;
      } else if (BACK.has(byte)) this.#depth--;
      if (this.#depth < 0) throw new DicomFormatError('the metadata has a bracket too many', this.#position + at);
      this.#isBlank = false;
    }
    if (this.#state !== 'after') this.#keep(chunk.subarray(start));
    this.#position += chunk.length;
  }

  *end(): Generator<string, void, undefined> {
    if (this.#state === 'array' || this.#depth > 0 || this.#inString) throw new DicomFormatError('the metadata ends within its array', this.#position);
    if (this.#state === 'single') yield this.#item(this.#position);
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#bytes += bytes.length;
    if (this.#bytes > this.#limit) throw new DicomFormatError(`the metadata of an instance is longer than ${this.#limit} bytes`, this.#position);
    // The chunk may be a piece of a buffer that is used again.
    this.#parts.push(Uint8Array.prototype.slice.call(bytes));
  }

  #item(at: number): string {
    if (this.#isBlank) throw new DicomFormatError('the metadata has a comma without a dataset', at);
    const text = decodeText(Buffer.concat(this.#parts), 'utf-8');
    this.#parts = [];
    this.#bytes = 0;
    this.#isBlank = true;
    this.#items++;
    return text;
  }
}
