// Delivery to a DICOMweb server: STOW-RS, one instance a request, streamed from disk (PS3.18 10.5).
// One at a time, so that an instance that a server cannot take says so for itself alone, whatever the server's reply is like.
import { randomUUID } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { DestinationUnavailable } from '../../../storage/errors.ts';
import type { DestinationClient, OutgoingResult, SendOutcome } from './destination.ts';
import { unreadable } from './destination.ts';
import { outcomeOf, type StowReply } from './stow-reply.ts';

export interface DicomwebDestinationOptions {
  /** Of the service, e.g. https://archive.example/dicom-web */
  url: string;
  headers: Record<string, string>;
  /** Without a byte on the wire, either way. */
  timeoutMs: number;
}

/** A STOW-RS reply names a handful of instances; more than this is something else. */
const MAX_REPLY_BYTES = 1024 * 1024;

export class DicomwebDestination implements DestinationClient {
  readonly #options: DicomwebDestinationOptions;
  readonly #studies: URL;
  readonly #agent: HttpAgent;

  constructor(options: DicomwebDestinationOptions) {
    this.#options = options;
    this.#studies = new URL(`${options.url.replace(/\/+$/, '')}/studies`);
    this.#agent = this.#studies.protocol === 'https:' ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  }

  async *send(results: OutgoingResult[], signal: AbortSignal): AsyncGenerator<SendOutcome> {
    let brokeOff = false;
    for (const [index, result] of results.entries()) {
      try {
        yield await this.#deliver(result, signal);
        brokeOff = false;
      } catch (error) {
        // A server that breaks off at one instance must not hold back the others; one that always does is not there.
        if (brokeOff || index === results.length - 1 || !isBreak(error)) throw error;
        brokeOff = true;
        yield { status: 'refused', sopInstanceUid: result.sopInstanceUid, detail: `while this instance was sent: ${(error as Error).message}`, permanent: false };
      }
    }
  }

  async #deliver({ path, sopInstanceUid }: OutgoingResult, signal: AbortSignal): Promise<SendOutcome> {
    let file: FileHandle;
    try {
      file = await open(path);
    } catch (error) {
      return unreadable(sopInstanceUid, error);
    }
    try {
      return outcomeOf(await this.#post(file, signal), sopInstanceUid, this.#studies.href);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof DestinationUnavailable) throw error;
      throw new DestinationUnavailable(`${this.#studies}: ${(error as Error).message}`, { cause: error });
    } finally {
      await file.close();
    }
  }

  async close(): Promise<void> {
    this.#agent.destroy();
  }

  async #post(file: FileHandle, signal: AbortSignal): Promise<StowReply> {
    const boundary = randomUUID();
    const head = Buffer.from(`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`, 'latin1');
    const tail = Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1');
    const { size } = await file.stat();
    const send = this.#studies.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = send(this.#studies, {
      method: 'POST',
      agent: this.#agent,
      signal,
      timeout: this.#options.timeoutMs,
      headers: {
        ...this.#options.headers,
        'Content-Type': `multipart/related; type="application/dicom"; boundary=${boundary}`,
        'Content-Length': head.length + size + tail.length,
        Accept: 'application/dicom+json',
      },
    });
    request.on('timeout', () => request.destroy(new Error(`no answer for ${this.#options.timeoutMs / 1000} s`)));
    const reply = replyTo(request);
    const sent = pipeline(body(head, file, size, tail), request).catch(() => undefined); // why it failed, the reply says
    try {
      // A server may answer, and close, before it has read everything: what it answered counts.
      return await reply;
    } finally {
      if (!request.writableFinished) request.destroy();
      await sent;
    }
  }
}

/** Whether the connection was there and then broke. */
function isBreak(error: unknown): boolean {
  const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
  return code === 'EPIPE' || code === 'ECONNRESET';
}

async function* body(head: Buffer, file: FileHandle, size: number, tail: Buffer): AsyncGenerator<Uint8Array> {
  yield head;
  if (size > 0) yield* file.createReadStream({ start: 0, end: size - 1, highWaterMark: 256 * 1024, autoClose: false });
  yield tail;
}

async function replyTo(request: ClientRequest): Promise<StowReply> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.on('error', reject);
  });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_REPLY_BYTES) throw new Error(`the reply has more than ${MAX_REPLY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return {
    statusCode: response.statusCode ?? 0,
    contentType: response.headers['content-type'] ?? '',
    location: response.headers.location ?? '',
    body: Buffer.concat(chunks).toString('utf8'),
  };
}
