// From a DICOM file to the pixels that a model takes: header, applicability, decoding, grayscale pipeline, size.
// Pure but for reading the file; runs in the decode workers.
import { stat } from 'node:fs/promises';
import { headerStatistics, inputStatistics } from '../drift/image-statistics.ts';
import type { ImageStatistics } from '../drift/image-statistics.ts';
import { decodeFrame } from '../imaging/decode.ts';
import type { StoredFrame } from '../imaging/decode.ts';
import { displayFrame } from '../imaging/grayscale.ts';
import type { DisplayFrame } from '../imaging/grayscale.ts';
import { toModelInput } from '../imaging/resize.ts';
import { frameCount } from '../../storage/dicom/frames.ts';
import { text, texts } from '../../storage/dicom/dataset.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
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
  /** A model of the lungs that is to see the same frame, decoded once for both. */
  lungs?: Pick<Manifest, 'input' | 'applicability'> | undefined;
}

/** A frame as one model takes it. */
export interface PreparedInput {
  /** input.height x input.width, 0 black to 255 white as on the monitor. */
  pixels: Uint8Array;
  placement: Placement;
}
/** Why the lungs cannot be looked for in a frame that is fit for the finding, in words. */
export interface NoLungsInput {
  reason: string;
}

export type Prepared =
  | (PreparedInput & {
      status: 'ready';
      statistics: ImageStatistics;
      sopInstanceUid: string;
      /** Where the request has `lungs`. */
      lungs?: PreparedInput | NoLungsInput | undefined;
    })
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

async function prepareFrame({ path, frame, input, applicability, lungs }: PrepareRequest): Promise<Prepared> {
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

  const prepared = await inputOf(display, stored, input);
  return {
    status: 'ready',
    ...prepared,
    statistics: { ...inputStatistics(prepared.pixels, input.width, input.height), ...headerStatistics(file.dataset, stored) },
    sopInstanceUid: text(file.dataset, 'SOPInstanceUID') ?? '',
    lungs: lungs && (lungsProblem(file.dataset, lungs) ?? (sameSize(lungs.input, input) ? prepared : await inputOf(display, stored, lungs.input).catch(noLungs))),
  };
}

async function inputOf(display: DisplayFrame, { columns, rows }: StoredFrame, input: Manifest['input']): Promise<PreparedInput> {
  const { pixels, toImage } = await toModelInput(display, input);
  const [left, top] = toImage(0, 0);
  const [right, bottom] = toImage(input.width, input.height);
  const placement = { scaleX: (right - left) / input.width, scaleY: (bottom - top) / input.height, offsetX: left, offsetY: top, columns, rows };
  return { pixels, placement };
}

function sameSize(one: Manifest['input'], other: Manifest['input']): boolean {
  return one.width === other.width && one.height === other.height && one.fit === other.fit;
}

/** The finding has its own input already. */
function noLungs(error: Error): NoLungsInput {
  return { reason: `the image could not be prepared for the model of the lungs (${error.message})` };
}

/** Why this frame shows no lungs that could be measured, where its header tells. */
function lungsProblem(header: Dataset, { applicability }: Pick<Manifest, 'applicability'>): NoLungsInput | undefined {
  const reason = whyNotApplicable(header, applicability) ?? sidesProblem(header);
  return reason === undefined ? undefined : { reason };
}

/** Which lung is the right one is told by its place, so that the image must lie as it is read: rows to the patient's left, columns to the feet. */
function sidesProblem(header: Dataset): string | undefined {
  const [row = '', column = ''] = texts(header, 'PatientOrientation');
  if ((row === '' || row.startsWith('L')) && (column === '' || column.startsWith('F'))) return undefined;
  return `the image is stored mirrored or turned (Patient Orientation ${row}\\${column})`;
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
