// The HTTP side alone, on a free port, keeping what it is sent in a folder: for tests of the protocol, without database or analysis.
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import pino from 'pino';
import { Registry } from 'prom-client';
import { settingsSchema } from '../../config/settings.ts';
import type { HttpOptions } from '../../gateway/http/app.ts';
import { startHttpServer, type HttpServer } from '../../gateway/http/server.ts';
import type { DicomwebSource, RetrievableInstance } from '../../gateway/dicomweb/source.ts';
import type { InstanceReceiver, StowContext } from '../../gateway/dicomweb/stow-rs.ts';
import { dataset, text, type Dataset } from '../../storage/dicom/dataset.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { DicomFormatError, IntakeRefusal } from '../../storage/errors.ts';
import { MemoryWorklist } from './memory-worklist.ts';

/** Keeps instances as files; refuses what is not DICOM, what belongs to another study, and whatever a test wants refused. */
export class FolderStore implements InstanceReceiver, DicomwebSource {
  readonly folder: string;
  readonly contexts: StowContext[] = [];
  refuse: IntakeRefusal | undefined;
  maxBytes = Infinity;
  readonly #instances = new Map<string, RetrievableInstance & { header: Dataset }>();

  constructor(folder: string) {
    this.folder = folder;
  }

  async receive(source: AsyncIterable<Uint8Array>, context: StowContext) {
    this.contexts.push(context);
    if (this.refuse) throw this.refuse;
    const blobId = randomUUID();
    const path = join(this.folder, blobId);
    const { maxBytes } = this;
    let bytes = 0;
    try {
      await pipeline(source, async function* (chunks) {
        for await (const chunk of chunks as AsyncIterable<Uint8Array>) {
          bytes += chunk.length;
          if (bytes > maxBytes) throw new IntakeRefusal('too-large', `longer than ${maxBytes} bytes`);
          yield chunk;
        }
      }, createWriteStream(path));
      const file = await readPart10(path);
      const [studyInstanceUid = '', seriesInstanceUid = '', sopInstanceUid = '', sopClassUid = ''] = ['StudyInstanceUID', 'SeriesInstanceUID', 'SOPInstanceUID', 'SOPClassUID']
        .map((keyword) => text(file.dataset, keyword));
      if (context.studyInstanceUid !== undefined && context.studyInstanceUid !== studyInstanceUid) throw new IntakeRefusal('mismatch', `the instance is of study ${studyInstanceUid}`);
      this.#instances.set(`${studyInstanceUid}/${seriesInstanceUid}/${sopInstanceUid}`, { path, bytes, transferSyntaxUid: file.transferSyntaxUid, header: file.dataset });
      return { blobId, studyInstanceUid, seriesInstanceUid, sopInstanceUid, sopClassUid };
    } catch (error) {
      await rm(path, { force: true });
      if (error instanceof DicomFormatError) throw new IntakeRefusal('not-understood', error.message, { cause: error });
      throw error;
    }
  }

  async *studyMetadata(studyInstanceUid: string): AsyncGenerator<Dataset> {
    for (const [key, instance] of this.#instances) if (key.startsWith(`${studyInstanceUid}/`)) yield instance.header;
  }

  async instance(study: string, series: string, sop: string): Promise<RetrievableInstance | undefined> {
    return this.#instances.get(`${study}/${series}/${sop}`);
  }

  /** Sizes of the files that are kept. */
  async kept(): Promise<number[]> {
    const names = await readdir(this.folder);
    return Promise.all(names.map(async (name) => (await stat(join(this.folder, name))).size));
  }
}

export interface TestGateway {
  url: string;
  server: HttpServer;
  store: FolderStore;
  worklist: MemoryWorklist;
  logged: string[];
  close(): Promise<void>;
}

export async function startTestGateway(options: Partial<HttpOptions> = {}): Promise<TestGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'hilum-http-'));
  const store = new FolderStore(folder);
  const worklist = new MemoryWorklist();
  const logged: string[] = [];
  const settings = settingsSchema.parse({ http: { port: 0 }, limits: { drainSeconds: 2 } });
  const server = await startHttpServer({
    settings,
    receiver: store,
    indexed: async () => undefined,
    dicomweb: store,
    worklist,
    events: worklist,
    health: { live: () => ({ ok: true, checks: {} }), ready: async () => ({ ok: true, checks: { database: { ok: true } } }) },
    about: () => ({ aeTitle: 'HILUM', dimsePort: 11112, version: '0.1.0' }),
    metrics: new Registry(),
    log: pino({ level: 'info' }, { write: (line: string) => void logged.push(line) }),
    webRoot: undefined,
    ...options,
  });
  const close = async (): Promise<void> => {
    await server.drain();
    await rm(folder, { recursive: true, force: true });
  };
  return { url: `http://127.0.0.1:${server.port}`, server, store, worklist, logged, close };
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
