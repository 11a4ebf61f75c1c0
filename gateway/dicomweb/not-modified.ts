// What is said of every retrieved resource to caches, and the answer to a caller whose copy still holds.
import type { Response } from 'express';

/** Patients' data: kept by the caller alone, and asked for again before it is used. */
export const CACHE_CONTROL = 'private, no-cache';

export function notModified(response: Response, headers: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) response.setHeader(name, value);
  response.status(304).end();
}
