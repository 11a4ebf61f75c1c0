// Datasets of messages other than C-STORE: identifiers, attribute lists, event information (PS3.7 9.1, 10.1). They are short, and read whole.
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { writeDataset } from '../../storage/dicom/write.ts';
import { DicomFormatError } from '../../storage/errors.ts';
import type { IncomingDataset } from './incoming-dataset.ts';

/** A list of 10,000 UIDs takes 640 KB; a performed procedure step with as many images, 3 MB. */
export const MAX_IDENTIFIER_BYTES = 4 * 1024 * 1024;

/** Transfer syntaxes of services that have no pixel data. */
export const DATASET_SYNTAXES: ReadonlySet<string> = new Set([
  EXPLICIT_VR_LITTLE_ENDIAN,
  IMPLICIT_VR_LITTLE_ENDIAN,
  EXPLICIT_VR_BIG_ENDIAN,
  DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
]);

/**
 * The dataset of a message, text decoded by its Specific Character Set; all of it is read from the wire, also where it is refused.
 * @throws {DicomFormatError} where it is no dataset, or too long; {AssociationError} where it does not come whole
 */
export async function readIdentifier(dataset: IncomingDataset, transferSyntaxUid: string): Promise<Dataset> {
  const parts: Uint8Array[] = [];
  for await (const part of dataset) if (dataset.bytes <= MAX_IDENTIFIER_BYTES) parts.push(part);
  if (dataset.bytes > MAX_IDENTIFIER_BYTES) throw new DicomFormatError(`a dataset of ${dataset.bytes} bytes is longer than the limit, ${MAX_IDENTIFIER_BYTES}`, 0);
  if (dataset.bytes === 0) return {};
  return parsePart10(Buffer.concat(parts), { transferSyntaxUid }).dataset;
}

/**
 * A dataset as `send` and `respond` take it.
 * @param characterSets in which its text is written, where they can hold it; else in UTF-8
 */
export async function* writeIdentifier(identifier: Dataset, transferSyntaxUid: string, characterSets?: readonly string[]): AsyncGenerator<Uint8Array> {
  yield writeDataset(identifier, transferSyntaxUid, characterSets);
}
