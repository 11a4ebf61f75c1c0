import assert from 'node:assert/strict';
import { join } from 'node:path';
import { pino } from 'pino';
import type { DataSource } from 'typeorm';
import { MIGRATIONS } from '../../migrations/all.ts';
import { createDataSource, migrate } from '../../storage/database.ts';
import { EmbeddedPostgres } from '../../storage/embedded-postgres.ts';
import { temporaryFolder } from '../support/gateway.ts';

describe('the database schema', function () {
  this.timeout(60_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let postgres: EmbeddedPostgres;
  let dataSource: DataSource;

  before(async () => {
    folder = await temporaryFolder();
    postgres = new EmbeddedPostgres({ home: join(folder.path, 'home'), log: pino({ level: 'silent' }) });
    await postgres.start();
    dataSource = createDataSource(postgres.url, MIGRATIONS);
    await dataSource.initialize();
  });
  after(async () => {
    await dataSource?.destroy();
    await postgres?.stop();
    await folder.remove();
  });

  it('is made by the migrations, each once, also when two processes start together', async () => {
    const other = createDataSource(postgres.url, MIGRATIONS);
    await other.initialize();
    const done = await Promise.all([migrate(dataSource), migrate(other)]);
    await other.destroy();
    assert.deepEqual(done.flat(), MIGRATIONS.map(({ name }) => name));
    assert.deepEqual(await migrate(dataSource), []);
  });

  it('has the columns that the entities say, of the same types', async () => {
    const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
    // Constraints, checks and partial indices stand in the migrations alone.
    assert.deepEqual(upQueries.map(({ query }) => query).filter((query) => !/^(ALTER TABLE "\w+" DROP CONSTRAINT|DROP INDEX)/.test(query)), []);
  });

  it('finds the steps that are open by an index, however many have ended', async () => {
    await dataSource.query('set enable_seqscan = off');
    const plan: { 'QUERY PLAN': string }[] = await dataSource.query(
      `explain select ordinal, origin, dataset from ups where ordinal > 0 and state = any(array['SCHEDULED']) and state in ('SCHEDULED', 'IN PROGRESS') order by ordinal limit 200`,
    );
    assert.ok(plan.some((line) => line['QUERY PLAN'].includes('ups_open')), JSON.stringify(plan));
  });

  it('finds what is due at a destination by an index, however much was delivered', async () => {
    await dataSource.query('set enable_seqscan = off');
    const plan: { 'QUERY PLAN': string }[] = await dataSource.query(
      `explain select id from deliveries where destination = 'pacs' and state = 'pending' and next_attempt_at <= now()`,
    );
    assert.ok(plan.some((line) => line['QUERY PLAN'].includes('deliveries_due')), JSON.stringify(plan));
  });
});
