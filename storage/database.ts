// The connection to Postgres: a TypeORM data source whose schema comes from the migrations alone.
import pg from 'pg';
import { DataSource, type MigrationInterface } from 'typeorm';
import { InstanceEntity } from './entities/instance.ts';
import { SnakeCaseNaming } from './entities/naming.ts';
import { DeliveryEntity, ResultEntity } from './entities/result.ts';
import { PatientEntity, SeriesEntity, StudyEntity } from './entities/study.ts';
import { AnalysisEntity, RegionEntity, WorkitemEntity } from './entities/workitem.ts';

export type MigrationClass = new () => MigrationInterface;

/** Indexing, the pipeline, delivery and the worklist each hold a connection for milliseconds. */
const POOL_SIZE = 12;
/** A query that finds no connection must fail soon, so that intake can go on into the journal. */
const CONNECT_LIMIT_MS = 5000;

/**
 * TypeORM listens to a connection's errors a moment after it took it from the pool. A Postgres that is killed may say so in that
 * moment, and an error that nobody listens to ends the process; the query that meets it fails anyway.
 */
class AttendedClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config);
    this.on('error', () => {});
  }
}

/**
 * @param url postgres://…
 * @param migrations all of them, oldest first; run by `migrate`
 */
export function createDataSource(url: string, migrations: MigrationClass[]): DataSource {
  return new DataSource({
    type: 'postgres',
    url,
    entities: [PatientEntity, StudyEntity, SeriesEntity, InstanceEntity, WorkitemEntity, AnalysisEntity, RegionEntity, ResultEntity, DeliveryEntity],
    migrations,
    migrationsTransactionMode: 'each',
    namingStrategy: new SnakeCaseNaming(),
    synchronize: false,
    logging: false,
    installExtensions: false,
    poolSize: POOL_SIZE,
    connectTimeoutMS: CONNECT_LIMIT_MS,
    applicationName: 'hilum',
    extra: { keepAlive: true, Client: AttendedClient },
  });
}

/** Connection failures as pg and the system name them; SQLSTATE classes 08 and 57P, and too many connections. */
const AWAY_CODES = /^(ECONNREFUSED|ECONNRESET|ENOENT|EPIPE|ETIMEDOUT|08...|57P..|53300)$/;

/** Whether a query failed because Postgres cannot be reached, so that the same may work in a while. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, driverError } = error as { code?: unknown; driverError?: unknown };
  return (
    (typeof code === 'string' && AWAY_CODES.test(code) && 'severity' in error) ||
    (error as NodeJS.ErrnoException).syscall === 'connect' ||
    /Connection terminated|connection timeout|timeout exceeded when trying to connect|Client has encountered a connection error/i.test(error.message) ||
    (driverError !== error && driverError !== undefined && isDatabaseAway(driverError))
  );
}

/** Two processes that start at once must not both migrate: the second waits for the lock, then finds nothing to do. */
const MIGRATION_LOCK = 4151997;

/** Brings the schema up to date. @returns the names of the migrations that ran */
export async function migrate(dataSource: DataSource): Promise<string[]> {
  const runner = dataSource.createQueryRunner();
  await runner.connect();
  try {
    await runner.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const done = await dataSource.runMigrations();
    return done.map((migration) => migration.name);
  } finally {
    await runner.query('select pg_advisory_unlock($1)', [MIGRATION_LOCK]);
    await runner.release();
  }
}
