import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { createDataSource } from '../../storage/database.ts';
import { EmbeddedPostgres } from '../../storage/embedded-postgres.ts';
import { silent } from '../support/dimse.ts';
import { cStore, spawnGateway, startTestGateway, studyOf, temporaryFolder, waitFor, type Tree } from '../support/gateway.ts';
import { faultSettings, killPostgres } from '../support/kill-run.ts';
import { numberedImages, type NumberedImage } from '../support/numbered-images.ts';
import { startRecordingPacs, type RecordingPacs } from '../support/recording-pacs.ts';
import { stowRequest } from '../support/stow.ts';

const JOURNAL = 4;

describe('when Postgres is not where it was', function () {
  this.timeout(90_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let images: NumberedImage[];
  let pacs: RecordingPacs;
  let settings: Tree;
  beforeEach(async () => {
    folder = await temporaryFolder();
    images = await numberedImages(folder.path, { studies: 8, imagesOfStudy: 1, series: 31 });
    pacs = await startRecordingPacs();
    settings = faultSettings(pacs, { limits: { freeDiskBytes: 50_000_000, journalInstances: JOURNAL } });
  });
  afterEach(async () => {
    await pacs.stop();
    await folder.remove();
  });

  async function startDatabase(): Promise<EmbeddedPostgres> {
    const postgres = new EmbeddedPostgres({ home: join(folder.path, 'database'), log: silent });
    await postgres.start();
    return postgres;
  }

  const delivered = (api: string, image: NumberedImage): Promise<unknown> =>
    waitFor(async () => (await studyOf(api, image.studyInstanceUid).catch(() => undefined))?.delivery === 'delivered', `the results of ${image.studyInstanceUid}`);

  it('takes images into the journal as far as it may, refuses more with A700 and 503, and indexes all when it is back', async () => {
    let postgres = await startDatabase();
    const gateway = await startTestGateway(join(folder.path, 'home'), settings, postgres.url);
    try {
      await postgres.stop();
      const [refused, ...more] = images.slice(JOURNAL);
      assert.ok(refused);
      const taken = await cStore(gateway.dimsePort ?? 0, images.slice(0, JOURNAL));
      assert.deepEqual(taken.map(({ status }) => status), Array(JOURNAL).fill('delivered'));
      const [outcome] = await cStore(gateway.dimsePort ?? 0, [refused]);
      assert.equal(outcome?.status, 'refused');
      assert.match(outcome.detail, /A700.*4 instances wait to be indexed/);
      const answer = await stowRequest(gateway.api, [refused.path]);
      assert.equal(answer.status, 503);
      assert.equal((await readdir(join(gateway.home, 'journal'))).length, JOURNAL);
      postgres = await startDatabase();
      for (const image of images.slice(0, JOURNAL)) await delivered(gateway.api, image);
      assert.ok(more[0] && (await cStore(gateway.dimsePort ?? 0, [more[0]]))[0]?.status === 'delivered');
      await delivered(gateway.api, more[0]);
      assert.equal(await studyOf(gateway.api, refused.studyInstanceUid), undefined);
      assert.deepEqual(await readdir(join(gateway.home, 'journal')), []);
    } finally {
      await gateway.stop();
      await postgres.stop();
    }
  });

  it('can be stopped while Postgres is away, and takes up the journal at the next start', async () => {
    let postgres = await startDatabase();
    const home = join(folder.path, 'home');
    let gateway = await startTestGateway(home, settings, postgres.url);
    await postgres.stop();
    await cStore(gateway.dimsePort ?? 0, images.slice(0, 3));
    await gateway.stop();
    assert.equal((await readdir(join(home, 'journal'))).length, 3);
    postgres = await startDatabase();
    gateway = await startTestGateway(home, settings, postgres.url);
    try {
      for (const image of images.slice(0, 3)) await delivered(gateway.api, image);
    } finally {
      await gateway.stop();
      await postgres.stop();
    }
  });

  it('gives what a killed process was at to the next one, on a Postgres that is shared', async () => {
    const postgres = await startDatabase();
    const home = join(folder.path, 'home');
    await mkdir(home);
    const client = new pg.Client({ connectionString: postgres.url });
    const roomy = { ...settings, limits: {} };
    let gateway = await spawnGateway(home, roomy, postgres.url);
    try {
      await client.connect();
      assert.ok((await cStore(gateway.dimsePort, images)).every(({ status }) => status === 'delivered'));
      await gateway.kill();
      // As though each job that waits had been under way in the process that died.
      const { rowCount } = await client.query(`update pgboss.job set state = 'active', started_on = now(), heartbeat_on = now() where state in ('created', 'retry') and name not like '\\_\\_%'`);
      assert.ok((rowCount ?? 0) > 0);
      gateway = await spawnGateway(home, roomy, postgres.url);
      for (const image of images) await delivered(gateway.api, image);
      assert.equal(new Set(pacs.stored.map(({ sopInstanceUid }) => sopInstanceUid)).size, 2 * images.length);
    } finally {
      await gateway.stop();
      await client.end();
      await postgres.stop();
    }
  });

  it('does not end the gateway when it is killed in the moment in which a connection is taken', async () => {
    const fatal = Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0');
    const message = (type: string, body: Uint8Array): Buffer => {
      const length = Buffer.alloc(4);
      length.writeInt32BE(body.length + 4);
      return Buffer.concat([Buffer.from(type), length, body]);
    };
    // AuthenticationOk, ReadyForQuery and the end of the server, in one piece.
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(Buffer.concat([message('R', Buffer.alloc(4)), message('Z', Buffer.from('I')), message('E', fatal)])));
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    await assert.rejects(createDataSource(`postgres://hilum@127.0.0.1:${port}/hilum`, []).initialize());
    server.close();
  });

  it('comes back when it is killed in the moment in which it is ready', async () => {
    const { query } = pg.Client.prototype;
    // What asks whether it is ready gets its answer, and nothing after that.
    pg.Client.prototype.query = async function (this: pg.Client, text: string) {
      pg.Client.prototype.query = query;
      const answer = await (query as (sql: string) => Promise<unknown>).call(this, text);
      const pid = await killPostgres(join(folder.path, 'database'));
      await waitFor(async () => !existsSync(`/proc/${pid}`), 'the end of the server');
      return answer;
    } as typeof query;
    const postgres = new EmbeddedPostgres({ home: join(folder.path, 'database'), log: silent });
    try {
      await postgres.start().catch(() => {}); // no database was made, for there was no server
      const client = await waitFor(async () => connected(postgres.url.replace('/hilum?', '/postgres?')), 'the server');
      assert.equal((await client.query('select 1 as one')).rows[0].one, 1);
      await client.end();
    } finally {
      pg.Client.prototype.query = query;
      await postgres.stop();
    }
  });

  it('starts its own although a stale postmaster.pid names a process that lives', async () => {
    const other = await startDatabase();
    const postgres = new EmbeddedPostgres({ home: join(folder.path, 'home'), log: silent });
    try {
      await postgres.start();
      await postgres.stop();
      const folderOfServer = join(folder.path, 'home/postgres');
      await writeFile(join(folderOfServer, 'postmaster.pid'), `${other.pid}\n${folderOfServer}\n1700000000\n5432\n\n\n\n`);
      await postgres.start();
      const client = new pg.Client({ connectionString: postgres.url });
      await client.connect();
      assert.equal((await client.query('select 1 as one')).rows[0].one, 1);
      await client.end();
    } finally {
      await postgres.stop();
      await other.stop();
    }
  });
});

async function connected(connectionString: string): Promise<pg.Client | undefined> {
  const client = new pg.Client({ connectionString });
  return client.connect().then(() => client, () => undefined);
}
