// From stored values to what a monitor shows: modality LUT, VOI LUT, presentation LUT shape (PS3.3 C.11.1, C.11.2, C.11.6, and
// PS3.4 N.2 for their order). Pure functions; values of up to 16 bits go through one table.
import { items, num, nums, text } from '../../storage/dicom/dataset.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import type { StoredFrame } from './decode.ts';
import { sequenceTable } from './lookup-table.ts';
import type { LookupTable } from './lookup-table.ts';
import type { Samples } from './samples.ts';

export interface DisplayFrame {
  width: number;
  height: number;
  /** Row by row, 0 black to 255 white as on the monitor, whatever the photometric interpretation. */
  pixels: Uint8Array;
}

/** Share of pixels beyond each end of the window where an image brings none: direct exposure, markers, dead pixels. */
const TAIL = 0.005;

/**
 * @param frame as decodeFrame gave it
 * @param instead attributes in place of the image's own: of a presentation state, or of who looks at it
 * @throws {NotAnalyzableError} for a lookup table that does not fit its descriptor
 */
export function displayFrame(frame: StoredFrame, dataset: Dataset, instead: Dataset = {}): DisplayFrame {
  const pixels =
    frame.samplesPerPixel === 3
      ? grayOfRgb(frame)
      : grayscale(frame, { ...attributesOf(frame.datasetWithTables ?? dataset, frame.frameNumber), ...instead });
  return { width: frame.columns, height: frame.rows, pixels };
}

/** Luminance (ITU-R BT.601, as YBR_FULL has it). */
function grayOfRgb({ data, rows, columns, bitsStored }: StoredFrame): Uint8Array {
  const out = new Uint8Array(rows * columns);
  const scale = 255 / (2 ** bitsStored - 1);
  for (let i = 0, from = 0; i < out.length; i++, from += 3) {
    out[i] =
      (0.299 * (data[from] as number) + 0.587 * (data[from + 1] as number) + 0.114 * (data[from + 2] as number)) * scale + 0.5;
  }
  return out;
}

/** The pipeline's parameters, read once. */
interface Pipeline {
  modality: LookupTable | { slope: number; intercept: number };
  voi: LookupTable | Window | undefined;
  inverse: boolean;
  /** Stored values that are no part of the picture. */
  padding: { from: number; to: number } | undefined;
}
interface Window {
  center: number;
  width: number;
  shape: 'LINEAR' | 'LINEAR_EXACT' | 'SIGMOID';
}

/** An enhanced image's attributes for one frame, from its own functional groups or the shared ones, laid over the dataset's. */
function attributesOf(dataset: Dataset, frameNumber: number): Dataset {
  const groups = [
    items(dataset, 'PerFrameFunctionalGroupsSequence')[frameNumber - 1],
    items(dataset, 'SharedFunctionalGroupsSequence')[0],
  ];
  const ofGroup = (keyword: string): Dataset =>
    groups.map((group) => group && items(group, keyword)[0]).find((item) => item !== undefined) ?? {};
  if (groups.every((group) => group === undefined)) return dataset;
  return { ...dataset, ...ofGroup('PixelValueTransformationSequence'), ...ofGroup('FrameVOILUTSequence') };
}

function readPipeline(dataset: Dataset, frame: StoredFrame): Pipeline {
  const table = sequenceTable(dataset, 'ModalityLUTSequence', frame.signed);
  const slope = num(dataset, 'RescaleSlope') ?? 1;
  const modality = table ?? { slope: slope === 0 ? 1 : slope, intercept: num(dataset, 'RescaleIntercept') ?? 0 };
  const signed = table ? false : frame.signed || modalityCanBeNegative(modality as { slope: number; intercept: number });
  const [center] = nums(dataset, 'WindowCenter');
  const [width] = nums(dataset, 'WindowWidth');
  const named = text(dataset, 'VOILUTFunction');
  const shape: Window['shape'] = named === 'LINEAR_EXACT' || named === 'SIGMOID' ? named : 'LINEAR';
  const valid = center !== undefined && width !== undefined && (shape === 'LINEAR' ? width >= 1 : width > 0);
  // Where an image has both a table and a window, they are alternatives (C.11.2.1); the table is the maker's own curve.
  const voi = sequenceTable(dataset, 'VOILUTSequence', signed) ?? (valid ? { center, width, shape } : undefined);
  const lut = text(dataset, 'PresentationLUTShape');
  const inverse = lut === 'INVERSE' || lut === 'IDENTITY' ? lut === 'INVERSE' : frame.photometric === 'MONOCHROME1';
  const pad = num(dataset, 'PixelPaddingValue');
  const limit = num(dataset, 'PixelPaddingRangeLimit') ?? pad;
  const padding = pad === undefined || limit === undefined ? undefined : { from: Math.min(pad, limit), to: Math.max(pad, limit) };
  return { modality, voi, inverse, padding };
}

function modalityCanBeNegative({ slope, intercept }: { slope: number; intercept: number }): boolean {
  return intercept < 0 || slope < 0;
}

function grayscale(frame: StoredFrame, dataset: Dataset): Uint8Array {
  const pipeline = readPipeline(dataset, frame);
  const { data } = frame;
  // Stored values as unsigned numbers of 16 bits index one table; the two's complement of signed ones does as well.
  const index =
    data instanceof Int16Array
      ? new Uint16Array(data.buffer, data.byteOffset, data.length)
      : data instanceof Int8Array
        ? new Uint8Array(data.buffer, data.byteOffset, data.length)
        : data;
  const cells = index instanceof Uint8Array ? 256 : 65536;
  if (!(index instanceof Uint8Array || index instanceof Uint16Array)) return wideGrayscale(data, pipeline);
  const valueOf = (cell: number): number =>
    data instanceof Int16Array ? (cell << 16) >> 16 : data instanceof Int8Array ? (cell << 24) >> 24 : cell;
  const voi = pipeline.voi ?? windowOfHistogram(index, cells, valueOf, pipeline);
  const table = new Uint8Array(cells);
  // Values outside the stored bits cannot occur: no need to work them out.
  const [low, high] = frame.signed
    ? [-(2 ** (frame.bitsStored - 1)), 2 ** (frame.bitsStored - 1) - 1]
    : [0, 2 ** frame.bitsStored - 1];
  for (let cell = 0; cell < cells; cell++) {
    const value = valueOf(cell);
    table[cell] =
      isPadding(value, pipeline) || value < low || value > high
        ? 0
        : presented(applyVoi(applyModality(value, pipeline), voi), pipeline);
  }
  const out = new Uint8Array(index.length);
  for (let i = 0; i < out.length; i++) out[i] = table[index[i] as number] as number;
  return out;
}

/** Values of more than 16 bits, one by one. */
function wideGrayscale(data: Samples, pipeline: Pipeline): Uint8Array {
  const voi = pipeline.voi ?? windowOfSorted(data, pipeline);
  return Uint8Array.from(data, (value) =>
    isPadding(value, pipeline) ? 0 : presented(applyVoi(applyModality(value, pipeline), voi), pipeline),
  );
}

function isPadding(value: number, { padding }: Pipeline): boolean {
  return padding !== undefined && value >= padding.from && value <= padding.to;
}

function applyModality(value: number, { modality }: Pipeline): number {
  return 'values' in modality ? lookUp(modality, value) : value * modality.slope + modality.intercept;
}

function lookUp(table: LookupTable, value: number): number {
  return table.values[Math.max(0, Math.min(table.values.length - 1, Math.round(value) - table.first))] as number;
}

/** @returns 0 to 1; the formulas are those of PS3.3 C.11.2.1.2.1 and C.11.2.1.3 */
function applyVoi(value: number, voi: LookupTable | Window): number {
  if ('values' in voi) return Math.min(1, lookUp(voi, value) / (2 ** voi.bits - 1));
  const { center, width, shape } = voi;
  if (shape === 'SIGMOID') return 1 / (1 + Math.exp((-4 * (value - center)) / width));
  const exact = shape === 'LINEAR_EXACT';
  const middle = exact ? center : center - 0.5;
  const span = exact ? width : width - 1;
  if (value <= middle - span / 2) return 0;
  if (value > middle + span / 2) return 1;
  return (value - middle) / span + 0.5;
}

function presented(share: number, { inverse }: Pipeline): number {
  return Math.round(255 * (inverse ? 1 - share : share));
}

/** A window over all but the tails of what the picture holds, where it brings none of its own. */
function windowOfHistogram(
  index: Uint8Array | Uint16Array,
  cells: number,
  valueOf: (cell: number) => number,
  pipeline: Pipeline,
): Window {
  const counts = new Uint32Array(cells);
  for (let i = 0; i < index.length; i++) (counts[index[i] as number] as number)++;
  const found: { value: number; count: number }[] = [];
  counts.forEach((count, cell) => {
    const value = valueOf(cell);
    if (count > 0 && !isPadding(value, pipeline)) found.push({ value: applyModality(value, pipeline), count });
  });
  found.sort((a, b) => a.value - b.value);
  return windowBetween(found);
}

function windowOfSorted(data: Samples, pipeline: Pipeline): Window {
  // A sample of the picture is enough for percentiles, and sorting all of it is not quick.
  const step = Math.max(1, Math.floor(data.length / 250_000));
  const found: { value: number; count: number }[] = [];
  for (let i = 0; i < data.length; i += step) {
    const value = data[i] as number;
    if (!isPadding(value, pipeline)) found.push({ value: applyModality(value, pipeline), count: 1 });
  }
  found.sort((a, b) => a.value - b.value);
  return windowBetween(found);
}

/** @param found modality values, ascending, with how often each occurs */
function windowBetween(found: readonly { value: number; count: number }[]): Window {
  const total = found.reduce((sum, { count }) => sum + count, 0);
  let passed = 0;
  let low: number | undefined;
  let high = found.at(-1)?.value ?? 1;
  for (const { value, count } of found) {
    passed += count;
    if (low === undefined && passed > total * TAIL) low = value;
    if (passed >= total * (1 - TAIL)) {
      high = value;
      break;
    }
  }
  const bottom = low ?? 0;
  return { center: (bottom + high) / 2, width: Math.max(high - bottom, Number.EPSILON), shape: 'LINEAR_EXACT' };
}
