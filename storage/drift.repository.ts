// Distributions in Postgres: what each analysis adds, by model, day and station, and what a site has accepted. Which quantities
// there are, and their bins, is the caller's; here a histogram is a list of counts.
import type { DataSource, EntityManager } from 'typeorm';

/** What one analysis adds: the bin of each quantity. */
export interface DriftSample {
  station: string;
  bins: Record<string, number>;
}

/** Station '' stands for all stations together. */
export interface DriftPlace {
  modelName: string;
  modelVersion: string;
  station: string;
}
export interface Histogram extends DriftPlace {
  quantity: string;
  /** From the first bin; bins at the end that never held a value may be missing. */
  counts: number[];
}
export interface AcceptedHistogram extends Histogram {
  /** YYYY-MM-DD, both within. */
  from: string;
  to: string;
}
export interface StoredComparison extends DriftPlace {
  quantity: string;
  images: number;
  psi: number;
  ks: number;
  p: number;
  level: number;
  acceptedLevel: number;
  drifted: boolean;
  since: Date;
  checkedAt: Date;
}

export const ALL_STATIONS = '';

/** An analysis that was stored in this transaction, by a model in use or by a candidate in the shadow. */
export interface DriftRun {
  instance: string;
  /** From 1. */
  frame: number;
  modelName: string;
  modelVersion: string;
}

/**
 * Keeps what an analysis adds, in the transaction that stores it. An image counts once for a model's version, the first time that
 * it comes to an outcome: neither a repeated job counts, nor another version of the same image, nor another run with other settings.
 */
export async function keepSample(transaction: EntityManager, { instance, frame, modelName, modelVersion }: DriftRun, sample: DriftSample): Promise<void> {
  await transaction.query(
    `insert into drift_samples (model_name, model_version, day, station, bins)
     select $3, $4, (now() at time zone 'utc')::date, $5, $6
     where 1 = (
       select count(*) from instances as image
         join instances as versions on versions.sop_instance_uid = image.sop_instance_uid
         join (select instance, frame, model_name, model_version, status from analyses
           union all select instance, frame, model_name, model_version, status from shadow_analyses) as runs on runs.instance = versions.id
       where image.id = $1 and runs.frame = $2 and model_name = $3 and model_version = $4 and status = 'analyzed')`,
    [instance, frame, modelName, modelVersion, sample.station, JSON.stringify(sample.bins)],
  );
}

/** Two that add up at once would wait for each other's rows in different orders. */
const FOLD_LOCK = 4151998;
const COMPARE_LOCK = 4151999;
/** Samples in memory at a time. */
const FOLD_BATCH = 5000;

const PLACE = `model_name as "modelName", model_version as "modelVersion", station`;

export class DriftRepository {
  readonly #dataSource: DataSource;

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  /**
   * Adds what analyses have left to the histograms, each once. Analyses do not do it themselves: all of one station and day
   * would wait for the same rows. @returns how many there were
   */
  async fold(): Promise<number> {
    for (let all = 0; ; ) {
      const folded = await this.#foldBatch();
      all += folded;
      if (folded < FOLD_BATCH) return all;
    }
  }

  #foldBatch(): Promise<number> {
    return this.#dataSource.transaction(async (transaction) => {
      await transaction.query('select pg_advisory_xact_lock($1)', [FOLD_LOCK]);
      const [samples]: [(DriftSample & DriftPlace & { day: string })[], number] = await transaction.query(
        `delete from drift_samples where id in (select id from drift_samples order by id limit ${FOLD_BATCH})
         returning ${PLACE}, day::text, bins`,
      );
      const histograms = new Map<string, Histogram & { day: string }>();
      for (const { bins, ...place } of samples)
        for (const [quantity, bin] of Object.entries(bins)) {
          const key = JSON.stringify([place.modelName, place.modelVersion, place.day, place.station, quantity]);
          const histogram = histograms.get(key) ?? { ...place, quantity, counts: [] };
          histograms.set(key, histogram);
          while (histogram.counts.length <= bin) histogram.counts.push(0);
          histogram.counts[bin]! += 1;
        }
      for (const { day, ...histogram } of histograms.values()) await addCounts(transaction, day, histogram);
      return samples.length;
    });
  }

  /** Adds counts to those of a day, YYYY-MM-DD. */
  async add(day: string, histograms: readonly Histogram[]): Promise<void> {
    await this.#dataSource.transaction(async (transaction) => {
      await transaction.query('select pg_advisory_xact_lock($1)', [FOLD_LOCK]);
      for (const histogram of histograms) await addCounts(transaction, day, histogram);
    });
  }

  /** Of one model's version over some days, both within: by station, days added up. */
  async histograms(model: { name: string; version: string }, from: string, to: string): Promise<Histogram[]> {
    const days: Histogram[] = await this.#dataSource.query(
      `select ${PLACE}, quantity, counts from drift_histograms where model_name = $1 and model_version = $2 and day between $3 and $4`,
      [model.name, model.version, from, to],
    );
    const sums = new Map<string, Histogram>();
    for (const { counts, ...of } of days) {
      const key = JSON.stringify([of.station, of.quantity]);
      sums.set(key, { ...of, counts: addUp(sums.get(key)?.counts ?? [], counts) });
    }
    return [...sums.values()];
  }

  async accepted(model: { name: string; version: string }): Promise<AcceptedHistogram[]> {
    return this.#dataSource.query(
      `select ${PLACE}, quantity, counts::float8[] as counts, from_day::text as "from", to_day::text as "to"
       from drift_accepted where model_name = $1 and model_version = $2`,
      [model.name, model.version],
    );
  }

  /** Replaces what was accepted of the same places. Their comparisons go: they spoke of something else. */
  async accept(histograms: readonly AcceptedHistogram[]): Promise<void> {
    await this.#dataSource.transaction(async (transaction) => {
      await transaction.query('select pg_advisory_xact_lock($1)', [COMPARE_LOCK]);
      for (const place of distinctPlaces(histograms)) await forget(transaction, place);
      for (const { modelName, modelVersion, station, quantity, counts, from, to } of histograms)
        await transaction.query(
          `insert into drift_accepted (model_name, model_version, station, quantity, counts, from_day, to_day, accepted_at)
           values ($1, $2, $3, $4, $5, $6, $7, now())`,
          [modelName, modelVersion, station, quantity, counts, from, to],
        );
    });
  }

  /** Back to what the package brings. @returns whether anything had been accepted */
  async reset(model: { name: string; version: string }): Promise<boolean> {
    return this.#dataSource.transaction(async (transaction) => {
      await transaction.query('select pg_advisory_xact_lock($1)', [COMPARE_LOCK]);
      const [rows]: [unknown[], number] = await transaction.query('delete from drift_accepted where model_name = $1 and model_version = $2 returning 1', [model.name, model.version]);
      await transaction.query('delete from drift_comparisons where model_name = $1 and model_version = $2', [model.name, model.version]);
      return rows.length > 0;
    });
  }

  async comparisons(models: readonly string[]): Promise<StoredComparison[]> {
    return readComparisons(this.#dataSource.manager, models);
  }

  /**
   * Replaces the comparisons of these models by those that `decide` makes of them. One process at a time: a change of state is
   * seen, and told, by one alone.
   */
  async compare(models: readonly string[], decide: (before: StoredComparison[]) => StoredComparison[]): Promise<void> {
    await this.#dataSource.transaction(async (transaction) => {
      await transaction.query('select pg_advisory_xact_lock($1)', [COMPARE_LOCK]);
      const after = decide(await readComparisons(transaction, models));
      await transaction.query('delete from drift_comparisons where model_name = any($1)', [models]);
      for (const it of after)
        await transaction.query(
          `insert into drift_comparisons (model_name, model_version, station, quantity, images, psi, ks, p, level, accepted_level, drifted, since, checked_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
          [it.modelName, it.modelVersion, it.station, it.quantity, it.images, it.psi, it.ks, it.p, it.level, it.acceptedLevel, it.drifted, it.since, it.checkedAt],
        );
    });
  }

  /** Removes histograms of days before this one, YYYY-MM-DD. What was accepted of them stays. */
  async expire(before: string): Promise<void> {
    await this.#dataSource.query('delete from drift_histograms where day < $1', [before]);
  }
}

/** The sum of two histograms, as long as the longer one. */
export function addUp(one: readonly number[], other: readonly number[]): number[] {
  return Array.from({ length: Math.max(one.length, other.length) }, (_, bin) => (one[bin] ?? 0) + (other[bin] ?? 0));
}

async function addCounts(transaction: EntityManager, day: string, { modelName, modelVersion, station, quantity, counts }: Histogram): Promise<void> {
  await transaction.query(
    `insert into drift_histograms (model_name, model_version, day, station, quantity, counts) values ($1, $2, $3, $4, $5, $6)
     on conflict (model_name, model_version, day, station, quantity) do update set counts = array(
       select coalesce(held, 0) + coalesce(added, 0) from unnest(drift_histograms.counts, excluded.counts) with ordinality as bins (held, added, bin) order by bin)`,
    [modelName, modelVersion, day, station, quantity, counts],
  );
}

function readComparisons(from: EntityManager, models: readonly string[]): Promise<StoredComparison[]> {
  return from.query(
    `select ${PLACE}, quantity, images, psi, ks, p, level, accepted_level as "acceptedLevel", drifted, since, checked_at as "checkedAt"
     from drift_comparisons where model_name = any($1) order by model_name, model_version, station, quantity`,
    [models],
  );
}

async function forget(transaction: EntityManager, { modelName, modelVersion, station }: DriftPlace): Promise<void> {
  for (const table of ['drift_accepted', 'drift_comparisons'])
    await transaction.query(`delete from ${table} where model_name = $1 and model_version = $2 and station = $3`, [modelName, modelVersion, station]);
}

function distinctPlaces(histograms: readonly DriftPlace[]): DriftPlace[] {
  return [...new Map(histograms.map((of) => [JSON.stringify([of.modelName, of.modelVersion, of.station]), of])).values()];
}
