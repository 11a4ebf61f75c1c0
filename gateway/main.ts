// The composition root: everything that a gateway is made of is created here, handed what it needs, and ended in the
// opposite order.
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { DataSource } from 'typeorm';
import type { AnalysisOutcome } from '../ai/analysis.ts';
import { startAnalyzer, type Analyzer } from '../ai/analyzer.ts';
import { ResultEncoder } from '../ai/results/encoder.ts';
import { loadPackage, type ModelPackage } from '../ai/runtime/manifest.ts';
import type { LoadedSettings } from '../config/load.ts';
import { followSettings } from '../config/reload.ts';
import { MIGRATIONS } from '../migrations/all.ts';
import { BlobStore } from '../storage/blobs.ts';
import { createDataSource, migrate } from '../storage/database.ts';
import { DeliveriesRepository } from '../storage/deliveries.repository.ts';
import { DriftRepository } from '../storage/drift.repository.ts';
import { EmbeddedPostgres } from '../storage/embedded-postgres.ts';
import { lockHome } from '../storage/home-lock.ts';
import { IntakeRepository } from '../storage/intake.repository.ts';
import { Journal } from '../storage/journal.ts';
import { ModalityWorklistRepository } from '../storage/modality-worklist.repository.ts';
import { Receiver } from '../storage/receive.ts';
import { PurgeRepository } from '../storage/purge.repository.ts';
import { RecycleRepository } from '../storage/recycle.repository.ts';
import { sameContentAs } from '../storage/same-content.ts';
import { Spool } from '../storage/spool.ts';
import { keepResultHeaders } from '../storage/result-headers.ts';
import { ShadowRepository } from '../storage/shadow.repository.ts';
import { StoredArchive } from '../storage/stored-archive.ts';
import { StudyEvents } from '../storage/study-events.ts';
import { WorkitemsRepository } from '../storage/workitems.repository.ts';
import { deliverDue } from './delivery/delivery.ts';
import { queryRetrieveServices } from './dimse/query-retrieve.ts';
import { startDimseServer, type DimseServer } from './dimse/server.ts';
import { StoredComparisons } from './comparison/comparison.ts';
import { observeComparisons } from './comparison/metrics.ts';
import { observeDrift } from './drift/metrics.ts';
import { DriftMonitor } from './drift/monitor.ts';
import { scheduleDriftChecks } from './drift/schedule.ts';
import { ensurePage } from './http/build-page.ts';
import type { HealthReport } from './http/health.ts';
import { createMetrics, observe } from './http/metrics.ts';
import { startHttpServer } from './http/server.ts';
import { analyzeImage } from './pipeline/analysis.ts';
import { closeStudy } from './pipeline/completion.ts';
import { Indexer } from './pipeline/indexer.ts';
import { answerCommitments, askForCommitments, notificationServices } from './pipeline/notifications.ts';
import { JobQueue } from './pipeline/queue.ts';
import { makeResults } from './pipeline/reporting.ts';
import { shadowImage } from './pipeline/shadow.ts';
import { ModalityWorklist } from './sources/modality-worklist.ts';
import { inputFetcher } from './sources/order-input.ts';
import { Sources } from './sources/sources.ts';
import { DatasetTranscoder } from './transcode/dataset-transcoder.ts';
import { RecycleBin } from './recycle/bin.ts';
import { schedulePurge } from './recycle/schedule.ts';
import { serveOrders, startUps } from './ups/start.ts';
import { PostgresWorklist } from './worklist/postgres-worklist.ts';

export interface Gateway {
  httpPort: number;
  /** Undefined where this process has no intake role. */
  dimsePort: number | undefined;
  /** Takes nothing new, finishes what is being received, and ends everything. */
  stop(): Promise<void>;
}

/** A Postgres of others may come up after the gateway. */
const DATABASE_LIMIT_MS = 60_000;
/** Analyses asked for at a time: the analyzer forms its batches from them. */
const ANALYSES = { batch: 8, concurrency: 3 };

/** Everything that was started, to be ended in the opposite order. */
class Cleanup {
  readonly #steps: (() => Promise<unknown> | void)[] = [];

  add(step: () => Promise<unknown> | void): void {
    this.#steps.push(step);
  }

  async run(log: Logger): Promise<void> {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        log.error({ err: error }, 'something did not end in order');
      }
    }
  }
}

/** @throws {SettingsError | HomeInUseError | ModelPackageError | Error} nothing is left running then */
export async function startGateway(first: LoadedSettings, log: Logger): Promise<Gateway> {
  const cleanup = new Cleanup();
  try {
    return await start(first, log, cleanup);
  } catch (error) {
    await cleanup.run(log);
    throw error;
  }
}

async function start(first: LoadedSettings, log: Logger, cleanup: Cleanup): Promise<Gateway> {
  let current = first;
  const settings = (): LoadedSettings => current;
  const has = (role: LoadedSettings['roles'][number]): boolean => first.roles.includes(role);
  const { home } = first;
  await mkdir(home, { recursive: true });
  if (has('intake') || first.databaseUrl === undefined) cleanup.add(await lockHome(home));
  const portsFile = join(home, 'ports.json');
  await rm(portsFile, { force: true });

  const models = await Promise.all(first.models.map((folder) => loadPackage(folder)));
  checkModels(first, models);
  const analyzer = has('analysis') ? await startAnalyzer({ models, inference: first.inference, uidRoot: first.uidRoot, log }) : undefined;
  if (analyzer) cleanup.add(() => analyzer.close());
  const encoder = new ResultEncoder(home);
  if (analyzer) encoder.warm();
  cleanup.add(() => encoder.close());
  const databaseUrl = first.databaseUrl ?? (await startEmbedded(home, log, cleanup));
  const dataSource = await connect(databaseUrl, log);
  cleanup.add(() => dataSource.destroy());
  const queue = new JobQueue(databaseUrl, log);
  await queue.start(first.destinations.map(({ name }) => name), first.databaseUrl === undefined);
  cleanup.add(() => queue.stop());
  const events = new StudyEvents(databaseUrl, log);
  await events.start();
  cleanup.add(() => events.stop());

  const metrics = createMetrics();
  const blobs = new BlobStore(home, log);
  const journal = await Journal.open(home, log);
  const archive = new StoredArchive(dataSource, blobs);
  const workitems = new WorkitemsRepository(dataSource);
  const deliveries = new DeliveriesRepository(dataSource);
  const shadows = new ShadowRepository(dataSource);
  const comparisons = new StoredComparisons(shadows);
  const repository = new IntakeRepository(dataSource);
  const distributions = new DriftRepository(dataSource);
  const drift = new DriftMonitor({ repository: distributions, settings: () => current.drift, models, log: log.child({ module: 'drift' }) });

  const sources = new Sources({ settings, dataSource, queue, repository, log });
  const indexer = new Indexer({
    settings, repository, queue, journal, blobs, log,
    isPrior: (instance) => sources.isPrior(instance),
    onIndexed: ({ outcome }) => metrics.indexed.inc({ outcome }),
  });
  cleanup.add(() => indexer.stop());
  const receiver = new Receiver({
    blobs, journal, log,
    get limits() {
      return current.limits;
    },
    onDurable: (instance) => indexer.add(instance),
    isKnownOtherwise: async (sopInstanceUid, digest, header) =>
      current.intake.changedVersions === 'refuse' && (await repository.isKnownOtherwise(sopInstanceUid, digest, sameContentAs(header, blobs))),
  });
  if (has('intake')) {
    await blobs.sweepIncoming();
    indexer.replay();
  }

  const recycleBin = new RecycleBin({ settings, recycle: new RecycleRepository(dataSource), purge: new PurgeRepository(dataSource), queue, blobs, log });
  if (has('intake')) cleanup.add(schedulePurge(recycleBin, log));

  if (has('intake')) {
    const ending = new AbortController();
    const kept = keepResultHeaders(dataSource, blobs, log, ending.signal).catch((error: unknown) => log.error({ err: error }, 'headers of earlier results could not be kept; the next start tries again'));
    cleanup.add(() => {
      ending.abort();
      return kept;
    });
  }
  if (analyzer) {
    await serveAnalysis(analyzer);
    cleanup.add(scheduleDriftChecks({ check: () => drift.check(), minutes: () => current.drift.checkMinutes, log }));
  }
  const transcoder = new DatasetTranscoder(join(home, 'incoming'));
  cleanup.add(() => transcoder.close());
  const served = new Set<string>();
  const notifications = { settings, dataSource, queue, blobs, isIndexing: () => indexer.backlog > 0, log };
  if (has('delivery')) {
    await serveDestinations(first);
    await askForCommitments(notifications);
  }
  if (has('intake')) await answerCommitments(notifications);
  const dimse = has('intake') ? await listenDimse() : undefined;
  const webRoot = has('web') ? await buildPage(log) : undefined;
  const health = { live: () => live(analyzer), ready: () => ready(dataSource, home, first, analyzer) };
  const about = () => ({ aeTitle: first.dimse.aeTitle, dimsePort: dimse?.port ?? 0, version: VERSION });
  const ups = await startUps({ settings, dataSource, databaseUrl, queue, log, announce: has('web') });
  cleanup.add(() => ups.stop());
  const http = await startHttpServer({
    settings: first, health, about, webRoot, log, events, ups,
    receiver: has('intake') ? receiver : undefined,
    spool: new Spool(home, () => current.limits),
    recycleBin,
    indexed: (blobId) => indexer.indexed(blobId),
    archive,
    transcoder,
    worklist: new PostgresWorklist(dataSource, () => current.worklist.order),
    drift,
    comparisons,
    retrievals: sources,
    metrics: metrics.registry,
  });
  // Both doors close at once.
  cleanup.add(() => Promise.all([http.drain(), dimse?.drain()]));
  observe(metrics, {
    backlog: () => indexer.backlog,
    associations: () => dimse?.associations() ?? 0,
    queues: () => queue.depth(),
    deliveries: () => deliveries.summary(),
  });
  observeComparisons(metrics.registry, () => comparisons.all());
  observeDrift(metrics.registry, () => distributions.comparisons(drift.names));
  const servedSources = has('intake') ? await sources.serve(receiver, metrics.registry) : undefined;
  if (servedSources) cleanup.add(() => servedSources.stop());
  cleanup.add(followSettings(first, {
    changed: (next, restart) => {
      current = next;
      dimse?.configure(next);
      void servedSources?.changed().catch((error: unknown) => log.error({ err: error }, 'a new source could not be served'));
      if (has('delivery')) void serveDestinations(next).catch((error: unknown) => log.error({ err: error }, 'a new destination could not be served'));
      log.info({ restart }, restart.length > 0 ? 'settings reloaded; some keys count only after a restart' : 'settings reloaded');
    },
    rejected: (error) => log.error({ problems: error.problems }, 'the settings were edited and are wrong; the old ones stay'),
  }));

  await writePorts(portsFile, { http: http.port, ...(dimse && { dimse: dimse.port }), pid: process.pid });
  cleanup.add(() => rm(portsFile, { force: true }));
  log.info({ http: http.port, dimse: dimse?.port, aeTitle: first.dimse.aeTitle, roles: first.roles }, 'ready');
  return { httpPort: http.port, dimsePort: dimse?.port, stop: () => cleanup.run(log) };

  async function serveAnalysis(started: Analyzer): Promise<void> {
    const lungs = models.find(({ manifest }) => manifest.purpose === 'lungs');
    const digests = new Map(models.map(({ manifest }) => [manifest.name, digestOf(manifest, lungs?.manifest)]));
    const settingsDigest = (model: string): string => digests.get(model) ?? '';
    const shared = { settings, models: () => models, workitems, queue, blobs, settingsDigest };
    const modalityWorklist = new ModalityWorklist({ settings, repository: new ModalityWorklistRepository(dataSource), log: log.child({ module: 'modality-worklist' }) });
    await queue.work('analyze', ANALYSES, async (jobs, { log }) => {
      const onAnalysis = (model: string, outcome: AnalysisOutcome): void => {
        metrics.analyses.inc({ model, status: outcome.status });
        if (outcome.status !== 'analyzed') return;
        if (outcome.severity) metrics.severities.inc({ outcome: outcome.severity.status });
        metrics.inferenceMilliseconds.observe({ model }, outcome.milliseconds);
      };
      await Promise.all(
        jobs.map(async ({ instanceId }) => {
          await modalityWorklist.complete(instanceId);
          await analyzeImage(instanceId, { ...shared, log, analyzer: started, onAnalysis });
        }),
      );
    });
    await queue.work('shadow', {}, async (jobs, { signal, log }) => {
      const onShadow = (model: string, outcome: { status: string }): void => metrics.shadowAnalyses.inc({ model, status: outcome.status });
      for (const { instanceId } of jobs) await shadowImage(instanceId, { ...shared, shadows, signal, log, analyzer: started, onShadow });
    });
    await queue.work('close', { batch: 20 }, async (jobs, { log }) => {
      for (const { studyInstanceUid } of jobs) {
        await closeStudy(studyInstanceUid, { ...shared, log });
        await sources.wantPriors(studyInstanceUid);
      }
    });
    await serveOrders({ settings, models: () => models, settingsDigest, dataSource, queue, input: inputFetcher(sources, settings) });
    await queue.work('report', { concurrency: 2 }, async (jobs, { log }) => {
      for (const { workitemId } of jobs)
        await makeResults(workitemId, { ...shared, log, encode: (outcome) => encoder.encode(outcome) });
    });
  }

  async function serveDestinations(next: LoadedSettings): Promise<void> {
    for (const { name } of next.destinations) {
      if (!served.has(name)) await serveDestination(name);
      served.add(name);
      // What was due while nobody served this destination, or while the settings did not know it.
      await queue.send('deliver', { destination: name });
    }
  }

  async function serveDestination(name: string): Promise<void> {
    await queue.addDestination(name);
    await queue.work('deliver', { destination: name }, (_jobs, { signal, log }) =>
      deliverDue(name, {
        settings, deliveries, queue, blobs, log,
        onDelivery: (destination, outcome, seconds) => {
          metrics.deliveryTries.inc({ destination, outcome });
          if (outcome === 'delivered') metrics.deliverySeconds.observe({ destination }, seconds);
        },
      }, signal),
    );
  }

  async function listenDimse(): Promise<DimseServer> {
    const server = await startDimseServer({
      settings: first, receiver, log,
      services: [...notificationServices(notifications), ...queryRetrieveServices({ archive, transcoder, settings })],
      metrics: {
        association: (outcome) => metrics.associations.inc({ outcome }),
        stored: (status, bytes, milliseconds) => {
          metrics.stored.inc({ status: status.toString(16).padStart(4, '0').toUpperCase() });
          metrics.storedBytes.inc(bytes);
          metrics.storeSeconds.observe(milliseconds / 1000);
        },
        performed: (command, status, milliseconds) => {
          metrics.dimseOperations.inc({ command, status: status.toString(16).padStart(4, '0').toUpperCase() });
          metrics.dimseSeconds.observe({ command }, milliseconds / 1000);
        },
      },
    });
    cleanup.add(() => server.drain());
    return server;
  }
}

const VERSION = (JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version;

/** @throws {Error} naming the route and the model that is not there, or has no finding */
function checkModels(settings: LoadedSettings, models: ModelPackage[]): void {
  const findings = models.filter(({ manifest }) => manifest.purpose === 'finding').map(({ manifest }) => manifest.name);
  for (const route of settings.routes)
    for (const name of [...route.models, ...route.shadow]) {
      if (findings.includes(name)) continue;
      if (models.some(({ manifest }) => manifest.name === name)) throw new Error(`route "${route.name}" names model "${name}", which shows where the lungs are and has no finding; it serves every route by itself`);
      throw new Error(`route "${route.name}" wants model "${name}"; the settings bring ${findings.join(', ') || 'none'}`);
    }
}

async function startEmbedded(home: string, log: Logger, cleanup: Cleanup): Promise<string> {
  const postgres = new EmbeddedPostgres({ home, log });
  cleanup.add(() => postgres.stop());
  await postgres.start();
  return postgres.url;
}

async function connect(url: string, log: Logger): Promise<DataSource> {
  for (const deadline = Date.now() + DATABASE_LIMIT_MS; ; ) {
    const dataSource = createDataSource(url, MIGRATIONS);
    try {
      await dataSource.initialize();
      const migrated = await migrate(dataSource);
      if (migrated.length > 0) log.info({ migrations: migrated }, 'the database schema was brought up to date');
      return dataSource;
    } catch (error) {
      if (dataSource.isInitialized) await dataSource.destroy();
      if (Date.now() > deadline) throw new Error(`Postgres cannot be used: ${(error as Error).message}`, { cause: error });
      log.warn({ err: error }, 'waiting for Postgres');
      await sleep(1000);
    }
  }
}

/** @param lungs of the model by which findings are measured; without one, nothing of it is in the digest */
function digestOf(manifest: ModelPackage['manifest'], lungs: ModelPackage['manifest'] | undefined): string {
  return createHash('sha256').update(JSON.stringify(lungs ? [manifest, lungs] : manifest)).digest('hex');
}

function live(analyzer: Analyzer | undefined): HealthReport {
  const checks: HealthReport['checks'] = { process: { ok: true } };
  for (const { model, chosen, rejected } of analyzer?.providers() ?? [])
    checks[`model ${model}`] = { ok: true, detail: [`runs on ${chosen}`, ...rejected.map(({ provider, why }) => `not on ${provider}: ${why}`)].join('; ') };
  return { ok: true, checks };
}

/** Without its page, as where the program's folder cannot be written, the gateway does all the rest. */
async function buildPage(log: Logger): Promise<string | undefined> {
  try {
    return await ensurePage(log);
  } catch (error) {
    log.error({ err: error }, 'the page could not be built and is not served; `npm run build:web` builds it');
    return undefined;
  }
}

async function ready(dataSource: DataSource, home: string, { limits }: LoadedSettings, analyzer: Analyzer | undefined): Promise<HealthReport> {
  const database = await dataSource.query('select 1').then(() => ({ ok: true }), (error: Error) => ({ ok: false, detail: error.message }));
  const { bavail, bsize } = await statfs(home);
  const free = bavail * bsize;
  const disk = { ok: free > limits.freeDiskBytes, detail: `${(free / 1e9).toFixed(1)} GB free, ${(limits.freeDiskBytes / 1e9).toFixed(1)} GB are kept free` };
  const checks = { ...live(analyzer).checks, database, disk };
  return { ok: Object.values(checks).every(({ ok }) => ok), checks };
}

/** Atomic, so that whoever waits for the file never reads half of it. */
async function writePorts(file: string, ports: { http: number; dimse?: number; pid: number }): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(ports));
  await rename(`${file}.new`, file);
}
