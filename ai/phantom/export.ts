// Writes synthetic radiographs with their boxes for training: node ai/phantom/export.ts --count 1200 --seed 1 --out data/phantom
// Seeds 1 to 9999 are for training; tests and the demo draw from 100000 on, so that nothing is judged on what was learnt.
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { chestPhantom } from './chest.ts';
import { random } from './random.ts';

/** Side of the written images; drawn at twice that, so that edges are as soft as in a reduced radiograph. */
const SIDE = 320;

/** The last of the training seeds. */
const LAST_SEED = 9999;

/** Writes images/*.png (8-bit gray) and, last and at once, labels.csv: image,label,x,y,w,h,width,height; one row a box. */
export async function exportPhantoms(
  folder: string,
  count: number,
  firstSeed: number,
  progress: (done: number) => void,
): Promise<void> {
  if (firstSeed < 1 || firstSeed + count - 1 > LAST_SEED) throw new RangeError(`training seeds are 1 to ${LAST_SEED}`);
  await mkdir(join(folder, 'images'), { recursive: true });
  const lines = ['image,label,x,y,w,h,width,height'];
  for (let i = 0; i < count; i++) {
    const seed = firstSeed + i;
    // A stream of its own, apart from the phantom's: what is in the picture must not follow from how the patient stands.
    const choice = random(seed + 500_000);
    const opacities = i % 2 === 0 ? 0 : Math.floor(choice.between(1, 4));
    const child = choice.chance(0.4);
    const phantom = chestPhantom({
      seed,
      columns: SIDE * 2,
      rows: SIDE * 2,
      child,
      view: choice.chance(child ? 0.7 : 0.4) ? 'AP' : 'PA',
      opacities,
    });
    const image = `images/${String(seed).padStart(5, '0')}.png`;
    await sharp(Buffer.from(Uint8Array.from(phantom.pixels, (value) => value >> 4)), {
      raw: { width: SIDE * 2, height: SIDE * 2, channels: 1 },
    })
      .resize(SIDE, SIDE, { kernel: 'lanczos3' })
      .toColourspace('b-w')
      .png()
      .toFile(join(folder, image));
    const boxes = phantom.opacities.map((b) => [b.x, b.y, b.width, b.height].map((v) => v / 2).join(','));
    if (boxes.length === 0) lines.push(`${image},none,,,,,${SIDE},${SIDE}`);
    for (const box of boxes) lines.push(`${image},opacity,${box},${SIDE},${SIDE}`);
    progress(i + 1);
  }
  await writeFile(join(folder, 'labels.csv.partial'), `${lines.join('\n')}\n`);
  await rename(join(folder, 'labels.csv.partial'), join(folder, 'labels.csv'));
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '1200' },
      seed: { type: 'string', default: '1' },
      out: { type: 'string', default: 'data/phantom' },
    },
  });
  const count = Number(values.count);
  await exportPhantoms(values.out, count, Number(values.seed), (done) => process.stderr.write(`\r${done}/${count}`));
  process.stderr.write('\n');
}
