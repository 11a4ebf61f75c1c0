import assert from 'node:assert/strict';
import { toModelInput } from '../../ai/imaging/resize.ts';

/** A black picture with one white rectangle. */
function rectangle(
  width: number,
  height: number,
  box: { x: number; y: number; width: number; height: number },
): { width: number; height: number; pixels: Uint8Array } {
  const pixels = new Uint8Array(width * height);
  for (let y = box.y; y < box.y + box.height; y++) pixels.fill(255, y * width + box.x, y * width + box.x + box.width);
  return { width, height, pixels };
}

/** Extent of what is brighter than half. */
function extent(pixels: Uint8Array, width: number): [number, number, number, number] {
  const found = [...pixels.keys()].filter((i) => pixels[i]! > 127);
  const xs = found.map((i) => i % width);
  const ys = found.map((i) => Math.floor(i / width));
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs) + 1, Math.max(...ys) + 1];
}

describe("an image at the size of a model's input", () => {
  const box = { x: 300, y: 500, width: 200, height: 400 };
  for (const fit of ['stretch', 'letterbox'] as const) {
    for (const [width, height] of [
      [1000, 1500],
      [1500, 1000],
      [100, 900],
    ] as const) {
      it(`finds a region of ${width} by ${height} pixels again where it was (${fit})`, async () => {
        const place = {
          x: (box.x * width) / 1000,
          y: (box.y * height) / 1500,
          width: (box.width * width) / 1000,
          height: (box.height * height) / 1500,
        };
        const whole = {
          x: Math.round(place.x),
          y: Math.round(place.y),
          width: Math.round(place.width),
          height: Math.round(place.height),
        };
        const { pixels, toImage } = await toModelInput(rectangle(width, height, whole), { width: 256, height: 192, fit });
        assert.equal(pixels.length, 256 * 192);
        const [left, top, right, bottom] = extent(pixels, 256);
        const [x1, y1] = toImage(left, top);
        const [x2, y2] = toImage(right, bottom);
        // Half a pixel of the input is that many pixels of the image.
        const most = Math.max(width / 256, height / 192, height / 256, width / 192) * (fit === 'letterbox' ? 4 : 0.8);
        for (const [is, should] of [
          [x1, whole.x],
          [y1, whole.y],
          [x2, whole.x + whole.width],
          [y2, whole.y + whole.height],
        ] as const) {
          assert.ok(Math.abs(is - should) <= most, `${is} for ${should}, at most ${most} away`);
        }
      });
    }
  }

  it('maps corner to corner when stretched', async () => {
    const { toImage } = await toModelInput(rectangle(1760, 2140, box), { width: 256, height: 256, fit: 'stretch' });
    assert.deepEqual(
      [toImage(0, 0), toImage(256, 256)],
      [
        [0, 0],
        [1760, 2140],
      ],
    );
  });

  it('keeps the aspect ratio and fills up with black in a letterbox', async () => {
    const white = { width: 400, height: 800, pixels: new Uint8Array(400 * 800).fill(255) };
    const { pixels, toImage } = await toModelInput(white, { width: 100, height: 100, fit: 'letterbox' });
    assert.deepEqual(extent(pixels, 100), [25, 0, 75, 100]);
    assert.deepEqual(
      [toImage(25, 0), toImage(75, 100)],
      [
        [0, 0],
        [400, 800],
      ],
    );
    assert.equal(pixels[50 * 100 + 10], 0);
  });
});
