// Answers that were made once and are asked for again, as several viewers open one study: kept under what they are made of, so that
// none is ever out of date.

/** Together; a study of 500 images takes some 100 KB, compressed. */
const MAX_BYTES = 32 * 1024 * 1024;
/** Of one, so that a giant does not push out all others. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

export class BodyCache {
  /** The least recently asked for first. */
  readonly #bodies = new Map<string, Buffer>();
  #bytes = 0;

  get(key: string): Buffer | undefined {
    const body = this.#bodies.get(key);
    if (body) {
      this.#bodies.delete(key);
      this.#bodies.set(key, body);
    }
    return body;
  }

  /**
   * Passes the chunks on, and keeps them once all have been taken.
   * @param chunks must not reuse their memory
   * @param isOfKey asked at the end: what they are made of may have changed after the key was made
   */
  async *keep(key: string, chunks: AsyncIterable<Uint8Array>, isOfKey: () => boolean): AsyncGenerator<Uint8Array, void, undefined> {
    let kept: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes <= MAX_BODY_BYTES) kept.push(chunk);
      else kept = [];
      yield chunk;
    }
    if (bytes <= MAX_BODY_BYTES && !this.#bodies.has(key) && isOfKey()) this.#put(key, Buffer.concat(kept));
  }

  #put(key: string, body: Buffer): void {
    this.#bodies.set(key, body);
    this.#bytes += body.length;
    for (const [oldest, { length }] of this.#bodies) {
      if (this.#bytes <= MAX_BYTES) return;
      this.#bodies.delete(oldest);
      this.#bytes -= length;
    }
  }
}
