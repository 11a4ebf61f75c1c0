// What sub-groups are formed by: from the image's header, and where that is silent from the list.
import { items, text } from '../../storage/dicom/dataset.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { patientAge } from '../runtime/applicability.ts';
import type { EvaluationCase } from './cases/case.ts';
import { kindOf } from './cases/meaning.ts';

/** Values of one image; '' where it is not known. */
export type Attributes = Record<string, string>;

export const SEXES = ['female', 'male', 'other'] as const;
export const AGE_BANDS = ['0-5', '6-17', '18-39', '40-64', '65+'] as const;
export const VIEWS = ['PA', 'AP', 'lateral', 'other'] as const;

/** Years from which each band begins. */
const AGE_STARTS = [0, 6, 18, 40, 65];

export function attributesOf(told: EvaluationCase, header: Dataset): Attributes {
  const age = patientAge(header)?.years ?? told.ageYears;
  return {
    sex: sexOf(text(header, 'PatientSex') ?? told.sex),
    age: age === undefined ? '' : AGE_BANDS[AGE_STARTS.findLastIndex((start) => age >= start)]!,
    view: viewOf(header) || viewWord(told.view),
    manufacturer: (text(header, 'Manufacturer') ?? told.manufacturer ?? '').toUpperCase(),
    kind: [...new Set(told.words.map(kindOf))].filter((kind) => kind !== undefined).join(', '),
  };
}

/** What stands where identifiers were taken out: one of these is not one patient. */
const NOBODY = /^(|anon.*|unknown|none|na|n\/a|0+|x+|removed|deidentified)$/i;

/** @returns undefined where neither the list nor the header tells */
export function patientOf(told: EvaluationCase, header: Dataset): string | undefined {
  // The header of a PNG or JPEG has the patient of its name; that of a DICOM file knows better.
  if (told.patient !== undefined && !told.patientByName) return told.patient;
  const id = text(header, 'PatientID') ?? '';
  return NOBODY.test(id) ? undefined : `${text(header, 'IssuerOfPatientID') ?? ''} ${id}`.trim();
}

function sexOf(value: string | undefined): string {
  const [letter] = value?.toUpperCase() ?? '';
  if (letter === undefined) return '';
  return letter === 'F' || letter === 'W' ? 'female' : letter === 'M' ? 'male' : letter === 'O' || letter === 'D' ? 'other' : '';
}

/** CID 4010 by code, SNOMED CT and its older form. */
const VIEW_CODES: Record<string, string> = { '272479007': 'PA', 'R-10214': 'PA', '399348003': 'AP', 'R-10206': 'AP' };

function viewOf(header: Dataset): string {
  const [view] = items(header, 'ViewCodeSequence');
  return viewWord(text(header, 'ViewPosition')) || viewWord(view && (VIEW_CODES[text(view, 'CodeValue') ?? ''] ?? text(view, 'CodeMeaning')));
}

function viewWord(value: string | undefined): string {
  const [first = ''] = (value ?? '').toUpperCase().split(/[^A-Z0-9]+/).filter((word) => word !== '');
  if (first === '') return '';
  if (first === 'PA' || first.startsWith('POSTERO')) return 'PA';
  if (first === 'AP' || first.startsWith('ANTERO')) return 'AP';
  return ['LL', 'RL', 'LAT', 'LATERAL', 'LLAT', 'RLAT', 'LEFT', 'RIGHT'].includes(first) ? 'lateral' : 'other';
}
