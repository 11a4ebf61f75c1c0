// Throughput of the whole analyzer over many 5-megapixel images against a bare loop of decode, resize and session.run with the
// same libraries, model, threads and batch; each transfer syntax by itself.
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { pino } from 'pino';
import sharp from 'sharp';
import { startAnalyzer } from '../../ai/analyzer.ts';
import type { Analyzer } from '../../ai/analyzer.ts';
import { decodeFrame } from '../../ai/imaging/decode.ts';
import { phantomDicom } from '../../ai/phantom/dicom.ts';
import { fillInput } from '../../ai/runtime/input.ts';
import { loadPackage } from '../../ai/runtime/manifest.ts';
import type { ModelPackage } from '../../ai/runtime/manifest.ts';
import { settingsSchema } from '../../config/settings.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { TRANSFER_SYNTAXES } from '../../storage/dicom/uids.ts';
import type { BenchRow } from './bench.ts';

const SYNTAXES = [
  '1.2.840.10008.1.2.1', // Explicit VR Little Endian
  '1.2.840.10008.1.2.5', // RLE Lossless
  '1.2.840.10008.1.2.4.70', // JPEG Lossless, first-order prediction
  '1.2.840.10008.1.2.4.80', // JPEG-LS Lossless
  '1.2.840.10008.1.2.4.90', // JPEG 2000 Lossless
];
const COLUMNS = 2048;
const ROWS = 2560;
/** Enough for batches to form, few enough for a minute in all. */
const IMAGES = 12;

export async function benchInference(): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'hilum-bench-'));
  const model = await loadPackage(modelFolder());
  const { inference } = settingsSchema.parse({ inference: { providers: ['cpu'], threads: availableParallelism() } });
  const analyzer = await startAnalyzer({ models: [model], inference, log: pino({ level: 'error' }) });
  try {
    const session = await InferenceSession.create(model.path, { intraOpNumThreads: inference.threads, interOpNumThreads: 1 });
    const rows: BenchRow[] = [];
    for (const transferSyntaxUid of SYNTAXES) {
      const path = join(folder, `${transferSyntaxUid}.dcm`);
      await writeFile(path, await phantomDicom({ seed: 100_000, columns: COLUMNS, rows: ROWS, transferSyntaxUid }));
      await analyzeAll(analyzer, model, path, availableParallelism());
      const ours = IMAGES / (await seconds(() => analyzeAll(analyzer, model, path, IMAGES)));
      const peer = IMAGES / (await seconds(() => bareLoop(session, model, path, IMAGES)));
      const name = `analyse 5 megapixels, ${TRANSFER_SYNTAXES[transferSyntaxUid]?.name ?? transferSyntaxUid}`;
      rows.push({ name, ours, peer, unit: 'images/s', against: 'bare loop, the bar is 0.7' });
    }
    await session.release();
    return rows;
  } finally {
    await analyzer.close();
    await rm(folder, { recursive: true });
  }
}

async function analyzeAll(analyzer: Analyzer, model: ModelPackage, path: string, count: number): Promise<void> {
  const request = { path, frame: 1, model: model.manifest.name };
  const outcomes = await Promise.all(Array.from({ length: count }, () => analyzer.analyze(request)));
  const wrong = outcomes.find(({ status }) => status !== 'analyzed');
  if (wrong) throw new Error(`the benchmark's image was not analysed: ${JSON.stringify(wrong)}`);
}

/** What anybody would write first. */
async function bareLoop(session: InferenceSession, { manifest }: ModelPackage, path: string, count: number): Promise<void> {
  const { input, maxBatch } = manifest;
  const { channels, height, width } = input;
  for (let done = 0; done < count; done += maxBatch) {
    const images: Uint8Array[] = [];
    for (let index = done; index < Math.min(count, done + maxBatch); index++) {
      const { data, columns, rows, bitsStored } = await decodeFrame(await readPart10(path), 1);
      const gray = new Uint8Array(data.length);
      for (let at = 0; at < gray.length; at++) gray[at] = data[at]! >> (bitsStored - 8);
      const raw = { width: columns, height: rows, channels: 1 as const };
      images.push(await sharp(gray, { raw }).resize(width, height, { fit: 'fill' }).toColourspace('b-w').raw().toBuffer());
    }
    await session.run({ [input.tensor]: new Tensor('float32', fillInput(images, input), [images.length, channels, height, width]) });
  }
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

function modelFolder(): string {
  const real = new URL('../../ai/models/opacity', import.meta.url).pathname;
  return existsSync(join(real, 'model.onnx')) ? real : new URL('../fixtures/models/tiny', import.meta.url).pathname;
}
