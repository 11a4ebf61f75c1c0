// Sending an answer while the request's body may still be coming: the caller must be able to read why it was refused.
import type { Request, Response } from 'express';

/** A caller that goes on sending after its refusal is read for this long, or this far, before the connection is closed:
 * closing at once would reset the connection and the answer with it. */
const LINGER_MILLISECONDS = 5_000;
const LINGER_BYTES = 64 * 1024 * 1024;

/** Asks a caller that waits for permission (Expect: 100-continue) to send its body. */
export function continueBody(request: Request, response: Response): void {
  if (!waitsForContinue(request) || response.locals['continued'] === true) return;
  response.locals['continued'] = true;
  response.writeContinue();
}

/** Sends a whole answer; an unread request body is read to its end within bounds, or the connection is closed. */
export async function answer(
  request: Request,
  response: Response,
  status: number,
  headers: Record<string, string>,
  body: string | Uint8Array,
): Promise<void> {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  response.status(status);
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.setHeader('Content-Length', Buffer.byteLength(body));
  if (request.complete) {
    response.end(body);
    return;
  }
  response.setHeader('Connection', 'close');
  if (waitsForContinue(request) && response.locals['continued'] !== true) {
    response.end(body);
    return;
  }
  response.write(body);
  await drain(request);
  response.end();
}

function waitsForContinue(request: Request): boolean {
  return request.headers.expect?.toLowerCase() === '100-continue';
}

function drain(request: Request): Promise<void> {
  return new Promise((resolve) => {
    let bytes = 0;
    const timer = setTimeout(resolve, LINGER_MILLISECONDS);
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    request.once('end', done).once('close', done).once('error', done);
    request.on('data', (chunk: Uint8Array) => {
      bytes += chunk.length;
      if (bytes > LINGER_BYTES) done();
    });
    request.resume();
  });
}
