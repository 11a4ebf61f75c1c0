// What the reader understands of a file, however odd, the rewriter writes so that it is understood alike, in every encoding.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { dataset, type Dataset, type DicomElement } from '../../storage/dicom/dataset.ts';
import { vrOfTag } from '../../storage/dicom/dictionary.ts';
import { parsePart10, readPart10, type Part10 } from '../../storage/dicom/part10.ts';
import { rewriteDataset } from '../../storage/dicom/rewrite.ts';
import { transferSyntax } from '../../storage/dicom/uids.ts';
import { writeFileMeta, writePart10 } from '../../storage/dicom/write.ts';
import { DicomFormatError } from '../../storage/errors.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';

const IMAGE = {
  ...dataset({
    SpecificCharacterSet: 'ISO_IR 192',
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.1',
    SOPInstanceUID: '1.2.3',
    PatientName: 'Yamada^Tarou=山田^太郎',
    ReferencedSOPSequence: [{ ReferencedSOPInstanceUID: '1.2', PurposeOfReferenceCodeSequence: [{ CodeValue: '1' }] }, {}],
    FrameIncrementPointer: ['00181063'],
    Rows: 2,
    Columns: 2,
    BitsAllocated: 16,
    RedPaletteColorLookupTableData: Uint8Array.of(1, 2, 3, 4),
    DoubleFloatRealWorldValueFirstValueMapped: 2.5,
    ImageComments: 'x'.repeat(300),
  }),
  '00090010': { vr: 'LO', Value: ['ACME'] },
  '00091001': { vr: 'UN', bytes: Uint8Array.of(1, 2, 3, 4) },
  '7FE00010': { vr: 'OW', bytes: new Uint8Array(64).fill(3) },
};
const NATIVE = ['1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.2', '1.2.840.10008.1.2.1.99'];
const SEEDS = NATIVE.map((transferSyntaxUid) => writePart10(IMAGE, { transferSyntaxUid }));
const TARGETS = ['1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.2'];

interface Change {
  at: number;
  drop: number;
  bytes: Uint8Array;
}
const interesting = fc.constantFrom('ffffffff', 'feff00e0ffffffff', 'feff0de000000000', 'feffdde000000000', 'ffff', '0000', '5351', '554e', '5a5a', '0400').map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')));
const change: fc.Arbitrary<Change> = fc.record({ at: fc.nat(900).map((offset) => 140 + offset), drop: fc.nat(8), bytes: fc.oneof(fc.uint8Array({ maxLength: 8 }), interesting) });

function apply(file: Uint8Array, changes: readonly Change[]): Buffer {
  let result = Buffer.from(file);
  for (const { at, drop, bytes } of changes) {
    const place = Math.min(at, result.length);
    result = Buffer.concat([result.subarray(0, place), bytes, result.subarray(place + drop)]);
  }
  return result;
}

async function read(path: string): Promise<Part10 | undefined> {
  try {
    return await readPart10(path);
  } catch (error) {
    assert.ok(error instanceof DicomFormatError);
    return undefined;
  }
}

async function rewritten(file: Part10, to: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of rewriteDataset(file, transferSyntax(to))) parts.push(chunk);
  return Buffer.concat(parts);
}

/**
 * What both encodings can say: values that were left in the file by their length alone; elements without a VR, and those whose VR is
 * not the dictionary's, by their presence.
 */
function comparable(ds: Dataset): unknown {
  return Object.fromEntries(
    Object.entries(ds).map(([tag, element]) => {
      if (element.BulkDataURI !== undefined) return [tag, element.BulkDataURI.replace(/offset=\d+/, '')];
      if (element.vr === 'SQ') return [tag, (element.Value ?? []).map((item) => comparable(item as Dataset))];
      return [tag, vrOfTag(tag) === element.vr && element.vr !== 'UN' ? plain(element) : 'there'];
    }),
  );
}

function plain({ Value, InlineBinary }: DicomElement): unknown {
  return Value ?? InlineBinary ?? null;
}

describe('rewriting datasets', () => {
  it('writes what the reader has understood, in every encoding, of files however odd', async function () {
    this.timeout(60_000);
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, 'odd.dcm');
      let understood = 0;
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...SEEDS), fc.array(change, { maxLength: 3 }), fc.constantFrom(...TARGETS), async (seed, changes, to) => {
          await writeFile(path, apply(seed, changes));
          const file = await read(path);
          if (!file) return;
          understood += 1;
          const bytes = await rewritten(file, to);
          const again = parsePart10(Buffer.concat([writeFileMeta({ sopClassUid: '1.2', sopInstanceUid: '1.3', transferSyntaxUid: to }), bytes]));
          assert.deepEqual(comparable(again.dataset), comparable(file.dataset));
          assert.equal(again.pixelData?.length, file.pixelData && file.pixelData.length + (file.pixelData.length % 2));
        }),
        { seed: 4, numRuns: 600 },
      );
      assert.ok(understood > 100, `${understood} files were understood`);
    });
  });
});
