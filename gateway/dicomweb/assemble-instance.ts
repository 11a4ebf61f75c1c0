// From metadata and bulk data to the Part 10 file that is stored (PS3.18 10.5.1.4): values are put where the metadata refers to
// them, pixel data as the transfer syntax of its parts wants it.
import { bytesOf, text, texts, type ByteSource, type Dataset, type DicomElement } from '../../storage/dicom/dataset.ts';
import { frameCount } from '../../storage/dicom/frames.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, isUid, transferSyntax } from '../../storage/dicom/uids.ts';
import { streamDataset, writeFileMeta } from '../../storage/dicom/write.ts';
import { IntakeRefusal } from '../../storage/errors.ts';
import { checkNative, completeFromCodestream } from './image-pixels.ts';
import type { InstanceName } from './part-head.ts';

const PIXEL_DATA = '7FE00010';
/** Offsets of fragments that are made anew. */
const EXTENDED_OFFSETS = ['7FE00001', '7FE00002'];
/** An item has a length of 32 bits. */
const MAX_FRAGMENT_BYTES = 2 ** 32 - 2;

export interface BulkValue {
  source: ByteSource;
  transferSyntaxUid: string;
  /** One part has all frames. */
  isVideo: boolean;
  /** From 1, where its location says so. */
  frame: number | undefined;
}

export interface AssembledInstance {
  file: AsyncIterable<Uint8Array>;
  /** What is in the file and was not in the metadata; undefined where that is nothing. */
  coercion: string | undefined;
}

/** @throws {IntakeRefusal} where the metadata does not name an instance */
export function nameOf(dataset: Dataset): InstanceName {
  const uid = (keyword: string): string => {
    const value = text(dataset, keyword);
    if (value === undefined || !isUid(value)) throw new IntakeRefusal('not-understood', `${keyword} is missing in the metadata, or is not a UID`);
    return value;
  };
  return { sopClassUid: uid('SOPClassUID'), sopInstanceUid: uid('SOPInstanceUID') };
}

/** BulkDataURIs anywhere in a dataset. */
export function* bulkUris(dataset: Dataset): Generator<string, void, undefined> {
  for (const element of Object.values(dataset)) {
    if (element.BulkDataURI !== undefined) yield element.BulkDataURI;
    if (element.vr === 'SQ') for (const item of element.Value ?? []) yield* bulkUris((item ?? {}) as Dataset);
  }
}

/**
 * @param bulk the values of a BulkDataURI, in the order in which they came
 * @throws {IntakeRefusal} where a value is missing, or contradicts the metadata
 */
export async function assembleInstance(metadata: Dataset, bulk: (uri: string) => readonly BulkValue[]): Promise<AssembledInstance> {
  const name = nameOf(metadata);
  const { [PIXEL_DATA]: pixelData, ...others } = metadata;
  const pixels = await placePixelData(placeValues(others, bulk), pixelData, bulk);
  const characterSets = texts(pixels.dataset, 'SpecificCharacterSet');
  const addsUtf8 = characterSets.length === 0 && /[^\x20-\x7e]/.test(JSON.stringify(pixels.dataset));
  const { transferSyntaxUid } = pixels;
  const body = dataset(pixels.dataset, transferSyntaxUid, addsUtf8 ? ['ISO_IR 192'] : characterSets);
  const meta = writeFileMeta({ ...name, transferSyntaxUid });
  const added = [...(addsUtf8 ? ['SpecificCharacterSet'] : []), ...pixels.added];
  const changes = [...(added.length > 0 ? [`added ${added.join(' ')}`] : []), ...(pixels.removed.length > 0 ? ['made offset tables anew'] : [])];
  return { file: wholeFile(meta, body), coercion: changes.length > 0 ? changes.join('; ') : undefined };
}

async function* wholeFile(meta: Uint8Array, body: ByteSource): AsyncGenerator<Uint8Array, void, undefined> {
  yield meta;
  yield* body.read();
}

function dataset(values: Dataset, transferSyntaxUid: string, characterSets: readonly string[]): ByteSource {
  try {
    return streamDataset(values, transferSyntaxUid, characterSets);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError)) throw error;
    throw new IntakeRefusal('not-understood', error.message, { cause: error });
  }
}

function placeValues(metadata: Dataset, bulk: (uri: string) => readonly BulkValue[]): Dataset {
  const placed: Dataset = {};
  for (const [tag, element] of Object.entries(metadata)) {
    if (tag.startsWith('0002')) continue;
    if (element.vr === 'SQ' && element.Value) placed[tag] = { vr: 'SQ', Value: element.Value.map((item) => placeValues((item ?? {}) as Dataset, bulk)) };
    else placed[tag] = element.BulkDataURI === undefined ? element : { vr: element.vr, source: valueOf(tag, element, bulk) };
  }
  return placed;
}

function valueOf(tag: string, element: DicomElement, bulk: (uri: string) => readonly BulkValue[]): ByteSource {
  if (element.vr === 'SQ') throw new IntakeRefusal('not-understood', `${tag} is a sequence, whose items belong into the metadata`);
  const values = bulk(element.BulkDataURI!);
  if (values.some(({ transferSyntaxUid }) => transferSyntaxUid !== EXPLICIT_VR_LITTLE_ENDIAN))
    throw new IntakeRefusal('not-understood', `${tag} is not pixel data and cannot be compressed`);
  return joined(values.map(({ source }) => source));
}

interface PlacedPixels {
  dataset: Dataset;
  transferSyntaxUid: string;
  added: string[];
  removed: string[];
}

async function placePixelData(metadata: Dataset, element: DicomElement | undefined, bulk: (uri: string) => readonly BulkValue[]): Promise<PlacedPixels> {
  const native = { transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN, added: [], removed: [] };
  if (!element) return { dataset: metadata, ...native };
  if (element.BulkDataURI === undefined) {
    const inline = bytesOf(element);
    if (inline) checkNative(metadata, inline.length);
    return { dataset: { ...metadata, [PIXEL_DATA]: element }, ...native };
  }
  const values = inFrameOrder(bulk(element.BulkDataURI));
  const syntaxes = new Set(values.map(({ transferSyntaxUid }) => transferSyntaxUid));
  const [transferSyntaxUid] = syntaxes;
  if (transferSyntaxUid === undefined || syntaxes.size > 1) throw new IntakeRefusal('not-understood', `the frames are in several transfer syntaxes: ${[...syntaxes].join(', ')}`);
  const sources = values.map(({ source }) => source);
  if (!transferSyntax(transferSyntaxUid).encapsulated) {
    const source = joined(sources);
    checkNative(metadata, source.length);
    return { dataset: { ...metadata, [PIXEL_DATA]: { vr: element.vr === 'UN' ? 'OW' : element.vr, source } }, ...native };
  }
  if (!values[0]!.isVideo && values.length !== frameCount(metadata))
    throw new IntakeRefusal('not-understood', `${values.length} frames came, Number of Frames is ${frameCount(metadata)}`);
  const tooLong = sources.find(({ length }) => length > MAX_FRAGMENT_BYTES);
  if (tooLong) throw new IntakeRefusal('not-understood', `a frame is ${tooLong.length} bytes long, more than a fragment holds`);
  const { dataset: completed, added } = await completeFromCodestream(metadata, sources, transferSyntaxUid);
  const removed = EXTENDED_OFFSETS.filter((tag) => tag in completed);
  const kept = Object.fromEntries(Object.entries(completed).filter(([tag]) => !removed.includes(tag)));
  return { dataset: { ...kept, [PIXEL_DATA]: { vr: 'OB', frames: sources } }, transferSyntaxUid, added, removed };
}

/** By their numbers where they have them, else as they came. */
function inFrameOrder(values: readonly BulkValue[]): readonly BulkValue[] {
  if (values.every(({ frame }) => frame === undefined)) return values;
  const sorted = values.toSorted((a, b) => (a.frame ?? 0) - (b.frame ?? 0));
  const wrong = sorted.findIndex(({ frame }, index) => frame !== index + 1);
  if (wrong >= 0) throw new IntakeRefusal('not-understood', `the locations of the frames do not number them from 1 on: ${sorted[wrong]?.frame ?? 'none'} where ${wrong + 1} should be`);
  return sorted;
}

function joined(sources: readonly ByteSource[]): ByteSource {
  if (sources.length === 1) return sources[0]!;
  return {
    length: sources.reduce((sum, { length }) => sum + length, 0),
    async *read() {
      for (const source of sources) yield* source.read();
    },
  };
}
