// What representation a caller wants (PS3.18 8.3.3.1, 8.7.5): the accept query parameter, or else the Accept header, as a list of
// single parts and multiparts with their transfer syntaxes, the most wanted first.
import type { Request } from 'express';
import { isUid } from '../../storage/dicom/uids.ts';
import { HttpError } from '../http/errors.ts';
import { parseAccept, type MediaType } from '../http/header-parameters.ts';

export interface Wanted {
  /** One body as it is, multipart/related around each, or whichever suits the resource. */
  form: 'single' | 'multipart' | 'either';
  /** Of a part or of the body; may be a range such as image/*. */
  type: string;
  /** A UID, '*' for any, undefined where nothing is said. */
  transferSyntax: string | undefined;
  quality: number;
}

/** Ranges of the accept query parameter where there is one, because browsers set the header themselves (PS3.18 8.3.3.1). */
export function acceptedRanges(request: Request): MediaType[] {
  const parameter: unknown = request.query['accept'];
  if (parameter === undefined) return parseAccept(request.headers.accept);
  // A plus sign that was not escaped has become a space; no media type has one.
  const text = [parameter].flat().join(',').replaceAll(/(?<=[a-z]) (?=(json|xml)\b)/gi, '+');
  const ranges = parseAccept(text);
  if (text.trim() === '' || ranges.length === 0) throw new HttpError(400, `The query parameter accept holds no media type: "${text}".`);
  return ranges;
}

/** @throws {HttpError} 400 for a transfer syntax that is no UID */
export function wantedOf(request: Request): Wanted[] {
  return acceptedRanges(request).map((range) => {
    const multipart = range.type.startsWith('multipart/');
    const transferSyntax = range.parameters.get('transfer-syntax');
    if (transferSyntax !== undefined && transferSyntax !== '*' && !isUid(transferSyntax))
      throw new HttpError(400, `The transfer-syntax "${transferSyntax}" in what is accepted is no UID and not *.`);
    return {
      form: multipart ? 'multipart' : range.type === '*/*' ? 'either' : 'single',
      type: multipart ? (range.parameters.get('type') ?? '*/*').toLowerCase() : range.type,
      transferSyntax,
      quality: Number(range.parameters.get('q') ?? 1),
    };
  });
}
