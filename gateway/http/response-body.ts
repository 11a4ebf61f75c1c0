// Sending a body of any length: chunk after chunk as the caller takes them, none of it before the first is there, and an end to
// everything behind it when the caller leaves.
import type { Request, Response } from 'express';

/** A caller that takes nothing for this long is given up. */
const IDLE_MILLISECONDS = 60_000;

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
 * @param chunks may reuse a chunk's memory once the chunk after the next is asked for
 * @throws {CallerLeft}
 */
export async function sendBody(request: Request, response: Response, head: BodyHead, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const source = chunks[Symbol.asyncIterator]();
  try {
    let next = await source.next();
    if (response.destroyed) throw new CallerLeft();
    response.status(head.status);
    for (const [name, value] of Object.entries(head.headers)) if (value !== undefined) response.setHeader(name, value);
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    const writer = new BodyWriter(response);
    let taken: Promise<void> = Promise.resolve();
    while (!next.done) {
      await taken;
      taken = writer.write(next.value);
      // Its failure is seen at the next turn, which may come after another one's.
      taken.catch(() => undefined);
      next = await source.next();
    }
    await taken;
    await writer.end();
  } finally {
    await source.return?.();
  }
}

class BodyWriter {
  readonly #response: Response;
  /** Fails the write that is being waited for. */
  #fail: ((error: Error) => void) | undefined;

  constructor(response: Response) {
    this.#response = response;
    response.once('close', () => this.#fail?.(new CallerLeft()));
    // Time in which it is us who work is not held against the caller.
    response.setTimeout(IDLE_MILLISECONDS, () => void (this.#fail && response.destroy()));
  }

  /** Resolves when the system has taken the chunk, so that its memory is free again. */
  write(chunk: Uint8Array): Promise<void> {
    return this.#until((done) => void this.#response.write(chunk, done));
  }

  end(): Promise<void> {
    return this.#until((done) => void this.#response.end(() => done()));
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
