// A result becomes ours: its bytes durable under a name that follows from its UID.
import { createHash } from 'node:crypto';
import type { BlobStore } from '../../storage/blobs.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import type { EncodedResult } from './outcome.ts';

/** A result whose bytes are kept; `digest` is the SHA-256 of the file, hex, `header` what is searched and shown of it. */
export type KeptResult = Omit<EncodedResult, 'bytes'> & { blob: string; digest: string; bytes: number; header: Dataset };

/** What is kept under its UID already stays, and counts: a repetition after a crash finds what was written before. */
export async function keepResult(blobs: BlobStore, { bytes: encoded, ...result }: EncodedResult): Promise<KeptResult> {
  const blob = blobIdOf(result.sopInstanceUid);
  const bytes = await blobs.writeResult(blob, encoded);
  return { ...result, blob, digest: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length, header: parsePart10(bytes).dataset };
}

/** UUID version 8 (RFC 9562). */
function blobIdOf(sopInstanceUid: string): string {
  const hex = createHash('sha256').update(sopInstanceUid).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
