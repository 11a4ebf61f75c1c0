// Whether two datasets speak of the same patient (DESIGN contract 8: a patient is never mixed up).
import { personName, text, type Dataset } from './dicom/dataset.ts';

/**
 * @returns in words, what contradicts; undefined where nothing does. Empty attributes contradict nothing, and spelling
 * (case, accents, spaces) is not a contradiction.
 */
export function patientContradiction(known: Dataset, other: Dataset): string | undefined {
  const differ = (keyword: string): boolean => {
    const [a, b] = [text(known, keyword), text(other, keyword)];
    return Boolean(a && b && a !== b);
  };
  if ((text(known, 'PatientID') ?? '') !== (text(other, 'PatientID') ?? '')) return 'Patient ID differs';
  if (differ('IssuerOfPatientID')) return 'Issuer of Patient ID differs';
  if (differ('PatientBirthDate')) return "Patient's Birth Date differs";
  if (differ('PatientSex')) return "Patient's Sex differs";
  const [a, b] = [familyName(known), familyName(other)];
  if (a && b && a !== b) return "Patient's Name differs";
  return undefined;
}

function familyName(dataset: Dataset): string {
  const name = personName(dataset, 'PatientName');
  const family = (name?.Alphabetic ?? name?.Ideographic ?? name?.Phonetic ?? '').split('^', 1)[0] ?? '';
  return family.normalize('NFKD').replace(/[\p{M}\s'-]/gu, '').toLocaleUpperCase('en');
}
