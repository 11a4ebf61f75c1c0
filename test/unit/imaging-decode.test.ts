import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canDecode, decodeFrame } from '../../ai/imaging/decode.ts';
import type { StoredFrame } from '../../ai/imaging/decode.ts';
import { chestPhantom } from '../../ai/phantom/chest.ts';
import { phantomDicom } from '../../ai/phantom/dicom.ts';
import { ENCODINGS } from '../../ai/phantom/encode.ts';
import { dataset } from '../../storage/dicom/dataset.ts';
import { readFrame } from '../../storage/dicom/frames.ts';
import { parsePart10, readPart10 } from '../../storage/dicom/part10.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { NotAnalyzableError } from '../../storage/errors.ts';
import { sharedData } from '../support/data.ts';

const SPEC = { seed: 100_060, columns: 123, rows: 157, opacities: 1 };
const GRAY = {
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.7',
  SOPInstanceUID: '2.25.5',
  SamplesPerPixel: 1,
  PhotometricInterpretation: 'MONOCHROME2',
  PixelRepresentation: 0,
};

const words = (...values: number[]): Uint8Array => new Uint8Array(Uint16Array.from(values).buffer);
const fixture = (name: string) =>
  parsePart10(readFileSync(fileURLToPath(new URL(`../fixtures/imaging/${name}.dcm`, import.meta.url))));

async function decode(
  values: Record<string, unknown>,
  frame = 1,
  transferSyntaxUid = '1.2.840.10008.1.2.1',
): Promise<StoredFrame> {
  return decodeFrame(parsePart10(writePart10(dataset({ ...GRAY, ...values }), { transferSyntaxUid })), frame);
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!));
  return most;
}

describe('decoding pixels', () => {
  describe('by transfer syntax', () => {
    /** Largest errors that the phantoms' own settings bring: JPEG quality 90 in 8 bits; near 2; JPEG 2000 at 1:10; HTJ2K nearly lossless. */
    const LOSSY: Record<string, number> = {
      '1.2.840.10008.1.2.4.50': 24,
      '1.2.840.10008.1.2.4.81': 2,
      '1.2.840.10008.1.2.4.91': 400,
      '1.2.840.10008.1.2.4.203': 2,
    };
    for (const [transferSyntaxUid, { lossy }] of Object.entries(ENCODINGS)) {
      for (const bitsStored of lossy ? ([transferSyntaxUid.endsWith('.50') ? 8 : 12] as const) : ([8, 12, 16] as const)) {
        it(`${transferSyntaxUid}, ${bitsStored} bits: ${lossy ? 'close to' : 'the very pixels of'} what was coded`, async () => {
          const frame = await decodeFrame(parsePart10(await phantomDicom({ ...SPEC, bitsStored, transferSyntaxUid })), 1);
          const { pixels } = chestPhantom({ ...SPEC, bitsStored });
          assert.ok(
            largestDifference(frame.data, pixels) <= (LOSSY[transferSyntaxUid] ?? 0),
            String(largestDifference(frame.data, pixels)),
          );
          assert.deepEqual([frame.rows, frame.columns, frame.photometric, frame.signed], [157, 123, 'MONOCHROME2', false]);
        });
      }
    }

    for (const selection of [2, 3, 4, 6, 7]) {
      it(`JPEG lossless with selection value ${selection}, by another maker: the very pixels`, async () => {
        const frame = await decodeFrame(fixture(`jpeg-lossless-sv${selection}`), 1);
        assert.deepEqual(frame.data, (await decodeFrame(fixture('uncompressed'), 1)).data);
      });
    }

    it('JPEG extended with 12 bits: within one gray level of another decoder', async () => {
      const frame = await decodeFrame(fixture('jpeg-extended-12bit'), 1);
      assert.ok(largestDifference(frame.data, (await decodeFrame(fixture('jpeg-extended-12bit.dcmdjpeg'), 1)).data) <= 1);
    });

    it('JPEG baseline in colour with shared chrominance: as another decoder, but for the smoothing of edges', async () => {
      const frame = await decodeFrame(fixture('jpeg-baseline-422'), 1);
      const judge = await decodeFrame(fixture('jpeg-baseline-422.dcmdjpeg'), 1);
      assert.equal(frame.photometric, 'RGB');
      assert.equal(frame.data.length, judge.data.length);
      let sum = 0;
      for (let i = 0; i < frame.data.length; i++) sum += Math.abs(frame.data[i]! - judge.data[i]!);
      assert.ok(sum / frame.data.length < 1.5, String(sum / frame.data.length));
    });

    it('every lossless syntax of the WG04 files: the very pixels of the uncompressed ones', async function () {
      const folder = sharedData('dicom');
      if (!folder) this.skip();
      this.timeout(60_000);
      for (const image of ['RG2', 'RG3']) {
        const original = await decodeFrame(await readPart10(join(folder, `WG04_${image}_UNC.dcm`)), 1);
        for (const syntax of ['RLE', 'JPLL', 'JLSL', 'J2KR']) {
          const frame = await decodeFrame(await readPart10(join(folder, `WG04_${image}_${syntax}.dcm`)), 1);
          assert.equal(largestDifference(frame.data, original.data), 0, `${image} ${syntax}`);
        }
        const near = await decodeFrame(await readPart10(join(folder, `WG04_${image}_JLSN.dcm`)), 1);
        assert.ok(largestDifference(near.data, original.data) <= 4, `${image} JLSN`);
        const extended = await decodeFrame(await readPart10(join(folder, `WG04_${image}_JPLY.dcm`)), 1);
        assert.ok(largestDifference(extended.data, original.data) < 110, `${image} JPLY`);
      }
    });

    it('real chest radiographs, with a preamble or without', async function () {
      const folder = sharedData('dicom');
      if (!folder) this.skip();
      for (const name of ['WG04_RG1_chestPA_J2K-lossy.dcm', 'CR_chest_MONO1_10bit_implicit_no-preamble.dcm']) {
        const frame = await decodeFrame(await readPart10(join(folder, name)), 1);
        assert.equal(frame.data.length, frame.rows * frame.columns, name);
        assert.equal(frame.photometric, 'MONOCHROME1');
      }
    });
  });

  describe('by pixel format', () => {
    const two = { Rows: 1, Columns: 2 };

    it('values above the least significant bit, with something else in the unused bits', async () => {
      const { data } = await decode({
        ...two,
        BitsAllocated: 16,
        BitsStored: 12,
        HighBit: 13,
        PixelData: words(0xc003 | (5 << 2), 0x4000 | (0xfff << 2)),
      });
      assert.deepEqual([...data], [5, 4095]);
    });

    it('signed values of 12 bits', async () => {
      const { data, signed } = await decode({
        ...two,
        PixelRepresentation: 1,
        BitsAllocated: 16,
        BitsStored: 12,
        HighBit: 11,
        PixelData: words(0x0fff, 0x07ff),
      });
      assert.ok(signed);
      assert.deepEqual(data, Int16Array.of(-1, 2047));
    });

    it('signed values of 8 bits', async () => {
      assert.deepEqual(
        (await decode({ ...two, PixelRepresentation: 1, BitsAllocated: 8, BitsStored: 8, PixelData: Uint8Array.of(0xff, 0x7f) }))
          .data,
        Int8Array.of(-1, 127),
      );
    });

    it('single bits', async () => {
      const { data } = await decode({
        Rows: 2,
        Columns: 5,
        BitsAllocated: 1,
        BitsStored: 1,
        HighBit: 0,
        PixelData: Uint8Array.of(0b10000101, 0b10),
      });
      assert.deepEqual([...data], [1, 0, 1, 0, 0, 0, 0, 1, 0, 1]);
    });

    it('values of 32 bits', async () => {
      const { data } = await decode({
        ...two,
        BitsAllocated: 32,
        BitsStored: 32,
        PixelData: new Uint8Array(Uint32Array.of(7, 4_000_000_000).buffer),
      });
      assert.deepEqual([...data], [7, 4_000_000_000]);
    });

    it('the frame that is asked for', async () => {
      const values = { ...two, NumberOfFrames: '3', BitsAllocated: 16, BitsStored: 16, PixelData: words(1, 2, 3, 4, 5, 6) };
      assert.deepEqual([...(await decode(values, 2)).data], [3, 4]);
      assert.deepEqual([...(await decode(values, 3, '1.2.840.10008.1.2.2')).data], [5, 6]);
    });

    const colour = { ...two, SamplesPerPixel: 3, BitsAllocated: 8, BitsStored: 8 };
    it('RGB by pixel and by plane', async () => {
      const byPixel = await decode({
        ...colour,
        PhotometricInterpretation: 'RGB',
        PlanarConfiguration: 0,
        PixelData: Uint8Array.of(1, 2, 3, 4, 5, 6),
      });
      const byPlane = await decode({
        ...colour,
        PhotometricInterpretation: 'RGB',
        PlanarConfiguration: 1,
        PixelData: Uint8Array.of(1, 4, 2, 5, 3, 6),
      });
      assert.deepEqual([...byPixel.data], [1, 2, 3, 4, 5, 6]);
      assert.deepEqual(byPlane.data, byPixel.data);
    });

    it('YBR_FULL and YBR_FULL_422 to RGB', async () => {
      const full = await decode({
        ...colour,
        PhotometricInterpretation: 'YBR_FULL',
        PlanarConfiguration: 0,
        PixelData: Uint8Array.of(76, 85, 255, 150, 44, 21),
      });
      assert.ok(largestDifference(full.data, [254, 0, 0, 0, 255, 1]) <= 1, String(full.data));
      const shared = await decode({
        ...colour,
        PhotometricInterpretation: 'YBR_FULL_422',
        PlanarConfiguration: 0,
        PixelData: Uint8Array.of(10, 200, 128, 128),
      });
      assert.deepEqual([full.photometric, shared.photometric, ...shared.data], ['RGB', 'RGB', 10, 10, 10, 200, 200, 200]);
    });

    it('a file held in memory keeps its bytes', async () => {
      const bytes = writePart10(
        dataset({
          ...GRAY,
          ...colour,
          PhotometricInterpretation: 'YBR_FULL',
          PlanarConfiguration: 0,
          PixelData: Uint8Array.of(76, 85, 255, 150, 44, 21),
        }),
      );
      const before = bytes.slice();
      await decodeFrame(parsePart10(bytes), 1);
      assert.deepEqual(bytes, before);
    });

    it('PALETTE COLOR to RGB', async () => {
      const descriptor = [3, 1, 16];
      const { data } = await decode({
        ...two,
        PhotometricInterpretation: 'PALETTE COLOR',
        BitsAllocated: 8,
        BitsStored: 8,
        PixelData: Uint8Array.of(2, 200),
        RedPaletteColorLookupTableDescriptor: descriptor,
        RedPaletteColorLookupTableData: words(0, 0x8000, 0xffff),
        GreenPaletteColorLookupTableDescriptor: descriptor,
        GreenPaletteColorLookupTableData: words(0x100, 0x200, 0x300),
        BluePaletteColorLookupTableDescriptor: descriptor,
        BluePaletteColorLookupTableData: words(0xff00, 0, 0),
      });
      assert.deepEqual([...data], [0x80, 2, 0, 255, 3, 0]);
    });
  });

  describe('of what is wrong', () => {
    const image = { Rows: 2, Columns: 2, BitsAllocated: 16, BitsStored: 12, PixelData: words(1, 2, 3, 4) };
    const wrong: [string, Record<string, unknown>, string, RegExp][] = [
      ['no Rows', { ...image, Rows: undefined }, 'DicomFormatError', /Rows/],
      [
        'no photometric interpretation',
        { ...image, PhotometricInterpretation: undefined },
        'DicomFormatError',
        /PhotometricInterpretation is missing/,
      ],
      ['more bits stored than allocated', { ...image, BitsStored: 17 }, 'DicomFormatError', /BitsStored is 17/],
      ['a high bit outside the cell', { ...image, HighBit: 16 }, 'DicomFormatError', /HighBit 16/],
      ['three samples in MONOCHROME2', { ...image, SamplesPerPixel: 3 }, 'DicomFormatError', /3 samples per pixel/],
      ['pixel data that is too short', { ...image, Rows: 3 }, 'DicomFormatError', /12 bytes/],
      ['four billion pixels', { ...image, Rows: 65535, Columns: 65535 }, 'NotAnalyzableError', /65535 by 65535/],
      ['CMYK', { ...image, PhotometricInterpretation: 'CMYK' }, 'NotAnalyzableError', /CMYK/],
      [
        'a palette image without its palette',
        { ...image, PhotometricInterpretation: 'PALETTE COLOR' },
        'NotAnalyzableError',
        /palette is missing/,
      ],
      ['no pixel data', { ...image, PixelData: undefined }, 'NotAnalyzableError', /no pixel data/],
      [
        'floating point',
        { ...image, PixelData: undefined, FloatPixelData: new Uint8Array(16) },
        'NotAnalyzableError',
        /floating point/,
      ],
    ];
    for (const [what, values, name, message] of wrong) {
      it(`says so: ${what}`, async () => {
        await assert.rejects(decode(values), { name, message });
      });
    }

    it('names a transfer syntax that cannot be decoded', async () => {
      assert.equal(canDecode('1.2.840.10008.1.2.4.102'), false);
      await assert.rejects(
        decode({ ...image, BitsAllocated: 8, BitsStored: 8, PixelData: [Uint8Array.of(1, 2)] }, 1, '1.2.840.10008.1.2.4.102'),
        (error: Error) => error instanceof NotAnalyzableError && /MPEG-4.*1\.2\.840\.10008\.1\.2\.4\.102/.test(error.message),
      );
    });

    const compressed = Object.entries(ENCODINGS)
      .filter(([, { codec }]) => codec !== 'native')
      .map(([uid]) => uid);
    for (const transferSyntaxUid of compressed) {
      it(`refuses what is cut off, of another size, or no codestream at all, in ${transferSyntaxUid}, and goes on`, async function () {
        this.timeout(60_000);
        const whole = parsePart10(await phantomDicom({ ...SPEC, transferSyntaxUid }));
        const bits = transferSyntaxUid.endsWith('.50') ? 8 : 12;
        const bytes = await readFrame(whole, 1);
        const wrap = (frame: Uint8Array, more = {}): Promise<StoredFrame> =>
          decode(
            {
              Rows: SPEC.rows,
              Columns: SPEC.columns,
              BitsAllocated: bits === 8 ? 8 : 16,
              BitsStored: bits,
              PixelData: [frame],
              ...more,
            },
            1,
            transferSyntaxUid,
          );
        await assert.rejects(wrap(bytes.slice(0, bytes.length >> 1)), { name: 'DicomFormatError' });
        await assert.rejects(wrap(new Uint8Array(500).fill(7)), { name: 'DicomFormatError' });
        await assert.rejects(wrap(bytes, { Rows: SPEC.rows * 9 }), { name: 'DicomFormatError' });
        await decodeFrame(whole, 1);
      });

      it(`survives bytes changed at random in ${transferSyntaxUid}`, async function () {
        this.timeout(60_000);
        const whole = await phantomDicom({ ...SPEC, columns: 64, rows: 64, transferSyntaxUid });
        let dice = 7;
        for (let round = 0; round < 12; round++) {
          const damaged = whole.slice();
          for (let i = 0; i < 1 + round * 4; i++) {
            dice = (Math.imul(dice, 1664525) + 1013904223) >>> 0;
            // Beyond the header, which other tests damage.
            damaged[damaged.length - 8 - (dice % 1500)] = dice >>> 24;
          }
          try {
            const { data } = await decodeFrame(parsePart10(damaged), 1);
            assert.equal(data.length, 64 * 64);
          } catch (error) {
            assert.ok(['DicomFormatError', 'NotAnalyzableError'].includes((error as Error).name), String(error));
          }
        }
      });
    }
  });
});
