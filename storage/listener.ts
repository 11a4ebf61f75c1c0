// Postgres LISTEN/NOTIFY: what one process of the gateway commits, every other hears of, in the order of the commits.
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from 'pino';

const RECONNECT_MS = 1000;

export class PostgresListener {
  readonly #url: string;
  readonly #channel: string;
  readonly #log: Logger;
  readonly #listeners = new Set<(payload: string) => void>();
  readonly #reconnected = new Set<() => void>();
  #client: pg.Client | undefined;
  #closed = false;

  /** @param channel a name of ours, which needs no quotes in SQL */
  constructor(url: string, channel: string, log: Logger) {
    this.#url = url;
    this.#channel = channel;
    this.#log = log.child({ module: 'listener', channel });
  }

  /** @param reconnected called when notifications may have been missed; @returns ends it */
  subscribe(listener: (payload: string) => void, reconnected?: () => void): () => void {
    this.#listeners.add(listener);
    if (reconnected) this.#reconnected.add(reconnected);
    return () => {
      this.#listeners.delete(listener);
      if (reconnected) this.#reconnected.delete(reconnected);
    };
  }

  async start(): Promise<void> {
    const client = new pg.Client({ connectionString: this.#url, keepAlive: true });
    client.on('notification', ({ payload }) => this.#listeners.forEach((listener) => listener(payload ?? '')));
    client.on('error', (error) => this.#log.warn({ err: error }, 'lost the connection that listens for changes'));
    client.once('end', () => void this.#reconnect());
    await client.connect();
    await client.query(`listen ${this.#channel}`);
    this.#client = client;
  }

  async stop(): Promise<void> {
    this.#closed = true;
    await this.#client?.end();
  }

  async #reconnect(): Promise<void> {
    if (this.#closed) return;
    await sleep(RECONNECT_MS, undefined, { ref: false });
    if (this.#closed) return;
    // A client whose connect fails emits `end` as well, which brings us here again.
    await this.start().then(() => this.#reconnected.forEach((reconnected) => reconnected()), () => {});
  }
}
