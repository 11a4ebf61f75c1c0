// Unique identifiers: deriving them so that a repeated step gives the same one (PS3.5 B.2), checking them (PS3.5 9.1), and the
// transfer syntaxes that a file may be in (PS3.5 10, PS3.6 annex A).
import { createHash } from 'node:crypto';

/** A UID has at most 64 characters (PS3.5 9.1). */
const MAX_UID_LENGTH = 64;

/**
 * A UID that depends on its parts alone: the same parts, the same UID, on every machine.
 * @param root below 2.25 a UUID-derived UID (a version 8 UUID, RFC 9562, made of the SHA-256 of the parts); below any other root
 *   the same number stands, cut to as many digits as fit
 */
export function deriveUid(root: string, ...parts: string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    const bytes = Buffer.from(part, 'utf8');
    // With its length before it, no part can pass for another division of the same text.
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(bytes.length));
    hash.update(length).update(bytes);
  }
  const uuid = hash.digest().subarray(0, 16);
  uuid[6] = (uuid[6]! & 0x0f) | 0x80;
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  const number = BigInt(`0x${uuid.toString('hex')}`);
  const room = MAX_UID_LENGTH - root.length - 1;
  return `${root}.${room >= 39 ? number : number % 10n ** BigInt(room)}`;
}

/** Tolerant of what real devices send: digits and dots, at most 64; a component with a leading zero passes. */
export function isUid(value: string): boolean {
  return value.length <= MAX_UID_LENGTH && /^[0-9]+(\.[0-9]+)*$/.test(value);
}

export interface TransferSyntax {
  name: string;
  /** Pixel data in fragments (PS3.5 A.4). */
  encapsulated: boolean;
  explicitVr: boolean;
  bigEndian: boolean;
  /** The whole dataset deflated (PS3.5 A.5). */
  deflated: boolean;
}

export const IMPLICIT_VR_LITTLE_ENDIAN = '1.2.840.10008.1.2';
export const EXPLICIT_VR_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';
export const DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN = '1.2.840.10008.1.2.1.99';
export const EXPLICIT_VR_BIG_ENDIAN = '1.2.840.10008.1.2.2';

const NATIVE = { encapsulated: false, explicitVr: true, bigEndian: false, deflated: false };
const IMPLICIT = { ...NATIVE, explicitVr: false };
const BIG_ENDIAN = { ...NATIVE, bigEndian: true };
const DEFLATED = { ...NATIVE, deflated: true };
const ENCAPSULATED = { ...NATIVE, encapsulated: true };

/** Every transfer syntax of the standard that a stored instance may have, by UID. */
export const TRANSFER_SYNTAXES: Readonly<Record<string, TransferSyntax>> = {
  '1.2.840.10008.1.2': { name: 'Implicit VR Little Endian', ...IMPLICIT },
  '1.2.840.10008.1.2.1': { name: 'Explicit VR Little Endian', ...NATIVE },
  '1.2.840.10008.1.2.1.98': { name: 'Encapsulated Uncompressed Explicit VR Little Endian', ...ENCAPSULATED },
  '1.2.840.10008.1.2.1.99': { name: 'Deflated Explicit VR Little Endian', ...DEFLATED },
  '1.2.840.10008.1.2.2': { name: 'Explicit VR Big Endian', ...BIG_ENDIAN },
  '1.2.840.10008.1.2.4.50': { name: 'JPEG Baseline (Process 1)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.51': { name: 'JPEG Extended (Process 2 and 4)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.52': { name: 'JPEG Extended (Process 3 and 5)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.53': { name: 'JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.54': { name: 'JPEG Spectral Selection, Non-Hierarchical (Process 7 and 9)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.55': { name: 'JPEG Full Progression, Non-Hierarchical (Process 10 and 12)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.56': { name: 'JPEG Full Progression, Non-Hierarchical (Process 11 and 13)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.57': { name: 'JPEG Lossless, Non-Hierarchical (Process 14)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.58': { name: 'JPEG Lossless, Non-Hierarchical (Process 15)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.59': { name: 'JPEG Extended, Hierarchical (Process 16 and 18)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.60': { name: 'JPEG Extended, Hierarchical (Process 17 and 19)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.61': { name: 'JPEG Spectral Selection, Hierarchical (Process 20 and 22)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.62': { name: 'JPEG Spectral Selection, Hierarchical (Process 21 and 23)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.63': { name: 'JPEG Full Progression, Hierarchical (Process 24 and 26)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.64': { name: 'JPEG Full Progression, Hierarchical (Process 25 and 27)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.65': { name: 'JPEG Lossless, Hierarchical (Process 28)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.66': { name: 'JPEG Lossless, Hierarchical (Process 29)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.70': { name: 'JPEG Lossless, First-Order Prediction (Process 14, Selection Value 1)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.80': { name: 'JPEG-LS Lossless Image Compression', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.81': { name: 'JPEG-LS Lossy (Near-Lossless) Image Compression', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.90': { name: 'JPEG 2000 Image Compression (Lossless Only)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.91': { name: 'JPEG 2000 Image Compression', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.92': { name: 'JPEG 2000 Part 2 Multi-component Image Compression (Lossless Only)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.93': { name: 'JPEG 2000 Part 2 Multi-component Image Compression', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.94': { name: 'JPIP Referenced', ...NATIVE },
  '1.2.840.10008.1.2.4.95': { name: 'JPIP Referenced Deflate', ...DEFLATED },
  '1.2.840.10008.1.2.4.100': { name: 'MPEG2 Main Profile / Main Level', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.100.1': { name: 'Fragmentable MPEG2 Main Profile / Main Level', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.101': { name: 'MPEG2 Main Profile / High Level', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.101.1': { name: 'Fragmentable MPEG2 Main Profile / High Level', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.102': { name: 'MPEG-4 AVC/H.264 High Profile / Level 4.1', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.102.1': { name: 'Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.103': { name: 'MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.103.1': { name: 'Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.104': { name: 'MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.104.1': { name: 'Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.105': { name: 'MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.105.1': { name: 'Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.106': { name: 'MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.106.1': { name: 'Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.107': { name: 'HEVC/H.265 Main Profile / Level 5.1', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.108': { name: 'HEVC/H.265 Main 10 Profile / Level 5.1', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.110': { name: 'JPEG XL Lossless', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.111': { name: 'JPEG XL JPEG Recompression', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.112': { name: 'JPEG XL', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.201': { name: 'High-Throughput JPEG 2000 (Lossless Only)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.202': { name: 'High-Throughput JPEG 2000 with RPCL Options (Lossless Only)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.203': { name: 'High-Throughput JPEG 2000', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.204': { name: 'JPIP HTJ2K Referenced', ...NATIVE },
  '1.2.840.10008.1.2.4.205': { name: 'JPIP HTJ2K Referenced Deflate', ...DEFLATED },
  '1.2.840.10008.1.2.5': { name: 'RLE Lossless', ...ENCAPSULATED },
  '1.2.840.10008.1.2.8.1': { name: 'Deflated Image Frame Compression', ...ENCAPSULATED },
};

/** How a dataset in this syntax is laid out; one that we do not know is, as all new ones, encapsulated explicit little endian. */
export function transferSyntax(uid: string): TransferSyntax {
  return TRANSFER_SYNTAXES[uid] ?? { name: uid, ...ENCAPSULATED };
}

export { STORAGE_SOP_CLASSES } from './sop-classes.ts';
