import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeFrame } from '../../ai/imaging/decode.ts';
import { displayFrame } from '../../ai/imaging/grayscale.ts';
import { chestPhantom } from '../../ai/phantom/chest.ts';
import { dataset } from '../../storage/dicom/dataset.ts';
import { parsePart10, readPart10 } from '../../storage/dicom/part10.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';

const IMAGE = {
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.1',
  SOPInstanceUID: '2.25.6',
  Rows: 1,
  SamplesPerPixel: 1,
  PhotometricInterpretation: 'MONOCHROME2',
  BitsAllocated: 16,
  BitsStored: 16,
  HighBit: 15,
  PixelRepresentation: 0,
};
const pixelData = (values: readonly number[]): Uint8Array => new Uint8Array(Uint16Array.from(values).buffer);

/** What a row of stored values looks like on the monitor. */
async function shown(values: readonly number[], attributes: Record<string, unknown> = {}, frame = 1): Promise<number[]> {
  const file = parsePart10(
    writePart10(
      dataset({ ...IMAGE, Columns: values.length, ...attributes, PixelData: attributes['PixelData'] ?? pixelData(values) }),
    ),
  );
  return [...displayFrame(await decodeFrame(file, frame), file.dataset).pixels];
}

describe('grayscale pipeline', () => {
  it('windows as the standard computes LINEAR (C.11.2.1.2.1)', async () => {
    // c = 100, w = 11: black up to 94.5, white above 104.5, ((x - 99.5) / 10 + 0.5) between.
    assert.deepEqual(
      await shown([0, 94, 95, 99, 100, 104, 105, 65535], { WindowCenter: 100, WindowWidth: 11 }),
      [0, 0, 13, 115, 140, 242, 255, 255],
    );
  });

  it('windows of width 1 are a threshold', async () => {
    assert.deepEqual(await shown([99, 100, 101], { WindowCenter: 100, WindowWidth: 1 }), [0, 255, 255]);
  });

  it('windows as the standard computes LINEAR_EXACT', async () => {
    assert.deepEqual(
      await shown([0, 95, 100, 105, 106], { WindowCenter: 100, WindowWidth: 10, VOILUTFunction: 'LINEAR_EXACT' }),
      [0, 0, 128, 255, 255],
    );
  });

  it('windows as the standard computes SIGMOID', async () => {
    const [low, middle, high] = await shown([50, 100, 150], { WindowCenter: 100, WindowWidth: 100, VOILUTFunction: 'SIGMOID' });
    assert.deepEqual([low, middle, high], [Math.round(255 / (1 + Math.exp(2))), 128, Math.round(255 / (1 + Math.exp(-2)))]);
  });

  it('takes the first of several windows', async () => {
    assert.deepEqual(await shown([0, 50, 1000], { WindowCenter: [50.5, 4000], WindowWidth: [101, 10] }), [0, 128, 255]);
  });

  it('rescales before it windows', async () => {
    assert.deepEqual(
      await shown([0, 50, 100], { RescaleSlope: 2, RescaleIntercept: -100, WindowCenter: 0.5, WindowWidth: 201 }),
      [0, 128, 255],
    );
  });

  it('shows signed values in their order', async () => {
    const values = { PixelRepresentation: 1, BitsStored: 12, HighBit: 11, WindowCenter: 0.5, WindowWidth: 201 };
    assert.deepEqual(await shown([0x0f9c, 0, 100], values), [0, 128, 255]);
  });

  it('goes through a modality LUT, whose ends hold for what lies beyond them', async () => {
    const ModalityLUTSequence = [{ LUTDescriptor: [3, 10, 16], ModalityLUTType: 'US', LUTData: pixelData([0, 50, 100]) }];
    assert.deepEqual(
      await shown([0, 10, 11, 12, 500], { ModalityLUTSequence, WindowCenter: 50.5, WindowWidth: 101 }),
      [0, 0, 128, 255, 255],
    );
  });

  it('goes through a VOI LUT, which comes before a window', async () => {
    const VOILUTSequence = [{ LUTDescriptor: [4, 100, 12], LUTData: pixelData([4095, 2048, 1024, 0]) }];
    assert.deepEqual(
      await shown([0, 100, 101, 102, 103, 200], { VOILUTSequence, WindowCenter: 1, WindowWidth: 1 }),
      [255, 255, 128, 64, 0, 0],
    );
  });

  it('reads a VOI LUT of 65,536 entries, which the header reader leaves in the file', async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, 'image.dcm');
      const entries = Array.from({ length: 65536 }, (_, i) => 65535 - i);
      const VOILUTSequence = [{ LUTDescriptor: [0, 0, 16], LUTData: pixelData(entries) }];
      await writeFile(
        path,
        writePart10(dataset({ ...IMAGE, Columns: 3, VOILUTSequence, PixelData: pixelData([0, 32768, 65535]) })),
      );
      const file = await readPart10(path);
      assert.deepEqual([...displayFrame(await decodeFrame(file, 1), file.dataset).pixels], [255, 127, 0]);
    });
  });

  it('refuses a table that is shorter than it says', async () => {
    const VOILUTSequence = [{ LUTDescriptor: [400, 0, 16], LUTData: pixelData([1, 2]) }];
    await assert.rejects(shown([1], { VOILUTSequence }), { name: 'NotAnalyzableError', message: /400 entries/ });
  });

  it('shows the least value white for MONOCHROME1 and for presentation LUT shape INVERSE, never twice inverted', async () => {
    const window = { WindowCenter: 50.5, WindowWidth: 101 };
    assert.deepEqual(await shown([0, 100], { ...window, PhotometricInterpretation: 'MONOCHROME1' }), [255, 0]);
    assert.deepEqual(await shown([0, 100], { ...window, PresentationLUTShape: 'INVERSE' }), [255, 0]);
    assert.deepEqual(
      await shown([0, 100], { ...window, PhotometricInterpretation: 'MONOCHROME1', PresentationLUTShape: 'INVERSE' }),
      [255, 0],
    );
    assert.deepEqual(await shown([0, 100], { ...window, PresentationLUTShape: 'IDENTITY' }), [0, 255]);
  });

  it('spreads an image without a window over all but its outliers', async () => {
    const values = Array.from({ length: 2000 }, (_, i) => 1000 + (i % 500));
    const pixels = await shown([...values, 0, 65535]);
    assert.deepEqual(pixels.slice(-2), [0, 255]);
    assert.ok(Math.abs(pixels[250]! - 128) <= 2, String(pixels[250]));
    assert.ok(pixels[10]! > 0 && pixels[10]! < 10 && pixels[490]! > 245);
  });

  it('leaves padding out of that, and shows it black', async () => {
    const values = [
      ...Array.from({ length: 500 }, (_, i) => 1000 + i),
      ...Array.from({ length: 5000 }, (_, i) => 4000 + (i % 96)),
    ];
    const pixels = await shown(values, { PixelPaddingValue: 4095, PixelPaddingRangeLimit: 4000 });
    assert.ok(Math.abs(pixels[250]! - 128) <= 2, String(pixels[250]));
    assert.ok(pixels.slice(500).every((value) => value === 0));
  });

  it('does not stumble over an image of one value, or a window that makes no sense', async () => {
    assert.equal(new Set(await shown([7, 7, 7, 7])).size, 1);
    assert.deepEqual(await shown([0, 100, 200], { WindowCenter: 50, WindowWidth: 0 }), [0, 128, 255]);
    assert.deepEqual(await shown([0, 100, 200], { RescaleSlope: 0, WindowCenter: 100.5, WindowWidth: 201 }), [0, 128, 255]);
  });

  it("takes an enhanced image's attributes from the functional groups of the frame", async () => {
    const attributes = {
      NumberOfFrames: '2',
      Columns: 2,
      PixelData: pixelData([0, 100, 1000, 1200]),
      SharedFunctionalGroupsSequence: [{ PixelValueTransformationSequence: [{ RescaleSlope: 1, RescaleIntercept: -1000 }] }],
      PerFrameFunctionalGroupsSequence: [-949.5, 50.5].map((WindowCenter) => ({
        FrameVOILUTSequence: [{ WindowCenter, WindowWidth: 101 }],
      })),
    };
    assert.deepEqual(await shown([0, 0], attributes, 1), [0, 255]);
    assert.deepEqual(await shown([0, 0], attributes, 2), [0, 255]);
  });

  it('turns colour into luminance', async () => {
    const colour = {
      SamplesPerPixel: 3,
      PlanarConfiguration: 0,
      PhotometricInterpretation: 'RGB',
      BitsAllocated: 8,
      BitsStored: 8,
      HighBit: 7,
    };
    assert.deepEqual(
      await shown([0, 0, 0], { ...colour, PixelData: Uint8Array.of(255, 0, 0, 0, 255, 0, 80, 80, 80) }),
      [76, 150, 80],
    );
  });

  it('maps values of 8 and of 32 bits', async () => {
    const window = { WindowCenter: 100.5, WindowWidth: 201 };
    assert.deepEqual(
      await shown([0, 0, 0], { ...window, BitsAllocated: 8, BitsStored: 8, HighBit: 7, PixelData: Uint8Array.of(0, 100, 200) }),
      [0, 128, 255],
    );
    assert.deepEqual(
      await shown([0, 0, 0], {
        ...window,
        BitsAllocated: 32,
        BitsStored: 32,
        HighBit: 31,
        PixelData: new Uint8Array(Uint32Array.of(0, 100, 200).buffer),
      }),
      [0, 128, 255],
    );
  });

  it('shows a radiograph the same way whether it is stored MONOCHROME1 or MONOCHROME2', async () => {
    const [one, two] = await Promise.all(
      (['MONOCHROME1', 'MONOCHROME2'] as const).map((photometric) =>
        shown([...chestPhantom({ seed: 100_070, columns: 64, rows: 64, photometric }).pixels], {
          PhotometricInterpretation: photometric,
          BitsStored: 12,
          HighBit: 11,
        }),
      ),
    );
    assert.ok(one && two);
    assert.ok(one.every((value, i) => Math.abs(value - two[i]!) <= 1));
  });
});
