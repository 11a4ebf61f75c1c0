// Whatever is asked of a picture: it is made, or the caller is told what was wrong; never a fault of ours.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Request } from 'express';
import fc from 'fast-check';
import sharp from 'sharp';
import { renderInWorker } from '../../gateway/dicomweb/render-pool.ts';
import { renderingOf } from '../../gateway/dicomweb/rendering-parameters.ts';
import { HttpError } from '../../gateway/http/errors.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';
import { KINDS, imageOf } from '../support/transcoding.ts';

const decimal = fc.oneof(fc.integer({ min: -100, max: 9000 }).map(String), fc.double({ min: -50, max: 200, noNaN: true }).map((value) => value.toFixed(3)), fc.constantFrom('', '0', '0.4', '1e9', '-1', '1e-5', 'NaN', '0x10', '٣'));
const list = (length: number): fc.Arbitrary<string> => fc.array(decimal, { minLength: 0, maxLength: length }).map((parts) => parts.join(','));
const side = fc.integer({ min: 1, max: 90 });
/** Of a region that is often in the image. */
const place = fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 60 }).map(String) }, { weight: 2, arbitrary: fc.double({ min: -40, max: 60, noNaN: true }).map((value) => value.toFixed(2)) }, { weight: 1, arbitrary: decimal });
const joined = (...parts: fc.Arbitrary<string | number>[]): fc.Arbitrary<string> => fc.tuple(...parts).map((all) => all.join(','));
const viewport = fc.oneof({ weight: 1, arbitrary: list(7) }, { weight: 3, arbitrary: joined(side, side) }, { weight: 6, arbitrary: joined(side, side, place, place, place, place) });
const positive = fc.double({ min: 1, max: 5000, noNaN: true }).map((value) => value.toFixed(2));
const window = fc.oneof({ weight: 1, arbitrary: list(4) }, { weight: 5, arbitrary: joined(positive, positive, fc.constantFrom('linear', 'linear-exact', 'sigmoid')) });
const query = fc.record(
  {
    viewport,
    window,
    quality: fc.oneof({ weight: 1, arbitrary: decimal }, { weight: 6, arbitrary: fc.integer({ min: 1, max: 100 }).map(String) }),
    annotation: fc.oneof({ weight: 6, arbitrary: fc.constantFrom('patient', 'technique', 'patient,technique', 'technique, patient') }, { weight: 1, arbitrary: fc.string() }),
    iccprofile: fc.constantFrom('no', 'yes', 'srgb', 'srgb', 'yes', 'adobergb'),
  },
  { requiredKeys: [], noNullPrototype: true },
);

describe('any rendering', () => {
  it('is made in the size that it says, or refused with 400', function () {
    this.timeout(120_000);
    return inTemporaryFolder(async (folder) => {
      const paths = await Promise.all(
        ['12 of 16 bits', 'RGB'].map(async (name) => {
          const path = join(folder, `${name}.dcm`);
          await writeFile(path, imageOf({ ...KINDS.find((kind) => kind.name === name)!, columns: 61, rows: 47 }));
          return path;
        }),
      );
      let made = 0;
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...paths), query, fc.constantFrom('image/jpeg' as const, 'image/png' as const, 'image/gif' as const), async (path, asked, mediaType) => {
          let picture: Uint8Array;
          try {
            const rendering = renderingOf({ query: asked } as unknown as Request, mediaType);
            if (rendering.viewport && rendering.viewport.width * rendering.viewport.height > 1e6) return; // right, and slow
            picture = await renderInWorker({ ...rendering, path, transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN, frame: 1 });
            made += 1;
            const { width, height } = await sharp(picture).metadata();
            if (rendering.viewport) {
              assert.ok(width! <= rendering.viewport.width && height! <= rendering.viewport.height, `${width} by ${height}`);
              assert.ok(width === rendering.viewport.width || height === rendering.viewport.height, `${width} by ${height} fills no side`);
            } else assert.deepEqual([width, height], [61, 47]);
          } catch (error) {
            if (!(error instanceof HttpError)) throw error;
            assert.equal(error.status, 400);
          }
        }),
        { seed: 7, numRuns: 500 },
      );
      assert.ok(made > 60, `${made} pictures were made`);
    });
  });
});
