// GET from a DICOMweb server, with a limit on every silence (PS3.18 8).
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { SourceUnavailable } from '../../storage/errors.ts';

export interface DicomwebServer {
  /** Of the service, e.g. https://archive.example/dicom-web */
  url: string;
  headers: Record<string, string>;
  /** Without a byte on the wire. */
  timeoutMs: number;
}

/** Words of a refusal that are shown. */
const MAX_REASON_BYTES = 4096;

export class DicomwebClient {
  readonly #server: DicomwebServer;
  readonly #agent: HttpAgent;

  constructor(server: DicomwebServer) {
    this.#server = server;
    this.#agent = server.url.startsWith('https:') ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  }

  /**
   * @param path below the service, with its query
   * @returns the answer where its status is 2xx; the caller reads its body to the end, or destroys it
   * @throws {SourceUnavailable} for every other answer, with the server's reason; and where none comes
   */
  async get(path: string, accept: string, signal: AbortSignal): Promise<IncomingMessage> {
    const url = new URL(`${this.#server.url.replace(/\/+$/, '')}${path}`);
    try {
      const response = await this.#open(url, accept, signal);
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 300) return response;
      throw new SourceUnavailable(`${url.origin}${url.pathname} answers ${status} ${response.statusMessage ?? ''}${await reasonOf(response)}`.trim());
    } catch (error) {
      throw this.unavailable(error, signal, url);
    }
  }

  /** What to throw for an error that was met while a body was read. */
  unavailable(error: unknown, signal: AbortSignal, url = new URL(this.#server.url)): unknown {
    if (signal.aborted) return signal.reason;
    if (error instanceof SourceUnavailable) return error;
    return new SourceUnavailable(`${url.origin}${url.pathname}: ${(error as Error).message || String(error)}`, { cause: error });
  }

  close(): void {
    this.#agent.destroy();
  }

  #open(url: URL, accept: string, signal: AbortSignal): Promise<IncomingMessage> {
    const { headers, timeoutMs } = this.#server;
    return new Promise((resolve, reject) => {
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
      const request = send(url, { agent: this.#agent, headers: { ...headers, Accept: accept }, signal, timeout: timeoutMs });
      // Also while the body comes: the response is the request's socket.
      request.on('timeout', () => request.destroy(new Error(`silent for ${timeoutMs / 1000} s`)));
      request.once('response', resolve);
      request.on('error', reject);
      request.end();
    });
  }
}

async function reasonOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_REASON_BYTES) break; // the rest is not read, and the connection not used again
  }
  const text = Buffer.concat(chunks).toString('utf8').replaceAll(/<[^>]*>|\s+/g, ' ').trim();
  return text === '' ? '' : `: ${text.slice(0, 200)}`;
}
