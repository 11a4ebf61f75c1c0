// From a DICOM file to the pixels that a model takes: header, applicability, decoding, grayscale pipeline, size.
// Pure but for reading the file; runs in the decode workers.
import { stat } from 'node:fs/promises';
import { decodeFrame } from '../imaging/decode.ts';
import type { StoredFrame } from '../imaging/decode.ts';
import { displayFrame } from '../imaging/grayscale.ts';
import { toModelInput } from '../imaging/resize.ts';
import { frameCount } from '../../storage/dicom/frames.ts';
import { text } from '../../storage/dicom/dataset.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import type { Part10 } from '../../storage/dicom/part10.ts';
import { NotAnalyzableError } from '../../storage/errors.ts';
import { whyNotApplicable } from './applicability.ts';
import type { Manifest } from './manifest.ts';
import type { Placement } from './regions.ts';

export interface PrepareRequest {
  path: string;
  /** From 1. */
  frame: number;
  input: Manifest['input'];
  applicability: Manifest['applicability'];
}
export type Prepared =
  | {
      status: 'ready';
      /** input.height x input.width, 0 black to 255 white as on the monitor. */
      pixels: Uint8Array;
      placement: Placement;
      sopInstanceUid: string;
    }
  | { status: 'not-analyzable' | 'failed'; reason: string };

/** Never throws: what is wrong with the file or image is the answer. */
export async function prepare(request: PrepareRequest): Promise<Prepared> {
  try {
    return await prepareFrame(request);
  } catch (error) {
    if (error instanceof NotAnalyzableError) return { status: 'not-analyzable', reason: error.message };
    return { status: 'failed', reason: (error as Error).message };
  }
}

async function prepareFrame({ path, frame, input, applicability }: PrepareRequest): Promise<Prepared> {
  const file = await readOnce(path);
  const reason = whyNotApplicable(file.dataset, applicability);
  if (reason !== undefined) throw new NotAnalyzableError(reason);
  if (!file.pixelData) throw new NotAnalyzableError('it holds no image (no pixel data)');
  const frames = frameCount(file.dataset);
  if (frame < 1 || frame > frames) throw new Error(`there is no frame ${frame}; the image has ${frames}`);

  const stored = await decodeFrame(file, frame);
  if (isColour(stored)) throw new NotAnalyzableError('colour picture; the model is meant for radiographs');
  const display = displayFrame(stored, file.dataset);
  if (isBlank(display.pixels)) throw new NotAnalyzableError('the image is blank: all its pixels have one value');

  const { pixels, toImage } = await toModelInput(display, input);
  const [left, top] = toImage(0, 0);
  const [right, bottom] = toImage(input.width, input.height);
  return {
    status: 'ready',
    pixels,
    placement: {
      scaleX: (right - left) / input.width,
      scaleY: (bottom - top) / input.height,
      offsetX: left,
      offsetY: top,
      columns: stored.columns,
      rows: stored.rows,
    },
    sopInstanceUid: text(file.dataset, 'SOPInstanceUID') ?? '',
  };
}

/** The multi-frame file read last: its frames come one after the other, and finding them takes a walk through the whole file. */
let last: { key: string; file: Part10 } | undefined;

async function readOnce(path: string): Promise<Part10> {
  const { mtimeMs, size, ino } = await stat(path);
  const key = [path, mtimeMs, size, ino].join(' ');
  if (last?.key === key) return last.file;
  const file = await readPart10(path);
  last = frameCount(file.dataset) > 1 ? { key, file } : undefined;
  return file;
}

/** Chroma that lossy compression leaves in a gray image stays below. */
const COLOUR_SPREAD = 32;
/** A coloured side marker or logo covers less. */
const COLOUR_SHARE = 0.02;

/** Whether a picture in RGB shows colours, as a photograph does, rather than a radiograph saved as RGB. */
export function isColour({ samplesPerPixel, data, rows, columns, bitsStored }: StoredFrame): boolean {
  if (samplesPerPixel < 3) return false;
  const least = COLOUR_SPREAD * 2 ** (bitsStored - 8);
  let coloured = 0;
  for (let at = 0; at + 2 < data.length; at += samplesPerPixel) {
    const [red, green, blue] = [data[at]!, data[at + 1]!, data[at + 2]!];
    if (Math.max(red, green, blue) - Math.min(red, green, blue) > least) coloured += 1;
  }
  return coloured > COLOUR_SHARE * rows * columns;
}

function isBlank(pixels: Uint8Array): boolean {
  const [first] = pixels;
  return pixels.every((value) => value === first);
}
