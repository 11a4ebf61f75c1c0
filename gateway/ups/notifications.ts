// Notification connections: WebSockets at /dicomweb/subscribers/{aetitle} over which event reports are sent (PS3.18 8.10). What is to
// be told stands in the database, so that a connection that breaks, or a restart, loses nothing: it goes on where it was.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { WebSocket, WebSocketServer } from 'ws';
import { dataset } from '../../storage/dicom/dataset.ts';
import { datasetJson } from '../../storage/dicom/json.ts';
import { EVENT_TYPE, eventReport } from '../../storage/ups/events.ts';
import { WORKLIST_UID } from '../../storage/ups/step.ts';
import type { UpsRepository } from '../../storage/ups.repository.ts';
import { HttpError, RETRY_AFTER_SECONDS } from '../http/errors.ts';

/** Orchestrators and workers, not screens. */
const MAX_CONNECTIONS = 100;
/** A proxy that sees nothing for longer takes the connection for dead; who does not answer until the next one is gone. */
const PING_MILLISECONDS = 15_000;
/** Events read at a time: each is a kilobyte. */
const BATCH = 50;
/** A subscriber that takes an event no sooner is dropped: what it has not taken it gets on its next connection. */
const SEND_MILLISECONDS = 20_000;
/** Subscribers have nothing to say here. */
const MAX_INCOMING_BYTES = 4096;
const FORGET_MILLISECONDS = 60_000;
/** RFC 6455 7.4.1. */
const GOING_AWAY = 1001;

export interface StepEventSource {
  subscribe(listener: (aeTitle: string) => void, reconnected: () => void): () => void;
}

export class StepNotifications {
  readonly #steps: Pick<UpsRepository, 'events' | 'told' | 'forget'>;
  readonly #log: Logger;
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: MAX_INCOMING_BYTES, perMessageDeflate: false });
  readonly #connections = new Map<string, Set<WebSocket>>();
  /** AE titles whose events are being sent; true: more came meanwhile. */
  readonly #sending = new Map<string, boolean>();
  readonly #silent = new WeakSet<WebSocket>();
  readonly #timers: NodeJS.Timeout[];
  readonly #end: () => void;

  constructor(source: StepEventSource, steps: Pick<UpsRepository, 'events' | 'told' | 'forget'>, log: Logger, pingMilliseconds = PING_MILLISECONDS) {
    this.#steps = steps;
    this.#log = log.child({ module: 'ups-notifications' });
    this.#end = source.subscribe((aeTitle) => this.#wake(aeTitle), () => this.#connections.forEach((_, aeTitle) => this.#wake(aeTitle)));
    this.#timers = [
      setInterval(() => this.#ping(), pingMilliseconds).unref(),
      setInterval(() => void this.#steps.forget().catch((error: unknown) => this.#log.warn({ err: error }, 'old events could not be dropped')), FORGET_MILLISECONDS).unref(),
    ];
  }

  get connectionCount(): number {
    return [...this.#connections.values()].reduce((sum, sockets) => sum + sockets.size, 0);
  }

  /** Takes over the connection of a request to upgrade, whose caller is known to be allowed. @throws {HttpError} 503 */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, aeTitle: string): void {
    if (this.connectionCount >= MAX_CONNECTIONS) throw new HttpError(503, 'Too many notification connections are open.', { 'Retry-After': String(RETRY_AFTER_SECONDS) });
    this.#server.handleUpgrade(request, socket, head, (connection) => this.#open(connection, aeTitle));
  }

  /** Says that the service goes away, and ends every connection. */
  close(): void {
    this.#end();
    for (const timer of this.#timers) clearInterval(timer);
    const attributes = dataset({ SCPStatus: 'GOING DOWN', SubscriptionListStatus: 'WARM START', UnifiedProcedureStepListStatus: 'WARM START' });
    const goingDown = datasetJson({ ...eventReport(WORKLIST_UID, { type: EVENT_TYPE.scpStatus, attributes }), ...dataset({ MessageID: 0 }) });
    for (const connection of [...this.#connections.values()].flatMap((sockets) => [...sockets])) {
      connection.send(goingDown, () => connection.close(GOING_AWAY, 'the gateway stops'));
      // Whoever does not answer the close must not hold the end up.
      setTimeout(() => connection.terminate(), 1000).unref();
    }
  }

  #open(connection: WebSocket, aeTitle: string): void {
    const sockets = this.#connections.get(aeTitle) ?? new Set();
    this.#connections.set(aeTitle, sockets.add(connection));
    connection.on('pong', () => this.#silent.delete(connection));
    connection.on('error', (error) => this.#log.info({ err: error, aeTitle }, 'a notification connection broke'));
    connection.once('close', () => {
      sockets.delete(connection);
      if (sockets.size === 0 && this.#connections.get(aeTitle) === sockets) this.#connections.delete(aeTitle);
    });
    this.#log.info({ aeTitle }, 'notification connection open');
    this.#wake(aeTitle);
  }

  /** One sender an AE title at a time, so that events keep their order. */
  #wake(aeTitle: string): void {
    if (!this.#connections.has(aeTitle)) return;
    const idle = !this.#sending.has(aeTitle);
    this.#sending.set(aeTitle, true);
    if (idle) void this.#sendAll(aeTitle).catch((error: unknown) => this.#log.warn({ err: error, aeTitle }, 'events could not be sent')).finally(() => this.#rest(aeTitle));
  }

  #rest(aeTitle: string): void {
    const again = this.#sending.get(aeTitle);
    this.#sending.delete(aeTitle);
    if (again) this.#wake(aeTitle);
  }

  async #sendAll(aeTitle: string): Promise<void> {
    while (this.#sending.get(aeTitle)) {
      this.#sending.set(aeTitle, false);
      for (let rows = await this.#steps.events(aeTitle, BATCH); rows.length > 0; rows = await this.#steps.events(aeTitle, BATCH)) {
        const told: string[] = [];
        for (const { id, event } of rows) {
          // Unsigned, 16 bits: a subscriber that is told twice after a crash can see it by this.
          const text = datasetJson({ ...event, ...dataset({ MessageID: Number(BigInt(id) % 65_535n) + 1 }) });
          const sockets = [...(this.#connections.get(aeTitle) ?? [])];
          const taken = await Promise.all(sockets.map((connection) => this.#send(connection, text)));
          if (!taken.includes(true)) break;
          told.push(id);
        }
        await this.#steps.told(told);
        if (told.length < rows.length) return;
      }
    }
  }

  /** @returns whether it went out */
  #send(connection: WebSocket, text: string): Promise<boolean> {
    if (connection.readyState !== WebSocket.OPEN) return Promise.resolve(false);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        connection.terminate();
        resolve(false);
      }, SEND_MILLISECONDS);
      connection.send(text, (error) => {
        clearTimeout(timer);
        resolve(!error);
      });
    });
  }

  #ping(): void {
    for (const connection of [...this.#connections.values()].flatMap((sockets) => [...sockets])) {
      if (this.#silent.has(connection)) connection.terminate();
      else {
        this.#silent.add(connection);
        connection.ping();
      }
    }
  }
}
