// What the demo sends: synthetic chest radiographs as the field has them, or a person's own files.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { phantomDicom, type PhantomDicomSpec } from '../../ai/phantom/dicom.ts';
import { personName, text } from '../../storage/dicom/dataset.ts';
import { readPart10, type Part10 } from '../../storage/dicom/part10.ts';
import { deriveUid, TRANSFER_SYNTAXES } from '../../storage/dicom/uids.ts';
import type { OutgoingResult } from '../delivery/destinations/destination.ts';
import { filesOf } from './dicom-files.ts';

export interface DemoStudy {
  title: string;
  studyInstanceUid: string;
  files: OutgoingResult[];
  /** Straight from the modality over DIMSE or DICOMweb, or by way of the PACS. */
  way: 'C-STORE' | 'STOW-RS' | 'PACS';
  /** Name of the first file's syntax. */
  transferSyntax: string;
  acknowledgedAt?: number;
}

const JPEG_LOSSLESS = '1.2.840.10008.1.2.4.70';
const JPEG_LS = '1.2.840.10008.1.2.4.80';
const JPEG_2000 = '1.2.840.10008.1.2.4.90';
const RLE = '1.2.840.10008.1.2.5';
const IMPLICIT = '1.2.840.10008.1.2';

interface Part {
  title: string;
  way: DemoStudy['way'];
  images: Partial<PhantomDicomSpec>[];
}

/** Sizes are those of computed radiography; one study has two views, one cannot be judged. */
const PARTS: Part[] = [
  { title: 'adult, PA, two opacities', way: 'C-STORE', images: [{ opacities: 2, patientName: 'Synthetic^Ada' }] },
  { title: 'adult, PA, clear', way: 'C-STORE', images: [{ patientName: 'Synthetic^Ben', transferSyntaxUid: JPEG_LOSSLESS }] },
  { title: 'child, AP, one opacity', way: 'STOW-RS', images: [{ opacities: 1, child: true, view: 'AP', patientName: 'Synthetic^Cleo', modality: 'DX', transferSyntaxUid: JPEG_2000 }] },
  { title: 'adult, MONOCHROME1, one opacity', way: 'PACS', images: [{ opacities: 1, photometric: 'MONOCHROME1', patientName: 'Synthetic^Dai=山田^太郎=やまだ^たろう' }] },
  { title: 'adult, PA and AP, clear', way: 'PACS', images: [{ patientName: 'Synthetic^Eva', transferSyntaxUid: JPEG_LS }, { view: 'AP', patientName: 'Synthetic^Eva', transferSyntaxUid: RLE }] },
  { title: 'child, AP, clear', way: 'STOW-RS', images: [{ child: true, view: 'AP', patientName: 'Synthetic^Finn', transferSyntaxUid: IMPLICIT }] },
  { title: 'adult, AP, three opacities', way: 'C-STORE', images: [{ opacities: 3, view: 'AP', patientName: 'Synthetic^Gül' }] },
  { title: 'raw data, for processing', way: 'C-STORE', images: [{ opacities: 1, modality: 'DX', patientName: 'Synthetic^Hal', overrides: { PresentationIntentType: 'FOR PROCESSING' } }] },
];

/** Beyond the seeds that models are trained on. */
const FIRST_SEED = 500_000;

export async function demoStudies(folder: string): Promise<DemoStudy[]> {
  await mkdir(folder, { recursive: true });
  const studies: DemoStudy[] = [];
  for (const [number, { title, way, images }] of PARTS.entries()) {
    const studyInstanceUid = deriveUid('2.25', 'demo', String(Date.now()), String(number));
    const files: OutgoingResult[] = [];
    for (const [index, image] of images.entries()) {
      const path = join(folder, `${number}-${index}.dcm`);
      const spec = { seed: FIRST_SEED + number * 10 + index, columns: 1760, rows: 2140, studyInstanceUid, patientId: `DEMO-${number + 1}`, ...image };
      await writeFile(path, await phantomDicom(spec));
      files.push(outgoing(await readPart10(path)));
    }
    studies.push({ title, way, studyInstanceUid, files, transferSyntax: syntaxName(files) });
  }
  return studies;
}

/** A person's own files, by study, through the PACS. What is no DICOM file is named and left out. */
export async function folderStudies(folder: string): Promise<DemoStudy[]> {
  const studies = new Map<string, DemoStudy>();
  for await (const path of filesOf([folder])) {
    try {
      const file = await readPart10(path);
      const studyInstanceUid = text(file.dataset, 'StudyInstanceUID') ?? '';
      const title = [personName(file.dataset, 'PatientName')?.Alphabetic, text(file.dataset, 'StudyDescription')].filter(Boolean).join(', ');
      const study = studies.get(studyInstanceUid) ?? { title: title || path, way: 'PACS', studyInstanceUid, files: [], transferSyntax: '' };
      study.files.push(outgoing(file));
      study.transferSyntax = syntaxName(study.files);
      studies.set(studyInstanceUid, study);
    } catch (error) {
      console.error(`left out: ${path}: ${(error as Error).message}`);
    }
  }
  return [...studies.values()];
}

function outgoing({ path, dataset, transferSyntaxUid }: Part10): OutgoingResult {
  return { path, transferSyntaxUid, sopClassUid: text(dataset, 'SOPClassUID') ?? '', sopInstanceUid: text(dataset, 'SOPInstanceUID') ?? '' };
}

function syntaxName([first]: OutgoingResult[]): string {
  return (first && TRANSFER_SYNTAXES[first.transferSyntaxUid]?.name) ?? '';
}
