// The watch on drift with a real Postgres: what analyses add, once each; what is told, and when; what a site accepts.
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { QUANTITIES, binOf, binsOf } from '../../ai/drift/quantities.ts';
import { loadPackage, type ModelPackage } from '../../ai/runtime/manifest.ts';
import { settingsSchema } from '../../config/settings.ts';
import { acceptPeriod } from '../../gateway/drift/accept.ts';
import { observeDrift } from '../../gateway/drift/metrics.ts';
import { DriftMonitor } from '../../gateway/drift/monitor.ts';
import { DriftRepository, type Histogram } from '../../storage/drift.repository.ts';
import { deriveUid } from '../../storage/dicom/uids.ts';
import { ShadowRepository } from '../../storage/shadow.repository.ts';
import type { NewAnalysis } from '../../storage/workitems.repository.ts';
import { phantomFile } from '../support/gateway.ts';
import { TestPipeline } from '../support/pipeline.ts';
import { seededRandom } from '../support/random.ts';

const MODEL = { name: 'tiny', version: '1' };
const DAY = 86_400_000;
const dayOf = (moment: Date): string => moment.toISOString().slice(0, 10);

describe('drift', function () {
  this.timeout(120_000);
  let pipeline: TestPipeline;
  let repository: DriftRepository;
  let tiny: ModelPackage;

  before(async () => {
    pipeline = await TestPipeline.start();
    repository = new DriftRepository(pipeline.dataSource);
    tiny = await loadPackage(resolve(import.meta.dirname, '../fixtures/models/tiny'));
  });
  after(() => pipeline[Symbol.asyncDispose]());
  beforeEach(() => pipeline.query('truncate drift_samples, drift_histograms, drift_accepted, drift_comparisons'));

  describe('what an analysis adds', () => {
    const today = dayOf(new Date());
    const study = (name: string): string => deriveUid('2.25', 'test', 'drift', name);
    const image = async (name: string, seed: number, more = {}) => {
      const file = await phantomFile(pipeline.folder, { seed, studyInstanceUid: study(name), ...more });
      return pipeline.index(file.path);
    };
    const save = (name: string, instance: string, more: Partial<NewAnalysis> = {}): Promise<void> =>
      pipeline.workitems.saveAnalysis(study(name), { ...analysis(instance), ...more }, pipeline.modelsOf, async () => undefined);
    const analysis = (instance: string): NewAnalysis => ({
      instance, frame: 1, modelName: MODEL.name, modelVersion: MODEL.version, modelSha256: '1'.repeat(64), settingsDigest: 'first', status: 'analyzed',
      reason: null, label: 'opacity', probability: 0.72, threshold: 0.5, positive: true, finding: 'opacity', sought: 'opacity', scores: { opacity: 0.72 }, provider: 'cpu', milliseconds: 1,
      severity: null, regions: [], sample: { station: 'XR1', bins: { probability: 14, positive: 1 } },
    });
    const counted = async (version = MODEL.version): Promise<Record<string, number[]>> => {
      await repository.fold();
      return Object.fromEntries((await repository.histograms({ ...MODEL, version }, today, today)).map(({ station, quantity, counts }) => [`${station} ${quantity}`, counts]));
    };
    const ONE = { 'XR1 probability': [...Array<number>(14).fill(0), 1], 'XR1 positive': [0, 1] };

    it('is counted once, however often its job is repeated, also at the same time', async () => {
      const instance = await image('once', 640_001);
      await save('once', instance);
      await save('once', instance);
      await Promise.all(Array.from({ length: 5 }, () => save('once', instance)));
      await Promise.all(Array.from({ length: 4 }, () => repository.fold()));
      await save('once', instance);
      assert.deepEqual(await counted(), ONE);
    });

    it('is not counted again with other settings, or when a new version of the image comes', async () => {
      const sopInstanceUid = deriveUid('2.25', 'test', 'drift', 'changed image');
      const first = await image('again', 640_002, { sopInstanceUid });
      await save('again', first);
      await save('again', first, { settingsDigest: 'second' });
      const second = await image('again', 640_003, { sopInstanceUid });
      await save('again', second, { settingsDigest: 'second' });
      assert.deepEqual(await counted(), ONE);
    });

    it('is counted for each frame, and for a new version of the model', async () => {
      const instance = await image('more', 640_004);
      for (const frame of [1, 2]) await save('more', instance, { frame });
      await save('more', instance, { modelVersion: '2', modelSha256: '2'.repeat(64), settingsDigest: 'of 2' });
      assert.deepEqual(await counted(), { 'XR1 probability': [...Array<number>(14).fill(0), 2], 'XR1 positive': [0, 2] });
      assert.deepEqual(await counted('2'), ONE);
    });

    it('is counted of a candidate in the shadow under its own name, and not again once that is in use', async () => {
      const instance = await image('shadow', 640_006);
      const run = { instance, frame: 1, modelName: 'candidate', modelVersion: '1', modelSha256: '3'.repeat(64), settingsDigest: 'shadow' };
      const shadows = new ShadowRepository(pipeline.dataSource);
      for (let time = 0; time < 3; time++) await shadows.save(run, { status: 'analyzed', probability: 0.72, positive: true }, analysis(instance).sample);
      await save('shadow', instance, { modelName: 'candidate', modelSha256: '3'.repeat(64) });
      assert.deepEqual(await counted(), {});
      const [positives] = (await repository.histograms({ name: 'candidate', version: '1' }, today, today)).filter(({ quantity }) => quantity === 'positive');
      assert.deepEqual(positives?.counts, [0, 1]);
    });

    it('is counted after all where the first try came to no outcome', async () => {
      const instance = await image('late', 640_005);
      await save('late', instance, { status: 'failed', reason: 'a test', sample: undefined });
      await save('late', instance, { settingsDigest: 'second' });
      assert.deepEqual(await counted(), ONE);
    });
  });

  /** So many images a day, whose mean brightness and share of positives are given, as many `withSpacing` as said; the rest is the same always. */
  async function images(count: number, of: { day: Date; station?: string; mean?: number; positives?: number; withSpacing?: number; seed: number }): Promise<void> {
    const { day, station = 'XR1', mean = 0.5, positives = 0.2, withSpacing = 0, seed } = of;
    const random = seededRandom(seed);
    const histogram = (quantity: keyof typeof QUANTITIES, value: () => number, n = count): Histogram => {
      const counts = Array<number>(binsOf(quantity)).fill(0);
      for (let i = 0; i < n; i++) counts[binOf(quantity, value())]! += 1;
      return { modelName: MODEL.name, modelVersion: MODEL.version, station, quantity, counts };
    };
    await repository.add(dayOf(day), [
      histogram('probability', () => random() ** 2),
      histogram('positive', () => (random() < positives ? 1 : 0)),
      histogram('mean', () => mean + 0.05 * (random() + random() + random() - 1.5)),
      ...(withSpacing > 0 ? [histogram('spacing', () => 0.1, withSpacing)] : []),
    ]);
  }

  /** A gateway whose clock the test moves. */
  function watch(more: object = {}, reference?: ModelPackage['manifest']['reference']) {
    const lines: { level: number; event: string; station: string | null; quantities: { quantity: string }[]; msg: string }[] = [];
    const clock = { now: new Date('2026-03-01T08:00:00Z') };
    const monitor = new DriftMonitor({
      repository,
      settings: () => settingsSchema.parse({ drift: more }).drift,
      models: [{ manifest: { ...tiny.manifest, ...MODEL, reference } }],
      log: pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) }),
      now: () => clock.now,
    });
    const told = (): string[] => lines.splice(0).map(({ event, station, quantities }) => `${event} ${station ?? 'all'}: ${quantities.map(({ quantity }) => quantity).join(' ')}`);
    const forward = (days: number): void => void (clock.now = new Date(clock.now.getTime() + days * DAY));
    const acceptNow = (station?: string) => acceptPeriod(repository, { model: MODEL, station, from: dayOf(new Date(clock.now.getTime() - 6 * DAY)), to: dayOf(clock.now), minImages: 100 });
    return { monitor, told, clock, forward, acceptNow };
  }

  it('is told once when it begins and once when it has ended, on the days that the window says', async () => {
    const { monitor, told, clock, forward, acceptNow } = watch();
    for (let day = 0; day < 7; day++) await images(40, { day: new Date(clock.now.getTime() - day * DAY), seed: day });
    assert.deepEqual(await acceptNow(), [{ station: null, images: 280 }, { station: 'XR1', images: 280 }]);
    await monitor.check();
    assert.deepEqual(told(), []);

    forward(7);
    await images(200, { day: clock.now, mean: 0.42, seed: 10 });
    await monitor.check();
    assert.deepEqual(told(), ['drift all: mean', 'drift XR1: mean']);
    const since = clock.now.toISOString();
    forward(1);
    await images(40, { day: clock.now, mean: 0.42, seed: 11 });
    await monitor.check();
    await monitor.check();
    assert.deepEqual(told(), [], 'it goes on, and is told no more');
    const report = await monitor.report();
    const mean = report.models[0]?.places[1]?.quantities.find(({ quantity }) => quantity === 'mean');
    assert.deepEqual([report.drifted, report.from, report.to, mean?.drifted, mean?.since], [true, '2026-03-03', '2026-03-09', true, since]);

    forward(7);
    await images(300, { day: clock.now, seed: 12 });
    await monitor.check();
    assert.deepEqual(told(), ['drift-ended all: mean', 'drift-ended XR1: mean']);
    assert.equal((await monitor.report()).drifted, false);
  });

  it('goes on being known after a restart, and is told by one of two processes', async () => {
    const first = watch();
    await images(300, { day: first.clock.now, seed: 20 });
    await first.acceptNow();
    first.forward(7);
    await images(300, { day: first.clock.now, positives: 0.45, seed: 21 });
    const second = watch();
    second.forward(7);
    await Promise.all([first.monitor.check(), second.monitor.check()]);
    assert.deepEqual([...first.told(), ...second.told()].toSorted(), ['drift XR1: positive', 'drift all: positive']);
    const restarted = watch();
    restarted.forward(7);
    await restarted.monitor.check();
    assert.deepEqual(restarted.told(), []);
  });

  it('of one station is found where the others hide it', async () => {
    const { monitor, told, clock, forward, acceptNow } = watch();
    for (const [station, seed] of [['XR1', 30], ['XR2', 31]] as const) await images(900, { day: clock.now, station, seed });
    await acceptNow();
    forward(7);
    await images(3000, { day: clock.now, station: 'XR1', seed: 32 });
    await images(150, { day: clock.now, station: 'XR2', mean: 0.45, seed: 33 });
    await monitor.check();
    assert.deepEqual(told(), ['drift XR2: mean']);
  });

  it('is looked for with the distribution of the package until the site has accepted its own, of a station or of all', async () => {
    const counts = Array<number>(20).fill(50);
    const reference = { set: 'the accepted set', n: 1000, histograms: { probability: { edges: [...QUANTITIES.probability], counts } } };
    const { monitor, clock, acceptNow } = watch({}, reference);
    const accepted = async (): Promise<unknown[]> => (await monitor.report()).models[0]!.places.map(({ station, accepted: from, quantities }) => [station, from?.by, from?.by === 'site' ? from.station : from?.set, quantities.length]);
    await images(200, { day: clock.now, seed: 40 });
    assert.deepEqual(await accepted(), [[null, 'package', 'the accepted set', 1], ['XR1', 'package', 'the accepted set', 1]]);
    await acceptNow('XR1');
    assert.deepEqual(await accepted(), [[null, 'package', 'the accepted set', 1], ['XR1', 'site', 'XR1', 3]]);
    await images(200, { day: clock.now, station: 'XR2', seed: 41 });
    await repository.reset(MODEL);
    await pipeline.query(`insert into drift_accepted select model_name, model_version, '', quantity, counts, day, day, now() from drift_histograms where station = 'XR1'`);
    assert.deepEqual((await accepted()).map((row) => (row as unknown[])[2]), [null, null, null], 'all stations stand in for one that has none of its own');
    await repository.reset(MODEL);
    assert.deepEqual((await accepted()).map((row) => (row as unknown[])[1]), ['package', 'package', 'package']);
  });

  it('is not looked for in too few images, nor in more stations than wanted; nothing is accepted of too few', async () => {
    const { monitor, clock, acceptNow } = watch({ maxStations: 2 });
    for (let station = 0; station < 5; station++) await images(100 + station, { day: clock.now, station: `XR${station}`, seed: 50 + station });
    await images(99, { day: clock.now, station: 'FEW', seed: 60 });
    const [model] = (await monitor.report()).models;
    assert.deepEqual(model?.places.map(({ station, images: n }) => [station, n]), [[null, 609], ['XR4', 104], ['XR3', 103]]);
    assert.equal(model?.otherStations, 4);
    assert.deepEqual(await acceptNow('FEW'), []);
    assert.deepEqual(await acceptNow('NOBODY'), []);
    assert.deepEqual(await repository.accepted(MODEL), []);
  });

  it('is not looked for in what too few of the accepted images had', async () => {
    const { monitor, clock, forward, acceptNow } = watch();
    await images(150, { day: clock.now, withSpacing: 20, seed: 61 });
    assert.deepEqual(await acceptNow(), [{ station: null, images: 150 }, { station: 'XR1', images: 150 }]);
    forward(7);
    await images(150, { day: clock.now, withSpacing: 150, seed: 62 });
    const [model] = (await monitor.report()).models;
    assert.deepEqual(model?.places.map(({ quantities }) => quantities.map(({ quantity }) => quantity).join(' ')), Array(2).fill('probability positive mean'));
  });

  it('shows in the metrics, with as many labels as stations are compared', async () => {
    const { monitor, clock, forward, acceptNow } = watch({ maxStations: 2 });
    for (let station = 0; station < 4; station++) await images(150, { day: clock.now, station: `XR${station}`, seed: 70 + station });
    await acceptNow();
    forward(3);
    await images(400, { day: clock.now, station: 'XR1', mean: 0.3, seed: 80 });
    await monitor.check();
    const registry = new Registry();
    observeDrift(registry, () => repository.comparisons(monitor.names));
    const metrics = await registry.metrics();
    assert.match(metrics, /^hilum_drift_warning\{model="tiny",version="1",station="XR1",quantity="mean"\} 1$/m);
    assert.match(metrics, /^hilum_drift_warning\{model="tiny",version="1",station="XR1",quantity="probability"\} 0$/m);
    assert.match(metrics, /^hilum_drift_images\{model="tiny",version="1",station="\(all\)",quantity="mean"\} 1000$/m);
    const psi = Number(/^hilum_drift_psi\{model="tiny",version="1",station="XR1",quantity="mean"\} (\S+)$/m.exec(metrics)?.[1]);
    assert.ok(psi > 0.2 && psi < 20, String(psi));
    assert.equal(metrics.match(/^hilum_drift_ks\{/gm)?.length, 9, '(all) and two stations, three quantities each');
  });

  it('forgets days after keepDays, and keeps what was accepted of them', async () => {
    const { monitor, clock, forward, acceptNow } = watch({ keepDays: 30 });
    await images(150, { day: clock.now, seed: 90 });
    await acceptNow();
    forward(29);
    await monitor.check();
    const days = async (): Promise<number> => Number((await pipeline.query('select count(distinct day) as days from drift_histograms'))[0]?.['days']);
    assert.equal(await days(), 1);
    forward(1);
    await monitor.check();
    assert.equal(await days(), 0);
    assert.equal((await repository.accepted(MODEL)).length, 6);
  });
});
