// A DIMSE server with a plain file sink behind it, and a peer that speaks PDUs byte by byte.
import { createHash } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino, type Logger } from 'pino';
import { settingsSchema, type Settings } from '../../config/settings.ts';
import { encodeAssociateRequest, type AssociateRequest } from '../../gateway/dimse/associate-pdu.ts';
import { encodeCommand, type Command } from '../../gateway/dimse/command.ts';
import { encodeDataHeader, PDU_HEADER_BYTES } from '../../gateway/dimse/pdu.ts';
import { startDimseServer, type DimseMetrics, type DimseServer } from '../../gateway/dimse/server.ts';
import type { InstanceReceiver } from '../../gateway/dimse/storage-scp.ts';
import { Wire } from '../../gateway/dimse/wire.ts';
import { dataset } from '../../storage/dicom/dataset.ts';
import { writeDataset } from '../../storage/dicom/write.ts';
import type { ReceiveContext } from '../../storage/receive.ts';

export const silent: Logger = pino({ level: 'silent' });
export const CR_STORAGE = '1.2.840.10008.5.1.4.1.1.1';
export const EXPLICIT = '1.2.840.10008.1.2.1';
export const IMPLICIT = '1.2.840.10008.1.2';

export function settingsWith(values: Record<string, unknown> = {}): Settings {
  const { dimse, ...rest } = values as { dimse?: object };
  return settingsSchema.parse({ dimse: { port: 0, ...dimse }, ...rest });
}

export interface Received {
  context: ReceiveContext;
  bytes: number;
  sha256: string;
  /** The file with the dataset, until the server is stopped. */
  path: string;
}

/** Writes each dataset to a file, and counts what it began and kept. */
export class FileSink implements InstanceReceiver {
  readonly received: Received[] = [];
  begun = 0;
  /** Datasets that ended with an error. */
  broken = 0;
  /** Runs before a dataset is read; throws to refuse it. */
  before: (context: ReceiveContext) => void | Promise<void> = () => {};
  /** Runs when a dataset is whole, before it is acknowledged. */
  after: (context: ReceiveContext) => void | Promise<void> = () => {};
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async receive(source: AsyncIterable<Uint8Array>, context: ReceiveContext): Promise<void> {
    this.begun += 1;
    try {
      await this.before(context);
      const hash = createHash('sha256');
      let bytes = 0;
      const path = join(this.#folder, `${this.begun}.dcm`);
      await using file = await open(path, 'w');
      for await (const chunk of source) {
        await file.write(chunk);
        hash.update(chunk);
        bytes += chunk.length;
      }
      await this.after(context);
      this.received.push({ context, bytes, sha256: hash.digest('hex'), path });
    } catch (error) {
      this.broken += 1;
      throw error;
    }
  }
}

export interface TestServer extends AsyncDisposable {
  server: DimseServer;
  port: number;
  sink: FileSink;
}

/** `await using` stops it and removes its folder. */
export async function startTestServer(values: Record<string, unknown> = {}, log = silent, metrics?: DimseMetrics): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'hilum-dimse-'));
  const sink = new FileSink(folder);
  const limits = { drainSeconds: 1, ...(values.limits as object | undefined) };
  const server = await startDimseServer({ settings: settingsWith({ ...values, limits }), receiver: sink, log, ...(metrics && { metrics }) });
  return {
    server,
    port: server.port,
    sink,
    async [Symbol.asyncDispose]() {
      await server.drain();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function associateRequest(changes: Partial<AssociateRequest> = {}): AssociateRequest {
  return {
    protocolVersion: 1,
    calledAe: 'HILUM',
    callingAe: 'MODALITY',
    applicationContext: '1.2.840.10008.3.1.1.1',
    maxPduBytes: 16384,
    implementationClassUid: '1.2.3.4',
    implementationVersionName: 'TEST',
    contexts: [
      { id: 1, abstractSyntax: CR_STORAGE, transferSyntaxes: [EXPLICIT, IMPLICIT] },
      { id: 3, abstractSyntax: '1.2.840.10008.1.1', transferSyntaxes: [IMPLICIT] },
    ],
    roles: [],
    ...changes,
  };
}

/** Sends whatever it is told, right or wrong, and shows what comes back. `await using` drops the connection. */
export class RawPeer implements AsyncDisposable {
  readonly socket: Socket;
  readonly #wire: Wire;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.#wire = new Wire(socket, 5000);
  }

  static async connect(port: number): Promise<RawPeer> {
    const socket = connect(port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new RawPeer(socket);
  }

  /** A connection with an association open. */
  static async associate(port: number, changes: Partial<AssociateRequest> = {}): Promise<RawPeer> {
    const peer = await RawPeer.connect(port);
    peer.send(encodeAssociateRequest(associateRequest(changes)));
    const { type } = await peer.read();
    if (type !== 2) throw new Error(`PDU type ${type} instead of A-ASSOCIATE-AC`);
    return peer;
  }

  send(...parts: Uint8Array[]): void {
    for (const part of parts) this.socket.write(part);
  }

  sendCommand(command: Command, contextId = 1): void {
    const bytes = encodeCommand(command);
    this.send(encodeDataHeader({ contextId, isCommand: true, isLast: true, length: bytes.length }), bytes);
  }

  sendDataset(bytes: Uint8Array, { contextId = 1, isLast = true } = {}): void {
    this.send(encodeDataHeader({ contextId, isCommand: false, isLast, length: bytes.length }), bytes);
  }

  /** The next whole PDU. */
  async read(): Promise<{ type: number; body: Buffer }> {
    const header = await this.#wire.take(PDU_HEADER_BYTES);
    return { type: header[0]!, body: await this.#wire.take(header.readUInt32BE(2)) };
  }

  /** Resolves when the other side has closed, with the bytes that still came. */
  async readToEnd(): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (;;) {
      const part = await this.#wire.some(65536).catch(() => undefined);
      if (!part) return Buffer.concat(parts);
      parts.push(part);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#wire.destroy();
  }
}

export function storeRequest(sopInstanceUid: string, messageId = 1, changes: Partial<Command> = {}): Command {
  return { commandField: 1, affectedSopClassUid: CR_STORAGE, affectedSopInstanceUid: sopInstanceUid, messageId, priority: 0, hasDataset: true, ...changes };
}

/** The values of a small computed radiograph, of made-up pixels. */
export function imageValues(sopInstanceUid: string, pixelBytes = 512): Record<string, unknown> {
  const side = Math.floor(Math.sqrt(pixelBytes / 2));
  const pixels = Buffer.alloc(side * side * 2);
  for (let index = 0; index < pixels.length; index += 4) pixels.writeUInt16LE((index * 31) % 4096, index);
  return {
    SOPClassUID: CR_STORAGE,
    SOPInstanceUID: sopInstanceUid,
    StudyInstanceUID: '2.25.1',
    SeriesInstanceUID: '2.25.2',
    Modality: 'CR',
    PatientID: 'TEST',
    Rows: side,
    Columns: side,
    BitsAllocated: 16,
    BitsStored: 12,
    HighBit: 11,
    PixelRepresentation: 0,
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    PixelData: pixels,
  };
}

export function imageDataset(sopInstanceUid: string, pixelBytes = 512, transferSyntaxUid = EXPLICIT): Buffer {
  return Buffer.from(writeDataset(dataset(imageValues(sopInstanceUid, pixelBytes)), transferSyntaxUid));
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Waits until it is so, for at most five seconds. */
export async function eventually(isSo: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 5000;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`not so after 5 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
