// One instance as a DICOM file (PS3.10), from the disk as it is kept, or transcoded while it is sent.
import { open, type FileHandle } from 'node:fs/promises';
import type { Archive, ArchivedInstance } from '../../storage/archive.ts';
import { writeFileMeta } from '../../storage/dicom/write.ts';
import { inFile, type Chunk } from '../../storage/file-bytes.ts';
import { HttpError } from '../http/errors.ts';
import { NotTranscodableError, type Transcoder } from '../transcode/transcoder.ts';
import type { ChosenInstance } from './instance-negotiation.ts';

export interface RetrieveOptions {
  archive: Archive;
  transcoder: Transcoder;
}

/**
 * The file of an instance.
 * @throws {HttpError} 410 when the instance was deleted a moment ago; 500 when its file is gone, or is not the one that was kept
 */
export async function openKept(instance: ArchivedInstance, archive: Archive): Promise<FileHandle> {
  const { path, bytes, sopInstanceUid } = instance;
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    if (!(await isStillThere(instance, archive))) throw new HttpError(410, `Instance ${sopInstanceUid} has just been deleted.`, {}, { cause: error });
    throw new HttpError(500, `The file of instance ${sopInstanceUid} is not where the index has it: ask an administrator to run "doctor --storage".`, {}, { cause: error });
  }
  const { size } = await file.stat().catch(async (error: unknown) => {
    await file.close();
    throw error;
  });
  if (size === bytes) return file;
  await file.close();
  throw new HttpError(500, `The file of instance ${sopInstanceUid} has ${size} bytes where the index has ${bytes}: ask an administrator to run "doctor --storage".`);
}

async function isStillThere({ studyInstanceUid, sopInstanceUid, path }: ArchivedInstance, archive: Archive): Promise<boolean> {
  for await (const found of archive.select({ studyInstanceUids: [studyInstanceUid], sopInstanceUids: [sopInstanceUid] })) if (found.path === path) return true;
  return false;
}

export interface InstanceFile extends AsyncDisposable {
  transferSyntaxUid: string;
  /** Undefined where it is made while it is sent. */
  length: number | undefined;
  body: AsyncIterable<Chunk>;
}

/**
 * In the first transfer syntax that it can be made in.
 * @throws {HttpError} as openKept; 406 where it turns out that none can be made
 */
export async function openInstance({ instance, syntaxes }: ChosenInstance, { archive, transcoder }: RetrieveOptions, caller: AbortSignal): Promise<InstanceFile> {
  let reason: NotTranscodableError | undefined;
  for (const transferSyntaxUid of syntaxes) {
    if (transferSyntaxUid === instance.transferSyntaxUid) {
      const file = await openKept(instance, archive);
      return { transferSyntaxUid, length: instance.bytes, body: inFile(file, 0, instance.bytes), [Symbol.asyncDispose]: () => file.close() };
    }
    const stop = new AbortController();
    try {
      const dataset = await transcoder.dataset(instance, transferSyntaxUid, AbortSignal.any([caller, stop.signal]));
      return { transferSyntaxUid, length: undefined, body: withFileMeta(instance, transferSyntaxUid, dataset), [Symbol.asyncDispose]: async () => stop.abort() };
    } catch (error) {
      if (isGone(error)) await (await openKept(instance, archive)).close(); // says what has happened to it
      if (!(error instanceof NotTranscodableError)) throw error;
      reason = error;
    }
  }
  throw new HttpError(406, `Instance ${instance.sopInstanceUid}, kept in ${instance.transferSyntaxUid}, cannot be sent in ${syntaxes.join(' or ')}: ${reason?.message}.`, {}, { cause: reason });
}

export function isGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === 'ENOENT';
}

async function* withFileMeta({ sopClassUid, sopInstanceUid }: ArchivedInstance, transferSyntaxUid: string, dataset: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  yield writeFileMeta({ sopClassUid, sopInstanceUid, transferSyntaxUid });
  yield* dataset;
}
