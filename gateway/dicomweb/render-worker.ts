// The worker thread behind render-pool.ts: one frame as a person would see it, as PNG.
import { parentPort } from 'node:worker_threads';
import sharp from 'sharp';
import { decodeFrame } from '../../ai/imaging/decode.ts';
import { displayFrame } from '../../ai/imaging/grayscale.ts';
import { frameCount } from '../../storage/dicom/frames.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { DicomFormatError, NotAnalyzableError } from '../../storage/errors.ts';
import type { RenderReply, RenderRequest } from './render-pool.ts';

async function render(request: RenderRequest): Promise<RenderReply> {
  const file = await readPart10(request.path, { transferSyntaxUid: request.transferSyntaxUid });
  if (request.frame > frameCount(file.dataset)) return { status: 'refused', kind: 'no-such-frame', message: `there is no frame ${request.frame}` };
  const frame = await decodeFrame(file, request.frame);
  const color = frame.samplesPerPixel === 3 && frame.data instanceof Uint8Array;
  const raw = color ? { width: frame.columns, height: frame.rows, channels: 3 as const } : undefined;
  const display = color ? undefined : displayFrame(frame, file.dataset);
  const image = sharp(display?.pixels ?? (frame.data as Uint8Array), {
    raw: raw ?? { width: display!.width, height: display!.height, channels: 1 },
  });
  const png = await image
    .resize({ width: request.width, height: request.height, fit: 'inside', withoutEnlargement: true })
    .png({ compressionLevel: 6 })
    .toBuffer();
  return { status: 'rendered', png };
}

function refusal(error: unknown): RenderReply {
  const message = error instanceof Error ? error.message : String(error);
  const cannotBeShown = error instanceof NotAnalyzableError || error instanceof DicomFormatError;
  return { status: 'refused', kind: cannotBeShown ? 'not-analyzable' : 'failed', message };
}

parentPort?.on('message', async (request: RenderRequest) => {
  const reply = await render(request).catch(refusal);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
  parentPort?.postMessage(reply);
});
