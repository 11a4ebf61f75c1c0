// Frames of one instance in another transfer syntax, one after the other as they are taken, one ahead of what is being sent.
import { canDecode } from '../../ai/imaging/decode.ts';
import { ENCODABLE, whyNotEncodable } from '../../ai/imaging/encode.ts';
import { describePixels } from '../../ai/imaging/pixel-description.ts';
import type { PixelDescription } from '../../ai/imaging/pixel-description.ts';
import { readFrame } from '../../storage/dicom/frames.ts';
import type { Part10 } from '../../storage/dicom/part10.ts';
import { TRANSFER_SYNTAXES, transferSyntax } from '../../storage/dicom/uids.ts';
import { NotTranscodableError } from './transcoder.ts';
import type { FrameShelf, HeldFrame } from './frame-shelf.ts';
import type { FrameReply, FrameRequest } from './frame-worker.ts';
import { PoolBusyError, WorkerPool } from './worker-pool.ts';

export type FramePool = WorkerPool<FrameRequest, FrameReply>;
/** A frame in its new syntax; its bytes are there until the next frame is asked for. */
export interface CodedFrame extends Omit<Extract<FrameReply, { status: 'done' }>, 'status' | 'bytes'> {
  frame: number;
  content: HeldFrame;
}
/** What frames are transcoded with. */
export interface FrameWorkshop {
  pool: FramePool;
  shelf: FrameShelf;
}

/** Each retrieve waits with one frame, so that these are hundreds of retrieves. */
const MAX_WAITING = 512;
/** The largest radiographs take some seconds in the slowest codec. */
const FRAME_MILLISECONDS = 60_000;

export function startFramePool(): FramePool {
  return new WorkerPool(new URL('./frame-worker.ts', import.meta.url), { maxWaiting: MAX_WAITING, taskMilliseconds: FRAME_MILLISECONDS });
}

/** Whether frames of one syntax have a way into the other, as far as the syntaxes tell. */
export function hasCodecs(from: string, to: string): boolean {
  return canDecode(from) && (ENCODABLE.has(to) || (to in TRANSFER_SYNTAXES && !transferSyntax(to).encapsulated && !isReferenced(to)));
}

/** JPIP: the pixels are elsewhere. */
function isReferenced(uid: string): boolean {
  return /^1\.2\.840\.10008\.1\.2\.4\.(94|95|204|205)$/.test(uid);
}

/** @throws {NotTranscodableError} for an image that has no frames in `to` */
export function describeFor(file: Part10, to: string): PixelDescription {
  const name = TRANSFER_SYNTAXES[to]?.name ?? to;
  if (!file.pixelData) throw new NotTranscodableError(`The instance has no pixel data that ${name} could hold.`);
  if (!hasCodecs(file.transferSyntaxUid, to)) throw new NotTranscodableError(`There is no way from ${transferSyntax(file.transferSyntaxUid).name} to ${name}.`);
  if (file.pixelData.tag !== '7FE00010') throw new NotTranscodableError(`Pixel data in floating point cannot be sent in ${name}.`);
  let described: PixelDescription;
  try {
    described = describePixels(file.dataset, file.pixelData.offset);
  } catch (error) {
    throw new NotTranscodableError(`The image cannot be sent in ${name}: ${(error as Error).message}.`, { cause: error });
  }
  const reason = transferSyntax(to).encapsulated ? whyNotEncodable(described, to) : undefined;
  if (reason !== undefined) throw new NotTranscodableError(`The image cannot be sent in ${name}: ${reason}.`);
  return described;
}

/**
 * @param frames from 1
 * @throws {NotTranscodableError} for a frame that is damaged
 * @throws {PoolBusyError}
 */
export async function* transcodeFrames(
  workshop: FrameWorkshop,
  file: Part10,
  described: PixelDescription,
  frames: Iterable<number>,
  to: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<CodedFrame> {
  const numbers = frames[Symbol.iterator]();
  const begin = (): Promise<CodedFrame> | undefined => {
    const { value, done } = numbers.next();
    if (done) return undefined;
    const coded = transcodeFrame(workshop, file, described, value, to, signal);
    // It is awaited when its turn comes; when the taker has gone, nobody asks any more.
    coded.catch(() => undefined);
    return coded;
  };
  let coming = begin();
  try {
    while (coming) {
      const current = await coming;
      coming = begin();
      try {
        yield current;
      } finally {
        await current.content.release();
      }
    }
  } finally {
    void coming?.then(({ content }) => content.release(), () => undefined);
  }
}

async function transcodeFrame({ pool, shelf }: FrameWorkshop, file: Part10, described: PixelDescription, frame: number, to: string, signal: AbortSignal | undefined): Promise<CodedFrame> {
  try {
    const reply = await pool.run(async () => {
      const bytes = ownBytes(await readFrame(file, frame));
      return { request: { bytes, from: file.transferSyntaxUid, to, described }, transfer: [bytes.buffer as ArrayBuffer] };
    }, signal);
    if (reply.status === 'failed') throw new Error(reply.message);
    const { photometric, highBit, uncompressedBytes } = reply;
    return { frame, photometric, highBit, uncompressedBytes, content: await shelf.hold(reply.bytes) };
  } catch (error) {
    if (error instanceof PoolBusyError || signal?.aborted) throw error;
    throw new NotTranscodableError(`Frame ${frame} cannot be transcoded: ${(error as Error).message}.`, { cause: error });
  }
}

/** Bytes that fill a buffer of their own, which can be given away. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.length === bytes.buffer.byteLength ? bytes : Uint8Array.from(bytes);
}
