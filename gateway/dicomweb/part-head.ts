// The beginning of a part, kept while it streams past: a refused instance must still be named in the response.

/** The file meta information stands first and is a few hundred bytes; private information may make it longer. */
const MAX_HEAD_BYTES = 64 * 1024;
/** PS3.10 7.1: preamble, then DICM. */
const PREFIX_AT = 128;
const META_AT = 132;
/** PS3.5 7.1.2: VRs with a length of four bytes, after two that are reserved. */
const LONG_VRS = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);

export interface InstanceName {
  sopClassUid: string;
  sopInstanceUid: string;
}

export class PartHead {
  /** One iterator for all readers, none of which ends it: what one leaves, the next one reads. */
  readonly #body: AsyncIterator<Uint8Array>;
  #head: Uint8Array[] = [];
  #bytes = 0;
  /** What stopped the part from coming: a cut body, a lost connection, a caller that fell silent. */
  failure: unknown;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#body = body[Symbol.asyncIterator]();
  }

  /** The part's bytes, chunk by chunk as they are asked for. */
  async *stream(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (let next = await this.#body.next(); !next.done; next = await this.#body.next()) {
        const chunk = next.value;
        if (this.#bytes < MAX_HEAD_BYTES) this.#head.push(chunk.subarray(0, MAX_HEAD_BYTES - this.#bytes));
        this.#bytes += chunk.length;
        yield chunk;
      }
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  /** Reads the rest of the part; false when it is longer than the limit. */
  async skipWithin(limit: number): Promise<boolean> {
    const end = this.#bytes + limit;
    for await (const chunk of this.stream()) if (chunk.length > 0 && this.#bytes > end) return false;
    return true;
  }

  /** Which instance the file meta information says that this is; reads on where too little has passed. */
  async name(): Promise<InstanceName | undefined> {
    for (;;) {
      const name = nameInFileMeta(Buffer.concat(this.#head));
      if (name !== undefined || this.#bytes >= MAX_HEAD_BYTES || this.failure !== undefined) return name;
      const before = this.#bytes;
      try {
        for await (const chunk of this.stream()) if (chunk.length > 0) break;
      } catch {
        return undefined; // kept in failure, for the caller to see
      }
      if (this.#bytes === before) return undefined;
    }
  }
}

/** Media Storage SOP Class and Instance UID, as far as they are among these bytes. */
function nameInFileMeta(bytes: Buffer): InstanceName | undefined {
  if (bytes.toString('latin1', PREFIX_AT, META_AT) !== 'DICM') return undefined;
  let sopClassUid: string | undefined;
  for (let at = META_AT; at + 12 <= bytes.length && bytes.readUInt16LE(at) === 0x0002; ) {
    const element = bytes.readUInt16LE(at + 2);
    const long = LONG_VRS.has(bytes.toString('latin1', at + 4, at + 6));
    const value = at + (long ? 12 : 8);
    const end = value + (long ? bytes.readUInt32LE(at + 8) : bytes.readUInt16LE(at + 6));
    if (end > bytes.length) return undefined;
    const uid = (): string => bytes.toString('latin1', value, end).replace(/[\0 ]+$/, '');
    if (element === 0x0002) sopClassUid = uid();
    // An empty UID names nothing: a Failed SOP Sequence with it would be no valid response.
    if (element === 0x0003) return sopClassUid && uid() !== '' ? { sopClassUid, sopInstanceUid: uid() } : undefined;
    at = end;
  }
  return undefined;
}
