// The digest of an instance: SHA-256 of its dataset as it was sent, without preamble and file meta, so that the same instance
// has the same digest whether it came over DIMSE, which has no file meta, or over STOW-RS.
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readStart } from './dicom/part10.ts';
import { Window } from './dicom/source.ts';
import type { Reading } from './dicom/source.ts';
import { DicomFormatError } from './errors.ts';

/** A file meta takes some hundred bytes; private information in it a few KiB. */
const MAX_FILE_META_BYTES = 1024 * 1024;

/** Digests a file as it streams by: what is before the dataset is recognised and left out. */
export class DatasetDigest {
  readonly #hash: Hash = createHash('sha256');
  readonly #window = new Window(Infinity);
  #start: Reading<{ datasetOffset: number }> | undefined;
  /** What has come and not been read, and how many bytes the reader needs to go on. */
  #parts: Uint8Array[] = [];
  #length = 0;
  #needed = 0;

  /** @param bareDataset the bytes have no preamble and no file meta, as in a C-STORE */
  constructor(options: { bareDataset: boolean }) {
    if (!options.bareDataset) this.#start = readStart(this.#window);
  }

  /** @throws {DicomFormatError} as soon as the bytes cannot be the start of a DICOM file */
  update(bytes: Uint8Array): void {
    if (!this.#start) {
      this.#hash.update(bytes);
      return;
    }
    this.#parts.push(bytes);
    this.#length += bytes.length;
    if (this.#length >= this.#needed && this.#length > 0) this.#read(this.#start);
    if (this.#start && this.#length > MAX_FILE_META_BYTES)
      throw new DicomFormatError(`the file meta is longer than ${MAX_FILE_META_BYTES} bytes`, 0);
  }

  /** @returns hex @throws {DicomFormatError} when the file ended before its dataset */
  digest(): string {
    if (this.#start) {
      this.#window.size = this.#length;
      this.#read(this.#start);
      if (this.#start) throw new DicomFormatError('the file ends before its dataset', this.#length);
    }
    return this.#hash.digest('hex');
  }

  #read(start: Reading<{ datasetOffset: number }>): void {
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [bytes];
    this.#window.fill(0, bytes);
    do {
      const step = start.next();
      if (step.done) {
        this.#start = undefined;
        this.#parts = [];
        this.#hash.update(bytes.subarray(step.value.datasetOffset));
        return;
      }
      this.#needed = step.value.offset + step.value.length;
    } while (this.#needed <= this.#length);
  }
}

/**
 * Of a file on disk.
 * @param of 'dataset' for an instance, 'file' for all bytes
 * @throws {DicomFormatError} when there is no dataset in it; what the file system throws
 */
export async function digestOf(path: string, of: 'dataset' | 'file' = 'dataset'): Promise<string> {
  const digest = new DatasetDigest({ bareDataset: of === 'file' });
  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) digest.update(chunk as Uint8Array);
  return digest.digest();
}
