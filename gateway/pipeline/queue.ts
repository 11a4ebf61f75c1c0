// The queues between the steps of the pipeline: pg-boss on the same Postgres. A job only names the row that it is about, every
// handler may run twice without harm, and a job is enqueued in the transaction that changes the row.
import { PgBoss } from 'pg-boss';
import type { Logger } from 'pino';
import type { EntityManager } from 'typeorm';

export interface Jobs {
  /** Run the route's models on an image. */
  analyze: { instanceId: string };
  /** Run the route's shadow models on an image that its models in use have judged. */
  shadow: { instanceId: string };
  /** Close a study if its quiet period is over. */
  close: { studyInstanceUid: string };
  /** Make the results of a closed study whose images are analysed. */
  report: { workitemId: string };
  /** Take an analysis that a caller ordered as a Unified Procedure Step. */
  order: { stepUid: string; retrieval?: string };
  /** See what has become of a study that waits for a worker from outside. */
  outside: { workitemId: string };
  /** Send what is due at a destination. */
  deliver: { destination: string };
  /** Answer a storage commitment request. */
  commitment: { id: string };
  /** Ask a destination to answer for what it has taken. */
  commit: { destination: string };
  /** Fetch what is due of a source. */
  fetch: { source: string };
}

type QueueName = keyof Jobs;

/** Without a heartbeat for so long, a job's process counts as dead and the job is given to another. pg-boss allows no less. */
const HEARTBEAT_SECONDS = 10;
/** How often dead jobs are looked for. */
const SUPERVISE_SECONDS = 5;
/** Postgres tells of new jobs at once; this finds those whose time has come. */
const POLL_SECONDS = 0.5;
/** A step that fails is tried until it works: what it fails of (database, disk, a bug that an update mends) is not the study's
 * fault, and a study that waits for a minute after Postgres was back for the sixth time is one that somebody waits for. */
const RETRY = { retryLimit: 100_000, retryDelay: 1, retryBackoff: true, retryDelayMax: 5 };
/** A delivery of gigabytes over a slow line may take hours; its heartbeat tells that it lives. */
const EXPIRE_SECONDS = 12 * 3600;

export interface WorkOptions {
  /** Jobs handed to one call of the handler. */
  batch?: number;
  /** Calls of the handler at a time. */
  concurrency?: number;
}

/** What a handler gets beside its jobs. */
export interface Run {
  /** Aborted when the queue stops or the job's time is over. */
  signal: AbortSignal;
  /** Names queue and jobs in each line. */
  log: Logger;
}

export class JobQueue {
  readonly #boss: PgBoss;
  readonly #log: Logger;

  constructor(databaseUrl: string, log: Logger) {
    this.#log = log.child({ module: 'queue' });
    this.#boss = new PgBoss({
      connectionString: databaseUrl,
      application_name: 'hilum-queue',
      max: 6,
      schedule: false,
      useListenNotify: true,
      superviseIntervalSeconds: SUPERVISE_SECONDS,
      monitorIntervalSeconds: SUPERVISE_SECONDS,
    });
    // Postgres away is told once by whoever needs it; here it would be told twice a second.
    this.#boss.on('error', (error) => this.#log.debug({ err: error }, 'the queue met an error'));
    this.#boss.on('warning', (warning) => this.#log.debug({ warning }, 'the queue warns'));
  }

  /** @param alone no other process works on this database: what a process that died left running goes on at once */
  async start(destinations: string[], alone: boolean): Promise<void> {
    await this.#boss.start();
    for (const name of ['analyze', 'shadow', 'close', 'report', 'commitment', 'commit', 'order', 'outside'] as const) await this.#create(name);
    for (const destination of destinations) await this.addDestination(destination);
    if (alone) await this.#boss.getDb().executeSql(`update pgboss.job set state = 'retry', start_after = now() where state in ('active', 'retry')`);
  }

  /** One association at a time to a destination: a singleton queue of its own, so that none waits for another. */
  async addDestination(destination: string): Promise<void> {
    await this.#create(deliverQueue(destination), 'singleton');
  }

  /** One retrieval at a time from a source: it has other work to do as well. */
  async addSource(source: string): Promise<void> {
    await this.#create(fetchQueue(source), 'singleton');
  }

  async send<Name extends QueueName>(name: Name, data: Jobs[Name], options: { transaction?: EntityManager; startAfter?: Date; priority?: number } = {}): Promise<void> {
    const queue = name === 'deliver' ? deliverQueue((data as Jobs['deliver']).destination) : name === 'fetch' ? fetchQueue((data as Jobs['fetch']).source) : name;
    const { transaction, startAfter, priority } = options;
    await this.#boss.send(queue, data, {
      ...(startAfter && { startAfter }),
      ...(priority !== undefined && { priority }),
      ...(transaction && { db: { executeSql: async (text, values) => ({ rows: await transaction.query(text, values) }) } }),
    });
  }

  async work<Name extends QueueName>(name: Name, options: WorkOptions & { destination?: string; source?: string }, handler: (data: Jobs[Name][], run: Run) => Promise<void>): Promise<void> {
    const queue = options.destination !== undefined ? deliverQueue(options.destination) : options.source !== undefined ? fetchQueue(options.source) : name;
    await this.#boss.work<Jobs[Name], void>(
      queue,
      {
        batchSize: options.batch ?? 1,
        localConcurrency: options.concurrency ?? 1,
        pollingIntervalSeconds: POLL_SECONDS,
        notifyPollingIntervalSeconds: POLL_SECONDS,
      },
      async (jobs) => {
        const [first] = jobs;
        if (!first) return;
        const log = this.#log.child({ queue, job: jobs.map((job) => job.id).join(' ') });
        try {
          await handler(jobs.map((job) => job.data), { signal: first.signal, log });
        } catch (error) {
          log.error({ err: error }, 'a job failed and will be tried again');
          throw error;
        }
      },
    );
  }

  /**
   * Drops the jobs that wait for a destination: whoever serves it now does what they ask for. Without this they would grow in
   * number for as long as a destination is away, each being replaced by one for the next try.
   */
  async takeOver(destination: string): Promise<void> {
    await this.#boss.deleteQueuedJobs(deliverQueue(destination));
  }

  /** The same for a source. */
  async takeOverSource(source: string): Promise<void> {
    await this.#boss.deleteQueuedJobs(fetchQueue(source));
  }

  /** Jobs by queue that wait or run, for the metrics. */
  async depth(): Promise<{ queue: string; waiting: number; active: number }[]> {
    const { rows } = await this.#boss.getDb().executeSql(
      `select name as queue, count(*) filter (where state < 'active')::int as waiting, count(*) filter (where state = 'active')::int as active
       from pgboss.job where state <= 'active' and name not like '\\_\\_%' group by name`,
    );
    return rows;
  }

  async stop(): Promise<void> {
    await this.#boss.stop({ graceful: true, timeout: 10_000 });
  }

  async #create(name: string, policy: 'standard' | 'singleton' = 'standard'): Promise<void> {
    const options = { ...RETRY, expireInSeconds: EXPIRE_SECONDS, heartbeatSeconds: HEARTBEAT_SECONDS, notify: true };
    if (await this.#boss.getQueue(name)) await this.#boss.updateQueue(name, options);
    else await this.#boss.createQueue(name, { ...options, policy });
  }
}

const deliverQueue = (destination: string): string => `deliver.${destination}`;
const fetchQueue = (source: string): string => `fetch.${source}`;
