// The journal: one small file for each instance that is durable and perhaps not yet indexed, home/journal/<blob id>.json. It is
// written before the sender is answered and removed once the rows are committed; start-up replays what it finds.
import { readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import { readPart10 } from './dicom/part10.ts';
import { FolderSync, fileSystem, writeAll } from './file-system.ts';
import type { FileSystem } from './file-system.ts';
import { blobPath } from './blobs.ts';
import type { DurableInstance } from './receive.ts';

const contextSchema = z.object({
  transport: z.enum(['dimse', 'stow', 'wado']),
  callingAe: z.string().optional(),
  calledAe: z.string().optional(),
  address: z.string(),
  associationId: z.string(),
  moveOriginator: z.object({ aeTitle: z.string(), messageId: z.number() }).optional(),
  purpose: z.literal('prior').optional(),
  studyInstanceUid: z.string().optional(),
  command: z.object({ sopClassUid: z.string(), sopInstanceUid: z.string(), transferSyntaxUid: z.string() }).optional(),
});

const entrySchema = z.object({
  blobId: z.string(),
  digest: z.string(),
  bytes: z.number(),
  receivedAt: z.string(),
  transferSyntaxUid: z.string(),
  sopClassUid: z.string(),
  sopInstanceUid: z.string(),
  seriesInstanceUid: z.string(),
  studyInstanceUid: z.string(),
  context: contextSchema,
});

type Log = Pick<Logger, 'info' | 'error'>;

export class Journal {
  readonly #home: string;
  readonly #folder: string;
  readonly #log: Log;
  readonly #files: FileSystem;
  readonly #folders: FolderSync;
  readonly #ids: Set<string>;

  private constructor(home: string, ids: string[], log: Log, files: FileSystem) {
    this.#home = resolve(home);
    this.#folder = join(this.#home, 'journal');
    this.#log = log;
    this.#files = files;
    this.#folders = new FolderSync(files);
    this.#ids = new Set(ids);
  }

  /** @param home the data folder */
  static async open(home: string, log: Log, files: FileSystem = fileSystem): Promise<Journal> {
    const folder = join(home, 'journal');
    await files.makeFolder(folder);
    // The data folder itself may be new.
    for (const above of [home, dirname(resolve(home))]) await new FolderSync(files).sync(above);
    const names = await readdir(folder);
    const ids = names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length));
    return new Journal(home, ids, log, files);
  }

  /** Instances in it, those that are being written too. */
  get size(): number {
    return this.#ids.size;
  }

  /** Writes the entry; its bytes are durable when this resolves, its name after `sync`. On failure nothing of it stays. */
  async add(instance: DurableInstance): Promise<void> {
    const { header, ...entry } = instance;
    const text = JSON.stringify({ ...entry, transferSyntaxUid: header.transferSyntaxUid });
    this.#ids.add(instance.blobId);
    try {
      const file = await this.#files.create(this.#path(instance.blobId));
      try {
        await writeAll(file, Buffer.from(text));
        await file.datasync();
      } finally {
        await file.close();
      }
    } catch (error) {
      await this.remove(instance.blobId).catch(() => {});
      throw error;
    }
  }

  /** Makes the names of the entries durable. */
  sync(): Promise<void> {
    return this.#folders.sync(this.#folder);
  }

  /** No error when it is not there. An entry that comes back after a crash is replayed, which does no harm. */
  async remove(blobId: string): Promise<void> {
    await this.#files.remove(this.#path(blobId));
    this.#ids.delete(blobId);
  }

  /** The blobs in it when it was opened or that were added since; nothing is touched, so that anybody may look. */
  ids(): string[] {
    return [...this.#ids].sort();
  }

  /**
   * Every instance that was acknowledged and perhaps not indexed, read again from its blob. Only for start-up, by the process
   * that holds the data folder and before it receives: an entry without blob was never acknowledged and is removed. One that
   * cannot be read stays, and is logged, for a person to look at.
   */
  async *entries(): AsyncGenerator<DurableInstance, void, undefined> {
    for (const blobId of this.ids()) {
      const instance = await this.read(blobId);
      if (instance) yield instance;
    }
  }

  /** One of them; undefined where there is none, as `entries` has it. */
  async read(blobId: string): Promise<DurableInstance | undefined> {
    try {
      const path = blobPath(this.#home, blobId);
      if (!(await isThere(path))) {
        await this.remove(blobId);
        this.#log.info({ blob: blobId }, 'removed a journal entry of an instance that was never acknowledged');
        return undefined;
      }
      const json = (await this.#files.read(this.#path(blobId))).toString('utf8');
      const { transferSyntaxUid, ...entry } = entrySchema.parse(JSON.parse(json));
      const header = await readPart10(path, { transferSyntaxUid });
      return { ...entry, context: withoutUndefined(entry.context), header };
    } catch (error) {
      this.#log.error({ err: error, blob: blobId }, 'a journal entry cannot be read; it stays where it is');
      return undefined;
    }
  }

  #path(blobId: string): string {
    return join(this.#folder, `${blobId}.json`);
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** What zod gives as possibly undefined was absent in the file. */
function withoutUndefined(context: z.infer<typeof contextSchema>): DurableInstance['context'] {
  return JSON.parse(JSON.stringify(context)) as DurableInstance['context'];
}
