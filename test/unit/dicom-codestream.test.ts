import assert from 'node:assert/strict';
import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { readCodestreamHeader } from '../../storage/dicom/codestream.ts';
import { num } from '../../storage/dicom/dataset.ts';
import { readFrame } from '../../storage/dicom/frames.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { DicomFormatError } from '../../storage/errors.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures/imaging');
const picture = (channels: 1 | 3, options: { chromaSubsampling?: string; progressive?: boolean } = {}): Promise<Buffer> => {
  const image = sharp({ create: { width: 33, height: 17, channels: 3, background: '#268' } });
  return (channels === 1 ? image.toColourspace('b-w') : image).jpeg(options).toBuffer();
};

/** SIZ, COD and, where it is Part 15, CAP before the first tile; lengths and offsets as ISO 15444-1 A.5 has them. */
function jpeg2000({ components = 1, depth = 11, transform = 1, mct = 0, isHt = false } = {}): Buffer {
  const siz = Buffer.alloc(40 + 3 * components);
  siz.writeUInt16BE(0xff51, 0);
  siz.writeUInt16BE(siz.length - 2, 2);
  for (const [value, at] of [[48, 6], [40, 10], [8, 14], [4, 18]] as const) siz.writeUInt32BE(value, at);
  siz.writeUInt16BE(components, 38);
  for (let index = 0; index < components; index++) siz.set([depth, 1, 1], 40 + 3 * index);
  const cod = Buffer.from([0xff, 0x52, 0, 12, 0, 0, 0, 1, mct, 5, 4, 4, 0, transform]);
  const cap = Buffer.from([0xff, 0x50, 0, 8, 0, 2, 0, 0, 0, 0]);
  return Buffer.concat([Buffer.from([0xff, 0x4f]), siz, ...(isHt ? [cap] : []), cod, Buffer.from([0xff, 0x90, 0, 10])]);
}

describe('the header of a codestream', () => {
  it('tells size, depth and colours of JPEG', async () => {
    assert.deepEqual(readCodestreamHeader(await picture(1)), { coding: 'jpeg-baseline', bitsStored: 8, rows: 17, columns: 33, samplesPerPixel: 1, isSigned: false, photometricInterpretation: 'MONOCHROME2' });
    assert.equal(readCodestreamHeader(await picture(3, { chromaSubsampling: '4:4:4' }))?.photometricInterpretation, 'YBR_FULL');
    assert.equal(readCodestreamHeader(await picture(3, { chromaSubsampling: '4:2:0' }))?.photometricInterpretation, 'YBR_FULL_422');
    assert.equal(readCodestreamHeader(await picture(3, { progressive: true }))?.coding, 'jpeg-progressive');
  });

  for (const [name, coding, bits] of [['jpeg-extended-12bit.dcm', 'jpeg-extended', 12], ['jpeg-lossless-sv6.dcm', 'jpeg-lossless', undefined], ['jpeg-baseline-422.dcm', 'jpeg-baseline', 8]] as const)
    it(`says of ${name} what its attributes say`, async () => {
      const file = await readPart10(join(FIXTURES, name));
      const header = readCodestreamHeader(await readFrame(file, 1));
      assert.deepEqual([header?.coding, header?.rows, header?.columns, header?.samplesPerPixel], [coding, num(file.dataset, 'Rows'), num(file.dataset, 'Columns'), num(file.dataset, 'SamplesPerPixel')]);
      if (bits !== undefined) assert.equal(header?.bitsStored, bits);
    });

  it('tells JPEG 2000 from High-Throughput JPEG 2000, and how its colours are transformed', () => {
    assert.deepEqual(readCodestreamHeader(jpeg2000()), { coding: 'jpeg-2000', columns: 40, rows: 36, samplesPerPixel: 1, bitsStored: 12, isSigned: false, photometricInterpretation: 'MONOCHROME2' });
    assert.equal(readCodestreamHeader(jpeg2000({ isHt: true }))?.coding, 'htj2k');
    assert.equal(readCodestreamHeader(jpeg2000({ depth: 0x8f }))?.isSigned, true);
    assert.deepEqual([[0, 1], [1, 1], [1, 0]].map(([mct, transform]) => readCodestreamHeader(jpeg2000({ components: 3, depth: 7, mct: mct!, transform: transform! }))?.photometricInterpretation), ['RGB', 'YBR_RCT', 'YBR_ICT']);
  });

  it('says nothing of other codings, and ends on anything at all', () => {
    assert.equal(readCodestreamHeader(Buffer.from('0000000c6a502020', 'hex')), undefined);
    fc.assert(
      fc.property(fc.constantFrom('ffd8', 'ff4fff51'), fc.uint8Array({ maxLength: 200 }), (start, rest) => {
        try {
          readCodestreamHeader(Buffer.concat([Buffer.from(start, 'hex'), rest]));
        } catch (error) {
          assert.ok(error instanceof DicomFormatError, String((error as Error).stack));
        }
      }),
      { seed: 45, numRuns: 2000 },
    );
  });
});
