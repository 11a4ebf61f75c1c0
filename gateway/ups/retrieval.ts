// How the instances that a step refers to can be had: said to whoever asks, because only the request knows our address (PS3.3 table
// 10-3b, PS3.18 11.5). What a caller wrote of it stays as it is.
import { dataset, items, text, type Dataset } from '../../storage/dicom/dataset.ts';

const WAYS = ['DICOMRetrievalSequence', 'DICOMMediaRetrievalSequence', 'WADORetrievalSequence', 'XDSRetrievalSequence', 'WADORSRetrievalSequence'];

/** @param root URL of the DICOMweb services */
export function withRetrieval(step: Dataset, root: string, aeTitle: string): Dataset {
  const performed = items(step, 'UnifiedProcedureStepPerformedProcedureSequence').map((item) => withSequence(item, 'OutputInformationSequence', root, aeTitle));
  const known = withSequence(step, 'InputInformationSequence', root, aeTitle);
  return performed.length > 0 ? { ...known, ...dataset({ UnifiedProcedureStepPerformedProcedureSequence: performed }) } : known;
}

function withSequence(of: Dataset, keyword: string, root: string, aeTitle: string): Dataset {
  const references = items(of, keyword);
  if (references.length === 0) return of;
  return { ...of, ...dataset({ [keyword]: references.map((reference) => located(reference, root, aeTitle)) }) };
}

function located(reference: Dataset, root: string, aeTitle: string): Dataset {
  const study = text(reference, 'StudyInstanceUID');
  if (study === undefined || WAYS.some((way) => items(reference, way).length > 0)) return reference;
  const series = text(reference, 'SeriesInstanceUID');
  const url = `${root}/studies/${study}${series === undefined ? '' : `/series/${series}`}`;
  return {
    ...reference,
    ...dataset({ DICOMRetrievalSequence: [dataset({ RetrieveAETitle: aeTitle })], WADORSRetrievalSequence: [dataset({ RetrieveURL: url })] }),
  };
}
