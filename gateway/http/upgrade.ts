// Requests to change to WebSocket (RFC 6455 4.2): the same callers are let in as for HTTP, and refusals are as readable.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Request, RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import { requireAeTitle } from '../ups/subscriptions.ts';
import type { StepNotifications } from '../ups/notifications.ts';
import { HttpError, problemOf } from './errors.ts';

export interface UpgradeOptions {
  notifications: Pick<StepNotifications, 'accept'> | undefined;
  authenticate: RequestHandler;
  /** Whether callers show a token; without, the caller's page must be this machine's. */
  hasTokens: boolean;
  /** Pages of others that may call (settings: http.allowOrigins). */
  allowOrigins: readonly string[];
  log: Logger;
}

const CHANNEL = /^\/dicomweb\/subscribers\/([^/?]+)$/;
const LOCAL = new Set(['localhost', '127.0.0.1', '[::1]']);

export async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, options: UpgradeOptions): Promise<void> {
  // A socket that breaks in the meantime has nobody to tell.
  socket.on('error', () => socket.destroy());
  try {
    await allow(request, options.authenticate);
    if (!options.hasTokens) requireKnownOrigin(request.headers.origin, options.allowOrigins);
    const [, aeTitle] = CHANNEL.exec((request.url ?? '').replace(/\?.*$/, '')) ?? [];
    if (aeTitle === undefined || !options.notifications) throw new HttpError(404, `There is no WebSocket at ${request.url}; notifications are at /dicomweb/subscribers/{aetitle}.`);
    options.notifications.accept(request, socket, head, requireAeTitle(decodeURIComponent(aeTitle)));
  } catch (error) {
    const { problem, headers, unexpected } = problemOf(error instanceof URIError ? new HttpError(400, 'The address is not percent-encoded UTF-8.') : error);
    if (unexpected) options.log.error({ err: error }, 'a request to upgrade failed');
    refuse(socket, problem, headers);
  }
}

/** Authentication as app.ts has it, which looks at nothing but headers. */
function allow(request: IncomingMessage, authenticate: RequestHandler): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = (error?: unknown): void => (error === undefined ? resolve() : reject(error as Error));
    Promise.resolve(authenticate(request as Request, {} as Response, next)).catch(reject);
  });
}

/** A browser lets any page open a WebSocket anywhere: its Origin says which page it is. */
function requireKnownOrigin(origin: string | undefined, allowed: readonly string[]): void {
  if (origin === undefined || allowed.includes(origin)) return;
  const name = URL.canParse(origin) ? new URL(origin).hostname : '';
  if (!LOCAL.has(name)) throw new HttpError(403, `Without http.auth, pages of ${origin} may not connect.`);
}

function refuse(socket: Duplex, problem: { status: number; title: string }, headers: Record<string, string>): void {
  const body = JSON.stringify(problem);
  const lines = Object.entries({ ...headers, 'Content-Type': 'application/problem+json', 'Content-Length': String(Buffer.byteLength(body)), Connection: 'close' }).map(([name, value]) => `${name}: ${value}`);
  socket.end(`HTTP/1.1 ${problem.status} ${problem.title}\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
}
