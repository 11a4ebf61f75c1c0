// An archive on a Postgres of its own, filled through the index as intake fills it, without files.
import { createHash, randomUUID } from 'node:crypto';
import { rm, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { DataSource } from 'typeorm';
import { MIGRATIONS } from '../../migrations/all.ts';
import type { ArchivedInstance, ArchiveQuery, Matching, QueryKey, Selection } from '../../storage/archive.ts';
import { BlobStore } from '../../storage/blobs.ts';
import { createDataSource, migrate } from '../../storage/database.ts';
import { dataset, tagOf, text, type Dataset } from '../../storage/dicom/dataset.ts';
import { EmbeddedPostgres } from '../../storage/embedded-postgres.ts';
import { IntakeRepository, type IndexedInstance, type IndexRequest } from '../../storage/intake.repository.ts';
import { StoredArchive } from '../../storage/stored-archive.ts';

const silent = pino({ level: 'silent' });

export class ArchiveDatabase implements AsyncDisposable {
  readonly dataSource: DataSource;
  readonly url: string;
  readonly archive: StoredArchive;
  readonly #intake: IntakeRepository;
  readonly #end: () => Promise<void>;
  /** Of the instance that is stored next; milliseconds. */
  #clock = Date.UTC(2026, 0, 1);

  private constructor(dataSource: DataSource, url: string, folder: string, end: () => Promise<void>) {
    this.dataSource = dataSource;
    this.url = url;
    this.archive = new StoredArchive(dataSource, new BlobStore(folder, silent));
    this.#intake = new IntakeRepository(dataSource);
    this.#end = end;
  }

  static async start(): Promise<ArchiveDatabase> {
    const folder = await mkdtemp(join(tmpdir(), 'hilum-archive-'));
    const postgres = new EmbeddedPostgres({ home: folder, log: silent });
    await postgres.start();
    const dataSource = createDataSource(postgres.url, MIGRATIONS);
    await dataSource.initialize();
    await migrate(dataSource);
    return new ArchiveDatabase(dataSource, postgres.url, folder, async () => {
      await dataSource.destroy();
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    });
  }

  /** An instance comes in; each a second after the one before. @param values by keyword, beyond a CR image's */
  async store(values: Record<string, unknown>, request: Partial<IndexRequest> = {}): Promise<IndexedInstance> {
    const header = dataset({ SOPClassUID: '1.2.840.10008.5.1.4.1.1.1', Modality: 'CR', PatientID: 'P1', ...values });
    const uid = (keyword: string): string => text(header, keyword) ?? '';
    const instance = {
      blobId: randomUUID(), digest: createHash('sha256').update(JSON.stringify(header)).digest('hex'), bytes: 1000,
      header: { path: '', size: 1000, preamble: true, meta: {}, datasetOffset: 0, transferSyntaxUid: '1.2.840.10008.1.2.1', dataset: header, bulk: [] },
      context: { transport: 'stow' as const, address: '127.0.0.1', associationId: 'test' },
      receivedAt: new Date((this.#clock += 1000)).toISOString(),
      sopClassUid: uid('SOPClassUID'), sopInstanceUid: uid('SOPInstanceUID'), seriesInstanceUid: uid('SeriesInstanceUID'), studyInstanceUid: uid('StudyInstanceUID'),
    };
    return this.#intake.index(
      { instance: instance as unknown as IndexRequest['instance'], origin: 'source', frames: 1, route: undefined, noRouteReason: null, completeAfterSeconds: 0, sourceTimezone: '+0000', ...request },
      async () => undefined,
    );
  }

  async search(query: Partial<ArchiveQuery> & { keys?: QueryKey[] }): Promise<Dataset[]> {
    const found: Dataset[] = [];
    for await (const each of this.archive.search({ level: 'study', keys: [], include: [], ...query })) found.push(each);
    return found;
  }

  async select(selection: Selection): Promise<ArchivedInstance[]> {
    const found: ArchivedInstance[] = [];
    for await (const each of this.archive.select(selection)) found.push(each);
    return found;
  }

  async query(sql: string, parameters: unknown[] = []): Promise<Record<string, unknown>[]> {
    return this.dataSource.query(sql, parameters);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }
}

/** A key by keyword: of these values, or matched as said. */
export function key(keyword: string, matching: string | string[] | Matching): QueryKey {
  return { tag: tagOf(keyword), matching: typeof matching === 'string' || Array.isArray(matching) ? { kind: 'values', values: [matching].flat() } : matching };
}
