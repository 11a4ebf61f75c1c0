import assert from 'node:assert/strict';
import pg from 'pg';
import { JobQueue } from '../../gateway/pipeline/queue.ts';
import { EmbeddedPostgres } from '../../storage/embedded-postgres.ts';
import { silent } from '../support/dimse.ts';
import { temporaryFolder, waitFor } from '../support/gateway.ts';

describe('the queue of a destination', function () {
  this.timeout(90_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let postgres: EmbeddedPostgres;
  beforeEach(async () => {
    folder = await temporaryFolder();
    postgres = new EmbeddedPostgres({ home: folder.path, log: silent });
    await postgres.start();
  });
  afterEach(async () => {
    await postgres.stop();
    await folder.remove();
  });

  it('goes on at once in a gateway that started while a delivery of another was under way', async () => {
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    const [first, second] = [new JobQueue(postgres.url, silent), new JobQueue(postgres.url, silent)];
    try {
      await first.start(['pacs'], true);
      let end = (): void => {};
      await first.work('deliver', { destination: 'pacs' }, () => new Promise<void>((ended) => (end = ended)));
      await first.send('deliver', { destination: 'pacs' });
      // pg-boss keeps counts of what is under way, and each process a copy of them from its start; neither is the truth of now.
      await waitFor(async () => (await client.query(`select from pgboss.queue where name = 'deliver.pacs' and active_count = 1`)).rowCount === 1, 'the counts of the queue');
      await second.start(['pacs'], false);
      const stopped = first.stop();
      end();
      await stopped;
      let served = 0;
      await second.work('deliver', { destination: 'pacs' }, async () => void served++);
      await second.send('deliver', { destination: 'pacs' });
      await waitFor(async () => served === 1, 'the delivery', 20_000);
      assert.equal(served, 1);
    } finally {
      await second.stop();
      await client.end();
    }
  });
});
