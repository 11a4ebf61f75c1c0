// Sending a body of any length: chunk after chunk as the caller takes them, none of it before the first is there, and an end to
// everything behind it when the caller leaves.
import type { Request, Response } from 'express';
import { FileBytes, type Chunk } from '../../storage/file-bytes.ts';
import { kernelSender } from './kernel-send.ts';

/** A caller that takes nothing for this long is given up. */
const IDLE_MILLISECONDS = 60_000;
/** Of a file, in the ordinary way, before the system goes on: small beside what a socket holds, as it is copied twice. */
const PIECE_BYTES = 64 * 1024;

/** The caller closed the connection, or was given up, before it had everything. */
export class CallerLeft extends Error {
  constructor() {
    super('the caller left before the end of the response');
    this.name = 'CallerLeft';
  }
}

/** Aborted when the caller leaves before its answer is complete: stops what works for that answer alone. */
export function callerSignal(response: Response): AbortSignal {
  const controller = new AbortController();
  const leave = (): void => void (response.writableFinished || controller.abort(new CallerLeft()));
  if (response.destroyed) leave();
  else response.once('close', leave);
  return controller.signal;
}

export interface BodyHead {
  status: number;
  headers: Readonly<Record<string, string | number | undefined>>;
}

/**
 * Sends the chunks. The head goes out with the first of them: what the source throws before can still become another answer, and
 * what it throws later breaks the connection, so that a short body never passes for a whole one.
 * @param chunks may reuse a chunk's memory once the chunk after the next is asked for; a file's is done with before the next is
 * @throws {CallerLeft}
 */
export async function sendBody(request: Request, response: Response, head: BodyHead, chunks: AsyncIterable<Chunk>): Promise<void> {
  const source = chunks[Symbol.asyncIterator]();
  try {
    let next = await source.next();
    if (response.destroyed) throw new CallerLeft();
    const writer = new BodyWriter(response, head);
    if (request.method === 'HEAD') return await writer.end();
    while (!next.done) {
      await writer.put(next.value);
      next = await source.next();
    }
    await writer.end();
  } finally {
    await source.return?.();
  }
}

class BodyWriter {
  readonly #response: Response;
  readonly #head: BodyHead;
  /** The chunk before, which the system has yet to take. */
  #taken: Promise<void> = Promise.resolve();
  /** Fails the write that is being waited for. */
  #fail: ((error: Error) => void) | undefined;

  constructor(response: Response, head: BodyHead) {
    this.#response = response;
    this.#head = head;
    response.once('close', () => this.#fail?.(new CallerLeft()));
    // Time in which it is us who work is not held against the caller.
    response.setTimeout(IDLE_MILLISECONDS, () => void (this.#fail && response.destroy()));
  }

  /** Resolves when the system has taken the chunk before, so that its memory is free again; of a file, all of it. */
  async put(chunk: Chunk): Promise<void> {
    await this.#taken;
    if (chunk instanceof FileBytes) return this.#putFile(chunk);
    this.#begin();
    this.#taken = this.#until((done) => void this.#response.write(chunk, done));
    // Its failure is seen at the next turn, which may come after another one's.
    this.#taken.catch(() => undefined);
  }

  async end(): Promise<void> {
    await this.#taken;
    this.#begin();
    await this.#until((done) => void this.#response.end(() => done()));
  }

  /**
   * Where the length was told, so that nothing stands between the bytes, the system sends what the socket takes. Once that is full, a
   * piece goes the ordinary way, which waits for room, and sees a caller that takes nothing or leaves.
   */
  async #putFile(bytes: FileBytes): Promise<void> {
    using kernel = this.#head.headers['Content-Length'] !== undefined && bytes.end - bytes.start > PIECE_BYTES ? kernelSender(this.#response.socket) : undefined;
    if (!kernel) {
      for await (const chunk of bytes) await this.put(chunk);
      return this.#taken;
    }
    const buffer = Buffer.allocUnsafeSlow(PIECE_BYTES);
    for (let at = bytes.start; at < bytes.end; ) {
      const sent = this.#response.headersSent && !this.#response.destroyed ? await kernel.send(bytes.file, at, bytes.end - at) : 0;
      at += sent;
      if (sent > 0) continue;
      const piece = await bytes.read(buffer, at);
      at += piece.length;
      await this.put(piece);
      await this.#taken;
    }
  }

  #begin(): void {
    const { status, headers } = this.#head;
    if (this.#response.headersSent) return;
    this.#response.status(status);
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) this.#response.setHeader(name, value);
  }

  #until(begin: (done: (error?: Error | null) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#response.destroyed) return reject(new CallerLeft());
      this.#fail = reject;
      begin((error) => {
        this.#fail = undefined;
        if (error) reject(new CallerLeft());
        else resolve();
      });
    });
  }
}
