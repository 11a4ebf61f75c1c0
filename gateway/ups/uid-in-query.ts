// A UID as a query parameter: the templates of PS3.18 11.4 and 11.6 have the bare UID; callers send it with a name as well.
import type { Request } from 'express';
import { isUid } from '../../storage/dicom/uids.ts';
import { HttpError } from '../http/errors.ts';

/** @param names in lower case. @throws {HttpError} 400 where what is given is no UID */
export function uidInQuery(request: Request, names: readonly string[]): string | undefined {
  for (const [name, value] of Object.entries(request.query)) {
    if (value === '' && isUid(name)) return name;
    if (!names.includes(name.toLowerCase())) continue;
    if (typeof value !== 'string' || !isUid(value)) throw new HttpError(400, `The query parameter ${name} is not a UID.`);
    return value;
  }
  return undefined;
}
