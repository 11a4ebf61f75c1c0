// How much of the lungs is opaque, from the image to the worklist, with models whose answers can be worked out by hand: the
// finding's sees bright cells of 16 x 16 in its input of 64 x 64, the lungs' sees two blocks of 20 x 40 (test/fixtures/models).
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pino } from 'pino';
import { startAnalyzer, type Analyzer } from '../../ai/analyzer.ts';
import type { AnalyzedOutcome } from '../../ai/analysis.ts';
import { loadPackage } from '../../ai/runtime/manifest.ts';
import { settingsSchema } from '../../config/settings.ts';
import type { StudyDetail } from '../../gateway/worklist/worklist.ts';
import { items, num, text, type Dataset } from '../../storage/dicom/dataset.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { cStore, describeFile, startTestGateway, temporaryFolder, waitForDelivery, worklistOf, type TestGateway } from '../support/gateway.ts';
import { gridImage, gridPixels, type GridImage } from '../support/grid-image.ts';

const TINY = resolve(import.meta.dirname, '../fixtures/models/tiny');
const LUNGS = resolve(import.meta.dirname, '../fixtures/models/lungs');

/** Of the right lung's 20 x 40 pixels, cell 5 covers 12 x 16; of the left one's, cell 6. The bright cell 12 takes the left lung away, 15 makes its model fail. */
const IN_RIGHT = [5];
const IN_BOTH = [5, 6, 9, 10];
const LUNG_MISSING = [5, 12];
const LUNGS_FAIL = [5, 15];

describe('the severity of an image', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let analyzer: Analyzer;
  const warnings: string[] = [];

  before(async () => {
    folder = await temporaryFolder();
    const models = await Promise.all([TINY, LUNGS].map(loadPackage));
    const { inference } = settingsSchema.parse({ inference: { providers: ['cpu'], threads: 1 } });
    const log = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) });
    analyzer = await startAnalyzer({ models, inference, log });
  });
  after(async () => {
    await analyzer.close();
    await folder.remove();
  });

  let files = 0;
  async function outcomeOf(image: GridImage, request: { severity?: boolean } = {}): Promise<AnalyzedOutcome> {
    const path = join(folder.path, `${files++}.dcm`);
    await writeFile(path, gridImage(image));
    const outcome = await analyzer.analyze({ path, frame: 1, model: 'tiny', ...request });
    assert.equal(outcome.status, 'analyzed', JSON.stringify(outcome));
    return outcome as AnalyzedOutcome;
  }
  const reasonOf = ({ severity }: AnalyzedOutcome): string | undefined => (severity?.status === 'not-measured' ? severity.reason : undefined);

  it('is the share of each lung within the regions', async () => {
    const { severity } = await outcomeOf({ frames: [IN_RIGHT] });
    const { model, ...measured } = severity!;
    assert.deepEqual(measured, { status: 'measured', right: 24, left: 0, both: 12, basis: 'boxes' });
    assert.equal(model.name, 'lungs');
    const both = (await outcomeOf({ frames: [IN_BOTH] })).severity;
    assert.deepEqual(both?.status === 'measured' && [both.right, both.left, both.both], [48, 48, 48]);
  });

  it('is measured on the same frame of a multi-frame image', async () => {
    const path = join(folder.path, `${files++}.dcm`);
    await writeFile(path, gridImage({ frames: [IN_RIGHT, [6]] }));
    const outcome = (await analyzer.analyze({ path, frame: 2, model: 'tiny' })) as AnalyzedOutcome;
    assert.deepEqual(outcome.severity?.status === 'measured' && [outcome.severity.right, outcome.severity.left], [0, 24]);
  });

  it('is no number where a lung is missing, the image lies mirrored, or a region is outside the lungs', async () => {
    assert.equal(reasonOf(await outcomeOf({ frames: [LUNG_MISSING] })), 'no left lung was found');
    assert.match(reasonOf(await outcomeOf({ frames: [IN_RIGHT], changes: { PatientOrientation: ['R', 'F'] } }))!, /mirrored/);
    assert.match(reasonOf(await outcomeOf({ frames: [[5, 0]] }))!, /region \d lies outside the lungs found/);
  });

  it('is not spoken of where nothing was found, nor where it is not wanted', async () => {
    const faint = gridPixels([], 128, 256);
    faint[0] = 90;
    assert.equal('severity' in (await outcomeOf({ changes: { PixelData: faint } })), false);
    assert.equal('severity' in (await outcomeOf({ frames: [IN_RIGHT] }, { severity: false })), false);
  });

  it('costs the finding nothing where its model fails, and the log says so', async () => {
    const outcome = await outcomeOf({ frames: [LUNGS_FAIL] });
    assert.equal(outcome.positive, true);
    assert.equal(outcome.regions.length, 2);
    assert.equal(reasonOf(outcome), 'the model of the lungs failed');
    assert.ok(warnings.some((line) => line.includes('the lungs could not be measured')), warnings.join(''));
  });

  it('is not a finding that anybody could ask for, and one model of the lungs is enough', async () => {
    const path = join(folder.path, `${files++}.dcm`);
    await writeFile(path, gridImage({ frames: [IN_RIGHT] }));
    assert.deepEqual(await analyzer.analyze({ path, frame: 1, model: 'lungs' }), { status: 'failed', reason: 'there is no model "lungs"' });
    assert.deepEqual(analyzer.models().map(({ manifest }) => manifest.name), ['tiny']);
    assert.deepEqual(analyzer.providers().map(({ model }) => model), ['tiny', 'lungs']);
    const lungs = await loadPackage(LUNGS);
    const other = { ...lungs, manifest: { ...lungs.manifest, name: 'other-lungs' } };
    const { inference } = settingsSchema.parse({});
    await assert.rejects(startAnalyzer({ models: [lungs, other], inference, log: pino({ level: 'silent' }) }), /another package has the purpose lungs, too/);
  });
});

describe('the severity of a study', function () {
  this.timeout(60_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let gateway: TestGateway;
  const route = { name: 'chest', when: { Modality: ['CR'] }, completeAfterSeconds: 1, models: ['tiny'], deliver: [{ to: 'folder' }] };
  const unmeasured = { ...route, name: 'without', when: { Modality: ['DX'] }, severity: false };
  const start = (order: string): Promise<TestGateway> =>
    startTestGateway(join(folder.path, 'home'), { models: [TINY, LUNGS], routes: [route, unmeasured], worklist: { order } });

  before(async () => {
    folder = await temporaryFolder();
    gateway = await start('probability');
  });
  after(async () => {
    await gateway?.stop();
    await folder.remove();
  });

  /** @param brightness of the cells, 0 to 255: tiny's probability goes with it */
  async function send(study: string, cells: number[], brightness = 250, modality = 'CR'): Promise<StudyDetail> {
    const path = join(folder.path, `${study}.dcm`);
    const pixels = gridPixels(cells, 128, 256).map((value) => (value > 100 ? brightness : value));
    const uids = { SOPInstanceUID: `${study}.1`, StudyInstanceUID: study, SeriesInstanceUID: `${study}.2`, PatientID: study };
    await writeFile(path, gridImage({ changes: { ...uids, Modality: modality, PixelData: pixels } }));
    await cStore(gateway.dimsePort ?? 0, [await describeFile(path)]);
    return waitForDelivery(gateway.api, study);
  }
  const order = async (): Promise<string[]> => (await worklistOf(gateway.api)).map(({ studyInstanceUid }) => studyInstanceUid);

  it('stands in the API with its model, or with the reason why there is none', async () => {
    const detail = await send('2.25.71', IN_RIGHT);
    const { model, ...numbers } = detail.severity!;
    assert.deepEqual(numbers, { right: 24, left: 0, both: 12, basis: 'boxes' });
    assert.deepEqual([model.name, detail.severityReason], ['lungs', null]);
    assert.deepEqual(detail.analyses[0]?.severity, detail.severity);
    const missing = await send('2.25.72', LUNG_MISSING, 255);
    assert.deepEqual([missing.severity, missing.severityReason, missing.positive], [null, 'no left lung was found', true]);
    const without = await send('2.25.73', IN_RIGHT, 252, 'DX');
    assert.deepEqual([without.severity, without.severityReason, without.positive], [null, null, true]);
  });

  it('is counted for the metrics', async () => {
    const metrics = await (await fetch(`${gateway.api}/metrics`)).text();
    assert.match(metrics, /^hilum_severity_total\{outcome="measured"\} [1-9]/m);
    assert.match(metrics, /^hilum_severity_total\{outcome="not-measured"\} [1-9]/m);
  });

  it('is delivered in the report as measurements', async () => {
    const out = join(gateway.home, 'out', '2.25.71');
    const files = await Promise.all((await readdir(out)).map((name) => readPart10(join(out, name))));
    const report = files.map(({ dataset }) => dataset).find((dataset) => text(dataset, 'Modality') === 'SR')!;
    const shares = [...contentOf(report)].filter((item) => conceptOf(item) === 'Opaque share of the lung field');
    assert.deepEqual(shares.map((item) => num(items(item, 'MeasuredValueSequence')[0]!, 'NumericValue')), [24, 0, 12]);
  });

  it('orders positives that are as probable as each other; where the settings say so, all of them, and the unmeasured by probability', async () => {
    await send('2.25.74', IN_BOTH);
    await send('2.25.75', IN_BOTH, 200);
    await send('2.25.76', IN_RIGHT, 90).then(({ positive }) => assert.equal(positive, false));
    // As probable as the first, with more of the lungs; then the less probable; the negative last, whatever the order.
    assert.deepEqual(await order(), ['2.25.72', '2.25.73', '2.25.74', '2.25.71', '2.25.75', '2.25.76']);
    const first = (await (await fetch(`${gateway.api}/api/worklist?limit=2`)).json()) as { next: string };
    await gateway.stop();
    gateway = await start('severity');
    assert.deepEqual(await order(), ['2.25.72', '2.25.73', '2.25.74', '2.25.75', '2.25.71', '2.25.76']);
    const page = (await (await fetch(`${gateway.api}/api/worklist?limit=3`)).json()) as { next: string };
    const rest = (await (await fetch(`${gateway.api}/api/worklist?after=${page.next}`)).json()) as { entries: StudyDetail[] };
    assert.deepEqual(rest.entries.map(({ studyInstanceUid }) => studyInstanceUid), ['2.25.75', '2.25.71', '2.25.76']);
    const stale = await fetch(`${gateway.api}/api/worklist?after=${first.next}`);
    assert.deepEqual([stale.status, /order of the worklist was changed/.test(await stale.text())], [400, true]);
  });

  it('is no finding that a route could name', async () => {
    const wrong = { models: [TINY, LUNGS], routes: [{ ...route, models: ['tiny', 'lungs'] }] };
    await assert.rejects(startTestGateway(join(folder.path, 'other'), wrong), /route "chest" names model "lungs", which shows where the lungs are/);
  });
});

function* contentOf(item: Dataset): Generator<Dataset> {
  for (const child of items(item, 'ContentSequence')) {
    yield child;
    yield* contentOf(child);
  }
}

function conceptOf(item: Dataset): string | undefined {
  return text(items(item, 'ConceptNameCodeSequence')[0] ?? {}, 'CodeMeaning');
}
