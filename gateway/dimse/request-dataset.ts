// The dataset of an N-service request, where one is due (PS3.7 10.1).
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { DicomFormatError } from '../../storage/errors.ts';
import { readIdentifier } from './identifier.ts';
import type { ServiceCall } from './service.ts';

/** @returns in words, why there is none. @throws {AssociationError} where it does not come whole */
export async function requestDataset({ message }: ServiceCall): Promise<Dataset | string> {
  if (!message.dataset) return 'the request has no dataset';
  try {
    return await readIdentifier(message.dataset, message.context.transferSyntax);
  } catch (error) {
    if (error instanceof DicomFormatError) return error.message;
    throw error;
  }
}
