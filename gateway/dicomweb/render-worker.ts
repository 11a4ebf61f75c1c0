// The worker thread behind render-pool.ts: one frame as a person would see it.
import { parentPort } from 'node:worker_threads';
import { decodeFrame } from '../../ai/imaging/decode.ts';
import type { StoredFrame } from '../../ai/imaging/decode.ts';
import { displayFrame } from '../../ai/imaging/grayscale.ts';
import { annotationSvg } from '../../ai/imaging/rendering/annotation.ts';
import { encodePicture } from '../../ai/imaging/rendering/picture.ts';
import type { Canvas, Region } from '../../ai/imaging/rendering/picture.ts';
import { presentationOf, window, type Presentation } from '../../ai/imaging/rendering/presentation-state.ts';
import { text, type Dataset } from '../../storage/dicom/dataset.ts';
import { frameCount } from '../../storage/dicom/frames.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { DicomFormatError, NotAnalyzableError } from '../../storage/errors.ts';
import type { RenderReply, RenderRequest, Rendering } from './render-pool.ts';

class RegionError extends Error {}

async function render(request: RenderRequest): Promise<RenderReply> {
  const file = await readPart10(request.path, { transferSyntaxUid: request.transferSyntaxUid });
  const frames = frameCount(file.dataset);
  if (request.frame > frames) return { status: 'refused', kind: 'no-such-frame', message: `there is no frame ${request.frame}, only ${frames}` };
  const frame = await decodeFrame(file, request.frame);
  const sopInstanceUid = text(file.dataset, 'SOPInstanceUID') ?? '';
  const presentation = request.presentation === undefined ? undefined : presentationOf((await readPart10(request.presentation)).dataset, frame, sopInstanceUid);
  const canvas = canvasOf(frame, file.dataset, request, presentation);
  const across = presentation?.turn.degrees === 90 || presentation?.turn.degrees === 270;
  const whole = presentation?.area ?? { x: 0, y: 0, width: across ? canvas.height : canvas.width, height: across ? canvas.width : canvas.height };
  const region = regionOf(request.region, whole);
  const { width, height } = sizeOf(region, request.viewport);
  const writing = request.annotation.length > 0 ? annotationSvg(file.dataset, request.annotation, width, height) : undefined;
  const layout = { shutter: presentation?.shutter, turn: presentation?.turn, graphics: presentation?.graphics, region, mirror: request.mirror, width, height, writing };
  return { status: 'rendered', picture: await encodePicture(canvas, layout, request) };
}

function canvasOf(frame: StoredFrame, dataset: Dataset, request: RenderRequest, presentation: Presentation | undefined): Canvas {
  const { data, columns: width, rows: height, bitsStored } = frame;
  if (frame.samplesPerPixel === 3) {
    const pixels = data instanceof Uint8Array ? data : Uint8Array.from(data, (value) => value >> Math.max(0, bitsStored - 8));
    return { width, height, channels: 3, pixels };
  }
  const wanted = request.window && window(request.window.center, request.window.width, request.window.shape, { vr: 'SQ' });
  return { width, height, channels: 1, pixels: displayFrame(frame, dataset, { ...presentation?.attributes, ...wanted }).pixels };
}

/** In whole pixels, within what there is. @throws {RegionError} where nothing of it is in the image */
function regionOf(wanted: Rendering['region'], whole: Region): Region {
  const [wide, high] = wanted?.unit === 'share' ? [whole.width, whole.height] : [1, 1];
  const left = Math.floor((wanted?.x ?? 0) * wide);
  const top = Math.floor((wanted?.y ?? 0) * high);
  const right = wanted?.width === undefined ? whole.width : Math.min(whole.width, Math.ceil((wanted.x + wanted.width) * wide - 1e-9));
  const bottom = wanted?.height === undefined ? whole.height : Math.min(whole.height, Math.ceil((wanted.y + wanted.height) * high - 1e-9));
  if (right <= left || bottom <= top) throw new RegionError(`The region lies outside the image, which has ${whole.width} by ${whole.height} pixels.`);
  return { x: Math.floor(whole.x) + left, y: Math.floor(whole.y) + top, width: Math.floor(right - left), height: Math.floor(bottom - top) };
}

/** The largest of the region's proportions that fits into the viewport. */
function sizeOf({ width, height }: Region, viewport: Rendering['viewport']): { width: number; height: number } {
  if (!viewport) return { width, height };
  const scale = Math.min(viewport.width / width, viewport.height / height);
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

function refusal(error: unknown): RenderReply {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof RegionError) return { status: 'refused', kind: 'bad-region', message };
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { status: 'refused', kind: 'gone', message };
  const cannotBeShown = error instanceof NotAnalyzableError || error instanceof DicomFormatError;
  return { status: 'refused', kind: cannotBeShown ? 'not-analyzable' : 'failed', message };
}

parentPort?.on('message', async (request: RenderRequest) => {
  const reply = await render(request).catch(refusal);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
  parentPort?.postMessage(reply);
});
