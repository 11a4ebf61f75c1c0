// The recycle bin as callers and commands see it: what is deleted goes there, comes back from there, or is purged in the end.
import type { Logger } from 'pino';
import type { Settings } from '../../config/settings.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import type { PurgeRepository, Purged } from '../../storage/purge.repository.ts';
import type { Deleted, DeletionTarget, RecycledStudy, RecycleRepository, Requester } from '../../storage/recycle.repository.ts';
import type { JobQueue } from '../pipeline/queue.ts';

const DAY_MS = 24 * 3600 * 1000;

export interface RecycleBinOptions {
  settings: () => Pick<Settings, 'dicomweb' | 'recycleBin'>;
  recycle: RecycleRepository;
  purge: PurgeRepository;
  queue: Pick<JobQueue, 'send'>;
  blobs: Pick<BlobStore, 'remove'>;
  log: Logger;
}

export interface Recycled extends RecycledStudy {
  /** When it is purged. */
  purgeAt: Date;
}

/** What the HTTP services need of it. */
export interface RecycleSource {
  mode(): Settings['dicomweb']['delete'];
  delete(target: DeletionTarget, requester: Requester): Promise<(Deleted & { purgeAt: Date }) | undefined>;
  restore(uid: string, requester: Requester): Promise<{ studyInstanceUid: string; instances: number; results: number }[]>;
  list(limit: number): Promise<Recycled[]>;
}

export class RecycleBin implements RecycleSource {
  readonly #options: RecycleBinOptions;
  readonly #log: Logger;

  constructor(options: RecycleBinOptions) {
    this.#options = options;
    this.#log = options.log.child({ module: 'recycle-bin' });
  }

  mode(): Settings['dicomweb']['delete'] {
    return this.#options.settings().dicomweb.delete;
  }

  async delete(target: DeletionTarget, requester: Requester): Promise<(Deleted & { purgeAt: Date }) | undefined> {
    const deleted = await this.#options.recycle.delete(target, requester, this.#close);
    if (!deleted) return undefined;
    this.#log.warn({ audit: 'delete', ...target, ...deleted, ...requester }, 'deleted into the recycle bin');
    return { ...deleted, purgeAt: this.#purgeAt(new Date()) };
  }

  async restore(uid: string, requester: Requester): Promise<{ studyInstanceUid: string; instances: number; results: number }[]> {
    const restored = await this.#options.recycle.restore(uid, requester, this.#close);
    for (const study of restored) this.#log.warn({ audit: 'restore', uid, ...study, ...requester }, 'restored from the recycle bin');
    return restored;
  }

  async list(limit: number): Promise<Recycled[]> {
    return (await this.#options.recycle.list(limit)).map((study) => ({ ...study, purgeAt: this.#purgeAt(study.deletedAt) }));
  }

  /** What has been in it for longer than the settings keep it, and files that an earlier purge left. */
  async purgeDue(): Promise<Purged> {
    return this.purge(new Date(Date.now() - this.#options.settings().recycleBin.keepDays * DAY_MS), { requestedBy: 'recycleBin.keepDays' });
  }

  /** @param studyInstanceUid this study alone */
  async purge(before: Date, requester: Requester, studyInstanceUid?: string): Promise<Purged> {
    const { purge, blobs } = this.#options;
    const total = { instances: 0, results: 0 };
    for (const study of await purge.studies(before, studyInstanceUid)) {
      const purged = await purge.purge(study, before, requester);
      total.instances += purged.instances;
      total.results += purged.results;
      if (purged.instances > 0) this.#log.warn({ audit: 'purge', studyInstanceUid: study, ...purged, ...requester }, 'purged from the recycle bin');
    }
    await purge.removeFiles((id) => blobs.remove(id));
    return total;
  }

  readonly #close: Parameters<RecycleRepository['delete']>[2] = async (studyInstanceUid, transaction) => {
    await this.#options.queue.send('close', { studyInstanceUid }, { transaction });
  };

  #purgeAt(deletedAt: Date): Date {
    return new Date(deletedAt.getTime() + this.#options.settings().recycleBin.keepDays * DAY_MS);
  }
}
