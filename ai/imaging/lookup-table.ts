// Lookup tables as modality LUT, VOI LUT and palettes have them (PS3.3 C.11.1.1, C.11.2.1.1, C.7.6.3.1.5).
import { bytesOf, get, items, nums } from '../../storage/dicom/dataset.ts';
import type { Dataset, DicomElement } from '../../storage/dicom/dataset.ts';
import { NotAnalyzableError } from '../../storage/errors.ts';
import { readBulk } from '../../storage/dicom/part10.ts';
import type { Part10 } from '../../storage/dicom/part10.ts';

export interface LookupTable {
  /** Input value of the first entry; what lies below gets the first entry, above the last. */
  first: number;
  /** Bits of an entry, 8 to 16. */
  bits: number;
  values: Uint16Array;
}

/**
 * @param signed whether the input values may be negative, which decides how the descriptor's second value is read
 * @throws {NotAnalyzableError} when table and descriptor do not fit
 */
export function lookupTable(descriptor: readonly number[], data: DicomElement, signed: boolean): LookupTable {
  const [declared = 0, start = 0, bits = 16] = descriptor;
  // 0 stands for 65,536, which does not fit 16 bits; read as SS the number may also come negative.
  const entries = declared & 0xffff || 65536;
  const first = signed ? (start << 16) >> 16 : start & 0xffff;
  const bytes = bytesOf(data);
  const numbers = data.Value?.map(Number);
  let values: Uint16Array;
  if (bytes && bytes.length >= entries * 2)
    values = Uint16Array.from({ length: entries }, (_, i) => (bytes[2 * i] as number) | ((bytes[2 * i + 1] as number) << 8));
  else if (bytes && bytes.length >= entries) values = Uint16Array.from(bytes.subarray(0, entries));
  else if (numbers && numbers.length >= entries) values = Uint16Array.from(numbers.slice(0, entries));
  // Entries of 8 bits packed in pairs into words.
  else if (numbers && numbers.length * 2 >= entries && bits === 8)
    values = Uint16Array.from({ length: entries }, (_, i) => ((numbers[i >> 1] as number) >> (8 * (i & 1))) & 255);
  else throw new NotAnalyzableError(`a lookup table is shorter than the ${entries} entries that its descriptor says`);
  return { first, bits: Math.max(8, Math.min(16, bits)), values };
}

/** The first item of a LUT sequence, undefined when there is none. @throws {NotAnalyzableError} */
export function sequenceTable(dataset: Dataset, keyword: string, signed: boolean): LookupTable | undefined {
  const item = items(dataset, keyword)[0];
  const data = item && get(item, 'LUTData');
  const descriptor = item ? nums(item, 'LUTDescriptor') : [];
  if (!item || !data || descriptor.length < 3) return undefined;
  if (data.BulkDataURI !== undefined && !bytesOf(data))
    throw new NotAnalyzableError(`the table of ${keyword} was left in the file`);
  return lookupTable(descriptor, data, signed);
}

/** Tags of the tables that the pixels are displayed through: sequences with LUT Data, and the palettes. */
const TABLES = ['ModalityLUTSequence', 'VOILUTSequence'];
const PALETTES = ['Red', 'Green', 'Blue'].map((colour) => `${colour}PaletteColorLookupTableData`);

/** The dataset with its display tables in it, those over 64 KiB read from the file; the dataset itself when it has them all. */
export async function withLookupTables(file: Part10): Promise<Dataset> {
  let { dataset } = file;
  const load = async (element: DicomElement): Promise<DicomElement> => ({ vr: element.vr, bytes: await readBulk(file, element) });
  for (const keyword of PALETTES) {
    const [tag, element] = find(dataset, keyword);
    if (tag && element?.BulkDataURI !== undefined) dataset = { ...dataset, [tag]: await load(element) };
  }
  for (const keyword of TABLES) {
    const [tag, sequence] = find(dataset, keyword);
    const item = items(dataset, keyword)[0];
    const [dataTag, data] = item ? find(item, 'LUTData') : [];
    if (tag && sequence && item && dataTag && data?.BulkDataURI !== undefined) {
      dataset = { ...dataset, [tag]: { vr: 'SQ', Value: [{ ...item, [dataTag]: await load(data) }] } };
    }
  }
  return dataset;
}

function find(dataset: Dataset, keyword: string): [tag?: string, element?: DicomElement] {
  const element = get(dataset, keyword);
  return element ? [Object.keys(dataset).find((tag) => dataset[tag] === element) ?? '', element] : [];
}
