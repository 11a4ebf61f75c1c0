// Delivery to a folder: <Study Instance UID>/<SOP Instance UID>.dcm, whole or not there at all.
import { constants } from 'node:fs';
import { copyFile, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { text } from '../../../storage/dicom/dataset.ts';
import { readPart10 } from '../../../storage/dicom/part10.ts';
import { DestinationUnavailable } from '../../../storage/errors.ts';
import type { DestinationClient, OutgoingResult, SendOutcome } from './destination.ts';
import { unreadable } from './destination.ts';

/** PS3.5 9.1; what is not a UID could lead out of the folder. */
const UID = /^[0-9]+(\.[0-9]+)*$/;

export class FolderDestination implements DestinationClient {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async *send(results: OutgoingResult[], signal: AbortSignal): AsyncGenerator<SendOutcome> {
    for (const result of results) {
      signal.throwIfAborted();
      yield await this.#deliver(result);
    }
  }

  async close(): Promise<void> {}

  /** A UID never has two contents, so writing it once more over itself does no harm. */
  async #deliver({ path, sopInstanceUid }: OutgoingResult): Promise<SendOutcome> {
    let studyInstanceUid: string | undefined;
    try {
      studyInstanceUid = text((await readPart10(path)).dataset, 'StudyInstanceUID');
    } catch (error) {
      return unreadable(sopInstanceUid, error);
    }
    if (!UID.test(studyInstanceUid ?? '') || !UID.test(sopInstanceUid))
      return { status: 'refused', sopInstanceUid, detail: 'its Study or SOP Instance UID is not a UID', permanent: true };
    try {
      await writeDurably(path, join(this.#folder, studyInstanceUid!, `${sopInstanceUid}.dcm`));
    } catch (error) {
      throw new DestinationUnavailable(`cannot write to ${this.#folder}: ${(error as Error).message}`, { cause: error });
    }
    return { status: 'delivered', sopInstanceUid, deliveredSopInstanceUid: sopInstanceUid };
  }
}

/** Copy beside its place, flush, rename, flush the folder: a reader, and a power cut, see all of it or nothing. */
async function writeDurably(source: string, target: string): Promise<void> {
  const folder = dirname(target);
  await mkdir(folder, { recursive: true });
  const partial = join(folder, `.${basename(target)}.${randomUUID()}`);
  try {
    await copyFile(source, partial, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await flush(partial);
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  await flush(folder);
  await flush(dirname(folder));
}

async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
