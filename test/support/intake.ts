// Intake on a folder of its own, and what it leaves there.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../../config/settings.ts';
import { BlobStore } from '../../storage/blobs.ts';
import { dataset } from '../../storage/dicom/dataset.ts';
import { writeDataset } from '../../storage/dicom/write.ts';
import { fileSystem, type FileSystem } from '../../storage/file-system.ts';
import { Journal } from '../../storage/journal.ts';
import { Receiver, type DurableInstance, type ReceiveContext, type ReceiverOptions } from '../../storage/receive.ts';

export const SOP_CLASS = '1.2.840.10008.5.1.4.1.1.1';
export const EXPLICIT = '1.2.840.10008.1.2.1';
export const STOW: ReceiveContext = { transport: 'stow', address: '127.0.0.1', associationId: 'r1' };

export interface LogLine {
  level: string;
  message: string;
  fields: Record<string, unknown>;
}

/** Everything that was logged, for tests to look at. */
export class LogLines {
  readonly lines: LogLine[] = [];
  info = (fields: object, message: string): void => this.#add('info', fields, message);
  warn = (fields: object, message: string): void => this.#add('warn', fields, message);
  error = (fields: object, message: string): void => this.#add('error', fields, message);

  #add(level: string, fields: object, message: string): void {
    this.lines.push({ level, message, fields: fields as Record<string, unknown> });
  }
}

export interface Intake {
  blobs: BlobStore;
  journal: Journal;
  receiver: Receiver;
  log: LogLines;
  /** What was handed on as durable. */
  handedOn: DurableInstance[];
}

export async function openIntake(
  home: string,
  options: { files?: FileSystem; limits?: Partial<Settings['limits']> } & Pick<ReceiverOptions, 'isKnownOtherwise'> = {},
): Promise<Intake> {
  const log = new LogLines();
  // The log's interface is pino's in three of its methods.
  const logger = log as unknown as ConstructorParameters<typeof BlobStore>[1] & Parameters<typeof Journal.open>[1];
  const files = options.files ?? fileSystem;
  const blobs = new BlobStore(home, logger, files);
  const journal = await Journal.open(home, logger, files);
  const handedOn: DurableInstance[] = [];
  const receiver = new Receiver({
    blobs,
    journal,
    log: logger,
    limits: { instanceBytes: 10_000_000, freeDiskBytes: 0, journalInstances: 100, ...options.limits },
    onDurable: (instance) => void handedOn.push(instance),
    ...(options.isKnownOtherwise && { isKnownOtherwise: options.isKnownOtherwise }),
  });
  return { blobs, journal, receiver, log, handedOn };
}

/** A dataset as it comes in a C-STORE. */
export function imageDataset(sopInstanceUid = '1.2.3', overrides: Record<string, unknown> = {}): Uint8Array {
  const image = dataset({
    SOPClassUID: SOP_CLASS,
    SOPInstanceUID: sopInstanceUid,
    StudyInstanceUID: '1.2.1',
    SeriesInstanceUID: '1.2.2',
    PatientName: 'Müller^Jürg',
    PatientID: 'P1',
    Rows: 4,
    Columns: 4,
    BitsAllocated: 16,
    PixelData: new Uint8Array(32),
    ...overrides,
  });
  return writeDataset(image, EXPLICIT);
}

export function storeContext(sopInstanceUid = '1.2.3', overrides: Partial<NonNullable<ReceiveContext['command']>> = {}): ReceiveContext {
  const command = { sopClassUid: SOP_CLASS, sopInstanceUid, transferSyntaxUid: EXPLICIT, ...overrides };
  return { transport: 'dimse', callingAe: 'MODALITY', calledAe: 'HILUM', address: '127.0.0.1', associationId: 'a1', command };
}

/** Bytes as the network brings them. */
export async function* inChunks(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array, void, undefined> {
  for (let offset = 0; offset < bytes.length; offset += size) {
    await Promise.resolve();
    yield bytes.subarray(offset, offset + size);
  }
}

/** Every file below incoming, journal and blobs. */
export async function filesIn(home: string): Promise<string[]> {
  const files: string[] = [];
  for (const folder of ['incoming', 'journal', 'blobs']) {
    const entries = await readdir(join(home, folder), { recursive: true, withFileTypes: true }).catch(() => []);
    files.push(...entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)));
  }
  return files.sort();
}
