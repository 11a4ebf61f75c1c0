// Errors to HTTP statuses, in this one place; bodies are problem details (RFC 9457) that say what was wrong.
import { z } from 'zod';
import { isDatabaseAway } from '../../storage/database.ts';
import { DicomFormatError, IntakeRefusal, type RefusalKind } from '../../storage/errors.ts';
import { MultipartError } from '../dicomweb/multipart.ts';
import { PoolBusyError } from '../transcode/worker-pool.ts';

/** Long enough for a full disk or a lost database to be noticed, short enough that a modality's own queue still holds. */
export const RETRY_AFTER_SECONDS = 60;

/** An answer other than success, chosen by a handler. The message is for the caller. */
export class HttpError extends Error {
  readonly status: number;
  readonly headers: Record<string, string>;
  constructor(status: number, message: string, headers: Record<string, string> = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = 'HttpError';
    this.status = status;
    this.headers = headers;
  }
}

export interface Problem {
  type: 'about:blank';
  title: string;
  status: number;
  detail: string;
  requestId?: string;
}

const TITLES: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  421: 'Misdirected Request',
  426: 'Upgrade Required',
  422: 'Unprocessable Content',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

const REFUSAL_STATUS: Record<RefusalKind, number> = {
  'out-of-room': 503,
  'too-large': 413,
  mismatch: 409,
  'not-understood': 409,
  'sop-class': 409,
  changed: 409,
};

/** What to answer when a handler throws. An error that is nobody's fault but ours keeps its words for the log. */
export function problemOf(error: unknown): { problem: Problem; headers: Record<string, string>; unexpected: boolean } {
  // A handler that finds the fault on our side says so to the caller, and to the log.
  if (error instanceof HttpError) return { ...expected(error.status, error.message, error.headers), unexpected: error.status === 500 };
  if (error instanceof IntakeRefusal) {
    const status = REFUSAL_STATUS[error.kind];
    return expected(status, error.message, status === 503 ? { 'Retry-After': String(RETRY_AFTER_SECONDS) } : {});
  }
  if (isDatabaseAway(error)) return expected(503, 'The database cannot be reached; what is sent is kept, and what is asked can be asked again.', { 'Retry-After': String(RETRY_AFTER_SECONDS) });
  if (error instanceof MultipartError || error instanceof DicomFormatError) return expected(400, error.message);
  if (error instanceof z.ZodError)
    return expected(400, error.issues.map((issue) => `${issue.path.join('.') || 'request'}: ${issue.message}`).join('; '));
  if (error instanceof PoolBusyError) return expected(503, error.message, { 'Retry-After': '2' });
  // Express's own: an address that cannot be decoded, a file outside the page's folder.
  const status = error instanceof Error && 'status' in error && typeof error.status === 'number' ? error.status : 500;
  if (status >= 400 && status < 500) return expected(status, (error as Error).message);
  return { ...expected(500, 'Something went wrong here; the log has the reason under this request id.'), unexpected: true };
}

function expected(status: number, detail: string, headers: Record<string, string> = {}) {
  return { problem: { type: 'about:blank', title: TITLES[status] ?? 'Error', status, detail } satisfies Problem, headers, unexpected: false };
}
