// At which level of the information model an attribute is (PS3.4 C.6.2, PS3.3 C.7). Studies and series keep those of their own
// level; everything else is an instance's. The same tags stand in the migration that made the tables.
import type { QueryLevel } from '../archive.ts';
import { tagOf } from '../dicom/dictionary.ts';

/** PS3.3 C.7.1 and C.7.2.3. */
const PATIENT = `
  PatientName PatientID IssuerOfPatientID IssuerOfPatientIDQualifiersSequence TypeOfPatientID PatientBirthDate
  PatientBirthTime PatientSex OtherPatientIDs OtherPatientIDsSequence OtherPatientNames PatientBirthName
  PatientMotherBirthName EthnicGroup PatientComments ReferencedPatientSequence QualityControlSubject
  PatientSpeciesDescription PatientSpeciesCodeSequence PatientBreedDescription PatientBreedCodeSequence
  BreedRegistrationSequence StrainDescription ResponsiblePerson ResponsiblePersonRole ResponsibleOrganization
  PatientIdentityRemoved DeidentificationMethod DeidentificationMethodCodeSequence PatientAddress
  PatientTelephoneNumbers MilitaryRank BranchOfService CountryOfResidence RegionOfResidence PatientReligiousPreference
  PatientPrimaryLanguageCodeSequence ConfidentialityConstraintOnPatientDataDescription ClinicalTrialSponsorName
  ClinicalTrialProtocolID ClinicalTrialProtocolName ClinicalTrialSiteID ClinicalTrialSiteName ClinicalTrialSubjectID
  ClinicalTrialSubjectReadingID`;
/** PS3.3 C.7.2, and the requested procedure where it stands in the image itself. */
const STUDY = `
  StudyInstanceUID StudyDate StudyTime AccessionNumber IssuerOfAccessionNumberSequence ReferringPhysicianName
  ReferringPhysicianIdentificationSequence ConsultingPhysicianName ConsultingPhysicianIdentificationSequence StudyID
  StudyDescription PhysiciansOfRecord PhysiciansOfRecordIdentificationSequence NameOfPhysiciansReadingStudy
  PhysiciansReadingStudyIdentificationSequence RequestingPhysician RequestingService RequestingServiceCodeSequence
  ReferencedStudySequence ProcedureCodeSequence ReasonForPerformedProcedureCodeSequence RequestedProcedureDescription
  RequestedProcedureCodeSequence ReasonForStudy StudyComments StudyStatusID StudyPriorityID
  AdmittingDiagnosesDescription AdmittingDiagnosesCodeSequence ReasonForVisit ReasonForVisitCodeSequence AdmissionID
  IssuerOfAdmissionIDSequence ServiceEpisodeID ServiceEpisodeDescription PatientAge PatientSize PatientWeight
  PatientBodyMassIndex PatientSizeCodeSequence MedicalAlerts Allergies SmokingStatus PregnancyStatus LastMenstrualDate
  PatientState PatientSexNeutered Occupation AdditionalPatientHistory ClinicalTrialTimePointID
  ClinicalTrialTimePointDescription ConsentForClinicalTrialUseSequence TimezoneOffsetFromUTC`;
/** PS3.3 C.7.3, and of equipment and frame of reference (C.7.4, C.7.5) what does not vary within a series. */
const SERIES = `
  SeriesInstanceUID Modality SeriesNumber Laterality SeriesDate SeriesTime PerformingPhysicianName
  PerformingPhysicianIdentificationSequence ProtocolName SeriesDescription SeriesDescriptionCodeSequence OperatorsName
  OperatorIdentificationSequence ReferencedPerformedProcedureStepSequence RelatedSeriesSequence BodyPartExamined
  PatientPosition RequestAttributesSequence PerformedProcedureStepID PerformedProcedureStepStartDate
  PerformedProcedureStepStartTime PerformedProcedureStepEndDate PerformedProcedureStepEndTime
  PerformedProcedureStepDescription PerformedProtocolCodeSequence CommentsOnThePerformedProcedureStep
  AnatomicalOrientationType PresentationIntentType ClinicalTrialCoordinatingCenterName ClinicalTrialSeriesID
  ClinicalTrialSeriesDescription Manufacturer InstitutionName InstitutionAddress StationName
  InstitutionalDepartmentName ManufacturerModelName DeviceSerialNumber SoftwareVersions GantryID DeviceUID
  FrameOfReferenceUID PositionReferenceIndicator TreatmentSessionUID`;

const tagsOf = (keywords: string): ReadonlySet<string> => new Set(keywords.trim().split(/\s+/).map(tagOf));

export const PATIENT_TAGS = tagsOf(PATIENT);
export const STUDY_TAGS = tagsOf(STUDY);
export const SERIES_TAGS = tagsOf(SERIES);

/** Attributes that are counted or gathered rather than stored (PS3.4 C.6.1.1, C.6.2.1, PS3.18 10.6.3.3). */
const COMPUTED: Readonly<Record<string, QueryLevel>> = {
  [tagOf('NumberOfPatientRelatedStudies')]: 'patient',
  [tagOf('NumberOfPatientRelatedSeries')]: 'patient',
  [tagOf('NumberOfPatientRelatedInstances')]: 'patient',
  [tagOf('ModalitiesInStudy')]: 'study',
  [tagOf('SOPClassesInStudy')]: 'study',
  [tagOf('NumberOfStudyRelatedSeries')]: 'study',
  [tagOf('NumberOfStudyRelatedInstances')]: 'study',
  [tagOf('NumberOfSeriesRelatedInstances')]: 'series',
};

export function levelOf(tag: string): QueryLevel {
  if (PATIENT_TAGS.has(tag)) return 'patient';
  if (STUDY_TAGS.has(tag)) return 'study';
  if (SERIES_TAGS.has(tag)) return 'series';
  return COMPUTED[tag] ?? 'instance';
}
