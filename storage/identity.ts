// Whether two datasets speak of the same patient (DESIGN contract 8: a patient is never mixed up).
import { personName, text, type Dataset, type PersonName } from './dicom/dataset.ts';

/**
 * @returns in words, what contradicts; undefined where nothing does. Empty attributes contradict nothing, but for
 * the Patient ID; spelling (case, accents, spaces) is not a contradiction.
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
  return namesContradict(personName(known, 'PatientName'), personName(other, 'PatientName')) ? "Patient's Name differs" : undefined;
}

/** Only a component group that both have can be compared: the same name in another script is no other name. */
function namesContradict(known: PersonName | undefined, other: PersonName | undefined): boolean {
  for (const group of ['Alphabetic', 'Ideographic', 'Phonetic'] as const) {
    const [a, b] = [components(known?.[group]), components(other?.[group])];
    if (a.family && b.family && a.family !== b.family) return true;
    // J and John may be one person; John and Mary are not.
    if (a.given && b.given && !a.given.startsWith(b.given) && !b.given.startsWith(a.given)) return true;
  }
  return false;
}

/** PN components (PS3.5 6.2.1), without what is spelling only. */
function components(name: string | undefined): { family: string; given: string } {
  const [family = '', given = ''] = (name ?? '').split('^').map((part) => part.normalize('NFKD').replace(/[\p{M}\s'.-]/gu, '').toLocaleUpperCase('en'));
  return { family, given };
}
