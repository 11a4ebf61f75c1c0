// Intake: an instance that comes in as a stream becomes durable before the sender is told so (docs/architecture.md, contract 1).
// Blob and journal entry are synced, the blob gets its place, both folders are synced; whatever fails, nothing of it stays.
import { createReadStream } from 'node:fs';
import type { Logger } from 'pino';
import type { Settings } from '../config/settings.ts';
import type { BlobWriter } from './blob-writer.ts';
import type { BlobStore } from './blobs.ts';
import { text } from './dicom/dataset.ts';
import { readPart10 } from './dicom/part10.ts';
import type { Part10 } from './dicom/part10.ts';
import { isUid, STORAGE_SOP_CLASSES } from './dicom/uids.ts';
import { writeFileMeta } from './dicom/write.ts';
import { DatasetDigest } from './digest.ts';
import { DicomFormatError, IntakeRefusal } from './errors.ts';
import type { Journal } from './journal.ts';

export interface ReceiveContext {
  /** `wado`: fetched by us over DICOMweb. */
  transport: 'dimse' | 'stow' | 'wado';
  callingAe?: string;
  calledAe?: string;
  address: string;
  associationId: string;
  /** C-STORE as a sub-operation of a C-MOVE (PS3.7 9.1.1.1): whose it is. */
  moveOriginator?: { aeTitle: string; messageId: number };
  /** Fetched as an earlier study of a patient: not to be analysed. */
  purpose?: 'prior';
  /** STOW-RS to a study: an instance of another one is refused. */
  studyInstanceUid?: string;
  /** C-STORE: what the command announced; bytes are then a bare dataset in this syntax and a file meta is put before them. */
  command?: { sopClassUid: string; sopInstanceUid: string; transferSyntaxUid: string };
}

export interface DurableInstance {
  blobId: string;
  /** SHA-256 of the dataset without file meta, hex. */
  digest: string;
  /** Of the blob. */
  bytes: number;
  header: Part10;
  context: ReceiveContext;
  /** ISO 8601 with zone. */
  receivedAt: string;
  sopClassUid: string;
  sopInstanceUid: string;
  seriesInstanceUid: string;
  studyInstanceUid: string;
}

export interface ReceiverOptions {
  blobs: BlobStore;
  journal: Journal;
  limits: Pick<Settings['limits'], 'instanceBytes' | 'freeDiskBytes' | 'journalInstances'>;
  /** Called before the sender is answered; the instance is durable. */
  onDurable(instance: DurableInstance): void;
  /** Where the settings refuse changed versions: whether the SOP Instance UID is known with another dataset. */
  isKnownOtherwise?(sopInstanceUid: string, digest: string, header: Part10): Promise<boolean>;
  log: Pick<Logger, 'error'>;
}

/** How often the free disk is asked for while an instance comes in. */
const DISK_CHECK_BYTES = 64 * 1024 * 1024;

export class Receiver {
  readonly #options: ReceiverOptions;
  #receiving = 0;

  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  /**
   * Takes one instance, as fast as the disk does.
   * @returns once it is durable and will be found after a crash, indexed or not
   * @throws {IntakeRefusal} with nothing left behind; also what `source` throws, then too
   */
  async receive(source: AsyncIterable<Uint8Array>, context: ReceiveContext): Promise<DurableInstance> {
    this.#receiving++;
    try {
      await this.#expectRoom();
      const instance = await this.#take(source, context);
      this.#tell(instance);
      return instance;
    } catch (error) {
      throw refusalOf(error);
    } finally {
      this.#receiving--;
    }
  }

  async #take(source: AsyncIterable<Uint8Array>, context: ReceiveContext): Promise<DurableInstance> {
    const writer = await this.#options.blobs.create();
    try {
      return await this.#store(source, context, writer);
    } catch (error) {
      // In this order a crash in between leaves an entry without blob, which start-up removes.
      await this.#clean(() => writer.abort());
      await this.#clean(() => this.#options.journal.remove(writer.id));
      throw error;
    }
  }

  async #store(source: AsyncIterable<Uint8Array>, context: ReceiveContext, writer: BlobWriter): Promise<DurableInstance> {
    const { blobs, journal, isKnownOtherwise } = this.#options;
    const digest = await this.#write(source, context, writer);
    await writer.flushed();
    // Both are at work while the header is read from the page cache.
    const synced = writer.sync();
    synced.catch(() => {});
    const header = await readPart10(writer.path, context.command && { transferSyntaxUid: context.command.transferSyntaxUid });
    const uids = identify(header, context);
    if (!header.preamble) {
      const instance = await this.#take(asFile(header, uids, context), context);
      await this.#clean(() => writer.abort());
      return instance;
    }
    if (isKnownOtherwise && (await isKnownOtherwise(uids.sopInstanceUid, digest, header)))
      throw new IntakeRefusal('changed', `another dataset is known as ${uids.sopInstanceUid}; intake.changedVersions is refuse`);
    const instance: DurableInstance = {
      blobId: writer.id,
      digest,
      bytes: writer.bytes,
      header: { ...header, path: blobs.path(writer.id) },
      context,
      receivedAt: new Date().toISOString(),
      ...uids,
    };
    await allOf([synced, journal.add(instance)]);
    await allOf([writer.commit(), journal.sync()]);
    return instance;
  }

  /** @returns the digest */
  async #write(source: AsyncIterable<Uint8Array>, context: ReceiveContext, writer: BlobWriter): Promise<string> {
    const { limits } = this.#options;
    const digest = new DatasetDigest({ bareDataset: context.command !== undefined });
    if (context.command) await writer.write(writeFileMeta({ ...context.command, sourceAe: context.callingAe }));
    let received = 0;
    let nextCheck = DISK_CHECK_BYTES;
    for await (const chunk of source) {
      received += chunk.length;
      if (received > limits.instanceBytes)
        throw new IntakeRefusal('too-large', `the instance is longer than limits.instanceBytes, ${limits.instanceBytes} bytes`);
      digest.update(chunk);
      await writer.write(chunk);
      if (received < nextCheck) continue;
      nextCheck += DISK_CHECK_BYTES;
      await this.#expectFreeDisk();
    }
    return digest.digest();
  }

  async #expectRoom(): Promise<void> {
    const { journal, limits } = this.#options;
    // Those under way will want an entry.
    if (journal.size + this.#receiving - 1 >= limits.journalInstances)
      throw new IntakeRefusal('out-of-room', `${journal.size} instances wait to be indexed, as many as limits.journalInstances`);
    await this.#expectFreeDisk();
  }

  async #expectFreeDisk(): Promise<void> {
    const { blobs, limits } = this.#options;
    const free = await blobs.freeBytes();
    if (free >= limits.freeDiskBytes) return;
    throw new IntakeRefusal('out-of-room', `the disk has ${free} bytes left, limits.freeDiskBytes is ${limits.freeDiskBytes}`);
  }

  /** The instance is durable: whatever goes wrong from here on, the sender must hear of success. */
  #tell(instance: DurableInstance): void {
    try {
      this.#options.onDurable(instance);
    } catch (error) {
      const { blobId } = instance;
      this.#options.log.error({ err: error, blob: blobId }, 'a durable instance was not handed on; it stays in the journal');
    }
  }

  async #clean(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#options.log.error({ err: error }, 'what was refused could not be removed; start-up will do it');
    }
  }
}

/**
 * What came as a dataset alone, or without preamble, as the file that whoever retrieves it can read (PS3.10 7.1): the dataset keeps its
 * bytes, and so does a file meta that is there.
 */
async function* asFile({ path, meta, transferSyntaxUid }: Part10, uids: Uids, context: ReceiveContext): AsyncGenerator<Uint8Array> {
  if (Object.keys(meta).length === 0) {
    yield writeFileMeta({ ...uids, transferSyntaxUid, sourceAe: context.callingAe });
    yield* createReadStream(path);
    return;
  }
  const file: AsyncIterable<Uint8Array> = createReadStream(path);
  let prefix: Uint8Array | undefined = Buffer.alloc(128);
  for await (const chunk of file) {
    if (prefix) yield Buffer.concat(Buffer.from(chunk.subarray(0, 4)).toString('latin1') === 'DICM' ? [prefix] : [prefix, Buffer.from('DICM')]);
    prefix = undefined;
    yield chunk;
  }
}

/** As Promise.all, but nothing is under way any more when it throws, so that cleaning up comes last. */
async function allOf(steps: Promise<void>[]): Promise<void> {
  await Promise.allSettled(steps);
  await Promise.all(steps);
}

const STORED_CLASSES = new Set<string>(STORAGE_SOP_CLASSES);

type Uids = Pick<DurableInstance, 'sopClassUid' | 'sopInstanceUid' | 'seriesInstanceUid' | 'studyInstanceUid'>;

/** @throws {IntakeRefusal} when a UID is missing, is none, or is not the announced one */
function identify(header: Part10, context: ReceiveContext): Uids {
  const uid = (keyword: string): string => {
    const value = text(header.dataset, keyword);
    if (value === undefined) throw new IntakeRefusal('not-understood', `${keyword} is missing or empty`);
    if (!isUid(value)) throw new IntakeRefusal('not-understood', `${keyword} "${value.slice(0, 80)}" is not a UID`);
    return value;
  };
  const uids: Uids = {
    sopClassUid: uid('SOPClassUID'),
    sopInstanceUid: uid('SOPInstanceUID'),
    seriesInstanceUid: uid('SeriesInstanceUID'),
    studyInstanceUid: uid('StudyInstanceUID'),
  };
  const { command, studyInstanceUid } = context;
  const expect = (what: string, found: string, announced: string | undefined): void => {
    if (announced !== undefined && announced !== found)
      throw new IntakeRefusal('mismatch', `${what} of the dataset is ${found}, not ${announced} as announced`);
  };
  // Over DIMSE the command announces, in a file its meta.
  expect('SOP class', uids.sopClassUid, command?.sopClassUid ?? text(header.meta, 'MediaStorageSOPClassUID'));
  expect('SOP instance', uids.sopInstanceUid, command?.sopInstanceUid ?? text(header.meta, 'MediaStorageSOPInstanceUID'));
  if (!STORED_CLASSES.has(uids.sopClassUid)) throw new IntakeRefusal('sop-class', `SOP class ${uids.sopClassUid} is not one that is stored`);
  expect('study', uids.studyInstanceUid, studyInstanceUid);
  return uids;
}

/** What the disk says when it is full, or a quota is. */
const OUT_OF_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

function refusalOf(error: unknown): unknown {
  if (error instanceof DicomFormatError) return new IntakeRefusal('not-understood', error.message, { cause: error });
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  return OUT_OF_ROOM.has(code) ? new IntakeRefusal('out-of-room', `the disk is full (${code})`, { cause: error }) : error;
}
