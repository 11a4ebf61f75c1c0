// Files that were valid until something happened to them: the reader never hangs, never takes much memory, and throws nothing
// but DicomFormatError. What it does read, the writer can write again.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { dataset, type Dataset } from '../../storage/dicom/dataset.ts';
import { frameCount, readFrame } from '../../storage/dicom/frames.ts';
import { parsePart10, readPart10 } from '../../storage/dicom/part10.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { DicomFormatError } from '../../storage/errors.ts';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inTemporaryFolder } from '../support/temporary-folder.ts';

const IMAGE = dataset({
  SpecificCharacterSet: 'ISO_IR 192',
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.1',
  SOPInstanceUID: '1.2.3',
  PatientName: 'Yamada^Tarou=山田^太郎',
  ReferencedSOPSequence: [{ ReferencedSOPInstanceUID: '1.2', PurposeOfReferenceCodeSequence: [{ CodeValue: '1' }] }, {}],
  Rows: 2,
  Columns: 2,
  BitsAllocated: 8,
  PixelSpacing: [0.1, 0.1],
  ImageComments: 'x'.repeat(300),
});
const NATIVE = { ...IMAGE, '7FE00010': { vr: 'OW', bytes: new Uint8Array(64) } };
const ENCAPSULATED = { ...IMAGE, '7FE00010': { vr: 'OB', frames: [new Uint8Array(20), new Uint8Array(6)] } };
const SEEDS: Uint8Array[] = [
  ...['1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.2', '1.2.840.10008.1.2.1.99'].map((transferSyntaxUid) => writePart10(NATIVE, { transferSyntaxUid })),
  writePart10(ENCAPSULATED, { transferSyntaxUid: '1.2.840.10008.1.2.5' }),
];

type Change = { kind: 'set'; at: number; bytes: Uint8Array } | { kind: 'cut'; at: number } | { kind: 'insert'; at: number; bytes: Uint8Array } | { kind: 'drop'; at: number; count: number };

/** Places beyond the preamble, where something can be broken. */
const place = fc.nat({ max: 1200 }).map((offset) => 128 + offset);
const interesting = fc.constantFrom('ffffffff', 'feffffff', 'feff00e0ffffffff', 'feff0de000000000', 'feffdde000000000', 'ffff', '0000', '5351', '554e', '1b2442').map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')));
const bytes = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 12 }), interesting);
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), at: place, bytes }),
  fc.record({ kind: fc.constant('insert' as const), at: place, bytes }),
  fc.record({ kind: fc.constant('drop' as const), at: place, count: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constant('cut' as const), at: place }),
);

function apply(file: Uint8Array, changes: Change[]): Uint8Array {
  let result = Buffer.from(file);
  for (const { at: offset, ...rest } of changes) {
    const at = Math.min(offset, result.length);
    if (rest.kind === 'set') rest.bytes.forEach((byte, index) => at + index < result.length && (result[at + index] = byte));
    else if (rest.kind === 'cut') result = result.subarray(0, at);
    else if (rest.kind === 'drop') result = Buffer.concat([result.subarray(0, at), result.subarray(at + rest.count)]);
    else result = Buffer.concat([result.subarray(0, at), rest.bytes, result.subarray(at)]);
  }
  return result;
}

describe('the Part 10 reader, given broken files', () => {
  it('throws nothing but DicomFormatError, and what it reads is JSON that can be written again', () => {
    fc.assert(
      fc.property(fc.constantFrom(...SEEDS), fc.array(change, { minLength: 1, maxLength: 6 }), (seed, changes) => {
        let header: Dataset;
        try {
          header = parsePart10(apply(seed, changes)).dataset;
        } catch (error) {
          assert.ok(error instanceof DicomFormatError, String((error as Error).stack));
          return;
        }
        const json = JSON.stringify(header);
        assert.ok(!json.includes('\\u0000'), 'NUL in the header cannot go into Postgres');
        assert.deepEqual(JSON.parse(json), header);
        if (json.includes('BulkDataURI')) return;
        writePart10(header, { sopClassUid: '1.2', sopInstanceUid: '1.3' });
      }),
      { seed: 20, numRuns: 3000 },
    );
  });

  it('says of a file on disk what it says of the same bytes in memory, frames included', async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, 'broken.dcm');
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...SEEDS), fc.array(change, { minLength: 1, maxLength: 4 }), async (seed, changes) => {
          const broken = apply(seed, changes);
          await writeFile(path, broken);
          const [memory, disk] = await Promise.all([outcome(async () => parsePart10(broken)), outcome(() => readPart10(path))]);
          assert.equal(disk.read, memory.read);
          if (!disk.file || !memory.file) return;
          assert.deepEqual(disk.file.dataset, memory.file.dataset);
          if (frameCount(disk.file.dataset) > 5) return;
          const { file } = disk;
          await outcome(async () => void (await readFrame(file, 1)));
        }),
        { seed: 21, numRuns: 300 },
      );
    });
  });

  it('does not hang on any bytes at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (noise) => {
        for (const file of [noise, Buffer.concat([SEEDS[1]!.subarray(0, 300), noise])]) {
          try {
            parsePart10(file);
          } catch (error) {
            assert.ok(error instanceof DicomFormatError, String((error as Error).stack));
          }
        }
      }),
      { seed: 22, numRuns: 2000 },
    );
  });
});

async function outcome<T>(run: () => Promise<T>): Promise<{ read: boolean; file?: T }> {
  try {
    return { read: true, file: await run() };
  } catch (error) {
    assert.ok(error instanceof DicomFormatError, String((error as Error).stack));
    return { read: false };
  }
}
