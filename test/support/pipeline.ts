// The parts of the pipeline on a Postgres of their own, without workers: a test takes each step itself, in the order that it wants.
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import type { DataSource } from 'typeorm';
import { stringify } from 'yaml';
import { keepResult } from '../../ai/results/keep.ts';
import { encodeReport } from '../../ai/results/structured-report.ts';
import { loadPackage, type ModelPackage } from '../../ai/runtime/manifest.ts';
import { parseSettings, type LoadedSettings } from '../../config/load.ts';
import { Indexer } from '../../gateway/pipeline/indexer.ts';
import { JobQueue } from '../../gateway/pipeline/queue.ts';
import type { ReportingOptions } from '../../gateway/pipeline/reporting.ts';
import { MIGRATIONS } from '../../migrations/all.ts';
import { BlobStore } from '../../storage/blobs.ts';
import { createDataSource, migrate } from '../../storage/database.ts';
import { DeliveriesRepository } from '../../storage/deliveries.repository.ts';
import { EmbeddedPostgres } from '../../storage/embedded-postgres.ts';
import { IntakeRepository } from '../../storage/intake.repository.ts';
import { Journal } from '../../storage/journal.ts';
import { Receiver, type DurableInstance } from '../../storage/receive.ts';
import { WorkitemsRepository, type NewAnalysis } from '../../storage/workitems.repository.ts';
import { silent } from './dimse.ts';
import { temporaryFolder, testSettings } from './gateway.ts';
import { faultSettings } from './kill-run.ts';

export class TestPipeline implements AsyncDisposable {
  readonly folder: string;
  readonly home: string;
  settings: LoadedSettings;
  readonly dataSource: DataSource;
  readonly queue: JobQueue;
  readonly journal: Journal;
  readonly blobs: BlobStore;
  readonly indexer: Indexer;
  readonly receiver: Receiver;
  readonly workitems: WorkitemsRepository;
  readonly deliveries: DeliveriesRepository;
  readonly #model: ModelPackage;
  readonly #end: () => Promise<void>;

  private constructor(parts: { folder: string; home: string; settings: LoadedSettings; dataSource: DataSource; queue: JobQueue; journal: Journal; model: ModelPackage; end: () => Promise<void> }) {
    ({ folder: this.folder, home: this.home, settings: this.settings, dataSource: this.dataSource, queue: this.queue, journal: this.journal, model: this.#model, end: this.#end } = parts);
    this.blobs = new BlobStore(this.home, silent);
    this.workitems = new WorkitemsRepository(this.dataSource);
    this.deliveries = new DeliveriesRepository(this.dataSource);
    this.indexer = new Indexer({ settings: () => this.settings, repository: new IntakeRepository(this.dataSource), queue: this.queue, journal: this.journal, blobs: this.blobs, log: silent });
    this.receiver = new Receiver({ blobs: this.blobs, journal: this.journal, log: silent, limits: this.settings.limits, onDurable: (instance) => this.indexer.add(instance) });
  }

  /** One route, of the tiny model, with no quiet period, to a PACS where nothing listens. */
  static async start(): Promise<TestPipeline> {
    const { path, remove } = await temporaryFolder();
    const home = join(path, 'home');
    const postgres = new EmbeddedPostgres({ home, log: silent });
    await postgres.start();
    const dataSource = createDataSource(postgres.url, MIGRATIONS);
    await dataSource.initialize();
    await migrate(dataSource);
    const queue = new JobQueue(postgres.url, silent);
    await queue.start(['pacs'], true);
    const overrides = faultSettings({ port: 1 }, { routes: [{ name: 'chest', when: { Modality: ['CR'] }, completeAfterSeconds: 0, models: ['tiny'], deliver: [{ to: 'pacs' }] }] });
    const settings = parseSettings(stringify(testSettings(home, overrides)), undefined);
    const pipeline = new TestPipeline({
      folder: path, home, settings, dataSource, queue,
      journal: await Journal.open(home, silent),
      model: await loadPackage(resolve(import.meta.dirname, '../fixtures/models/tiny')),
      async end() {
        await pipeline.indexer.stop();
        await queue.stop();
        await dataSource.destroy();
        await postgres.stop();
        await remove();
      },
    });
    return pipeline;
  }

  async receive(bytes: Uint8Array): Promise<DurableInstance> {
    return this.receiver.receive(Readable.from([bytes]), { transport: 'stow', address: '127.0.0.1', associationId: 'test' });
  }

  /** @returns the id of the instance, once it is in the index */
  async index(path: string, change: (text: string) => string = (text) => text): Promise<string> {
    const { blobId } = await this.receive(Buffer.from(change(await readFile(path, 'latin1')), 'latin1'));
    await this.indexer.indexed(blobId);
    return blobId;
  }

  /** @returns the workitem, where there is one now; what else happens is told to `heard` */
  async close(studyInstanceUid: string, heard: { ready?: string[]; again?: string[] } = {}): Promise<string | undefined> {
    const { workitem } = await this.workitems.closeStudy(studyInstanceUid, this.modelsOf, {
      whenReady: async (id) => void heard.ready?.push(id),
      analyze: async (images) => void heard.again?.push(...images),
      isOutside: () => false,
      publish: async () => undefined,
    });
    return workitem;
  }

  readonly modelsOf = (route: string): string[] => this.settings.routes.find(({ name }) => name === route)?.models ?? [];

  /** A model speaks of an image. @returns the workitems that are ready by that */
  async analyze(studyInstanceUid: string, instance: string, modelName = 'tiny'): Promise<string[]> {
    const { version, sha256 } = this.#model.manifest;
    const analysis: NewAnalysis = {
      instance, frame: 1, modelName, modelVersion: version, modelSha256: modelName === 'tiny' ? sha256 : '0'.repeat(64), settingsDigest: modelName,
      status: 'not-analyzable', reason: 'a test', label: null, finding: null, sought: null, probability: null, threshold: null, positive: null, scores: null, provider: null, milliseconds: null, severity: null, regions: [],
    };
    const ready: string[] = [];
    await this.workitems.saveAnalysis(studyInstanceUid, analysis, this.modelsOf, async (id) => void ready.push(id));
    return ready;
  }

  reporting(): ReportingOptions {
    return {
      settings: () => this.settings, models: () => [this.#model], settingsDigest: (model) => model, workitems: this.workitems, queue: this.queue, blobs: this.blobs, log: silent,
      encode: (outcome) => Promise.all(encodeReport(outcome).map((result) => keepResult(this.blobs, result))),
    };
  }

  async query(sql: string, parameters: unknown[] = []): Promise<Record<string, unknown>[]> {
    return this.dataSource.query(sql, parameters);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }
}
