// What a model is not meant for, told from the header: each reason in the words that a radiologist reads in the report.
// A statement that is absent excludes nothing unless the manifest says so; one that is present must fit.
import { get, items, num, text } from '../../storage/dicom/dataset.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import type { Manifest } from './manifest.ts';

type Applicability = Manifest['applicability'];

/** Below, no lung can be judged. */
const LEAST_PIXELS = 64;
/** Above, it is a strip, not a chest. */
const MOST_ASPECT = 4;
/** The largest detectors have some 20 megapixels; more would take memory from intake. */
const MOST_MEGAPIXELS = 100;

/** What the model may not judge in this image, in words; undefined when nothing stands against it. */
export function whyNotApplicable(header: Dataset, applicability: Applicability): string | undefined {
  return (
    pixelsProblem(header) ??
    modalityProblem(header, applicability) ??
    processingProblem(header) ??
    bodyPartProblem(header, applicability) ??
    viewProblem(header, applicability) ??
    whyNotOfAge(header, applicability) ??
    sizeProblem(header)
  );
}

function pixelsProblem(header: Dataset): string | undefined {
  return get(header, 'Rows') && get(header, 'Columns') ? undefined : 'it holds no image (no pixel data)';
}

function modalityProblem(header: Dataset, { modalities }: Applicability): string | undefined {
  const modality = text(header, 'Modality') ?? '';
  if (modalities.includes(modality)) return undefined;
  return modality === '' ? 'the image does not say its modality' : `modality ${modality}; the model is meant for ${list(modalities)}`;
}

/** PS3.3 C.8.11.1: raw detector values, not to be shown to people. */
const DX_FOR_PROCESSING = '1.2.840.10008.5.1.4.1.1.1.1.1';

function processingProblem(header: Dataset): string | undefined {
  const raw = text(header, 'PresentationIntentType') === 'FOR PROCESSING' || text(header, 'SOPClassUID') === DX_FOR_PROCESSING;
  return raw ? 'raw detector image (For Processing); the model is meant for images made for presentation' : undefined;
}

function bodyPartProblem(header: Dataset, { bodyParts }: Applicability): string | undefined {
  const stated = [text(header, 'BodyPartExamined'), ...items(header, 'AnatomicRegionSequence').map(regionName)].filter(isStated);
  if (stated.length === 0) return bodyParts.includes('') ? undefined : 'the image does not say its body part';
  const other = stated.find((part) => !bodyParts.includes(words(part)[0] ?? '') || words(part).some((word) => OTHER_PARTS.has(word)));
  return other === undefined ? undefined : `body part ${other}; the model is meant for ${list(bodyParts)}`;
}

/** CHEST may be followed by a view or a side ("CHEST PA"), not by another part ("CHEST ABDOMEN"). */
const OTHER_PARTS = new Set(['ABDOMEN', 'PELVIS', 'NECK', 'SPINE']);

/** CID 4031, in SNOMED CT and its older SRT form, for what is a chest; for all else the meaning is words enough. */
const REGIONS: Record<string, string> = { '51185008': 'CHEST', 'T-D3000': 'CHEST', '39607008': 'LUNG', 'T-28000': 'LUNG' };

function regionName(item: Dataset): string | undefined {
  const value = text(item, 'CodeValue') ?? '';
  return REGIONS[value] ?? text(item, 'CodeMeaning')?.toUpperCase() ?? value;
}

/** CID 4010, the views of a chest; others are named by their meaning. */
const VIEWS: Record<string, string> = {
  '272479007': 'PA',
  'R-10214': 'PA',
  'R-40888': 'PA',
  '399348003': 'AP',
  'R-10206': 'AP',
  '399067008': 'LATERAL',
  'R-102CD': 'LATERAL',
  '399173006': 'LL',
  'R-10236': 'LL',
  '399198007': 'RL',
  'R-10232': 'RL',
};
const LATERAL = new Set(['LL', 'RL', 'LAT', 'LATERAL', 'LLAT', 'RLAT']);

/** A view may be followed by how the patient was placed ("AP SUPINE"), not by another view ("PA LAT"). */
function fits(view: string, views: readonly string[]): boolean {
  return views.includes(words(view)[0] ?? '') && (views.includes('LATERAL') || !isLateral(view));
}

function isLateral(view: string): boolean {
  return words(view).some((word) => LATERAL.has(word));
}

function viewProblem(header: Dataset, { views }: Applicability): string | undefined {
  const stated = [text(header, 'ViewPosition'), ...items(header, 'ViewCodeSequence').map(viewName)].filter(isStated);
  const implied = stated.length === 0 ? impliedView(header) : undefined;
  const view = [...stated, implied].filter(isStated).find((name) => !fits(name, views));
  if (view === undefined) return stated.length > 0 || views.includes('') ? undefined : 'the image does not say its view';
  const meant = `the model is meant for ${list(views)}`;
  return isLateral(view) ? `lateral view; ${meant}` : `view ${view}; ${meant}`;
}

function viewName(item: Dataset): string | undefined {
  const value = text(item, 'CodeValue') ?? '';
  return VIEWS[value] ?? text(item, 'CodeMeaning')?.toUpperCase() ?? value;
}

/**
 * Where no view is stated: rows that run from front to back (Patient Orientation, PS3.3 C.7.6.1.1.1) are a lateral, and so is
 * what its description calls one and nothing else; a lateral decubitus is a frontal view of a patient lying on the side.
 */
function impliedView(header: Dataset): string | undefined {
  if (/^[AP]/.test(text(header, 'PatientOrientation') ?? '')) return 'LATERAL';
  const description = [text(header, 'SeriesDescription'), text(header, 'ProtocolName')].filter(isStated).join(' ');
  const lateral = /\b(lat|lateral|seitlich|profil)\b/i.test(description) && !/\b(pa|ap|decub\w*)\b/i.test(description);
  return lateral ? 'LATERAL' : undefined;
}

/** The same, of the patient's age alone. */
export function whyNotOfAge(header: Dataset, { ageYears, ageUnknown }: Applicability): string | undefined {
  if (!ageYears) return undefined;
  const { min, max } = ageYears;
  const meant = `the model is meant for ages of ${min} to ${max} years`;
  const age = patientAge(header);
  if (!age) return ageUnknown === 'refuse' ? `the patient's age is not known; ${meant}` : undefined;
  // Whole years are meant as people say them: until the next birthday, so that between 15 and 16 years there is no gap.
  const within = age.years >= min && (Number.isInteger(max) ? age.years < max + 1 : age.years <= max);
  return within ? undefined : `patient is ${age.words} old; ${meant}`;
}

const AGE_UNITS = { D: ['days', 365.25], W: ['weeks', 365.25 / 7], M: ['months', 12], Y: ['years', 1] } as const;
const YEAR_MILLISECONDS = 365.25 * 24 * 3600 * 1000;

/** From Patient's Age (VR AS), else from the birth date and the day of the study; undefined where neither can be told. */
export function patientAge(header: Dataset): { years: number; words: string } | undefined {
  const stated = /^(\d{3})([DWMY])$/.exec(text(header, 'PatientAge') ?? '');
  if (stated) {
    const [unit, inYear] = AGE_UNITS[stated[2] as keyof typeof AGE_UNITS];
    const count = Number(stated[1]);
    return { years: count / inYear, words: `${count} ${count === 1 ? unit.slice(0, -1) : unit}` };
  }
  const birth = day(text(header, 'PatientBirthDate'));
  const study = day(text(header, 'StudyDate')) ?? day(text(header, 'AcquisitionDate')) ?? day(text(header, 'ContentDate'));
  if (birth === undefined || study === undefined || study < birth) return undefined;
  const years = (study - birth) / YEAR_MILLISECONDS;
  return { years, words: years < 2 ? `${Math.floor(years * 12)} months` : `${Math.floor(years)} years` };
}

function sizeProblem(header: Dataset): string | undefined {
  const columns = num(header, 'Columns') ?? 0;
  const rows = num(header, 'Rows') ?? 0;
  const size = `${columns} x ${rows} pixels`;
  if (Math.min(columns, rows) < LEAST_PIXELS) return `image of ${size} is too small to be judged`;
  if (Math.max(columns, rows) > MOST_ASPECT * Math.min(columns, rows)) return `image of ${size} is a strip, not a radiograph of the chest`;
  if (columns * rows > MOST_MEGAPIXELS * 1e6) return `image of ${size} is larger than any radiograph (${MOST_MEGAPIXELS} megapixels)`;
  return undefined;
}

function day(date: string | undefined): number | undefined {
  const parts = /^(\d{4})\.?(\d{2})\.?(\d{2})$/.exec(date ?? '');
  const time = parts ? Date.parse(`${parts[1]}-${parts[2]}-${parts[3]}`) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

function isStated(value: string | undefined): value is string {
  return value !== undefined && value !== '';
}

/** The words of a value that sites extend freely: "CHEST_PA", "AP SUPINE". */
function words(value: string): string[] {
  return value.toUpperCase().split(/[^A-Z0-9]+/).filter((word) => word !== '');
}

function list(values: readonly string[]): string {
  const named = values.filter((value) => value !== '');
  return named.length < 2 ? named.join('') : `${named.slice(0, -1).join(', ')} and ${named.at(-1)}`;
}
