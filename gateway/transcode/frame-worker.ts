// The worker thread behind frame-transcoder.ts: one frame from one transfer syntax to another.
import v8 from 'node:v8';
import vm from 'node:vm';
import { parentPort } from 'node:worker_threads';
import { decodeCells } from '../../ai/imaging/cells.ts';
import { encodeCells } from '../../ai/imaging/encode.ts';
import type { PixelDescription } from '../../ai/imaging/pixel-description.ts';
import { transferSyntax } from '../../storage/dicom/uids.ts';

export interface FrameRequest {
  /** As they are stored. */
  bytes: Uint8Array;
  from: string;
  to: string;
  described: PixelDescription;
}
export type FrameReply =
  | { status: 'done'; bytes: Uint8Array; photometric: string; highBit: number; uncompressedBytes: number }
  | { status: 'failed'; message: string };

// What a frame leaves behind is tens of megabytes that the collector, which looks at its own heap first, would let gather to a
// hundred: fifty readers of decoded radiographs would then take the gateway beyond its bound. Some milliseconds to some hundred.
v8.setFlagsFromString('--expose-gc');
const collectGarbage = vm.runInNewContext('gc') as () => void;

async function transcode({ bytes, from, to, described }: FrameRequest): Promise<FrameReply> {
  const cells = await decodeCells(bytes, from, described);
  const uncompressedBytes = cells.bytes.length;
  if (!transferSyntax(to).encapsulated) return { status: 'done', ...cells, uncompressedBytes };
  const encoded = await encodeCells(cells, described, to);
  return { status: 'done', ...encoded, highBit: cells.highBit, uncompressedBytes };
}

parentPort?.on('message', async (request: FrameRequest) => {
  const reply = await transcode(request).catch((error: unknown): FrameReply => ({ status: 'failed', message: (error as Error).message }));
  if (reply.status === 'failed') {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
    parentPort?.postMessage(reply);
    return;
  }
  // What the codecs give lies in their own memory, or is a part of a larger buffer: only the frame goes back.
  const bytes = reply.bytes.buffer instanceof ArrayBuffer && reply.bytes.length === reply.bytes.buffer.byteLength ? reply.bytes : Uint8Array.from(reply.bytes);
  parentPort?.postMessage({ ...reply, bytes }, [bytes.buffer as ArrayBuffer]);
  collectGarbage();
});
