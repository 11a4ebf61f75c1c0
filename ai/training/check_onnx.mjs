// Runs an ONNX file in the gateway's own runtime: node ai/training/check_onnx.mjs MODEL FOLDER
// FOLDER/check.json names the inputs, and what PyTorch answered to them (`train export --check FOLDER` writes it):
//   { "batch": 8, "inputs": { "image": { "file": "image.bin", "type": "uint8", "divide": 255, "shape": [32, 1, 256, 256] } },
//     "expected": { "logit": { "file": "logit.bin", "tolerance": 0.01 },
//                   "boxes": { "file": "boxes.bin", "tolerance": 0.5, "scores": "scores", "leastScore": 0.1 } }, "timed": 30 }
// Files are raw, little-endian, row-major; what is expected is float32. With "answers": true each output is written to
// FOLDER/NAME.answer.bin; "timed": 30 runs are timed, one image each. Prints one line of JSON; exits with 1 if an answer differs by more than its tolerance.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ort from 'onnxruntime-node';

const [model, folder] = process.argv.slice(2);
if (!model || !folder) {
  console.error('usage: node ai/training/check_onnx.mjs MODEL FOLDER');
  process.exit(2);
}
const THREADS = 2;
const check = JSON.parse(await readFile(join(folder, 'check.json'), 'utf8'));
const inputs = {};
for (const [name, { file, type, divide, shape }] of Object.entries(check.inputs))
  inputs[name] = { bytes: await readFile(join(folder, file)), type: type ?? 'float32', divide: divide ?? 1, shape };
const [first] = Object.values(inputs);
const count = first.shape[0];
const session = await ort.InferenceSession.create(model, { intraOpNumThreads: THREADS });

function slice({ bytes, type, divide, shape }, start, n) {
  const size = shape.slice(1).reduce((product, side) => product * side, 1);
  const values = type === 'uint8' ? new Uint8Array(bytes.buffer, bytes.byteOffset) : new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const part = Float32Array.from(values.subarray(start * size, (start + n) * size), (value) => value / divide);
  return new ort.Tensor('float32', part, [n, ...shape.slice(1)]);
}
const feeds = (start, n) => Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, slice(input, start, n)]));

const parts = {};
const shapes = {};
for (let start = 0; start < count; start += check.batch) {
  const outputs = await session.run(feeds(start, Math.min(check.batch, count - start)));
  for (const [name, { data, dims }] of Object.entries(outputs)) {
    (parts[name] ??= []).push(data);
    shapes[name] = [count, ...dims.slice(1)];
  }
}
const answers = {};
for (const [name, each] of Object.entries(parts)) {
  answers[name] = new Float32Array(each.reduce((sum, data) => sum + data.length, 0));
  let at = 0;
  for (const data of each) {
    answers[name].set(data, at);
    at += data.length;
  }
}
if (check.answers) for (const [name, data] of Object.entries(answers)) await writeFile(join(folder, `${name}.answer.bin`), data);

const expected = {};
for (const [name, { file }] of Object.entries(check.expected ?? {})) {
  const bytes = await readFile(join(folder, file));
  expected[name] = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** Largest difference of two tensors; what is no number in one of them differs by all there is. */
function difference(one, other) {
  if (one.length !== other.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < one.length; i++) {
    const gap = Math.abs(one[i] - other[i]);
    if (!(gap <= largest)) largest = Number.isNaN(gap) ? Infinity : gap;
  }
  return largest;
}

// Places of all but equal score may change their order between two runtimes: what must agree is every box that could be
// reported, wherever it stands in the list.
function boxDifference(name, { scores, leastScore }) {
  const k = shapes[scores][1];
  const largest = { box: 0, score: 0, boxes: 0 };
  for (let place = 0; place < expected[scores].length; place++) {
    if (expected[scores][place] < leastScore) continue;
    const start = place - (place % k);
    let best = { gap: Infinity, score: 0 };
    for (let other = start; other < start + k; other++) {
      const gap = Math.max(...[0, 1, 2, 3].map((c) => Math.abs(answers[name][other * 4 + c] - expected[name][place * 4 + c])));
      if (gap < best.gap) best = { gap, score: answers[scores][other] };
    }
    largest.box = Math.max(largest.box, best.gap);
    largest.score = Math.max(largest.score, Math.abs(best.score - expected[scores][place]));
    largest.boxes++;
  }
  return largest;
}

const largestDifference = {};
let boxes;
const paired = Object.entries(check.expected ?? {}).find(([, { scores }]) => scores);
if (paired) {
  const [name, rule] = paired;
  const { box, score, boxes: compared } = boxDifference(name, rule);
  largestDifference[name] = box;
  largestDifference[rule.scores] = score;
  boxes = compared;
}
for (const name of Object.keys(expected)) largestDifference[name] ??= difference(answers[name] ?? [], expected[name]);

const times = [];
for (let i = 0; i < (check.timed ?? 0); i++) {
  const one = feeds(i % count, 1); // made before: turning bytes into floats took a third of what was told once
  const begin = performance.now();
  await session.run(one);
  times.push(performance.now() - begin);
}
times.sort((a, b) => a - b);
const tenth = (value) => Math.round(value * 10) / 10;
const timing = times.length > 0 ? { threads: THREADS, medianMs: tenth(times[times.length >> 1]), fastestMs: tenth(times[0]) } : {};
console.log(JSON.stringify({ images: count, ...(boxes === undefined ? {} : { boxes }), shapes, largestDifference, ...timing }));
const wrong = Object.entries(check.expected ?? {}).filter(([name, { tolerance }]) => !(largestDifference[name] <= tolerance));
for (const [name, { tolerance }] of wrong) console.error(`${name} differs by ${largestDifference[name]}, more than ${tolerance}`);
process.exit(wrong.length > 0 ? 1 : 0);
