// What a part with bulk data says of its bytes: uncompressed, or a codestream of which transfer syntax (PS3.18 tables 8.7.3-4
// and 8.7.3-5).
import { EXPLICIT_VR_LITTLE_ENDIAN, isUid, transferSyntax } from '../../storage/dicom/uids.ts';
import type { MediaType } from '../http/header-parameters.ts';
import { COMPRESSED_TYPES, OCTET_STREAM, syntaxesOf } from './media-types.ts';

export const BULK_MEDIA_TYPES: readonly string[] = [OCTET_STREAM, ...COMPRESSED_TYPES];

/** @returns the transfer syntax, explicit VR little endian for uncompressed bytes; or in words why there is none */
export function syntaxOfBulk(type: MediaType): { transferSyntaxUid: string; isVideo: boolean } | { refused: string } {
  const stated = type.parameters.get('transfer-syntax');
  if (stated !== undefined && !isUid(stated)) return { refused: `transfer-syntax "${stated.slice(0, 80)}" is not a UID` };
  const [byDefault, ...others] = syntaxesOf(type.type);
  if (byDefault !== undefined) {
    const transferSyntaxUid = stated ?? byDefault;
    const known = transferSyntaxUid === byDefault || others.includes(transferSyntaxUid);
    return known ? { transferSyntaxUid, isVideo: type.type.startsWith('video/') } : { refused: `${type.type} cannot be in transfer syntax ${transferSyntaxUid}` };
  }
  // What is neither a picture nor a video by name is the value itself: a document, or words of pixel data.
  const syntax = transferSyntax(stated ?? EXPLICIT_VR_LITTLE_ENDIAN);
  if (syntax.bigEndian || syntax.deflated) return { refused: `bulk data cannot be in transfer syntax ${stated}: it is in little endian` };
  return { transferSyntaxUid: syntax.encapsulated ? stated! : EXPLICIT_VR_LITTLE_ENDIAN, isVideo: false };
}
