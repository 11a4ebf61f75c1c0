// Media types of pixel data and the transfer syntaxes that they stand for (PS3.18 tables 8.7.3-4 and -5).
import { transferSyntax } from '../../storage/dicom/uids.ts';

export const OCTET_STREAM = 'application/octet-stream';

/** Each with its transfer syntaxes, the default one first. */
const COMPRESSED: Readonly<Record<string, readonly string[]>> = {
  'image/jpeg': [
    '1.2.840.10008.1.2.4.70', '1.2.840.10008.1.2.4.50', '1.2.840.10008.1.2.4.51', '1.2.840.10008.1.2.4.57',
    // Retired, and still in archives.
    ...[52, 53, 54, 55, 56, 58, 59, 60, 61, 62, 63, 64, 65, 66].map((number) => `1.2.840.10008.1.2.4.${number}`),
  ],
  'image/dicom-rle': ['1.2.840.10008.1.2.5'],
  'image/jls': ['1.2.840.10008.1.2.4.80', '1.2.840.10008.1.2.4.81'],
  'image/jp2': ['1.2.840.10008.1.2.4.90', '1.2.840.10008.1.2.4.91'],
  'image/jpx': ['1.2.840.10008.1.2.4.92', '1.2.840.10008.1.2.4.93'],
  'image/jphc': ['1.2.840.10008.1.2.4.201', '1.2.840.10008.1.2.4.202', '1.2.840.10008.1.2.4.203'],
  'image/jxl': ['1.2.840.10008.1.2.4.110', '1.2.840.10008.1.2.4.111', '1.2.840.10008.1.2.4.112'],
  'video/mpeg': ['1.2.840.10008.1.2.4.100', '1.2.840.10008.1.2.4.100.1', '1.2.840.10008.1.2.4.101', '1.2.840.10008.1.2.4.101.1'],
  'video/mp4': [102, 103, 104, 105, 106].flatMap((number) => [`1.2.840.10008.1.2.4.${number}`, `1.2.840.10008.1.2.4.${number}.1`]),
  'video/H265': ['1.2.840.10008.1.2.4.107', '1.2.840.10008.1.2.4.108'],
};
/** Names from before these types were registered, or mistaken for them, which viewers still send. */
const ALIASES: Readonly<Record<string, string>> = { 'image/x-dicom-rle': 'image/dicom-rle', 'image/x-jls': 'image/jls', 'image/jll': 'image/jpeg', 'image/jph': 'image/jphc', 'image/jhc': 'image/jphc', 'image/j2c': 'image/jp2', 'video/mpeg2': 'video/mpeg', 'video/h265': 'video/H265' };

const TYPE_OF = new Map(Object.entries(COMPRESSED).flatMap(([type, syntaxes]) => syntaxes.map((syntax) => [syntax, type] as const)));

/** The type of pixel data in a transfer syntax; octet-stream where it is not compressed, or has no type of its own. */
export function mediaTypeOf(transferSyntaxUid: string): string {
  return TYPE_OF.get(transferSyntaxUid) ?? OCTET_STREAM;
}

/** A type as the standard writes it today. */
export function currentMediaType(type: string): string {
  return ALIASES[type] ?? type;
}

export const COMPRESSED_TYPES: readonly string[] = Object.keys(COMPRESSED);

/** What codestreams of a media type may be in, the default first; none for types of what is not compressed pixel data. */
export function syntaxesOf(type: string): readonly string[] {
  return COMPRESSED[currentMediaType(type)] ?? [];
}

/** Frames that depend on each other and stand in one stream. */
export function isVideo(transferSyntaxUid: string): boolean {
  return mediaTypeOf(transferSyntaxUid).startsWith('video/');
}

export function isUncompressed(transferSyntaxUid: string): boolean {
  return !transferSyntax(transferSyntaxUid).encapsulated;
}
