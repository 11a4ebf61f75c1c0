// Images of 10 MB for benchmarks, two to a study.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { phantomDicom } from '../../ai/phantom/dicom.ts';
import { dataset } from '../../storage/dicom/dataset.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { deriveUid } from '../../storage/dicom/uids.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { runTool } from '../support/peers.ts';

/** 16 bits a pixel: 10 MB. */
const SIDE = 2240;

export interface BenchImage {
  path: string;
  /** Below the root of a DICOMweb service. */
  address: string;
  bytes: number;
}

export async function writeImages(folder: string, count: number): Promise<BenchImage[]> {
  await mkdir(folder, { recursive: true });
  const base = parsePart10(await phantomDicom({ seed: 100_001, columns: SIDE, rows: SIDE }));
  const pixels = new Uint8Array(SIDE * SIDE * 2);
  const images: BenchImage[] = [];
  for (let index = 0; index < count; index++) {
    const study = deriveUid('2.25', 'bench', 'study', String(Math.floor(index / 2)));
    const series = `${study.slice(0, 60)}.1`;
    const instance = deriveUid('2.25', 'bench', String(index));
    const file = writePart10({ ...base.dataset, ...dataset({ SOPInstanceUID: instance, StudyInstanceUID: study, SeriesInstanceUID: series, PixelData: pixels }) }, {});
    const path = join(folder, `${index}.dcm`);
    await writeFile(path, file);
    images.push({ path, address: `/studies/${study}/series/${series}/instances/${instance}`, bytes: file.length });
  }
  return images;
}

/** All images of a folder on one association, by DCMTK. */
export async function sendImages(aeTitle: string, port: number, folder: string): Promise<void> {
  const { code, output } = await runTool('storescu', ['-aec', aeTitle, '+sd', '127.0.0.1', String(port), folder], 300_000);
  if (code !== 0) throw new Error(output);
}

export const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
