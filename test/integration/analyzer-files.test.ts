// The analyzer on DICOM files: every image has an outcome, whatever is wrong with it.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { AnalysisOutcome } from '../../ai/analysis.ts';
import { AnalyzerClosedError, startAnalyzer } from '../../ai/analyzer.ts';
import type { Analyzer } from '../../ai/analyzer.ts';
import { DecodePool } from '../../ai/runtime/decode-pool.ts';
import { loadPackage } from '../../ai/runtime/manifest.ts';
import type { ModelPackage } from '../../ai/runtime/manifest.ts';
import { settingsSchema } from '../../config/settings.ts';
import { gridImage, gridPixels } from '../support/grid-image.ts';
import type { GridImage } from '../support/grid-image.ts';

const log = pino({ level: 'silent' });
const inference = settingsSchema.parse({ inference: { providers: ['cpu'], threads: 1 } }).inference;
const STORED_ELSEWHERE = '1.2.840.10008.1.2.4.100'; // MPEG-2

describe('the analyzer', () => {
  let folder: string;
  let model: ModelPackage;
  let analyzer: Analyzer;
  let files = 0;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hilum-analyzer-'));
    model = await loadPackage(new URL('../fixtures/models/tiny', import.meta.url).pathname);
    analyzer = await startAnalyzer({ models: [model], inference, log });
  });
  after(async () => {
    await analyzer.close();
    await rm(folder, { recursive: true });
  });

  async function file(content: Uint8Array): Promise<string> {
    const path = join(folder, `${files++}.dcm`);
    await writeFile(path, content);
    return path;
  }
  const analyze = (path: string, frame = 1): Promise<AnalysisOutcome> => analyzer.analyze({ path, frame, model: 'tiny' });
  const outcomeOf = async (image: GridImage): Promise<AnalysisOutcome> => analyze(await file(gridImage(image)));

  async function analyzed(path: string, frame = 1) {
    const outcome = await analyze(path, frame);
    assert.equal(outcome.status, 'analyzed', JSON.stringify(outcome));
    return outcome as Extract<AnalysisOutcome, { status: 'analyzed' }>;
  }

  it('finds an opacity and gives its place in pixels of the stored image', async () => {
    const outcome = await analyzed(await file(gridImage({ frames: [[6]] })));
    const { probability, scores, milliseconds, statistics, regions: [region, ...others], ...rest } = outcome;
    assert.deepEqual(rest, { status: 'analyzed', label: 'opacity', threshold: 0.5, positive: true, provider: 'cpu' });
    assert.ok(probability > 0.98 && probability === scores['opacity']);
    assert.ok(milliseconds >= 0);
    assert.equal(statistics?.aspect, 0.5);
    assert.deepEqual([region?.x, region?.y, region?.width, region?.height], [64, 64, 32, 64]);
    assert.deepEqual(others, []);
  });

  it('says that it found nothing', async () => {
    // An image of one value would be blank.
    const faint = gridPixels([], 128, 256);
    faint[0] = 90;
    const negative = await analyzed(await file(gridImage({ changes: { PixelData: faint } })));
    assert.equal(negative.positive, false);
    assert.deepEqual(negative.regions, []);
  });

  it('gives a repeated analysis the same tracking UIDs, and another version of the image others', async () => {
    const path = await file(gridImage({ frames: [[6]] }));
    const uid = async (digest?: string): Promise<string | undefined> => {
      const outcome = await analyzer.analyze({ path, frame: 1, model: 'tiny', ...(digest !== undefined && { digest }) });
      return outcome.status === 'analyzed' ? outcome.regions[0]?.trackingUid : undefined;
    };
    assert.equal(await uid('one'), await uid('one'));
    assert.notEqual(await uid('one'), await uid('two'));
    assert.equal(await uid(), await uid());
  });

  it('judges each frame of a multi-frame image by itself', async () => {
    const path = await file(gridImage({ frames: [[0], [15], [5, 10]] }));
    const places = await Promise.all([1, 2, 3].map(async (frame) => (await analyzed(path, frame)).regions.map(({ x, y }) => [x, y])));
    assert.deepEqual(places.map((each) => each.toSorted()), [[[0, 0]], [[96, 192]], [[32, 64], [64, 128]]]);
    assert.match(reasonOf(await analyze(path, 4), 'failed'), /no frame 4/);
  });

  it('reads a radiograph that was saved in gray RGB, and none that shows colours', async () => {
    const rgb = { SamplesPerPixel: 3, PhotometricInterpretation: 'RGB', PlanarConfiguration: 0, WindowCenter: undefined, WindowWidth: undefined };
    const gray = gridPixels([6], 128, 256);
    const triple = (tint: number) => Uint8Array.from({ length: gray.length * 3 }, (_, at) => Math.max(0, gray[Math.floor(at / 3)]! - (at % 3) * tint));
    assert.equal((await outcomeOf({ changes: { ...rgb, PixelData: triple(0) } })).status, 'analyzed');
    assert.match(reasonOf(await outcomeOf({ changes: { ...rgb, PixelData: triple(60) } }), 'not-analyzable'), /^colour picture/);
  });

  const unfit: [string, GridImage, RegExp][] = [
    ['a lateral', { changes: { ViewPosition: 'LL' } }, /^lateral view/],
    ['a hand', { changes: { BodyPartExamined: 'HAND' } }, /^body part HAND/],
    ['another modality', { changes: { Modality: 'MG' } }, /^modality MG/],
    ['an image for processing', { changes: { PresentationIntentType: 'FOR PROCESSING' } }, /^raw detector image/],
    ['an infant', { changes: { PatientAge: '003M' } }, /^patient is 3 months old/],
    ['a blank image', { changes: { PixelData: new Uint8Array(128 * 256).fill(77) } }, /blank/],
    ['an image without pixels', { changes: { PixelData: undefined } }, /no pixel data/],
    ['an image too small', { columns: 60 }, /too small/],
    ['a transfer syntax that cannot be decoded', { transferSyntaxUid: STORED_ELSEWHERE, changes: { PixelData: [new Uint8Array(100)] } }, /transfer syntax/i],
  ];
  for (const [what, image, reason] of unfit)
    it(`says in words why it does not judge ${what}`, async () => {
      assert.match(reasonOf(await outcomeOf({ frames: [[6]], ...image }), 'not-analyzable'), reason);
    });

  it('fails, with the reason, for what is no DICOM file, is cut off, or is not there', async () => {
    const whole = gridImage({ frames: [[6]] });
    assert.match(reasonOf(await analyze(await file(Buffer.from('no DICOM, only text'))), 'failed'), /./);
    assert.match(reasonOf(await analyze(await file(whole.subarray(0, whole.length - 20_000))), 'failed'), /./);
    assert.match(reasonOf(await analyze(join(folder, 'missing.dcm')), 'failed'), /ENOENT|no such file/);
    assert.match(reasonOf(await analyzer.analyze({ path: 'any', frame: 1, model: 'other' }), 'failed'), /there is no model "other"/);
  });

  it('replaces a decoder that takes too long, tries the image again once, and fails with the reason', async () => {
    const pool = new DecodePool({ size: 1, timeoutSeconds: 0.001, log });
    const { input, applicability } = model.manifest;
    const prepared = await pool.prepare({ path: await file(gridImage({ frames: [[6]] })), frame: 1, input, applicability }, 0);
    await pool.close();
    assert.equal(prepared.status, 'failed');
    assert.match((prepared as { reason: string }).reason, /not decoded within 0\.001 seconds/);
  });

  it('gives up what waits when it is told so, and everything at once when it is closed', async () => {
    const path = await file(gridImage({ frames: [[6]] }));
    const own = await startAnalyzer({ models: [model], inference, log });
    const controller = new AbortController();
    const requests = Array.from({ length: 200 }, () => own.analyze({ path, frame: 1, model: 'tiny' }));
    const all = Promise.allSettled(requests);
    const unwanted = own.analyze({ path, frame: 1, model: 'tiny', signal: controller.signal });
    controller.abort(new Error('no longer wanted'));
    await assert.rejects(unwanted, /no longer wanted/);
    await requests[0];
    const begun = performance.now();
    await own.close();
    assert.ok(performance.now() - begun < 2000);
    const settled = await all;
    assert.ok(settled.every((each) => each.status === 'fulfilled' || each.reason instanceof AnalyzerClosedError));
    assert.ok(settled.some(({ status }) => status === 'rejected'));
    await assert.rejects(own.analyze({ path, frame: 1, model: 'tiny' }), AnalyzerClosedError);
  });

  it('is not started with two models of one name', async () => {
    await assert.rejects(startAnalyzer({ models: [model, model], inference, log }), /another package is named "tiny"/);
  });
});

function reasonOf(outcome: AnalysisOutcome, status: AnalysisOutcome['status']): string {
  assert.equal(outcome.status, status, JSON.stringify(outcome));
  return 'reason' in outcome ? outcome.reason : '';
}
