// Parts of an instance that come before the rest of it: kept in home/incoming until the instance is put together. They are
// not durable and need not be; what a crash leaves, start-up sweeps.
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { WRITE_BYTES } from './blob-writer.ts';
import type { ByteSource } from './dicom/dataset.ts';
import { IntakeRefusal } from './errors.ts';

/** As intake does. */
const DISK_CHECK_BYTES = 64 * 1024 * 1024;

export interface SpooledFile extends ByteSource {
  read(start?: number, length?: number): AsyncIterable<Uint8Array>;
  /** No error when it is gone. */
  remove(): Promise<void>;
}

export class Spool {
  readonly #folder: string;
  readonly #limits: () => Pick<Settings['limits'], 'instanceBytes' | 'freeDiskBytes'>;
  #isThere = false;

  /** @param home the data folder @param limits asked at each file */
  constructor(home: string, limits: () => Pick<Settings['limits'], 'instanceBytes' | 'freeDiskBytes'>) {
    this.#folder = join(home, 'incoming');
    this.#limits = limits;
  }

  /** Writes all that comes. @throws {IntakeRefusal} with nothing left behind; also what `source` throws, then too */
  async keep(source: AsyncIterable<Uint8Array>): Promise<SpooledFile> {
    const writer = await this.open();
    try {
      for await (const chunk of source) await writer.write(chunk);
      return await writer.finish();
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  async open(): Promise<SpoolWriter> {
    const { instanceBytes, freeDiskBytes } = this.#limits();
    if (!this.#isThere) await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    this.#isThere = true;
    const path = join(this.#folder, `${randomUUID()}.spool`);
    const expectRoom = async (): Promise<void> => {
      const { bavail, bsize } = await statfs(this.#folder);
      if (bavail * bsize < freeDiskBytes) throw new IntakeRefusal('out-of-room', `the disk has ${bavail * bsize} bytes left, limits.freeDiskBytes is ${freeDiskBytes}`);
    };
    await expectRoom();
    return new SpoolWriter(path, await open(path, 'ax+', 0o600), instanceBytes, expectRoom);
  }
}

export class SpoolWriter {
  readonly path: string;
  /** Written so far. */
  length = 0;
  readonly #file: Awaited<ReturnType<typeof open>>;
  readonly #limit: number;
  readonly #expectRoom: () => Promise<void>;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #nextCheck = DISK_CHECK_BYTES;

  constructor(path: string, file: Awaited<ReturnType<typeof open>>, limit: number, expectRoom: () => Promise<void>) {
    this.path = path;
    this.#file = file;
    this.#limit = limit;
    this.#expectRoom = expectRoom;
  }

  /** @throws {IntakeRefusal} */
  async write(bytes: Uint8Array): Promise<void> {
    this.length += bytes.length;
    if (this.length > this.#limit) throw new IntakeRefusal('too-large', `a part is longer than limits.instanceBytes, ${this.#limit} bytes`);
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    if (this.#gatheredBytes >= WRITE_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    const gathered = this.#gathered;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    for (const bytes of gathered) await this.#file.appendFile(bytes);
    if (this.length < this.#nextCheck) return;
    this.#nextCheck += DISK_CHECK_BYTES;
    await this.#expectRoom();
  }

  async finish(): Promise<SpooledFile> {
    await this.flush();
    await this.#file.close();
    const { path, length } = this;
    return {
      length,
      read: (start = 0, count = length - start) => (count === 0 ? nothing() : createReadStream(path, { start, end: start + count - 1, highWaterMark: WRITE_BYTES })),
      remove: () => rm(path, { force: true }),
    };
  }

  /** Bytes that were flushed. */
  async readBack(start: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(length);
    for (let filled = 0; filled < length; ) {
      const { bytesRead } = await this.#file.read(bytes, filled, length - filled, start + filled);
      if (bytesRead === 0) throw new Error(`${this.path} became shorter while it was read`);
      filled += bytesRead;
    }
    return bytes;
  }

  async abort(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await rm(this.path, { force: true });
  }
}

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {}
