// Pictures for screens are made in worker threads, bounded in number and time.
import { NotAnalyzableError } from '../../storage/errors.ts';
import { HttpError } from '../http/errors.ts';
import { WorkerPool } from '../transcode/worker-pool.ts';

/** How an image is to be shown (PS3.18 8.3.5). */
export interface Rendering {
  mediaType: 'image/jpeg' | 'image/png' | 'image/gif';
  /** Of JPEG, 1 to 100. */
  quality: number;
  /** In place of what the image or its presentation state brings. */
  window?: { center: number; width: number; shape: 'LINEAR' | 'LINEAR_EXACT' | 'SIGMOID' };
  /** What the picture fits into, made smaller or larger; without it, a pixel for each pixel. */
  viewport?: { width: number; height: number };
  /** Part of the image, to the other end where no size is given; 'share' counts in widths and heights of the image. */
  region?: { unit: 'pixel' | 'share'; x: number; y: number; width?: number; height?: number };
  mirror?: { horizontal: boolean; vertical: boolean };
  annotation: readonly ('patient' | 'technique')[];
  /** Colour pictures hold the sRGB profile. */
  withProfile: boolean;
}
export interface RenderRequest extends Rendering {
  path: string;
  transferSyntaxUid: string;
  /** Counted from 1. */
  frame: number;
  /** File of the presentation state to show it through. */
  presentation?: string;
}
export type RenderReply =
  | { status: 'rendered'; picture: Uint8Array }
  | { status: 'refused'; kind: 'not-analyzable' | 'no-such-frame' | 'bad-region' | 'gone' | 'failed'; message: string };

/** A page of thumbnails for each of a few screens; whoever comes later tries again. */
const MAX_WAITING = 128;
/** The largest radiographs take a second; a decoder that needs longer hangs. */
const RENDER_MILLISECONDS = 30_000;

const pool = new WorkerPool<RenderRequest, RenderReply>(new URL('render-worker.ts', import.meta.url), { maxWaiting: MAX_WAITING, taskMilliseconds: RENDER_MILLISECONDS });

/**
 * The picture of one frame.
 * @throws {NotAnalyzableError} when it has no pixels, or none that we can decode
 * @throws {HttpError} 400, 404
 * @throws {PoolBusyError}
 * @throws {Error} with the code ENOENT when the file is not there any more
 */
export async function renderInWorker(request: RenderRequest, signal?: AbortSignal): Promise<Uint8Array> {
  const reply = await pool.run(() => ({ request, transfer: [] }), signal);
  if (reply.status === 'rendered') return reply.picture;
  if (reply.kind === 'not-analyzable') throw new NotAnalyzableError(reply.message);
  if (reply.kind === 'no-such-frame') throw new HttpError(404, `In this instance ${reply.message}.`);
  if (reply.kind === 'bad-region') throw new HttpError(400, reply.message);
  throw reply.kind === 'gone' ? Object.assign(new Error(reply.message), { code: 'ENOENT' }) : new Error(reply.message);
}
