import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dataset } from '../../storage/dicom/dataset.ts';
import { frameCount, readFrame } from '../../storage/dicom/frames.ts';
import { parsePart10, readPart10, type Part10 } from '../../storage/dicom/part10.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { DicomFormatError } from '../../storage/errors.ts';
import { UNDEFINED, element, file, implicit, item, sequenceEnd } from '../support/dicom-bytes.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';

const EXPLICIT = '1.2.840.10008.1.2.1';
const BIG_ENDIAN = '1.2.840.10008.1.2.2';
const DEFLATED = '1.2.840.10008.1.2.1.99';
const JPEG = '1.2.840.10008.1.2.4.50';

const UIDS = { SOPClassUID: '1.2', SOPInstanceUID: '1.3' };
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex');

/** Every frame, read from a file and from memory, which must agree. */
async function frames(instance: Uint8Array): Promise<string[]> {
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, 'instance.dcm');
    await writeFile(path, instance);
    const all = async (header: Part10): Promise<string[]> =>
      Promise.all(Array.from({ length: frameCount(header.dataset) }, async (_, index) => hex(await readFrame(header, index + 1))));
    const fromFile = await all(await readPart10(path));
    assert.deepEqual(await all(parsePart10(instance)), fromFile);
    return fromFile;
  });
}

/** Encapsulated pixel data with a Basic Offset Table and fragments of our choosing. */
function encapsulated(count: number, offsets: number[], fragments: string[], ...before: Uint8Array[]): Buffer {
  const table = Buffer.alloc(4 * offsets.length);
  offsets.forEach((offset, index) => void table.writeUInt32LE(offset, 4 * index));
  const items = fragments.map((fragment) => item(Buffer.from(fragment, 'hex')));
  const value = Buffer.concat([implicit('FFFEE000', table), ...items, sequenceEnd]);
  return file(JPEG, element('00280008', 'IS', String(count).padEnd(2)), ...before, element('7FE00010', 'OB', value, UNDEFINED));
}

describe('one frame of the pixel data', () => {
  it('is a slice of native pixel data', async () => {
    const image = dataset({ ...UIDS, Rows: 1, Columns: 2, BitsAllocated: 16, NumberOfFrames: 2, PixelData: bytes(1, 2, 3, 4, 5, 6, 7, 8) });
    for (const transferSyntaxUid of [EXPLICIT, '1.2.840.10008.1.2', DEFLATED])
      assert.deepEqual(await frames(writePart10(image, { transferSyntaxUid })), ['01020304', '05060708'], transferSyntaxUid);
  });

  it('is in little endian from a big endian file, in words of its own size', async () => {
    const wide = dataset({ ...UIDS, Rows: 1, Columns: 2, BitsAllocated: 16, PixelData: bytes(1, 2, 3, 4) });
    assert.deepEqual(await frames(writePart10(wide, { transferSyntaxUid: BIG_ENDIAN })), ['01020304']);
    // 8 bits in OW: the frame of three bytes ends within a word.
    const narrow = dataset({ ...UIDS, Rows: 1, Columns: 3, BitsAllocated: 8, NumberOfFrames: 2 });
    const odd = { ...narrow, '7FE00010': { vr: 'OW', bytes: bytes(1, 2, 3, 4, 5, 6) } };
    assert.deepEqual(await frames(writePart10(odd, { transferSyntaxUid: BIG_ENDIAN })), ['010203', '040506']);
  });

  it('has three samples for RGB, and two for 4:2:2', async () => {
    const color = { ...UIDS, Rows: 1, Columns: 2, SamplesPerPixel: 3, BitsAllocated: 8, NumberOfFrames: 1 };
    const rgb = dataset({ ...color, PhotometricInterpretation: 'RGB', PixelData: bytes(1, 2, 3, 4, 5, 6) });
    assert.deepEqual(await frames(writePart10(rgb)), ['010203040506']);
    const subsampled = dataset({ ...color, PhotometricInterpretation: 'YBR_FULL_422', PixelData: bytes(1, 2, 3, 4) });
    assert.deepEqual(await frames(writePart10(subsampled)), ['01020304']);
  });

  it('is one fragment, or all fragments of a single frame', async () => {
    assert.deepEqual(await frames(encapsulated(2, [], ['0102', '0304'])), ['0102', '0304']);
    assert.deepEqual(await frames(encapsulated(1, [], ['0102', '0304'])), ['01020304']);
  });

  it('is found by the Basic Offset Table, by the Extended Offset Table, or by where codestreams begin', async () => {
    const fragments = ['ffd8ff01', '0102', 'ffd8ff02'];
    assert.deepEqual(await frames(encapsulated(2, [0, 22], fragments)), ['ffd8ff010102', 'ffd8ff02']);
    assert.deepEqual(await frames(encapsulated(2, [], fragments)), ['ffd8ff010102', 'ffd8ff02']);
    // A table that points nowhere, as some writers have it.
    assert.deepEqual(await frames(encapsulated(2, [0, 99], fragments)), ['ffd8ff010102', 'ffd8ff02']);
    const extended = Buffer.alloc(16);
    extended.writeBigUInt64LE(12n, 8);
    assert.deepEqual(await frames(encapsulated(2, [], ['ffd8ff01', '0102', '0304'], element('7FE00001', 'OV', extended))), ['ffd8ff01', '01020304']);
  });

  it('is refused where it is not there or cannot be told apart', async () => {
    const short = parsePart10(writePart10(dataset({ ...UIDS, Rows: 2, Columns: 2, BitsAllocated: 16, NumberOfFrames: 2, PixelData: bytes(1, 2, 3, 4, 5, 6, 7, 8) })));
    assert.equal(hex(await readFrame(short, 1)), '0102030405060708');
    await assert.rejects(readFrame(short, 2), /frame 2 needs 16 bytes/);
    await assert.rejects(readFrame(short, 3), /there is no frame 3, only 2/);
    await assert.rejects(readFrame(short, 0), DicomFormatError);
    await assert.rejects(readFrame(parsePart10(encapsulated(2, [], ['0102', '0304', '0506'])), 1), /2 frames cannot be found in 3 fragments/);
    await assert.rejects(readFrame(parsePart10(encapsulated(1, [], [])), 1), /no fragment/);
    await assert.rejects(readFrame(parsePart10(writePart10(dataset(UIDS))), 1), /no pixel data/);
    await assert.rejects(readFrame(parsePart10(writePart10(dataset({ ...UIDS, PixelData: bytes(1, 2) }))), 1), /Rows or Columns/);
  });
});
