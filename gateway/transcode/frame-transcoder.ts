// Frames of one instance in another transfer syntax, one after the other as they are taken, one ahead of what is being sent.
import { canDecode } from '../../ai/imaging/decode.ts';
import { ENCODABLE, whyNotEncodable } from '../../ai/imaging/encode.ts';
import { describePixels } from '../../ai/imaging/pixel-description.ts';
import type { PixelDescription } from '../../ai/imaging/pixel-description.ts';
import { readFrame } from '../../storage/dicom/frames.ts';
import type { Part10 } from '../../storage/dicom/part10.ts';
import { TRANSFER_SYNTAXES, transferSyntax } from '../../storage/dicom/uids.ts';
import { NotTranscodableError } from './transcoder.ts';
import type { FrameReply, FrameRequest } from './frame-worker.ts';
import { PoolBusyError, WorkerPool } from './worker-pool.ts';

export type FramePool = WorkerPool<FrameRequest, FrameReply>;
export type CodedFrame = Extract<FrameReply, { status: 'done' }>;
export type NumberedFrame = CodedFrame & { frame: number };

/** Each retrieve waits with two frames at most, so that these are hundreds of retrieves. */
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
  pool: FramePool,
  file: Part10,
  described: PixelDescription,
  frames: Iterable<number>,
  to: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<NumberedFrame> {
  const numbers = frames[Symbol.iterator]();
  const begin = (): { frame: number; coded: Promise<CodedFrame> } | undefined => {
    const { value, done } = numbers.next();
    if (done) return undefined;
    const coded = transcodeFrame(pool, file, described, value, to, signal);
    // It is awaited when its turn comes; when the taker has gone, nobody asks any more.
    coded.catch(() => undefined);
    return { frame: value, coded };
  };
  let current = begin();
  while (current) {
    const done: CodedFrame = await current.coded;
    const next = begin();
    yield { ...done, frame: current.frame };
    current = next;
  }
}

async function transcodeFrame(pool: FramePool, file: Part10, described: PixelDescription, frame: number, to: string, signal: AbortSignal | undefined): Promise<CodedFrame> {
  try {
    const bytes = ownBytes(await readFrame(file, frame));
    const reply = await pool.run({ bytes, from: file.transferSyntaxUid, to, described }, [bytes.buffer as ArrayBuffer], signal);
    if (reply.status === 'done') return reply;
    throw new Error(reply.message);
  } catch (error) {
    if (error instanceof PoolBusyError || signal?.aborted) throw error;
    throw new NotTranscodableError(`Frame ${frame} cannot be transcoded: ${(error as Error).message}.`, { cause: error });
  }
}

/** Bytes that fill a buffer of their own, which can be given away. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.length === bytes.buffer.byteLength ? bytes : Uint8Array.from(bytes);
}
