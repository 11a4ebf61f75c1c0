// The HTTP side alone, on a free port, keeping what it is sent in a folder: for tests of the protocol, without database or analysis.
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino, { type Logger } from 'pino';
import { Registry } from 'prom-client';
import { settingsSchema } from '../../config/settings.ts';
import type { InstanceReceiver } from '../../gateway/dicomweb/stow-parts.ts';
import type { DriftReport } from '../../gateway/drift/report.ts';
import type { HttpOptions } from '../../gateway/http/app.ts';
import type { RecycleSource } from '../../gateway/recycle/bin.ts';
import { startHttpServer, type HttpServer } from '../../gateway/http/server.ts';
import { DatasetTranscoder } from '../../gateway/transcode/dataset-transcoder.ts';
import type { Archive, ArchivedInstance, Selection } from '../../storage/archive.ts';
import { BlobStore } from '../../storage/blobs.ts';
import { dataset, num, text, type Dataset } from '../../storage/dicom/dataset.ts';
import { frameCount } from '../../storage/dicom/frames.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { Journal } from '../../storage/journal.ts';
import { Receiver, type DurableInstance, type ReceiveContext } from '../../storage/receive.ts';
import { Spool } from '../../storage/spool.ts';
import { MemoryWorklist } from './memory-worklist.ts';

/** Real intake into a folder; what is durable can be retrieved at once, without a database. */
export class FolderStore implements InstanceReceiver, Archive {
  /** Read at each instance, so that a test can take the room away. */
  readonly limits = { instanceBytes: 2 ** 33, freeDiskBytes: 0, journalInstances: 10_000 };
  readonly contexts: ReceiveContext[] = [];
  readonly spool: Spool;
  readonly #home: string;
  readonly #receiver: Receiver;
  readonly #instances: Map<string, DurableInstance>;

  private constructor(home: string, receiver: Receiver, instances: Map<string, DurableInstance>) {
    this.#home = home;
    this.spool = new Spool(home, () => this.limits);
    this.#receiver = receiver;
    this.#instances = instances;
  }

  static async open(home: string, log: Logger): Promise<FolderStore> {
    const instances = new Map<string, DurableInstance>();
    const onDurable = (instance: DurableInstance): void => void instances.set(keyOf(instance.studyInstanceUid, instance.seriesInstanceUid, instance.sopInstanceUid), instance);
    const limits = { instanceBytes: 0, freeDiskBytes: 0, journalInstances: 0 };
    const receiver = new Receiver({ blobs: new BlobStore(home, log), journal: await Journal.open(home, log), limits, onDurable, log });
    const store = new FolderStore(home, receiver, instances);
    Object.defineProperties(limits, Object.fromEntries(Object.keys(limits).map((name) => [name, { get: () => store.limits[name as keyof typeof limits] }])));
    return store;
  }

  receive(source: AsyncIterable<Uint8Array>, context: ReceiveContext): Promise<DurableInstance> {
    this.contexts.push(context);
    return this.#receiver.receive(source, context);
  }

  /** Searches are tested on Postgres, which they are written for. */
  search(): AsyncIterable<Dataset> {
    throw new Error('this store cannot be searched');
  }

  async *select(selection: Selection): AsyncGenerator<ArchivedInstance> {
    for (const instance of this.#selected(selection)) yield archived(instance);
  }

  async *headers(selection: Selection): AsyncGenerator<{ instance: ArchivedInstance; header: Dataset }> {
    for (const instance of this.#selected(selection)) yield { instance: archived(instance), header: instance.header.dataset };
  }

  #selected(selection: Selection): DurableInstance[] {
    const found = [...this.#instances.values()].filter((instance) => isSelected(instance, selection));
    const numbers = ({ header, sopInstanceUid }: DurableInstance): [number, number, string] => [num(header.dataset, 'SeriesNumber') ?? 0, num(header.dataset, 'InstanceNumber') ?? 0, sopInstanceUid];
    return found.sort((a, b) => compare(numbers(a), numbers(b)));
  }

  /** As when it is deleted: searches and retrieves do not see it any more; its file stays. */
  forget(sopInstanceUid: string): void {
    for (const [key, instance] of this.#instances) if (instance.sopInstanceUid === sopInstanceUid) this.#instances.delete(key);
  }

  /** How many files there are, of instances, of parts of instances, and of the journal. */
  async kept(): Promise<{ blobs: number; incoming: number; journal: number }> {
    const count = async (folder: string, ending: string): Promise<number> =>
      (await readdir(join(this.#home, folder), { recursive: true }).catch(() => [])).filter((name) => name.endsWith(ending)).length;
    return { blobs: await count('blobs', '.dcm'), incoming: await count('incoming', ''), journal: await count('journal', '.json') };
  }
}

function isSelected(instance: DurableInstance, { patientId, studyInstanceUids, seriesInstanceUids, sopInstanceUids }: Selection): boolean {
  const among = (values: readonly string[] | undefined, value: string): boolean => values === undefined || values.includes(value);
  return (
    (patientId === undefined || text(instance.header.dataset, 'PatientID') === patientId) &&
    among(studyInstanceUids, instance.studyInstanceUid) && among(seriesInstanceUids, instance.seriesInstanceUid) && among(sopInstanceUids, instance.sopInstanceUid)
  );
}

function compare(a: [number, number, string], b: [number, number, string]): number {
  return a[0] - b[0] || a[1] - b[1] || (a[2] < b[2] ? -1 : 1);
}

function archived({ header, bytes, digest, studyInstanceUid, seriesInstanceUid, sopInstanceUid, sopClassUid }: DurableInstance): ArchivedInstance {
  const { path, transferSyntaxUid, pixelData, dataset: elements } = header;
  return { studyInstanceUid, seriesInstanceUid, sopInstanceUid, sopClassUid, transferSyntaxUid, path, bytes, frames: pixelData ? frameCount(elements) : 0, digest };
}

function keyOf(study: string, series: string, sop: string): string {
  return `${study}/${series}/${sop}`;
}

/** Nothing can be fetched. */
export const NO_SOURCES: HttpOptions['retrievals'] = {
  sources: () => [],
  watches: async () => [],
  get: async () => undefined,
  request: () => Promise.reject(new Error('there is no source')),
};

/** As the settings have it by default. */
export const NO_RECYCLE_BIN: RecycleSource = { mode: () => 'off', delete: async () => undefined, restore: async () => [], list: async () => [] };

/** Nothing has drifted. */
export const STEADY: DriftReport = { windowDays: 7, from: '2026-01-01', to: '2026-01-07', minImages: 100, drifted: false, models: [] };

export interface TestGateway {
  url: string;
  server: HttpServer;
  store: FolderStore;
  transcoder: DatasetTranscoder;
  worklist: MemoryWorklist;
  logged: string[];
  close(): Promise<void>;
}

export async function startTestGateway(options: Partial<HttpOptions> = {}): Promise<TestGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'hilum-http-'));
  const worklist = new MemoryWorklist();
  const logged: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void logged.push(line) });
  const store = await FolderStore.open(folder, log);
  const settings = settingsSchema.parse({ http: { port: 0 }, limits: { drainSeconds: 2 } });
  const transcoder = new DatasetTranscoder();
  const server = await startHttpServer({
    settings,
    receiver: store,
    spool: store.spool,
    recycleBin: NO_RECYCLE_BIN,
    indexed: async () => undefined,
    archive: store,
    transcoder,
    worklist,
    events: worklist,
    drift: { report: async () => STEADY },
    comparisons: { report: async () => undefined },
    retrievals: NO_SOURCES,
    health: { live: () => ({ ok: true, checks: {} }), ready: async () => ({ ok: true, checks: { database: { ok: true } } }) },
    about: () => ({ aeTitle: 'HILUM', dimsePort: 11112, version: '0.1.0' }),
    metrics: new Registry(),
    log,
    webRoot: undefined,
    ...options,
  });
  const close = async (): Promise<void> => {
    await server.drain();
    await transcoder.close();
    await rm(folder, { recursive: true, force: true });
  };
  return { url: `http://127.0.0.1:${server.port}`, server, store, transcoder, worklist, logged, close };
}

/** A small secondary capture, as Part 10. */
export function testInstance(number: number, values: Record<string, unknown> = {}): Uint8Array {
  return writePart10(
    dataset({
      SOPClassUID: '1.2.840.10008.5.1.4.1.1.7',
      SOPInstanceUID: `2.25.500.1.${number}`,
      StudyInstanceUID: '2.25.500',
      SeriesInstanceUID: '2.25.500.1',
      Modality: 'OT',
      PatientName: { Alphabetic: 'Test^Http' },
      PatientID: 'HTTP1',
      Rows: 4,
      Columns: 6,
      SamplesPerPixel: 1,
      PhotometricInterpretation: 'MONOCHROME2',
      BitsAllocated: 8,
      BitsStored: 8,
      HighBit: 7,
      PixelRepresentation: 0,
      PixelData: Uint8Array.from({ length: 24 }, (_, index) => index * 10),
      ...values,
    }),
  );
}

export const MULTIPART = 'multipart/related; type="application/dicom"; boundary=limit';

/** A multipart body with the boundary `limit`. */
export function multipart(parts: (Uint8Array | string)[], type = 'application/dicom'): Buffer {
  return Buffer.concat([...parts.flatMap((part) => [Buffer.from(`\r\n--limit\r\nContent-Type: ${type}\r\n\r\n`), Buffer.from(part)]), Buffer.from('\r\n--limit--\r\n')]);
}

/** Sends raw bytes on a connection of its own, and gives all that comes back until it is closed. */
export function sendRaw(url: string, bytes: string | Uint8Array, after: 'wait' | 'cut' = 'wait'): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
    socket.on('error', (error) => (after === 'cut' ? resolve(answer) : reject(error)));
    socket.on('close', () => resolve(answer));
    socket.write(bytes, () => {
      if (after === 'cut') setTimeout(() => socket.destroy(), 50);
    });
  });
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
