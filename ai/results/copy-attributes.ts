// Attributes that a result takes over from its source as they are: patient, study, clinical trial and request (PS3.3 C.7.1, C.7.2).
import { dataset, get, items, itemsOf, tagOf, text, type Dataset, type DicomElement, type DicomValue } from '../../storage/dicom/dataset.ts';

/** Type 2 of the Patient and General Study modules: there even when empty. */
const TYPE_2 = [
  'StudyDate', 'StudyTime', 'AccessionNumber', 'ReferringPhysicianName',
  'PatientName', 'PatientID', 'PatientBirthDate', 'PatientSex', 'StudyID',
] as const;

const PATIENT = [
  'PatientName', 'PatientID', 'IssuerOfPatientID', 'IssuerOfPatientIDQualifiersSequence', 'TypeOfPatientID',
  'PatientBirthDate', 'PatientBirthTime', 'PatientBirthDateInAlternativeCalendar', 'PatientDeathDateInAlternativeCalendar',
  'PatientAlternativeCalendar', 'PatientSex', 'OtherPatientIDsSequence', 'OtherPatientNames', 'OtherPatientIDs',
  'EthnicGroup', 'PatientComments', 'QualityControlSubject', 'PatientIdentityRemoved', 'DeidentificationMethod',
  'DeidentificationMethodCodeSequence', 'PatientSpeciesDescription', 'PatientSpeciesCodeSequence', 'PatientBreedDescription',
  'PatientBreedCodeSequence', 'BreedRegistrationSequence', 'ResponsiblePerson', 'ResponsiblePersonRole',
  'ResponsibleOrganization',
] as const;

const STUDY = [
  'StudyInstanceUID', 'StudyDate', 'StudyTime', 'StudyID', 'StudyDescription', 'AccessionNumber',
  'IssuerOfAccessionNumberSequence', 'ReferringPhysicianName', 'ReferringPhysicianIdentificationSequence',
  'ConsultingPhysicianName', 'ConsultingPhysicianIdentificationSequence', 'PhysiciansOfRecord',
  'PhysiciansOfRecordIdentificationSequence', 'NameOfPhysiciansReadingStudy',
  'PhysiciansReadingStudyIdentificationSequence', 'RequestingService', 'RequestingServiceCodeSequence',
  'ReferencedStudySequence', 'ProcedureCodeSequence', 'ReasonForPerformedProcedureCodeSequence',
  'AdmittingDiagnosesDescription', 'AdmittingDiagnosesCodeSequence', 'PatientAge', 'PatientSize', 'PatientWeight',
  'Occupation', 'AdditionalPatientHistory', 'AdmissionID', 'IssuerOfAdmissionIDSequence', 'ServiceEpisodeID',
  'ServiceEpisodeDescription', 'IssuerOfServiceEpisodeIDSequence', 'PatientSexNeutered', 'ReasonForVisit',
  'ReasonForVisitCodeSequence',
] as const;

const CLINICAL_TRIAL = [
  'ClinicalTrialSponsorName', 'ClinicalTrialProtocolID', 'IssuerOfClinicalTrialProtocolID', 'ClinicalTrialProtocolName',
  'ClinicalTrialSiteID', 'IssuerOfClinicalTrialSiteID', 'ClinicalTrialSiteName', 'ClinicalTrialSubjectID',
  'IssuerOfClinicalTrialSubjectID', 'ClinicalTrialSubjectReadingID', 'IssuerOfClinicalTrialSubjectReadingID',
  'ClinicalTrialProtocolEthicsCommitteeName', 'ClinicalTrialProtocolEthicsCommitteeApprovalNumber',
  'ClinicalTrialTimePointID', 'IssuerOfClinicalTrialTimePointID', 'ClinicalTrialTimePointDescription',
  'ConsentForClinicalTrialUseSequence',
] as const;

/** Patient, study and trial of the source, element for element; Type 2 attributes that it lacks stand there empty. */
export function patientAndStudy(header: Dataset): Dataset {
  const empty = dataset(Object.fromEntries(TYPE_2.map((keyword) => [keyword, null])));
  return { ...empty, ...copied(header, [...PATIENT, ...STUDY, ...CLINICAL_TRIAL]) };
}

/**
 * The elements of these keywords that the source has, as they are, without the values that its reader left out as bulk data. Empty
 * sequences say nothing, and few of them may stand where they do.
 */
export function copied(header: Dataset, keywords: readonly string[]): Dataset {
  const result: Dataset = {};
  for (const keyword of keywords) {
    const element = get(header, keyword);
    if (element && element.BulkDataURI === undefined && !isEmptySequence(element)) result[tagOf(keyword)] = withoutBulk(element);
  }
  return result;
}

const isEmptySequence = (element: DicomElement): boolean => element.vr === 'SQ' && itemsOf(element).length === 0;

function withoutBulk(element: DicomElement): DicomElement {
  if (element.vr !== 'SQ') return withCurrentForm(element);
  const kept = itemsOf(element).map((item) =>
    Object.fromEntries(
      Object.entries(item)
        .filter(([, nested]) => nested.BulkDataURI === undefined && !isEmptySequence(nested))
        .map(([tag, nested]) => [tag, withoutBulk(nested)]),
    ),
  );
  return kept.length > 0 ? { vr: 'SQ', Value: kept } : { vr: 'SQ' };
}

/** Dates and times of old files, 1993.02.24 and 17:58:00 (PS3.5 table 6.2-1, notes), in the form that is still allowed. */
function withCurrentForm(element: DicomElement): DicomElement {
  const pattern = element.vr === 'DA' ? /^(\d{4})\.(\d\d)\.(\d\d)$/ : element.vr === 'TM' ? /^(\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?$/ : undefined;
  if (!pattern || !element.Value) return element;
  const current = (value: DicomValue): DicomValue =>
    typeof value === 'string' ? value.replace(pattern, (_, ...parts: (string | undefined)[]) => parts.slice(0, 3).join('')) : value;
  return { ...element, Value: element.Value.map(current) };
}

const REQUEST = [
  'IssuerOfAccessionNumberSequence', 'OrderPlacerIdentifierSequence', 'OrderFillerIdentifierSequence',
  'ReasonForTheRequestedProcedure', 'ReasonForRequestedProcedureCodeSequence',
] as const;

/** Type 2 of the Referenced Request Sequence: there even when empty. */
const REQUEST_TYPE_2 = [
  'ReferencedStudySequence', 'AccessionNumber', 'PlacerOrderNumberImagingServiceRequest',
  'FillerOrderNumberImagingServiceRequest', 'RequestedProcedureID', 'RequestedProcedureDescription',
  'RequestedProcedureCodeSequence',
] as const;

/**
 * Items of the Referenced Request Sequence (0040,A370): one for each request that the images fulfil, PS3.3 C.17.2.
 * Request Attributes Sequence tells, and where the images have none, their accession number.
 */
export function referencedRequests(headers: readonly Dataset[]): Dataset[] {
  const requests = new Map<string, Dataset>();
  for (const header of headers) {
    const attributes = items(header, 'RequestAttributesSequence');
    const sources = attributes.length > 0 ? attributes : [header];
    for (const source of sources) {
      const request = referencedRequest(source, header, attributes.length <= 1);
      const accession = text(request, 'AccessionNumber') ?? '';
      const procedure = text(request, 'RequestedProcedureID') ?? '';
      const known = accession !== '' || procedure !== '' || attributes.length > 0;
      if (known) requests.set(JSON.stringify([accession, procedure]), request);
    }
  }
  return [...requests.values()];
}

function referencedRequest(source: Dataset, header: Dataset, only: boolean): Dataset {
  const empty = dataset({
    StudyInstanceUID: text(source, 'StudyInstanceUID') ?? text(header, 'StudyInstanceUID'),
    ...Object.fromEntries(REQUEST_TYPE_2.map((keyword) => [keyword, null])),
  });
  const keywords = [...REQUEST_TYPE_2, ...REQUEST];
  // Where the only item is silent, what the image itself says about its order holds.
  return { ...empty, ...withValue(copied(only ? header : {}, keywords)), ...withValue(copied(source, keywords)) };
}

function withValue(ds: Dataset): Dataset {
  return Object.fromEntries(Object.entries(ds).filter(([, element]) => (element.Value?.length ?? 0) > 0));
}
