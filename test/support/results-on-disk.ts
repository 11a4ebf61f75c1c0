// Results as files, for what delivers them.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OutgoingResult, SendOutcome } from '../../gateway/delivery/destinations/destination.ts';
import { code, dataset } from '../../storage/dicom/dataset.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { imageValues } from './dimse.ts';

export const COMPREHENSIVE_3D_SR = '1.2.840.10008.5.1.4.1.1.88.34';
export const COMPREHENSIVE_SR = '1.2.840.10008.5.1.4.1.1.88.33';
export const SECONDARY_CAPTURE = '1.2.840.10008.5.1.4.1.1.7';

/** A folder of results; `await using` removes it. */
export class ResultFolder implements AsyncDisposable {
  readonly path: string;
  private constructor(path: string) {
    this.path = path;
  }

  static async create(): Promise<ResultFolder> {
    return new ResultFolder(await mkdtemp(join(tmpdir(), 'hilum-results-')));
  }

  async image(sopInstanceUid: string, pixelBytes = 20_000, sopClassUid = SECONDARY_CAPTURE): Promise<OutgoingResult> {
    return this.#write(sopClassUid, sopInstanceUid, imageValues(sopInstanceUid, pixelBytes));
  }

  /** A report with the same as Comprehensive SR for older systems. */
  async report(sopInstanceUid: string): Promise<OutgoingResult> {
    const values = {
      StudyInstanceUID: '2.25.1',
      SeriesInstanceUID: '2.25.3',
      Modality: 'SR',
      PatientName: { Alphabetic: 'Müller^Jürg', Ideographic: '山田^太郎' },
      ConceptNameCodeSequence: [code('126000', 'DCM', 'Imaging Measurement Report')],
      ContentSequence: [{ RelationshipType: 'CONTAINS', ValueType: 'TEXT', TextValue: 'x'.repeat(3000), ConceptNameCodeSequence: [code('121106', 'DCM', 'Comment')] }],
    };
    const alternative = await this.#write(COMPREHENSIVE_SR, `${sopInstanceUid}.1`, values);
    return { ...(await this.#write(COMPREHENSIVE_3D_SR, sopInstanceUid, values)), alternative };
  }

  async #write(sopClassUid: string, sopInstanceUid: string, values: Record<string, unknown>): Promise<OutgoingResult> {
    const path = join(this.path, `${sopInstanceUid}.dcm`);
    await writeFile(path, writePart10(dataset({ ...values, SOPClassUID: sopClassUid, SOPInstanceUID: sopInstanceUid })));
    return { sopClassUid, sopInstanceUid, transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN, path };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

export async function outcomesOf(sending: AsyncIterable<SendOutcome>): Promise<SendOutcome[]> {
  const outcomes: SendOutcome[] = [];
  for await (const outcome of sending) outcomes.push(outcome);
  return outcomes;
}
