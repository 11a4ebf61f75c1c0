// In which media type and transfer syntax pixel data and frames are sent (PS3.18 8.7.3.3, 8.7.5): as kept where nothing else is asked,
// uncompressed as application/octet-stream.
import type { ArchivedInstance } from '../../storage/archive.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, TRANSFER_SYNTAXES, transferSyntax } from '../../storage/dicom/uids.ts';
import { HttpError } from '../http/errors.ts';
import { covers } from '../http/header-parameters.ts';
import type { Transcoder } from '../transcode/transcoder.ts';
import type { Wanted } from './accept.ts';
import { OCTET_STREAM, currentMediaType, isUncompressed, mediaTypeOf, syntaxesOf } from './media-types.ts';

export interface PixelRepresentation {
  form: 'single' | 'multipart' | 'either';
  /** As the caller names it, where it names one. */
  mediaType: string;
  /** Of the codestreams; explicit little endian stands for raw pixels. */
  transferSyntaxUid: string;
}

type CanTranscode = Pick<Transcoder, 'canTranscode'>;

/** What an image can be sent as, the most wanted first; of what is wanted alike, as it is kept before all else. */
export function pixelRepresentations(wanted: readonly Wanted[], { transferSyntaxUid: kept }: ArchivedInstance, transcoder: CanTranscode): PixelRepresentation[] {
  const asKept = isUncompressed(kept) ? EXPLICIT_VR_LITTLE_ENDIAN : kept;
  const possible = wanted.flatMap((one) => {
    const representation = representationOf(one, asKept);
    if (!representation) return [];
    const { transferSyntaxUid } = representation;
    if (transferSyntaxUid !== asKept && !transcoder.canTranscode(kept, transferSyntaxUid)) return [];
    return [{ representation, quality: one.quality, rank: transferSyntaxUid === asKept ? 0 : 1 }];
  });
  return possible.toSorted((a, b) => b.quality - a.quality || a.rank - b.rank).map(({ representation }) => representation);
}

function representationOf({ form, type, transferSyntax: syntax }: Wanted, asKept: string): PixelRepresentation | undefined {
  const range = { type: currentMediaType(type), parameters: new Map<string, string>() };
  if (syntax !== undefined && syntax !== '*') {
    // Raw pixels are the same in both little endian syntaxes, and big endian is not served.
    const { encapsulated, bigEndian, deflated } = transferSyntax(syntax);
    if (bigEndian || deflated) return undefined;
    const named = encapsulated ? syntax : EXPLICIT_VR_LITTLE_ENDIAN;
    return type === OCTET_STREAM || covers(range, mediaTypeOf(named)) ? { form, mediaType: labelOf(type, named), transferSyntaxUid: named } : undefined;
  }
  if (type === OCTET_STREAM) return { form, mediaType: type, transferSyntaxUid: syntax === '*' ? asKept : EXPLICIT_VR_LITTLE_ENDIAN };
  if (covers(range, mediaTypeOf(asKept))) return { form, mediaType: labelOf(type, asKept), transferSyntaxUid: asKept };
  const [byDefault] = syntaxesOf(type === 'image/*' ? 'image/jls' : type);
  return byDefault === undefined ? undefined : { form, mediaType: labelOf(type, byDefault), transferSyntaxUid: byDefault };
}

function labelOf(type: string, transferSyntaxUid: string): string {
  return type.includes('*') ? mediaTypeOf(transferSyntaxUid) : type;
}

/** 406 saying what there is. */
export function noPixelRepresentation({ transferSyntaxUid: kept }: ArchivedInstance, transcoder: CanTranscode, why = ''): HttpError {
  const others = Object.keys(TRANSFER_SYNTAXES).filter((uid) => uid !== kept && transferSyntax(uid).encapsulated && transcoder.canTranscode(kept, uid));
  const syntaxes = [...(isUncompressed(kept) ? [] : [kept]), ...others].map((uid) => `${mediaTypeOf(uid)}; transfer-syntax=${uid}`);
  const raw = isUncompressed(kept) || transcoder.canTranscode(kept, EXPLICIT_VR_LITTLE_ENDIAN);
  return new HttpError(406, `${why}Pixel data of this instance, kept in ${kept}, is served as ${[...(raw ? [OCTET_STREAM] : []), ...syntaxes].join(', ')}: in multipart/related, or alone where it is one part.`);
}
