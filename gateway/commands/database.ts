// Commands beside a gateway reach the same database: the one of DATABASE_URL, or the embedded one, running or not.
import { pino } from 'pino';
import type { DataSource } from 'typeorm';
import type { LoadedSettings } from '../../config/load.ts';
import { MIGRATIONS } from '../../migrations/all.ts';
import { createDataSource } from '../../storage/database.ts';
import { EmbeddedPostgres } from '../../storage/embedded-postgres.ts';
import { HomeInUseError, lockHome } from '../../storage/home-lock.ts';

/** Runs `use` with a connection, and with the database's URL; an embedded Postgres that was not running is stopped again. */
export async function withDatabase<T>(settings: LoadedSettings, use: (dataSource: DataSource, url: string) => Promise<T>): Promise<T> {
  if (settings.databaseUrl !== undefined) return connected(settings.databaseUrl, use);
  const postgres = new EmbeddedPostgres({ home: settings.home, log: pino({ level: 'silent' }) });
  const unlock = await lockHome(settings.home).catch((error: unknown) => {
    if (error instanceof HomeInUseError) return undefined; // a gateway runs here, and with it its Postgres
    throw error;
  });
  if (!unlock) return connected(postgres.url, use);
  try {
    await postgres.start();
    return await connected(postgres.url, use);
  } finally {
    await postgres.stop();
    await unlock();
  }
}

async function connected<T>(url: string, use: (dataSource: DataSource, url: string) => Promise<T>): Promise<T> {
  const dataSource = createDataSource(url, MIGRATIONS);
  await dataSource.initialize();
  try {
    return await use(dataSource, url);
  } finally {
    await dataSource.destroy();
  }
}
