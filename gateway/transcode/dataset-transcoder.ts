// Whole datasets in another transfer syntax (PS3.5 annex A): header and native pixel data by rewriting, compressed pixel data frame
// by frame, and the attributes that must follow the pixels (PS3.3 C.7.6.3, C.7.6.1.1.5).
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createDeflateRaw } from 'node:zlib';
import { lossyMethod } from '../../ai/imaging/encode.ts';
import type { PixelDescription } from '../../ai/imaging/pixel-description.ts';
import type { ArchivedInstance } from '../../storage/archive.ts';
import { get, items, num, tagOf, texts } from '../../storage/dicom/dataset.ts';
import type { Dataset, DicomElement } from '../../storage/dicom/dataset.ts';
import { frameCount, readFrame } from '../../storage/dicom/frames.ts';
import { readPart10, readStart } from '../../storage/dicom/part10.ts';
import type { Part10 } from '../../storage/dicom/part10.ts';
import { inOtherOrder, itemHeader, rewriteDataset, type Changes } from '../../storage/dicom/rewrite.ts';
import { readFromFile, Window } from '../../storage/dicom/source.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, transferSyntax } from '../../storage/dicom/uids.ts';
import { decimalString, elementHeader } from '../../storage/dicom/write.ts';
import { DicomFormatError } from '../../storage/errors.ts';
import { bytesFrom } from '../../storage/file-bytes.ts';
import { describeFor, hasCodecs, startFramePool, transcodeFrames } from './frame-transcoder.ts';
import type { CodedFrame, FrameWorkshop } from './frame-transcoder.ts';
import { FrameShelf } from './frame-shelf.ts';
import { NotTranscodableError } from './transcoder.ts';
import type { TranscodedFrame, Transcoder } from './transcoder.ts';

const READ_BYTES = 256 * 1024;
const PIXEL_DATA = '7FE00010';
/** The longest value of defined length (PS3.5 7.1.1). */
const MAX_LENGTH = 0xfffffffe;
/** Offsets and lengths of fragments that are not there any more (PS3.3 C.7.6.3). */
const FRAGMENT_TABLES = ['ExtendedOffsetTable', 'ExtendedOffsetTableLengths', 'EncapsulatedPixelDataValueTotalLength'];

export class DatasetTranscoder implements Transcoder {
  readonly #workshop: FrameWorkshop;

  /** @param folder for frames that wait for slow takers */
  constructor(folder?: string) {
    this.#workshop = { pool: startFramePool(), shelf: new FrameShelf(folder) };
  }

  canTranscode(from: string, to: string): boolean {
    return from === to || hasCodecs(from, to);
  }

  async dataset(instance: ArchivedInstance, to: string, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    if (to === instance.transferSyntaxUid) return bytesFrom(instance.path, await datasetOffset(instance), signal);
    if (!this.canTranscode(instance.transferSyntaxUid, to))
      throw new NotTranscodableError(`There is no way from ${transferSyntax(instance.transferSyntaxUid).name} to ${transferSyntax(to).name}.`);
    const file = await readPart10(instance.path, { transferSyntaxUid: instance.transferSyntaxUid });
    const target = transferSyntax(to);
    const asItIs = file.pixelData ? !file.pixelData.encapsulated && !target.encapsulated : !target.encapsulated;
    const changed = asItIs ? undefined : await this.#changedPixels(file, to, signal);
    const rewritten = thenEnd(rewriteDataset(file, target, changed?.changes, signal), async () => changed?.release());
    return target.deflated ? deflated(rewritten, signal) : rewritten;
  }

  async *frames(instance: ArchivedInstance, frames: readonly number[], to: string | undefined, signal?: AbortSignal): AsyncGenerator<TranscodedFrame> {
    const file = await readPart10(instance.path, { transferSyntaxUid: instance.transferSyntaxUid });
    const from = file.transferSyntaxUid;
    const native = !transferSyntax(from).encapsulated;
    if (to === undefined || to === from || (native && !transferSyntax(to).encapsulated)) {
      const transferSyntaxUid = native ? EXPLICIT_VR_LITTLE_ENDIAN : from;
      for (const frame of frames) {
        signal?.throwIfAborted();
        const content = await this.#workshop.shelf.hold(await readFrame(file, frame));
        try {
          yield { frame, transferSyntaxUid, content };
        } finally {
          await content.release();
        }
      }
      return;
    }
    const described = describeFor(file, to);
    const transferSyntaxUid = transferSyntax(to).encapsulated ? to : EXPLICIT_VR_LITTLE_ENDIAN;
    for await (const { frame, content } of transcodeFrames(this.#workshop, file, described, frames, to, signal)) yield { frame, transferSyntaxUid, content };
  }

  async close(): Promise<void> {
    await this.#workshop.pool.close();
  }

  /** The first frame is made before anything is sent: what cannot be transcoded is mostly known by then, and so is what follows it. */
  async #changedPixels(file: Part10, to: string, signal: AbortSignal | undefined): Promise<{ changes: Changes; release(): Promise<void> }> {
    const described = describeFor(file, to);
    const count = frameCount(file.dataset);
    const frames = transcodeFrames(this.#workshop, file, described, numbersTo(count), to, signal);
    const { value: first } = (await frames.next()) as { value: CodedFrame | undefined };
    const release = async (): Promise<void> => void (await frames.return(undefined));
    // A dataset that is never begun holds its first frame until its caller says that it will not be.
    signal?.addEventListener('abort', () => void release(), { once: true });
    if (!first) throw new NotTranscodableError('The image has no frame.');
    const elements = elementsThatFollow(file.dataset, described, first, file.transferSyntaxUid, to);
    if (transferSyntax(to).encapsulated) return { changes: { elements, pixelData: encapsulated(first, frames) }, release };
    const length = first.content.length * count;
    if (length > MAX_LENGTH) {
      await release();
      throw new NotTranscodableError('Uncompressed, the pixel data would be longer than 4 GiB.');
    }
    return { changes: { elements, pixelData: native(first, frames, length, described.bitsAllocated, to) }, release };
  }
}

function* numbersTo(count: number): Generator<number> {
  for (let number = 1; number <= count; number++) yield number;
}

/** Attributes that describe the pixels as they are now. */
function elementsThatFollow(ds: Dataset, described: PixelDescription, first: CodedFrame, from: string, to: string): Map<string, DicomElement | undefined> {
  const elements = new Map<string, DicomElement | undefined>();
  for (const keyword of FRAGMENT_TABLES) if (get(ds, keyword)) elements.set(tagOf(keyword), undefined);
  if (first.photometric !== described.photometric) elements.set(tagOf('PhotometricInterpretation'), { vr: 'CS', Value: [first.photometric] });
  if (described.samplesPerPixel === 3 && num(ds, 'PlanarConfiguration') !== 0) elements.set(tagOf('PlanarConfiguration'), { vr: 'US', Value: [0] });
  if (first.highBit !== described.highBit) elements.set(tagOf('HighBit'), { vr: 'US', Value: [first.highBit] });
  // An icon in fragments is in the syntax that the image has left, and says nothing that the image does not.
  const iconInFragments = transferSyntax(from).encapsulated && items(ds, 'IconImageSequence').some((icon) => icon[PIXEL_DATA]?.BulkDataURI !== undefined);
  if (iconInFragments) elements.set(tagOf('IconImageSequence'), undefined);
  const method = lossyMethod(to);
  if (method === undefined) return elements;
  elements.set(tagOf('LossyImageCompression'), { vr: 'CS', Value: ['01'] });
  // Approximate by its definition (PS3.3 C.7.6.1.1.5.2): that of the first frame.
  const ratio = decimalString(Math.round((first.uncompressedBytes / first.content.length) * 100) / 100);
  elements.set(tagOf('LossyImageCompressionRatio'), { vr: 'DS', Value: [...texts(ds, 'LossyImageCompressionRatio'), ratio] });
  elements.set(tagOf('LossyImageCompressionMethod'), { vr: 'CS', Value: [...texts(ds, 'LossyImageCompressionMethod'), method] });
  return elements;
}

/** One fragment for each frame, the Basic Offset Table empty (PS3.5 A.4): it would have to stand before what it tells of. */
async function* encapsulated(first: CodedFrame, rest: AsyncIterable<CodedFrame>): AsyncGenerator<Uint8Array> {
  const target = transferSyntax(EXPLICIT_VR_LITTLE_ENDIAN);
  yield Buffer.concat([elementHeader(PIXEL_DATA, 'OB', 0xffffffff, target), itemHeader('FFFEE000', 0, target)]);
  for await (const { content } of withFirst(first, rest)) {
    const odd = content.length % 2;
    yield itemHeader('FFFEE000', content.length + odd, target);
    yield* content.read();
    if (odd) yield Buffer.alloc(1);
  }
  yield itemHeader('FFFEE0DD', 0, target);
}

async function* native(first: CodedFrame, rest: AsyncIterable<CodedFrame>, length: number, bitsAllocated: number, to: string): AsyncGenerator<Uint8Array> {
  const target = transferSyntax(to);
  yield elementHeader(PIXEL_DATA, bitsAllocated > 8 ? 'OW' : 'OB', length + (length % 2), target);
  const frameLength = first.content.length;
  for await (const { content, frame } of withFirst(first, rest)) {
    if (content.length !== frameLength) throw new NotTranscodableError(`Frame ${frame} has another size than the first.`);
    yield* target.bigEndian && bitsAllocated > 8 ? inOtherOrder(content.read(), bitsAllocated / 8) : content.read();
  }
  if (length % 2) yield Buffer.alloc(1);
}

async function* withFirst<T>(first: T, rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield first;
  yield* rest;
}

/** The same, and what is to be done when its taker has had enough of it. */
async function* thenEnd(dataset: AsyncIterable<Uint8Array>, end: () => Promise<void>): AsyncGenerator<Uint8Array> {
  try {
    yield* dataset;
  } finally {
    await end();
  }
}

/** The whole dataset deflated, of even length (PS3.5 A.5). */
async function* deflated(dataset: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const source = Readable.from(dataset, { objectMode: false });
  const deflate = createDeflateRaw({ chunkSize: READ_BYTES });
  source.on('error', (error) => deflate.destroy(error));
  let length = 0;
  try {
    for await (const chunk of source.pipe(deflate)) {
      signal?.throwIfAborted();
      length += (chunk as Uint8Array).length;
      yield chunk as Uint8Array;
    }
  } finally {
    source.destroy();
    deflate.destroy();
  }
  if (length % 2) yield Buffer.alloc(1);
}

/** Where the dataset begins, after preamble and file meta. @throws {DicomFormatError} and what the file system throws */
/** @throws {DicomFormatError} where the file is not as long as when it was kept: it would go out short, and nobody would notice */
async function datasetOffset({ path, bytes }: ArchivedInstance): Promise<number> {
  await using handle = await open(path, 'r');
  const { size } = await handle.stat();
  if (size !== bytes) throw new DicomFormatError(`the file has ${size} bytes where the index has ${bytes}`, Math.min(size, bytes));
  const window = new Window(size);
  return (await readFromFile(handle, window, readStart(window))).datasetOffset;
}
