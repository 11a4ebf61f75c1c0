// Pictures beside those that DCMTK makes of the same images: windows of every shape, inverted images, presentation states.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { renderInWorker, type RenderRequest } from '../../gateway/dicomweb/render-pool.ts';
import { dataset } from '../../storage/dicom/dataset.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { runTool } from '../support/peers.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';
import { KINDS, imageOf, type Kind } from '../support/transcoding.ts';

const AS_IT_IS = { transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN, frame: 1, mediaType: 'image/png', quality: 90, annotation: [], withProfile: false } as const;
const UNSIGNED: Kind = { ...KINDS.find(({ name }) => name === '12 of 16 bits')!, columns: 80, rows: 60 };
const SIGNED: Kind = { ...UNSIGNED, signed: true };

async function ours(path: string, more: Partial<RenderRequest>): Promise<Uint8Array> {
  return sharp(await renderInWorker({ ...AS_IT_IS, path, ...more })).toColourspace('b-w').raw().toBuffer();
}

/** Pixels of a binary PGM of 8 bits. */
async function pgm(path: string, pixels: number): Promise<Uint8Array> {
  const bytes = await readFile(path);
  assert.equal(bytes.toString('latin1', 0, 2), 'P5');
  return bytes.subarray(bytes.length - pixels);
}

function farthest(a: Uint8Array, b: Uint8Array): number {
  assert.equal(a.length, b.length);
  return a.reduce((most, value, at) => Math.max(most, Math.abs(value - b[at]!)), 0);
}

describe('pictures, beside DCMTK', () => {
  for (const [name, kind, extra] of [
    ['an image', UNSIGNED, {}],
    ['an inverted image', { ...UNSIGNED, photometric: 'MONOCHROME1' }, {}],
    ['a signed image with rescale', SIGNED, { RescaleSlope: 2, RescaleIntercept: -100, RescaleType: 'US' }],
  ] as const) {
    for (const [shape, option] of [['LINEAR', '+Wfl'], ['SIGMOID', '+Wfs']] as const) {
      it(`${name} through a ${shape.toLowerCase()} window`, () =>
        inTemporaryFolder(async (folder) => {
          const [path, out] = [join(folder, 'image.dcm'), join(folder, 'theirs.pgm')];
          writeFileSync(path, imageOf({ ...kind, extra }));
          for (const [center, width] of [[1000, 900], [300, 61.5], [1900, 4096]] as const) {
            const { code, output } = await runTool('dcm2pnm', ['-q', '-O', '+op', '+Ww', String(center), String(width), option, path, out]);
            assert.equal(code, 0, output);
            const difference = farthest(await ours(path, { window: { center, width, shape } }), await pgm(out, kind.columns * kind.rows));
            assert.ok(difference <= 1, `${center}, ${width}: ${difference}`);
          }
        }));
    }
  }

  const reference = [{ ReferencedSOPClassUID: '1.2.840.10008.5.1.4.1.1.7', ReferencedSOPInstanceUID: '2.25.41' }];
  const state = {
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.11.1',
    SOPInstanceUID: '2.25.61',
    StudyInstanceUID: '2.25.42',
    SeriesInstanceUID: '2.25.62',
    Modality: 'PR',
    PatientName: { Alphabetic: 'Kind^Test' },
    PatientID: 'KIND',
    PatientBirthDate: null,
    PatientSex: null,
    StudyDate: null,
    StudyTime: null,
    ReferringPhysicianName: null,
    StudyID: null,
    AccessionNumber: null,
    SeriesNumber: 1,
    InstanceNumber: 1,
    Manufacturer: 'TEST',
    ContentLabel: 'TEST',
    ContentDescription: null,
    PresentationCreationDate: '20260101',
    PresentationCreationTime: '120000',
    ContentCreatorName: null,
    ReferencedSeriesSequence: [{ SeriesInstanceUID: '2.25.43', ReferencedImageSequence: reference }],
    DisplayedAreaSelectionSequence: [{ DisplayedAreaTopLeftHandCorner: [1, 1], DisplayedAreaBottomRightHandCorner: [80, 60], PresentationSizeMode: 'TRUE SIZE', PresentationPixelSpacing: ['1', '1'] }],
    PresentationLUTShape: 'IDENTITY',
  };
  const STATES: Record<string, Record<string, unknown>> = {
    'without a window': {},
    'with a window': { SoftcopyVOILUTSequence: [{ WindowCenter: '1500', WindowWidth: '1000' }] },
    'that inverts': { PresentationLUTShape: 'INVERSE', SoftcopyVOILUTSequence: [{ WindowCenter: '1500', WindowWidth: '1000' }] },
    'that turns and mirrors': { ImageRotation: 90, ImageHorizontalFlip: 'Y' },
    'with a table': { SoftcopyVOILUTSequence: [{ VOILUTSequence: [{ LUTDescriptor: [256, 1000, 8], LUTData: Array.from({ length: 256 }, (_, at) => Math.round(at ** 2 / 255)) }] }] },
  };
  for (const [name, values] of Object.entries(STATES)) {
    it(`an image through a presentation state ${name}`, () =>
      inTemporaryFolder(async (folder) => {
        const [path, presentation, out] = [join(folder, 'image.dcm'), join(folder, 'state.dcm'), join(folder, 'theirs.pgm')];
        writeFileSync(path, imageOf({ ...UNSIGNED, extra: { WindowCenter: 300, WindowWidth: 100 } }));
        writeFileSync(presentation, writePart10(dataset({ ...state, ...values })));
        const { code, output } = await runTool('dcmp2pgm', ['-q', '-p', presentation, path, out]);
        assert.equal(code, 0, output);
        const difference = farthest(await ours(path, { presentation }), await pgm(out, 80 * 60));
        assert.ok(difference <= 1, String(difference));
      }));
  }
});
