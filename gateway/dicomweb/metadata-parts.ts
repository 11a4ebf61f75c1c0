// Datasets out of the metadata parts of a store request, each bounded and parsed by itself.
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { parseDatasetJson } from '../../storage/dicom/parse-json.ts';
import { parseDatasetXml } from '../../storage/dicom/xml.ts';
import { DicomFormatError } from '../../storage/errors.ts';
import type { MediaType } from '../http/header-parameters.ts';
import { jsonItems } from './json-items.ts';
import { decodeText, xmlEncoding } from './metadata-text.ts';

/** As much as the Part 10 reader takes for a header; more is no metadata without its bulk data. */
const MAX_METADATA_BYTES = 32 * 1024 * 1024;

/** @returns undefined where the part is no metadata; each is parsed when it is asked for, and throws DicomFormatError then */
export function datasetsOf(body: AsyncIterable<Uint8Array>, type: MediaType | undefined): AsyncIterable<() => Dataset> | undefined {
  if (type?.type === 'application/dicom+json' || type?.type === 'application/json') return jsonDatasets(body);
  if (type?.type === 'application/dicom+xml' || type?.type === 'application/xml' || type?.type === 'text/xml') return xmlDataset(body);
  return undefined;
}

/** Parsed one by one: a dataset that is broken spoils none of the others. */
async function* jsonDatasets(body: AsyncIterable<Uint8Array>): AsyncGenerator<() => Dataset, void, undefined> {
  for await (const text of jsonItems(body, MAX_METADATA_BYTES)) yield () => parseDatasetJson(text);
}

async function* xmlDataset(body: AsyncIterable<Uint8Array>): AsyncGenerator<() => Dataset, void, undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > MAX_METADATA_BYTES) throw new DicomFormatError(`the metadata of an instance is longer than ${MAX_METADATA_BYTES} bytes`, length);
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  yield () => parseDatasetXml(decodeText(bytes, xmlEncoding(bytes)));
}
