// Pixel data that came as bulk data, against the Image Pixel attributes of its metadata: what is missing is taken from the
// codestream (PS3.18 10.5.1.4 lets senders leave it out), what contradicts it is refused.
import { get, num, text, type ByteSource, type Dataset } from '../../storage/dicom/dataset.ts';
import { CODESTREAM_HEADER_BYTES, readCodestreamHeader, type CodestreamHeader } from '../../storage/dicom/codestream.ts';
import { frameCount } from '../../storage/dicom/frames.ts';
import { transferSyntax } from '../../storage/dicom/uids.ts';
import { tagOf, vrOf } from '../../storage/dicom/dictionary.ts';
import { IntakeRefusal } from '../../storage/errors.ts';

const JPEG = '1.2.840.10008.1.2.4';
/** Codings by transfer syntax (PS3.5 A.4); baseline is a case of extended, first-order prediction one of lossless. */
const CODINGS_OF: Readonly<Record<string, readonly CodestreamHeader['coding'][]>> = {
  [`${JPEG}.50`]: ['jpeg-baseline'],
  [`${JPEG}.51`]: ['jpeg-extended', 'jpeg-baseline'],
  [`${JPEG}.57`]: ['jpeg-lossless', 'jpeg-lossless-sv1'],
  [`${JPEG}.70`]: ['jpeg-lossless-sv1'],
  [`${JPEG}.80`]: ['jpeg-ls'],
  [`${JPEG}.81`]: ['jpeg-ls'],
  [`${JPEG}.90`]: ['jpeg-2000'],
  [`${JPEG}.91`]: ['jpeg-2000'],
  [`${JPEG}.92`]: ['jpeg-2000'],
  [`${JPEG}.93`]: ['jpeg-2000'],
  [`${JPEG}.201`]: ['htj2k'],
  [`${JPEG}.202`]: ['htj2k'],
  [`${JPEG}.203`]: ['htj2k'],
};

/** Bytes of the native pixel data of all frames, without padding; undefined where the metadata does not say. */
export function nativeBytes(dataset: Dataset): number | undefined {
  const [rows, columns, bits] = [num(dataset, 'Rows'), num(dataset, 'Columns'), num(dataset, 'BitsAllocated')];
  if (rows === undefined || columns === undefined || bits === undefined) return undefined;
  const is422 = num(dataset, 'SamplesPerPixel') === 3 && (text(dataset, 'PhotometricInterpretation') ?? '').endsWith('_422');
  const samples = is422 ? 2 : (num(dataset, 'SamplesPerPixel') ?? 1);
  return Math.ceil((rows * columns * samples * bits * frameCount(dataset)) / 8);
}

/** @throws {IntakeRefusal} where native pixel data is not as long as its attributes say, or they are missing */
export function checkNative(dataset: Dataset, length: number): void {
  const expected = nativeBytes(dataset);
  if (expected === undefined) throw new IntakeRefusal('not-understood', 'uncompressed pixel data needs Rows, Columns and Bits Allocated in its metadata');
  if (length !== expected && length !== expected + (expected % 2))
    throw new IntakeRefusal('not-understood', `the pixel data is ${length} bytes long, its attributes say ${expected}`);
}

/**
 * @param frames codestreams, one for each frame
 * @returns the dataset with what was left out of it, and the keywords of that
 * @throws {IntakeRefusal}
 */
export async function completeFromCodestream(dataset: Dataset, frames: readonly ByteSource[], transferSyntaxUid: string): Promise<{ dataset: Dataset; added: string[] }> {
  const header = readCodestreamHeader(await beginningOf(frames[0]!));
  const codings = CODINGS_OF[transferSyntaxUid];
  if (codings && !(header && codings.includes(header.coding)))
    throw new IntakeRefusal('not-understood', `the pixel data is ${header?.coding ?? 'of an unknown coding'}, not ${transferSyntax(transferSyntaxUid).name}`);
  if (!header) {
    for (const keyword of ['Rows', 'Columns', 'BitsAllocated'])
      if (!get(dataset, keyword)?.Value) throw new IntakeRefusal('not-understood', `${keyword} is missing, and is not read from ${transferSyntax(transferSyntaxUid).name}`);
    return { dataset, added: [] };
  }
  for (const [keyword, found] of [['Rows', header.rows], ['Columns', header.columns], ['SamplesPerPixel', header.samplesPerPixel]] as const) {
    const stated = num(dataset, keyword);
    if (stated !== undefined && stated !== found) throw new IntakeRefusal('not-understood', `${keyword} is ${stated}, but ${found} in the codestream`);
  }
  const allocated = num(dataset, 'BitsAllocated');
  if (allocated !== undefined && header.bitsStored > allocated)
    throw new IntakeRefusal('not-understood', `Bits Allocated is ${allocated}, but the codestream has samples of ${header.bitsStored} bits`);
  return complete(dataset, header);
}

function complete(dataset: Dataset, header: CodestreamHeader): { dataset: Dataset; added: string[] } {
  const { bitsStored, samplesPerPixel } = header;
  const values: Record<string, string | number | undefined> = {
    SamplesPerPixel: samplesPerPixel,
    PhotometricInterpretation: header.photometricInterpretation,
    Rows: header.rows,
    Columns: header.columns,
    BitsAllocated: bitsStored <= 8 ? 8 : 16,
    BitsStored: bitsStored,
    HighBit: (num(dataset, 'BitsStored') ?? bitsStored) - 1,
    PixelRepresentation: header.isSigned ? 1 : 0,
    ...(samplesPerPixel > 1 && { PlanarConfiguration: 0 }),
  };
  const added = Object.keys(values).filter((keyword) => !get(dataset, keyword)?.Value);
  const unknown = added.find((keyword) => values[keyword] === undefined);
  if (unknown !== undefined) throw new IntakeRefusal('not-understood', `${unknown} is missing, and the codestream does not tell`);
  const completed: Dataset = { ...dataset };
  for (const keyword of added) completed[tagOf(keyword)] = { vr: vrOf(keyword), Value: [values[keyword]!] };
  return { dataset: completed, added };
}

async function beginningOf(source: ByteSource): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source.read()) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= CODESTREAM_HEADER_BYTES) break;
  }
  return Buffer.concat(chunks);
}
