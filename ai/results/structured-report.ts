// The report as a DICOM instance: Comprehensive 3D SR (PS3.3 A.35.13), and the same as Comprehensive SR (A.35.3) for
// destinations that do not accept that.
import { dataset, items, text, texts, type Dataset } from '../../storage/dicom/dataset.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { patientAndStudy, referencedRequests } from './copy-attributes.ts';
import { OWN_SCHEME } from './codes.ts';
import { RESULT_MANUFACTURER, lo, lungEquipment, modelEquipment, resultEquipment } from './equipment.ts';
import { localTime, resultOffset } from './local-time.ts';
import type { EncodedResult, OutcomeImage, PredecessorDocument, StudyOutcome } from './outcome.ts';
import { reportUid, seriesUid } from './result-uids.ts';
import { measurementReport } from './sr/measurement-report.ts';

export const COMPREHENSIVE_3D_SR = '1.2.840.10008.5.1.4.1.1.88.34';
export const COMPREHENSIVE_SR = '1.2.840.10008.5.1.4.1.1.88.33';

/** Behind the numbers that modalities give, so that lists sort the results last. */
const REPORT_SERIES_NUMBER = 9801;

/**
 * The report of a study, whatever its outcome: the preferred form first, then its alternative.
 * @throws {Error} if the study has no image, or its images no Study Instance UID
 */
export function encodeReport(study: StudyOutcome): EncodedResult[] {
  const preferred = encodeAs(study, COMPREHENSIVE_3D_SR);
  const alternative = encodeAs(study, COMPREHENSIVE_SR);
  return [preferred, { ...alternative, alternativeTo: preferred.sopInstanceUid }];
}

function encodeAs(study: StudyOutcome, sopClassUid: string): EncodedResult {
  const ds = reportDataset(study, sopClassUid);
  const sopInstanceUid = text(ds, 'SOPInstanceUID')!;
  return {
    kind: 'structured-report',
    sopClassUid,
    sopInstanceUid,
    seriesInstanceUid: text(ds, 'SeriesInstanceUID')!,
    bytes: writePart10(ds, { sopClassUid, sopInstanceUid, characterSets: texts(study.images[0]!.header, 'SpecificCharacterSet') }),
  };
}

/** The whole dataset of the report. */
export function reportDataset(study: StudyOutcome, sopClassUid: string): Dataset {
  const { images, model } = study;
  const header = images[0]?.header;
  if (!header) throw new Error('a report needs at least one image');
  const studyInstanceUid = text(header, 'StudyInstanceUID');
  if (studyInstanceUid === undefined) throw new Error('a report needs the Study Instance UID of its images');
  const made = localTime(study.createdAt, resultOffset(header, study.timezone, study.createdAt));
  const requests = referencedRequests(images.map((image) => image.header));
  const procedures = items(header, 'ProcedureCodeSequence');
  return {
    ...patientAndStudy(header),
    ...resultEquipment(study),
    ...dataset({
      CodingSchemeIdentificationSequence: ownCodes(images),
      InstanceCreationDate: made.date,
      InstanceCreationTime: made.time,
      SOPClassUID: sopClassUid,
      SOPInstanceUID: reportUid(study, sopClassUid),
      ContentDate: made.date,
      ContentTime: made.time,
      TimezoneOffsetFromUTC: made.offset,
      Modality: 'SR',
      SeriesDescription: lo(`AI report: ${model.name} ${model.version} (research)`),
      ReferencedPerformedProcedureStepSequence: null,
      ContributingEquipmentSequence: [modelEquipment(study), ...lungEquipment(images)],
      SeriesInstanceUID: seriesUid(study, 'structured-report', studyInstanceUid),
      SeriesNumber: String(REPORT_SERIES_NUMBER),
      InstanceNumber: String(study.version),
      ReferencedRequestSequence: requests.length > 0 ? requests : undefined,
      PredecessorDocumentsSequence: study.predecessor && [predecessorItem(study.predecessor)],
      PerformedProcedureCodeSequence: procedures.length > 0 ? procedures : null,
      CurrentRequestedProcedureEvidenceSequence: evidence(images, studyInstanceUid),
      CompletionFlag: 'COMPLETE',
      VerificationFlag: 'UNVERIFIED',
    }),
    ...measurementReport(study),
  };
}

/** PS3.3 C.12.1.1.1: who is behind the codes that are ours, where any is used. */
function ownCodes(images: readonly OutcomeImage[]): Dataset[] | undefined {
  const used = images.some(({ outcome }) => outcome.status === 'analyzed' && outcome.severity?.status === 'measured');
  if (!used) return undefined;
  return [dataset({ CodingSchemeDesignator: OWN_SCHEME, CodingSchemeName: 'Hilum local codes', CodingSchemeResponsibleOrganization: RESULT_MANUFACTURER })];
}

/** Hierarchical SOP Instance Reference (PS3.3 C.17.2.1): study, series, instances, each instance once. */
function evidence(images: readonly OutcomeImage[], studyInstanceUid: string): Dataset[] {
  const series = new Map<string, Map<string, Dataset>>();
  for (const { seriesInstanceUid, sopClassUid, sopInstanceUid } of images) {
    const instances = series.get(seriesInstanceUid) ?? new Map<string, Dataset>();
    series.set(seriesInstanceUid, instances.set(sopInstanceUid, sopReference(sopClassUid, sopInstanceUid)));
  }
  const seriesItems = [...series].map(([seriesInstanceUid, instances]) =>
    dataset({ ReferencedSOPSequence: [...instances.values()], SeriesInstanceUID: seriesInstanceUid }),
  );
  return [dataset({ ReferencedSeriesSequence: seriesItems, StudyInstanceUID: studyInstanceUid })];
}

function predecessorItem(predecessor: PredecessorDocument): Dataset {
  const { sopClassUid, sopInstanceUid, seriesInstanceUid, studyInstanceUid } = predecessor;
  const series = { ReferencedSOPSequence: [sopReference(sopClassUid, sopInstanceUid)], SeriesInstanceUID: seriesInstanceUid };
  return dataset({ ReferencedSeriesSequence: [dataset(series)], StudyInstanceUID: studyInstanceUid });
}

function sopReference(sopClassUid: string, sopInstanceUid: string): Dataset {
  return dataset({ ReferencedSOPClassUID: sopClassUid, ReferencedSOPInstanceUID: sopInstanceUid });
}
