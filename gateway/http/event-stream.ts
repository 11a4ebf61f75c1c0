// Server-sent events (HTML Living Standard 9.2) that say which worklist entries changed: GET /api/events.
import type { Request, Response } from 'express';
import type { WorklistEvents } from '../worklist/worklist.ts';
import { HttpError, RETRY_AFTER_SECONDS } from './errors.ts';

/** One reading room has a few dozen screens. */
const MAX_CLIENTS = 200;
/** A proxy or a client that sees nothing for longer takes the connection for dead; most wait a minute. */
const HEARTBEAT_MILLISECONDS = 15_000;
/** Some 500 events: a client that is so far behind reads the list again sooner than it catches up. */
const MAX_UNSENT_BYTES = 64 * 1024;
const RECONNECT_MILLISECONDS = 2_000;

export class EventStreams {
  readonly #clients = new Set<Response>();
  readonly #end: () => void;
  readonly #heartbeat: NodeJS.Timeout;
  #lastId = 0;

  constructor(events: WorklistEvents, heartbeatMilliseconds = HEARTBEAT_MILLISECONDS) {
    this.#end = events.subscribe((studyInstanceUid) => this.#publish(studyInstanceUid));
    this.#heartbeat = setInterval(() => this.#send(': still here\n\n'), heartbeatMilliseconds).unref();
  }

  get clientCount(): number {
    return this.#clients.size;
  }

  /** @throws {HttpError} 503 when there are too many clients */
  connect(request: Request, response: Response): void {
    if (this.#clients.size >= MAX_CLIENTS)
      throw new HttpError(503, 'Too many event streams are open.', { 'Retry-After': String(RETRY_AFTER_SECONDS) });
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' });
    // The id lets a page that comes back see whether it missed something; what was missed, it reads from the list.
    response.write(`retry: ${RECONNECT_MILLISECONDS}\nid: ${this.#lastId}\nevent: hello\ndata: {}\n\n`);
    this.#clients.add(response);
    response.once('close', () => this.#clients.delete(response));
    request.resume();
  }

  /** Ends every stream; pages connect again, to this or another process. */
  close(): void {
    this.#end();
    clearInterval(this.#heartbeat);
    for (const client of this.#clients) client.end();
  }

  #publish(studyInstanceUid: string): void {
    this.#lastId += 1;
    this.#send(`id: ${this.#lastId}\nevent: study\ndata: ${JSON.stringify({ studyInstanceUid })}\n\n`);
  }

  #send(text: string): void {
    for (const client of this.#clients) {
      if (client.writableLength > MAX_UNSENT_BYTES) client.destroy();
      else client.write(text);
    }
  }
}
