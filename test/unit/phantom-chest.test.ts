import assert from 'node:assert/strict';
import { chestPhantom } from '../../ai/phantom/chest.ts';

const SMALL = { columns: 320, rows: 384 };

/** How much of two stretches is common. */
function overlap(a: number, aSize: number, b: number, bSize: number): number {
  return Math.min(a + aSize, b + bSize) - Math.max(a, b);
}

describe('chest phantom', () => {
  it('is the same picture for the same seed, and another for another', () => {
    const first = chestPhantom({ seed: 100_000, ...SMALL });
    assert.deepEqual(chestPhantom({ seed: 100_000, ...SMALL }), first);
    assert.notDeepEqual(chestPhantom({ seed: 100_001, ...SMALL }).pixels, first.pixels);
  });

  it('differs from the same patient without opacities only where it says that the opacities are', () => {
    for (let seed = 100_010; seed < 100_014; seed++) {
      const clear = chestPhantom({ seed, ...SMALL });
      const ill = chestPhantom({ seed, ...SMALL, opacities: 2 });
      assert.equal(ill.opacities.length, 2);
      let inside = 0;
      let outside = 0;
      for (let y = 0; y < SMALL.rows; y++) {
        for (let x = 0; x < SMALL.columns; x++) {
          const more = ill.pixels[y * SMALL.columns + x]! - clear.pixels[y * SMALL.columns + x]!;
          if (ill.opacities.some((b) => x >= b.x && x < b.x + b.width && y >= b.y && y < b.y + b.height)) inside += more;
          else outside += Math.abs(more);
        }
      }
      assert.ok(inside > 9 * outside, `seed ${seed}: ${inside} inside, ${outside} outside`);
    }
  });

  it('puts an opacity where it is asked for, in pixels of the image', () => {
    const asked = { x: 190, y: 150, width: 70, height: 80, contrast: 0.7 };
    const [box, ...more] = chestPhantom({ seed: 100_020, ...SMALL, opacities: [asked] }).opacities;
    assert.ok(box);
    assert.equal(more.length, 0);
    const shared = overlap(asked.x, asked.width, box.x, box.width) * overlap(asked.y, asked.height, box.y, box.height);
    assert.ok(shared / (asked.width * asked.height + box.width * box.height - shared) > 0.4, JSON.stringify(box));
  });

  it('leaves out an opacity that lies outside the lungs', () => {
    assert.deepEqual(
      chestPhantom({ seed: 100_021, ...SMALL, opacities: [{ x: 0, y: 360, width: 20, height: 20, contrast: 0.8 }] }).opacities,
      [],
    );
  });

  it('keeps the place of opacities when the same patient is drawn larger', () => {
    const small = chestPhantom({ seed: 100_022, columns: 320, rows: 320, opacities: 1 }).opacities[0]!;
    const large = chestPhantom({ seed: 100_022, columns: 640, rows: 640, opacities: 1 }).opacities[0]!;
    for (const side of ['x', 'y', 'width', 'height'] as const)
      assert.ok(Math.abs(large[side] / 2 - small[side]) < 24, `${side}: ${small[side]} and ${large[side]} / 2`);
  });

  it('is its own negative in MONOCHROME1', () => {
    const positive = chestPhantom({ seed: 100_030, ...SMALL }).pixels;
    const negative = chestPhantom({ seed: 100_030, ...SMALL, photometric: 'MONOCHROME1' }).pixels;
    assert.ok(positive.every((value, i) => negative[i] === 4095 - value));
  });

  for (const bitsStored of [8, 10, 12, 14, 16] as const) {
    it(`fills the range of ${bitsStored} bits and stays in it`, () => {
      const { pixels } = chestPhantom({ seed: 100_031, ...SMALL, bitsStored });
      const most = pixels.reduce((a, b) => Math.max(a, b), 0);
      assert.equal(most, 2 ** bitsStored - 1, 'the lettering is white');
      assert.ok(pixels.reduce((a, b) => Math.min(a, b), most) < 2 ** bitsStored * 0.1);
    });
  }

  it('has lungs darker than the mediastinum, in adults and children', () => {
    for (const child of [false, true]) {
      const { pixels } = chestPhantom({ seed: 100_040, ...SMALL, child, view: child ? 'AP' : 'PA' });
      const mean = (x0: number, x1: number): number => {
        let sum = 0;
        for (let y = 170; y < 230; y++) for (let x = x0; x < x1; x++) sum += pixels[y * SMALL.columns + x]!;
        return sum / (60 * (x1 - x0));
      };
      const middle = mean(150, 170);
      assert.ok(mean(75, 115) < middle * 0.75);
      assert.ok(mean(225, 245) < middle * 0.8);
    }
  });
});
