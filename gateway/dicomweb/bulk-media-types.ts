// What a part with bulk data says of its bytes: uncompressed, or a codestream of which transfer syntax (PS3.18 tables 8.7.3-4
// and 8.7.3-5).
import { EXPLICIT_VR_LITTLE_ENDIAN, isUid, transferSyntax } from '../../storage/dicom/uids.ts';
import type { MediaType } from '../http/header-parameters.ts';

interface Coding {
  /** Without a transfer-syntax parameter. */
  byDefault: string;
  others: readonly string[];
}

const JPEG = '1.2.840.10008.1.2.4';
const CODINGS: Readonly<Record<string, Coding>> = {
  'image/jpeg': { byDefault: `${JPEG}.70`, others: [`${JPEG}.50`, `${JPEG}.51`, `${JPEG}.57`] },
  'image/dicom-rle': { byDefault: '1.2.840.10008.1.2.5', others: [] },
  'image/jls': { byDefault: `${JPEG}.80`, others: [`${JPEG}.81`] },
  'image/jp2': { byDefault: `${JPEG}.90`, others: [`${JPEG}.91`] },
  'image/jpx': { byDefault: `${JPEG}.92`, others: [`${JPEG}.93`] },
  'image/jphc': { byDefault: `${JPEG}.201`, others: [`${JPEG}.202`, `${JPEG}.203`] },
  'image/jxl': { byDefault: `${JPEG}.110`, others: [`${JPEG}.111`, `${JPEG}.112`] },
  'video/mpeg2': { byDefault: `${JPEG}.100`, others: [`${JPEG}.101`] },
  'video/mpeg': { byDefault: `${JPEG}.100`, others: [`${JPEG}.101`] },
  'video/mp4': { byDefault: `${JPEG}.102`, others: [`${JPEG}.103`, `${JPEG}.104`, `${JPEG}.105`, `${JPEG}.106`] },
  'video/h265': { byDefault: `${JPEG}.107`, others: [`${JPEG}.108`] },
};
/** Names of the same that older editions and some clients have. */
const ALIASES: Readonly<Record<string, string>> = { 'image/x-dicom-rle': 'image/dicom-rle', 'image/x-jls': 'image/jls', 'image/jph': 'image/jphc', 'image/j2c': 'image/jp2' };

export const BULK_MEDIA_TYPES: readonly string[] = ['application/octet-stream', ...Object.keys(CODINGS)];

/** @returns the transfer syntax, explicit VR little endian for uncompressed bytes; or in words why there is none */
export function syntaxOfBulk(type: MediaType): { transferSyntaxUid: string; isVideo: boolean } | { refused: string } {
  const name = ALIASES[type.type] ?? type.type;
  const stated = type.parameters.get('transfer-syntax');
  if (stated !== undefined && !isUid(stated)) return { refused: `transfer-syntax "${stated.slice(0, 80)}" is not a UID` };
  const coding = CODINGS[name];
  if (coding) {
    const transferSyntaxUid = stated ?? coding.byDefault;
    // A fragmentable form of a video syntax differs by a last component.
    const known = [coding.byDefault, ...coding.others].some((uid) => transferSyntaxUid === uid || transferSyntaxUid === `${uid}.1`);
    return known ? { transferSyntaxUid, isVideo: name.startsWith('video/') } : { refused: `${type.type} cannot be in transfer syntax ${transferSyntaxUid}` };
  }
  // What is neither a picture nor a video by name is the value itself: a document, or words of pixel data.
  const syntax = transferSyntax(stated ?? EXPLICIT_VR_LITTLE_ENDIAN);
  if (syntax.bigEndian || syntax.deflated) return { refused: `bulk data cannot be in transfer syntax ${stated}: it is in little endian` };
  return { transferSyntaxUid: syntax.encapsulated ? stated! : EXPLICIT_VR_LITTLE_ENDIAN, isVideo: false };
}
