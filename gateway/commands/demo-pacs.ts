// The demo's small PACS and modality: an archive that keeps what it gets, routes images on to the gateway, and notes when a
// report arrives. A PACS of its own right it is not.
import type { Logger } from 'pino';
import { parseSettings } from '../../config/load.ts';
import { BlobStore } from '../../storage/blobs.ts';
import { text } from '../../storage/dicom/dataset.ts';
import { Journal } from '../../storage/journal.ts';
import { Receiver, type DurableInstance } from '../../storage/receive.ts';
import { DicomwebDestination } from '../delivery/destinations/dicomweb.ts';
import type { DestinationClient, OutgoingResult } from '../delivery/destinations/destination.ts';
import { DimseDestination } from '../delivery/destinations/dimse.ts';
import { startDimseServer, type DimseServer } from '../dimse/server.ts';

const TIMEOUT_MS = 30_000;
const PDU_BYTES = 1_048_576;

export class DemoPacs {
  /** Study Instance UID -> when its first report came, milliseconds since the epoch. */
  readonly reports = new Map<string, number>();
  readonly #blobs: BlobStore;
  readonly #log: Logger;
  #server: DimseServer | undefined;
  #gatewayPort: number | undefined;
  #routing: Promise<void> = Promise.resolve();

  private constructor(blobs: BlobStore, log: Logger) {
    this.#blobs = blobs;
    this.#log = log;
  }

  static async start(home: string, log: Logger): Promise<DemoPacs> {
    const settings = parseSettings('dimse: { port: 0, aeTitle: PACS }\nlimits: { freeDiskBytes: 500000000 }', undefined);
    const blobs = new BlobStore(home, log);
    const journal = await Journal.open(home, log);
    const pacs = new DemoPacs(blobs, log);
    const receiver = new Receiver({ blobs, journal, limits: settings.limits, log, onDurable: (instance) => pacs.#keep(instance) });
    pacs.#server = await startDimseServer({ settings, receiver, log });
    return pacs;
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  /** From now on images go on to the gateway, as a PACS' auto-routing does it. */
  routeTo(port: number): void {
    this.#gatewayPort = port;
  }

  async stop(): Promise<void> {
    await this.#routing;
    await this.#server?.drain();
  }

  #keep(instance: DurableInstance): void {
    const modality = text(instance.header.dataset, 'Modality') ?? '';
    if (modality === 'SR' && !this.reports.has(instance.studyInstanceUid)) this.reports.set(instance.studyInstanceUid, Date.now());
    if (['SR', 'OT'].includes(modality) || this.#gatewayPort === undefined) return;
    const file = { ...instance, transferSyntaxUid: instance.header.transferSyntaxUid, path: this.#blobs.path(instance.blobId) };
    const port = this.#gatewayPort;
    this.#routing = this.#routing.then(() => sendByDimse([file], { port, aeTitle: 'HILUM', callingAe: 'PACS' }, this.#log)).catch((error: unknown) => this.#log.error({ err: error }, 'routing failed'));
  }
}

export async function sendByDimse(files: OutgoingResult[], remote: { port: number; aeTitle: string; callingAe?: string }, log: Logger): Promise<void> {
  await sendAll(
    new DimseDestination({
      remote: { host: '127.0.0.1', port: remote.port, calledAe: remote.aeTitle, callingAe: remote.callingAe ?? 'MODALITY' },
      maxPduBytes: PDU_BYTES,
      timeoutMs: TIMEOUT_MS,
      log,
    }),
    files,
  );
}

export async function sendByStow(files: OutgoingResult[], url: string): Promise<void> {
  await sendAll(new DicomwebDestination({ url, headers: {}, timeoutMs: TIMEOUT_MS }), files);
}

/** @throws {Error} with the receiver's reason, when it takes one of them not */
async function sendAll(client: DestinationClient, files: OutgoingResult[]): Promise<void> {
  try {
    for await (const outcome of client.send(files, AbortSignal.timeout(TIMEOUT_MS * 4)))
      if (outcome.status === 'refused') throw new Error(`${outcome.sopInstanceUid} was refused: ${outcome.detail}`);
  } finally {
    await client.close();
  }
}
