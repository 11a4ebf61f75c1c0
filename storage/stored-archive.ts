// The archive in Postgres. What is found is read page by page, each from where the one before ended: a reader that is slow, or
// leaves, holds neither a connection nor a list.
import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { DataSource } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import type { Archive, ArchivedInstance, ArchiveQuery, Selection } from './archive.ts';
import type { BlobStore } from './blobs.ts';
import type { Dataset } from './dicom/dataset.ts';
import { planSearch } from './query/search.ts';
import { planSelection, type ObjectRow } from './query/selection.ts';
import type { Statement } from './query/statement.ts';

/** Rows of some hundred bytes at a time; with headers, of some ten kilobytes, fewer. */
const PAGE = 500;
const PAGE_OF_HEADERS = 100;

/** Connections that searches and retrieves have together: as many stay for intake, the pipeline and the worklist. */
const QUESTIONS_AT_ONCE = 6;

export class StoredArchive implements Archive {
  readonly #dataSource: DataSource;
  readonly #blobs: Pick<BlobStore, 'path'>;
  #asking = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(dataSource: DataSource, blobs: Pick<BlobStore, 'path'>) {
    this.#dataSource = dataSource;
    this.#blobs = blobs;
  }

  async *search(query: ArchiveQuery): AsyncGenerator<Dataset, void, undefined> {
    const plan = planSearch(query);
    let left = query.limit ?? Number.POSITIVE_INFINITY;
    let offset = query.offset ?? 0;
    for (let after: unknown[] | undefined; left > 0; offset = 0) {
      const size = Math.min(left, plan.pageSize);
      const { sql, parameters } = plan.page(after, size, offset);
      const rows = await this.#ask<Record<string, unknown>[]>(() => this.#dataSource.query(sql, parameters));
      for (const row of rows) yield plan.dataset(row);
      if (rows.length < size) return;
      left -= rows.length;
      after = plan.positionOf(rows.at(-1)!);
    }
  }

  async *select(selection: Selection): AsyncGenerator<ArchivedInstance, void, undefined> {
    for await (const row of this.#rows(selection, false)) yield this.#instanceOf(row);
  }

  async *headers(selection: Selection): AsyncGenerator<{ instance: ArchivedInstance; header: Dataset }, void, undefined> {
    for await (const row of this.#rows(selection, true)) yield { instance: this.#instanceOf(row), header: row.header! };
  }

  async *#rows(selection: Selection, withHeaders: boolean): AsyncGenerator<ObjectRow, void, undefined> {
    const size = withHeaders ? PAGE_OF_HEADERS : PAGE;
    const plan = planSelection(selection, withHeaders);
    for (let after: ObjectRow | undefined; plan; ) {
      const rows = await this.#ask(() => this.#prepared<ObjectRow>(plan(after, size)));
      yield* rows;
      if (rows.length < size) return;
      after = rows.at(-1);
    }
  }

  /** Waits its turn; a page takes milliseconds, unless it is searched for by what has no index. */
  async #ask<T>(question: () => Promise<T>): Promise<T> {
    if (this.#asking >= QUESTIONS_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#asking += 1;
    try {
      return await question();
    } finally {
      // The next one takes over the turn.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#asking -= 1;
    }
  }

  /**
   * By a name, under which each connection keeps the plan: what is selected has few forms, and one instance is found in a sixth of the
   * time that planning it anew takes (0.13 ms, not 0.8). Searches have many forms, and their plans follow from the values.
   */
  async #prepared<T extends pg.QueryResultRow>({ sql, parameters }: Statement): Promise<T[]> {
    const pool = (this.#dataSource.driver as PostgresDriver).master as pg.Pool;
    const name = createHash('sha256').update(sql).digest('base64url');
    return (await pool.query<T>({ name, text: sql, values: parameters })).rows;
  }

  #instanceOf(row: ObjectRow): ArchivedInstance {
    return {
      studyInstanceUid: row.study,
      seriesInstanceUid: row.series,
      sopInstanceUid: row.sop,
      sopClassUid: row.sop_class_uid,
      transferSyntaxUid: row.transfer_syntax_uid,
      path: this.#blobs.path(row.id),
      bytes: Number(row.bytes),
      frames: row.frames,
      digest: row.digest,
    };
  }
}
