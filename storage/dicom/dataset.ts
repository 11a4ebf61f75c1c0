// A DICOM dataset in memory: the DICOM JSON model (PS3.18 annex F), and access to it by keyword (PS3.6).
import dcmjs from 'dcmjs';

export interface PersonName {
  Alphabetic?: string;
  Ideographic?: string;
  Phonetic?: string;
}
export type DicomValue = string | number | PersonName | Dataset | null;
export interface DicomElement {
  vr: string;
  Value?: DicomValue[];
  InlineBinary?: string;
  BulkDataURI?: string;
  /** Binary value in memory, for writing only; never in JSON. */
  bytes?: Uint8Array;
}
/** Keys are tags as eight upper-case hexadecimal digits. */
export interface Dataset {
  [tag: string]: DicomElement;
}
