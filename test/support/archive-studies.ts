// Studies for an archive that is fetched from, and the archive that is filled with them.
import { dataset } from '../../storage/dicom/dataset.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { imageValues } from './dimse.ts';
import type { Orthanc } from './orthanc.ts';

export interface ArchiveInstance {
  sopInstanceUid: string;
  file: Uint8Array;
}

export interface StudySpec {
  studyInstanceUid: string;
  /** Images of each series. */
  series: number[];
  values?: Record<string, unknown>;
  pixelBytes?: number;
}

/** A study of CR images, UIDs below its own. */
export function studyFiles({ studyInstanceUid, series, values = {}, pixelBytes = 2048 }: StudySpec): ArchiveInstance[] {
  return series.flatMap((images, at) =>
    Array.from({ length: images }, (_, index) => {
      const seriesInstanceUid = `${studyInstanceUid}.${at + 1}`;
      const sopInstanceUid = `${seriesInstanceUid}.${index + 1}`;
      const image = {
        ...imageValues(sopInstanceUid, pixelBytes),
        StudyInstanceUID: studyInstanceUid,
        SeriesInstanceUID: seriesInstanceUid,
        PatientID: 'FETCH1',
        PatientName: 'Fetch^Me',
        PatientBirthDate: '19700203',
        PatientSex: 'F',
        StudyDate: '20260105',
        StudyTime: '101500',
        AccessionNumber: 'ACC1',
        StudyID: '1',
        StudyDescription: 'Chest',
        SeriesNumber: at + 1,
        InstanceNumber: index + 1,
        BodyPartExamined: 'CHEST',
        ...values,
      };
      return { sopInstanceUid, file: writePart10(dataset(image)) };
    }),
  );
}

export async function upload(orthanc: Orthanc, instances: readonly ArchiveInstance[]): Promise<void> {
  for (const { file } of instances) {
    const response = await fetch(`${orthanc.url}/instances`, { method: 'POST', body: Buffer.from(file) });
    if (!response.ok) throw new Error(`Orthanc answers ${response.status}: ${await response.text()}\n${orthanc.output()}`);
  }
}

/** An Orthanc that answers whoever asks. */
export const OPEN_ARCHIVE = { DicomAlwaysAllowFind: true, DicomAlwaysAllowGet: true, DicomAlwaysAllowMove: true, DicomAlwaysAllowEcho: true, LimitFindResults: 0 };

/** Tells Orthanc where an AE title is, as its administrator would. */
export async function introduce(orthanc: Orthanc, aeTitle: string, port: number): Promise<void> {
  const response = await fetch(`${orthanc.url}/modalities/${aeTitle.toLowerCase()}`, { method: 'PUT', body: JSON.stringify([aeTitle, '127.0.0.1', port]) });
  if (!response.ok) throw new Error(`Orthanc answers ${response.status}: ${await response.text()}`);
}
