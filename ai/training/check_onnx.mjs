// Compares an exported model with PyTorch's answers and times it: node ai/training/check_onnx.mjs MODEL CHECK_FOLDER
// The folder is what `hilum_training export --check` wrote; the process exits with 1 if an answer differs.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import ort from 'onnxruntime-node';

const [model, folder] = process.argv.slice(2);
if (!model || !folder) {
  console.error('usage: node ai/training/check_onnx.mjs MODEL CHECK_FOLDER');
  process.exit(2);
}
const SIDE = 256;
const BATCH = 8;
// float16 weights move a logit by about a thousandth; a real fault moves it by far more.
const LARGEST = { logit: 0.05, boxes: 0.5, scores: 0.01 };

const floats = async (name) => {
  const bytes = await readFile(join(folder, `${name}.bin`));
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
};
const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 2 });
const image = await floats('image');
const count = image.length / SIDE / SIDE;

const run = (start, n) =>
  session.run({ image: new ort.Tensor('float32', image.slice(start * SIDE * SIDE, (start + n) * SIDE * SIDE), [n, 1, SIDE, SIDE]) });

// Cells of all but equal heat may both be peaks in one runtime and one in the other: what must agree is every box that
// could be reported, wherever it stands in the list.
const LEAST_SCORE = 0.1;
const differ = { logit: 0, boxes: 0, scores: 0 };
let compared = 0;
const expected = { logit: await floats('logit'), boxes: await floats('boxes'), scores: await floats('scores') };
for (let start = 0; start < count; start += BATCH) {
  const n = Math.min(BATCH, count - start);
  const { logit, boxes, scores } = await run(start, n);
  const k = scores.dims[1];
  for (let i = 0; i < n; i++) {
    differ.logit = Math.max(differ.logit, Math.abs(logit.data[i] - expected.logit[start + i]));
    for (let j = 0; j < k; j++) {
      const place = (start + i) * k + j;
      if (expected.scores[place] < LEAST_SCORE) continue;
      const gap = (m) => Math.max(...[0, 1, 2, 3].map((c) => Math.abs(boxes.data[(i * k + m) * 4 + c] - expected.boxes[place * 4 + c])));
      const nearest = Array.from({ length: k }, (_, m) => m).reduce((best, m) => (gap(m) < gap(best) ? m : best));
      differ.boxes = Math.max(differ.boxes, gap(nearest));
      differ.scores = Math.max(differ.scores, Math.abs(scores.data[i * k + nearest] - expected.scores[place]));
      compared++;
    }
  }
}

const times = [];
for (let i = 0; i < 30; i++) {
  const begin = performance.now();
  await run(i % count, 1);
  times.push(performance.now() - begin);
}
times.sort((a, b) => a - b);
console.log(JSON.stringify({ images: count, boxes: compared, largestDifference: differ, medianMs: Math.round(times[15] * 10) / 10, fastestMs: Math.round(times[0] * 10) / 10 }));
process.exit(Object.keys(LARGEST).some((name) => !(differ[name] <= LARGEST[name])) ? 1 : 0);
