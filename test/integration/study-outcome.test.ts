// How what several models say of a study's images becomes one outcome, by which the worklist orders.
import assert from 'node:assert/strict';
import type { NewAnalysis } from '../../storage/workitems.repository.ts';
import { phantomFile } from '../support/gateway.ts';
import { TestPipeline } from '../support/pipeline.ts';

describe('the outcome of a study', function () {
  this.timeout(120_000);
  let pipeline: TestPipeline;
  let study: string;
  let images: string[];
  before(async () => {
    pipeline = await TestPipeline.start();
  });
  after(() => pipeline[Symbol.asyncDispose]());
  let studies = 0;
  beforeEach(async () => {
    study = `2.25.9100${++studies}`;
    images = [];
    for (const seed of [1, 2]) images.push(await pipeline.index((await phantomFile(pipeline.folder, { seed: 700_000 + 10 * studies + seed, studyInstanceUid: study, patientId: 'O1', patientName: 'Out^Come' })).path));
  });

  /** @param judgedBy settings digests: here the names of models, with a version where there are two */
  async function judge(image: number, ...judgedBy: string[]): Promise<void> {
    await pipeline.workitems.recordChoice(study, { instance: images[image]!, judgedBy, leftOut: [] });
  }

  async function say(image: number, digest: string, said: { probability: number; threshold?: number } | { failed: string }): Promise<void> {
    const [modelName = '', modelVersion = '1'] = digest.split(' ');
    const { probability = null, threshold = 0.5, failed = null } = said as { probability?: number; threshold?: number; failed?: string };
    const analysis: NewAnalysis = {
      instance: images[image]!, frame: 1, modelName, modelVersion, modelSha256: digest, settingsDigest: digest, status: failed === null ? 'analyzed' : 'failed', reason: failed,
      label: modelName, finding: modelName, sought: modelName, probability, threshold, positive: probability === null ? null : probability >= threshold, scores: {}, provider: 'cpu', milliseconds: 1, severity: null,
      regions: probability !== null && probability >= threshold ? [{ x: 1, y: 1, width: 9, height: 9, label: modelName, score: 0.5, trackingUid: `2.25.${image}` }] : [],
    };
    await pipeline.workitems.saveAnalysis(study, analysis, pipeline.modelsOf, async () => undefined);
  }

  async function outcome(): Promise<unknown[]> {
    const [row] = await pipeline.query('select analysis, finding, probability, positive, regions from studies where study_instance_uid = $1', [study]);
    return [row?.['analysis'], row?.['finding'], row?.['probability'], row?.['positive'], row?.['regions']];
  }

  it('is positive by one model at its own threshold, however much surer another is that it is below its own', async () => {
    for (const image of [0, 1]) await judge(image, 'opacity', 'type');
    await say(0, 'opacity', { probability: 0.6, threshold: 0.65 });
    await say(0, 'type', { probability: 0.55 });
    assert.deepEqual(await outcome(), ['running', 'type', 0.55, true, 1]);
    await say(1, 'opacity', { probability: 0.9, threshold: 0.65 });
    await say(1, 'type', { probability: 0.7 });
    // The regions of the model that the probability comes from, not of both.
    assert.deepEqual(await outcome(), ['analyzed', 'opacity', 0.9, true, 1]);
  });

  it('is negative only when every model that judges has said so of every image', async () => {
    for (const image of [0, 1]) await judge(image, 'opacity', 'type');
    for (const image of [0, 1]) await say(image, 'opacity', { probability: 0.2 });
    await say(0, 'type', { probability: 0.3 });
    assert.deepEqual(await outcome(), ['running', 'type', 0.3, false, 0]);
    await say(1, 'type', { failed: 'the worker ended' });
    assert.equal((await outcome())[0], 'failed');
  });

  it('keeps what a replaced model said until its successor has spoken, and not longer', async () => {
    for (const image of [0, 1]) {
      await judge(image, 'opacity 1');
      await say(image, 'opacity 1', { probability: image === 0 ? 0.9 : 0.1 });
    }
    await judge(0, 'opacity 2');
    assert.deepEqual(await outcome(), ['running', 'opacity', 0.9, true, 1]);
    await say(0, 'opacity 2', { probability: 0.2 });
    assert.deepEqual(await outcome(), ['analyzed', 'opacity', 0.2, false, 0]);
    await judge(1, 'other');
    assert.deepEqual(await outcome(), ['running', 'opacity', 0.2, false, 0]);
    await say(1, 'other', { probability: 0.05 });
    assert.deepEqual(await outcome(), ['analyzed', 'opacity', 0.2, false, 0]);
  });
});
