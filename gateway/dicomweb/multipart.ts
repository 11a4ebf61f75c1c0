// A streaming reader of multipart bodies (RFC 2046 5.1, RFC 2387): part after part, each as it arrives, none held in memory.
// Nothing is read ahead of the consumer, so that a consumer that waits makes the socket wait.

/** Of one part's headers together: DICOMweb needs a few lines, RFC 2046 sets no bound. */
const MAX_PART_HEADER_BYTES = 16 * 1024;
/** Before the first boundary: a body that has none so far was announced with the wrong boundary. */
const MAX_PREAMBLE_BYTES = 64 * 1024;
/** White space that transports may add after a boundary. */
const MAX_PADDING_BYTES = 1024;

const CRLF = Buffer.from('\r\n');
const HEADERS_END = Buffer.from('\r\n\r\n');

/** A body that is not the multipart that it announced to be. */
export class MultipartError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'MultipartError';
  }
}

export interface Part {
  /** Names in lower case. */
  headers: Map<string, string>;
  /** The part's bytes; what is left unread is skipped when the next part is asked for. */
  body: AsyncIterable<Uint8Array>;
}

/** RFC 2046 5.1.1: 1 to 70 characters of a small set, not ending in a space. Others are taken too when they are harmless. */
export function isBoundary(boundary: string): boolean {
  return /^[\x20-\x7e]{0,199}[\x21-\x7e]$/.test(boundary);
}

/**
 * Reads a multipart body.
 * @param boundary as in the Content-Type, without the leading hyphens
 * @throws {MultipartError} from the parts' iterator, or from a part's body when the body is cut there
 */
export async function* readMultipart(source: AsyncIterable<Uint8Array>, boundary: string): AsyncGenerator<Part, void, undefined> {
  const reader = new MultipartReader(source, boundary);
  try {
    let more = await reader.skipPreamble();
    while (more) {
      const headers = await reader.readHeaders();
      const body = reader.readBody();
      yield { headers, body };
      for await (const unread of body) void unread;
      more = await reader.readBoundaryTail();
    }
  } finally {
    await reader.close();
  }
}

class MultipartReader {
  readonly #source: AsyncIterator<Uint8Array>;
  /** A delimiter belongs to the line break before it, so that a part's last line break is not part of it. */
  readonly #delimiter: Buffer;
  /** Read from the source and not yet used. The line break lets a boundary stand at the very start. */
  #pending: Buffer = CRLF;

  constructor(source: AsyncIterable<Uint8Array>, boundary: string) {
    this.#source = source[Symbol.asyncIterator]();
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  }

  /** Skips what stands before the first boundary; false when the body ends with it at once. */
  async skipPreamble(): Promise<boolean> {
    let skipped = 0;
    for await (const chunk of this.#untilDelimiter('the body has no boundary as its Content-Type announces it')) {
      skipped += chunk.length;
      if (skipped > MAX_PREAMBLE_BYTES)
        throw new MultipartError(`no boundary as the Content-Type announces it in the first ${MAX_PREAMBLE_BYTES} bytes`);
    }
    return this.readBoundaryTail();
  }

  /** After a delimiter: true when a part follows, false at the closing boundary. */
  async readBoundaryTail(): Promise<boolean> {
    const lineEnd = await this.#find(CRLF, MAX_PADDING_BYTES, 'a boundary line', true);
    if (this.#pending.subarray(0, 2).toString('latin1') === '--') return false; // the epilogue, if any, is of no interest
    this.#pending = this.#pending.subarray(lineEnd + CRLF.length);
    return true;
  }

  async readHeaders(): Promise<Map<string, string>> {
    const headers = new Map<string, string>();
    // A part without headers starts with the empty line itself.
    if ((await this.#atLeast(2)) && this.#pending.subarray(0, 2).equals(CRLF)) {
      this.#pending = this.#pending.subarray(2);
      return headers;
    }
    const end = await this.#find(HEADERS_END, MAX_PART_HEADER_BYTES, "a part's headers", false);
    const lines = this.#pending.subarray(0, end).toString('latin1').replaceAll(/\r\n[ \t]+/g, ' ').split('\r\n');
    this.#pending = this.#pending.subarray(end + HEADERS_END.length);
    for (const line of lines) {
      const colon = line.indexOf(':');
      if (colon <= 0) throw new MultipartError('a part has a header line without a name');
      headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
    }
    return headers;
  }

  /** The part's bytes up to the next delimiter, which is taken from the source too. */
  readBody(): AsyncIterable<Uint8Array> {
    const chunks = this.#untilDelimiter('the body ends without its closing boundary');
    // Without a return(), a consumer that stops early does not end the chunks: the rest of the part can still be skipped.
    return { [Symbol.asyncIterator]: () => ({ next: () => chunks.next() }) };
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async *#untilDelimiter(cut: string): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const found = await this.#delimiterAt();
      if (found !== undefined) {
        const before = this.#pending.subarray(0, found);
        this.#pending = this.#pending.subarray(found + this.#delimiter.length);
        if (before.length > 0) yield before;
        return;
      }
      const ready = this.#pending.length - this.#overlap();
      const chunk = this.#pending.subarray(0, ready);
      this.#pending = this.#pending.subarray(ready);
      if (chunk.length > 0) yield chunk;
      if (!(await this.#more())) throw new MultipartError(cut);
    }
  }

  /** Place of a delimiter in what is pending: one that goes on as a longer line is data that happens to look like it. */
  async #delimiterAt(): Promise<number | undefined> {
    for (let from = 0; ; ) {
      const place = this.#pending.indexOf(this.#delimiter, from);
      if (place < 0) return undefined;
      const tail = place + this.#delimiter.length;
      const cut = !(await this.#atLeast(tail + 2));
      if (cut) return /^[-\r]?$/.test(this.#pending.toString('latin1', tail)) ? place : undefined;
      const next = this.#pending.subarray(tail, tail + 2).toString('latin1');
      if (next === '--' || next === '\r\n' || /^[ \t]/.test(next)) return place;
      from = place + 1;
    }
  }

  /** Bytes at the end of what is pending that may be the start of a delimiter. */
  #overlap(): number {
    const limit = Math.min(this.#delimiter.length - 1, this.#pending.length);
    for (let start = this.#pending.length - limit; start < this.#pending.length; start++) {
      start = this.#pending.indexOf(0x0d, start);
      if (start < 0) return 0;
      const length = this.#pending.length - start;
      if (this.#pending.subarray(start).equals(this.#delimiter.subarray(0, length))) return length;
    }
    return 0;
  }

  /** Reads until the bytes are pending; gives their place. */
  async #find(wanted: Buffer, limit: number, what: string, orClose: boolean): Promise<number> {
    for (;;) {
      if (orClose && this.#pending.subarray(0, 2).toString('latin1') === '--') return 0;
      const place = this.#pending.indexOf(wanted);
      if (place > limit || (place < 0 && this.#pending.length > limit)) throw new MultipartError(`${what} is longer than ${limit} bytes`);
      if (place >= 0) return place;
      if (!(await this.#more())) throw new MultipartError(`the body ends within ${what}`);
    }
  }

  async #atLeast(bytes: number): Promise<boolean> {
    while (this.#pending.length < bytes) if (!(await this.#more())) return false;
    return true;
  }

  /** Adds the next chunk of the source to what is pending; false at its end. */
  async #more(): Promise<boolean> {
    const next = await this.#source.next();
    if (next.done) return false;
    const chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    return true;
  }
}

