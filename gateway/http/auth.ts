// Who may call: bearer tokens (RFC 6750) from a file, or, without any, callers on this machine under this machine's names.
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import type { Settings } from '../../config/settings.ts';
import { HttpError } from './errors.ts';

/** A changed token file is noticed within this time, without a file look-up for each request. */
const RECHECK_MILLISECONDS = 5_000;
const LOCAL_NAMES = new Set(['localhost', '127.0.0.1', '[::1]']);

/** The tokens of a file, one a line; followed when the file changes, so that a secret can be rotated. */
export class TokenFile {
  readonly #path: string;
  readonly #log: Logger;
  #digests: Buffer[] = [];
  #version = '';
  #checkedAt = 0;

  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
  }

  /** @throws when the file cannot be read or holds no token */
  async load(): Promise<void> {
    const { mtimeMs, size, ino } = await stat(this.#path);
    const version = `${mtimeMs} ${size} ${ino}`;
    this.#checkedAt = Date.now();
    if (version === this.#version) return;
    const tokens = (await readFile(this.#path, 'utf8')).split('\n').map((line) => line.trim()).filter(Boolean);
    if (tokens.length === 0) throw new Error(`http.auth.tokenFile ${this.#path} holds no token`);
    this.#digests = tokens.map(digest);
    this.#version = version;
  }

  async accepts(token: string): Promise<boolean> {
    if (Date.now() - this.#checkedAt > RECHECK_MILLISECONDS) {
      this.#checkedAt = Date.now();
      await this.load().catch((error: unknown) => this.#log.error({ err: error }, 'the token file cannot be read; the tokens read before stay valid'));
    }
    // Digests are of one length, and every one is compared: the time taken tells nothing of a token.
    const presented = digest(token);
    return this.#digests.reduce((found, known) => timingSafeEqual(known, presented) || found, false);
  }
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** Lets callers with a token through; or, when the settings ask for none, those that name this machine. */
export async function authentication(http: Settings['http'], log: Logger): Promise<RequestHandler> {
  if (!http.auth) return localNamesOnly;
  const tokens = new TokenFile(http.auth.tokenFile, log);
  await tokens.load();
  return async (request: Request, _response: Response, next: NextFunction): Promise<void> => {
    const [, token] = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '') ?? [];
    if (token === undefined) throw new HttpError(401, 'A bearer token is needed.', { 'WWW-Authenticate': 'Bearer realm="hilum"' });
    if (!(await tokens.accepts(token)))
      throw new HttpError(401, 'This bearer token is not valid.', { 'WWW-Authenticate': 'Bearer realm="hilum", error="invalid_token"' });
    next();
  };
}

/** Without tokens only this machine is trusted: a web site that points its own name at 127.0.0.1 must not read the worklist. */
function localNamesOnly(request: Request, _response: Response, next: NextFunction): void {
  const name = (request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
  if (!LOCAL_NAMES.has(name))
    throw new HttpError(421, 'Without http.auth only localhost is served; call it by that name, or set http.auth in the settings.');
  next();
}
