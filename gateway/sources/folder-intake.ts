// Fetched instances as files of a folder: STUDY/SERIES/INSTANCE.dcm, whole or not there at all.
import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from '../../storage/dicom/dataset.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { isUid } from '../../storage/dicom/uids.ts';
import { writeFileMeta } from '../../storage/dicom/write.ts';
import { DicomFormatError, IntakeRefusal } from '../../storage/errors.ts';
import type { ReceiveContext } from '../../storage/receive.ts';

export class FolderIntake {
  /** Paths of what was written. */
  readonly written: string[] = [];
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws {IntakeRefusal} for what is no DICOM, or has no usable UIDs; what the file system throws */
  async receive(source: AsyncIterable<Uint8Array>, { command, callingAe }: ReceiveContext): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    const draft = join(this.#folder, `.${randomUUID()}.part`);
    try {
      const file = await open(draft, 'wx');
      try {
        if (command) await file.write(writeFileMeta({ ...command, sourceAe: callingAe }));
        for await (const chunk of source) await file.write(chunk);
      } finally {
        await file.close();
      }
      const path = join(this.#folder, await placeOf(draft));
      await mkdir(join(path, '..'), { recursive: true });
      await rename(draft, path);
      this.written.push(path);
    } catch (error) {
      throw error instanceof DicomFormatError ? new IntakeRefusal('not-understood', error.message, { cause: error }) : error;
    } finally {
      await rm(draft, { force: true });
    }
  }
}

/** What is not a UID could lead out of the folder. */
async function placeOf(path: string): Promise<string> {
  const { dataset } = await readPart10(path);
  const [study, series, instance] = ['StudyInstanceUID', 'SeriesInstanceUID', 'SOPInstanceUID'].map((keyword) => {
    const uid = text(dataset, keyword) ?? '';
    if (!isUid(uid)) throw new IntakeRefusal('not-understood', `${keyword} "${uid.slice(0, 80)}" is not a UID`);
    return uid;
  });
  return join(study ?? '', series ?? '', `${instance}.dcm`);
}
