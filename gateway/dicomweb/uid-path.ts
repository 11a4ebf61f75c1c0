// UIDs in request addresses (PS3.5 9.1).
import type { Request } from 'express';
import { HttpError } from '../http/errors.ts';

/** The UID of a path parameter. @throws {HttpError} 400 when it is none */
export function requireUid(request: Request, name: string): string {
  const value = request.params[name];
  // Leading zeros in components are against PS3.5 9.1 and yet in use, so that they are let through.
  if (typeof value !== 'string' || value.length > 64 || !/^\d+(\.\d+)*$/.test(value)) throw new HttpError(400, `The ${name} in the address is not a UID.`);
  return value;
}
