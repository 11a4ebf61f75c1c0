// Changes of studies, told to every process of the gateway by Postgres LISTEN/NOTIFY.
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from 'pino';
import type { EntityManager } from 'typeorm';

const CHANNEL = 'hilum_study';
const RECONNECT_MS = 1000;

/** To be called in the transaction that changes the study: listeners hear of it once it is committed. */
export async function notifyStudy(transaction: EntityManager, studyInstanceUid: string): Promise<void> {
  await transaction.query('select pg_notify($1, $2)', [CHANNEL, studyInstanceUid]);
}

export type StudyListener = (studyInstanceUid: string) => void;

export class StudyEvents {
  readonly #url: string;
  readonly #log: Logger;
  readonly #listeners = new Set<StudyListener>();
  #client: pg.Client | undefined;
  #closed = false;

  constructor(url: string, log: Logger) {
    this.#url = url;
    this.#log = log.child({ module: 'study-events' });
  }

  subscribe(listener: StudyListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async start(): Promise<void> {
    const client = new pg.Client({ connectionString: this.#url, keepAlive: true });
    client.on('notification', ({ payload }) => this.#listeners.forEach((listener) => listener(payload ?? '')));
    client.on('error', (error) => this.#log.warn({ err: error }, 'lost the connection that listens for changes'));
    client.once('end', () => void this.#reconnect());
    await client.connect();
    await client.query(`listen ${CHANNEL}`);
    this.#client = client;
  }

  async stop(): Promise<void> {
    this.#closed = true;
    await this.#client?.end();
  }

  async #reconnect(): Promise<void> {
    if (this.#closed) return;
    await sleep(RECONNECT_MS, undefined, { ref: false });
    // A client whose connect fails emits `end` as well, which brings us here again.
    if (!this.#closed) await this.start().catch(() => {});
  }
}
