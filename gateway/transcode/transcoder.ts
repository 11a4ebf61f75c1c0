// Instances and frames in another transfer syntax than the one they are kept in (PS3.5 annex A, PS3.18 8.7.3, PS3.4 C.4.2.3.1).
import type { ArchivedInstance } from '../../storage/archive.ts';
import type { HeldFrame } from './frame-shelf.ts';

/** One frame: a codestream, or raw pixels in little endian where `transferSyntaxUid` is not encapsulated. */
export interface TranscodedFrame {
  /** From 1. */
  frame: number;
  transferSyntaxUid: string;
  /** There until the next frame is asked for. */
  content: HeldFrame;
}

export interface Transcoder {
  /** Whether an instance kept in `from` can be sent in `to`. One without pixel data can be sent in any that is not encapsulated. */
  canTranscode(from: string, to: string): boolean;
  /**
   * The dataset, without file meta, in `to`. Nothing but the pixel data and the attributes that must follow it changes; lossy only
   * where `to` is lossy, and then the dataset says so (PS3.3 C.7.6.1.1.5).
   * @throws {NotTranscodableError} before the first byte
   */
  dataset(instance: ArchivedInstance, to: string, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /**
   * One after the other, as they are taken.
   * @param frames from 1
   * @param to undefined: as they are kept, raw pixels in little endian
   * @throws {NotTranscodableError}
   * @throws {DicomFormatError} where there is no such frame
   */
  frames(instance: ArchivedInstance, frames: readonly number[], to: string | undefined, signal?: AbortSignal): AsyncIterable<TranscodedFrame>;
  close(): Promise<void>;
}

/** An image that cannot be sent in the transfer syntax that was asked for; the message says why. */
export class NotTranscodableError extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = 'NotTranscodableError';
  }
}
