// The text of metadata: JSON is UTF-8 (RFC 8259 8.1), XML is what its declaration says. Nothing is replaced that cannot be read.
import { DicomFormatError } from '../../storage/errors.ts';

/** @throws {DicomFormatError} where the bytes are not of that encoding, or nobody knows it */
export function decodeText(bytes: Uint8Array, encoding: string): string {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (error) {
    throw new DicomFormatError(`the metadata is not text in ${encoding.slice(0, 40)}`, 0, { cause: error });
  }
}

/** The encoding of an XML document by its declaration (XML 1.0 4.3.3). */
export function xmlEncoding(bytes: Uint8Array): string {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 200)).toString('latin1');
  return /^(?:\xef\xbb\xbf)?<\?xml[^>]*\sencoding\s*=\s*["']([\w.:-]+)["']/.exec(start)?.[1] ?? 'utf-8';
}
