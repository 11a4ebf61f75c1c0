// What the DICOMweb retrieve services need from storage. Sources and our own results are found here alike.
import type { Dataset } from '../../storage/dicom/dataset.ts';

export interface RetrievableInstance {
  /** Path of the Part 10 file. */
  path: string;
  /** Syntax in which it is stored, and in which it is sent. */
  transferSyntaxUid: string;
  /** Size of the file. */
  bytes: number;
}

export interface DicomwebSource {
  /** Every current instance's header as DICOM JSON without bulk data; undefined, or nothing at all, when there is no such study. */
  studyMetadata(studyInstanceUid: string): AsyncIterable<Dataset> | undefined;
  /** The current version of an instance. */
  instance(studyInstanceUid: string, seriesInstanceUid: string, sopInstanceUid: string): Promise<RetrievableInstance | undefined>;
}
