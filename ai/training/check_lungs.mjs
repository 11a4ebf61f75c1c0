// Asks the gateway's own check whether drawn lungs are fit to measure by: node ai/training/check_lungs.mjs MASKS WIDTH HEIGHT
// MASKS: logits, float32, little-endian, [n, 2, height, width]: the patient's right lung, then the left. Prints a JSON list: for
// each image null where they are accepted, else the reason.
import { readFile } from 'node:fs/promises';
import { lungFields } from '../severity/lung-fields.ts';

const [file, ...sides] = process.argv.slice(2);
const [width, height] = sides.map(Number);
if (!file || !(width > 0) || !(height > 0)) {
  console.error('usage: node ai/training/check_lungs.mjs MASKS WIDTH HEIGHT');
  process.exit(2);
}
const bytes = await readFile(file);
const logits = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
const size = width * height;
const refused = [];
for (let start = 0; start + 2 * size <= logits.length; start += 2 * size) {
  // Logit 0 is a probability of one half, the threshold of the package.
  const [right, left] = [0, 1].map((lung) => ({ values: logits.subarray(start + lung * size, start + (lung + 1) * size), threshold: 0 }));
  const found = lungFields(right, left, width, height);
  refused.push(found.status === 'found' ? null : found.reason);
}
console.log(JSON.stringify(refused));
