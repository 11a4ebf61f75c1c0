// Viewers on other origins (Fetch standard, CORS): a browser lets a page read our answers only where we name the page's origin.
import type { NextFunction, Request, RequestHandler, Response } from 'express';

/** What a viewer reads beyond what a browser shows of its own accord. */
const EXPOSED = ['Content-Location', 'Content-Range', 'ETag', 'Location', 'Retry-After', 'Warning', 'X-Request-Id'].join(', ');
const REQUEST_HEADERS = ['Accept', 'Authorization', 'Content-Type', 'If-Match', 'If-Modified-Since', 'If-None-Match', 'If-Range', 'If-Unmodified-Since', 'Range'].join(', ');
const METHODS = 'GET, HEAD, POST, PUT, DELETE, OPTIONS';
/** Chromium keeps no permission for longer than two hours. */
const SECONDS_KEPT = 7200;

/** Answers what a browser asks before a request, which has no token yet, and marks every answer to these origins. */
export function allowOrigins(origins: readonly string[]): RequestHandler {
  const allowed = new Set(origins);
  return (request: Request, response: Response, next: NextFunction): void => {
    const { origin } = request.headers;
    if (origin === undefined || !allowed.has(origin) || !isForViewers(request.path)) return next();
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Expose-Headers', EXPOSED);
    // The answer is for another origin on purpose; the page's own is kept from it elsewhere.
    response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return next();
    response.setHeader('Access-Control-Allow-Methods', METHODS);
    response.setHeader('Access-Control-Allow-Headers', REQUEST_HEADERS);
    response.setHeader('Access-Control-Max-Age', SECONDS_KEPT);
    response.status(204).end();
  };
}

/** The page and its own interface are for no other origin. */
const isForViewers = (path: string): boolean => /^\/(dicomweb|wado)(\/|$)/i.test(path);
