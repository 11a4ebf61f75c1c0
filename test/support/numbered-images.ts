// Many small radiographs with UIDs of their own, made from one phantom: enough for tests in which only their number counts.
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { phantomDicom } from '../../ai/phantom/dicom.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import type { SentFile } from './gateway.ts';

export interface NumberedImage extends SentFile {
  seriesInstanceUid: string;
  /** SHA-256 of the dataset without file meta, hex. */
  digest: string;
}

export interface Numbers {
  studies: number;
  imagesOfStudy: number;
  /** So that two tests do not share UIDs. */
  series?: number;
  columns?: number;
  rows?: number;
}

/** UIDs and Patient ID of one length each, so that a copy is the same file with other digits. */
const uidOf = (kind: number, series: number, study: number, image = 0): string =>
  `2.25.${kind}${String(series).padStart(6, '0')}${String(study).padStart(12, '0')}${String(image).padStart(12, '0')}`;
const patientOf = (study: number): string => `PATIENT-${String(study).padStart(6, '0')}`;

/** Writes the images as files; those of one study stand side by side. */
export async function numberedImages(folder: string, { studies, imagesOfStudy, series = 0, columns = 128, rows = 160 }: Numbers): Promise<NumberedImage[]> {
  const template = { study: uidOf(1, series, 0), series: uidOf(2, series, 0), instance: uidOf(3, series, 0), patient: patientOf(0) };
  const phantom = await phantomDicom({
    seed: 610_000 + series, columns, rows, opacities: 1, patientId: template.patient,
    studyInstanceUid: template.study, seriesInstanceUid: template.series, sopInstanceUid: template.instance,
  });
  const { datasetOffset, transferSyntaxUid } = parsePart10(phantom);
  const text = Buffer.from(phantom).toString('latin1');
  const images: NumberedImage[] = [];
  for (let study = 1; study <= studies; study++)
    for (let image = 1; image <= imagesOfStudy; image++) {
      const uids = { studyInstanceUid: uidOf(1, series, study), seriesInstanceUid: uidOf(2, series, study), sopInstanceUid: uidOf(3, series, study, image) };
      const bytes = Buffer.from(
        text
          .replaceAll(template.study, uids.studyInstanceUid)
          .replaceAll(template.series, uids.seriesInstanceUid)
          .replaceAll(template.instance, uids.sopInstanceUid)
          .replaceAll(template.patient, patientOf(study)),
        'latin1',
      );
      const path = join(folder, `${uids.sopInstanceUid}.dcm`);
      await writeFile(path, bytes);
      images.push({ ...uids, path, transferSyntaxUid, sopClassUid: '1.2.840.10008.5.1.4.1.1.1', digest: createHash('sha256').update(bytes.subarray(datasetOffset)).digest('hex') });
    }
  return images;
}
