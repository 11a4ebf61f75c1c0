// How values read on the page: names, ages, times, and each state in words.
import { withinSentence } from '../../ai/results/wording.ts';
import type { SeverityAnswer, StudyAnalysis, StudyDetail, WorklistEntry } from '../worklist/worklist.ts';

/** What a row asks of its reader: a finding, a look because nothing is known, or its turn. */
export type Priority = 'finding' | 'unknown' | 'none-found' | 'pending';

export function priorityOf(entry: WorklistEntry): Priority {
  if (entry.positive === true) return 'finding';
  if (entry.flagged !== null || ['not-analyzable', 'failed', 'not-routed'].includes(entry.analysis)) return 'unknown';
  return entry.positive === false ? 'none-found' : 'pending';
}

/** Never more than the model said: that nothing was found is not that nothing is there. */
export const PRIORITY_WORDS: Record<Priority, string> = {
  finding: 'Finding',
  unknown: 'No answer',
  'none-found': 'None found',
  pending: 'Pending',
};

/** A finding by its name, all else by what it asks of its reader. */
export function findingWords(entry: WorklistEntry): string {
  const priority = priorityOf(entry);
  return priority === 'finding' ? (entry.finding ?? PRIORITY_WORDS.finding) : PRIORITY_WORDS[priority];
}

export const STATE_WORDS: Record<string, string> = {
  receiving: 'Receiving',
  complete: 'Complete',
  waiting: 'Waiting',
  running: 'Running',
  analyzed: 'Analysed',
  'not-analyzable': 'Not analysable',
  failed: 'Failed',
  'not-routed': 'Not routed',
  none: 'None',
  pending: 'Pending',
  partial: 'Partial',
  delivered: 'Delivered',
  unread: 'Unread',
  claimed: 'Claimed',
  read: 'Read',
  dead: 'Given up',
  'dead-letter': 'Given up',
};

export function stateWords(state: string): string {
  return STATE_WORDS[state] ?? state;
}

export interface NameWords {
  main: string;
  /** The other spellings, Ideographic then Phonetic. */
  others: string[];
}

/** PS3.5 6.2.1: groups by =, components by ^ (family, given, middle, prefix, suffix). */
export function nameWords(patientName: string): NameWords {
  const [alphabetic = '', ...rest] = patientName.split('=');
  const others = rest.map((group) => components(group).slice(0, 3).join(' ')).filter(Boolean);
  const [family, given, middle, prefix, suffix] = alphabetic.split('^').map((part) => part.trim());
  const givens = [prefix, given, middle].filter(Boolean).join(' ');
  const main = [family, givens, suffix].filter(Boolean).join(', ');
  return main === '' ? { main: others[0] ?? 'No name', others: others.slice(1) } : { main, others };
}

function components(group: string): string[] {
  return group.split('^').map((part) => part.trim()).filter(Boolean);
}

/** '64 y M'; the age from the header, or else from birth to study. */
export function ageAndSex(entry: WorklistEntry): string {
  return [age(entry), entry.patientSex ?? ''].filter(Boolean).join(' ');
}

function age(entry: WorklistEntry): string {
  const stated = /^0*(\d+)([DWMY])$/.exec(entry.patientAge ?? '');
  if (stated) return `${stated[1]} ${{ D: 'd', W: 'wk', M: 'mo', Y: 'y' }[stated[2]!]}`;
  const birth = day(entry.patientBirthDate ?? '');
  const study = day(entry.studyDate);
  if (birth === undefined || study === undefined) return '';
  const months = (study.getUTCFullYear() - birth.getUTCFullYear()) * 12 + study.getUTCMonth() - birth.getUTCMonth() - (study.getUTCDate() < birth.getUTCDate() ? 1 : 0);
  if (months < 0) return '';
  return months < 24 ? `${months} mo` : `${Math.floor(months / 12)} y`;
}

function day(date: string): Date | undefined {
  const [, year, month, dayOfMonth] = /^(\d{4})(\d{2})(\d{2})$/.exec(date) ?? [];
  return year === undefined ? undefined : new Date(Date.UTC(Number(year), Number(month) - 1, Number(dayOfMonth)));
}

/** As the modality wrote it; it carries no zone. */
export function dateWords(date: string): string {
  return date.replace(/^(\d{4})(\d{2})(\d{2})$/, '$1-$2-$3');
}

export function timeWords(time: string): string {
  return time.replace(/^(\d{2})(\d{2}).*$/, '$1:$2');
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

/** A moment in the reader's own zone. */
export function momentWords(iso: string): string {
  const moment = new Date(iso);
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())} ${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}`;
}

export function durationWords(milliseconds: number): string {
  const minutes = Math.max(0, Math.floor(milliseconds / 60_000));
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, '0')}`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/**
 * Whole per cent, but never 0 or 100: the model is not that sure.
 * @param threshold which is never rounded across: 64.7 % is not 65 %
 */
export function percent(probability: number, threshold?: number | null): string {
  if (threshold !== undefined && threshold !== null && probability !== threshold && Math.round(probability * 100) === Math.round(threshold * 100))
    return `${(Math.trunc(probability * 1000) / 10).toFixed(1)} %`;
  if (probability < 0.01) return '< 1 %';
  return probability > 0.99 ? '> 99 %' : `${Math.round(probability * 100)} %`;
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** 'R 12, L 0 % opaque': the patient's right and left, as they lie in the image; '' where it was not measured. */
export function extentInShort({ severity }: SeverityAnswer): string {
  return severity === null ? '' : `R ${share(severity.right).replace(' %', '')}, L ${share(severity.left)} opaque`;
}

/** How much of the lungs is opaque, by what, or why that is not known; '' where there was nothing to measure. */
export function extentWords({ severity, severityReason }: SeverityAnswer): string {
  if (severity === null) return severityReason === null ? '' : `How much of the lungs is opaque was not measured: ${severityReason}.`;
  const { right, left, both, basis } = severity;
  const how = basis === 'boxes' ? 'by the boxes around the regions, which overstate it' : 'by what the model marked within the regions';
  return `Opaque share of the lungs: right ${share(right)}, left ${share(left)}, both ${share(both)}, ${how}.`;
}

/** Nothing is not a little. @param percent 0 to 100 */
function share(percent: number): string {
  if (percent > 0 && percent < 1) return '<1 %';
  return percent < 100 && percent > 99 ? '>99 %' : `${Math.round(percent)} %`;
}

/** What the analysis came to, as a sentence that promises nothing. */
export function conclusion(entry: WorklistEntry): string {
  const priority = priorityOf(entry);
  const chance = chanceWords(entry);
  const threshold = entry.threshold === null ? '' : `, threshold ${percent(entry.threshold)}`;
  if (priority === 'finding') return `${findingWords(entry)} suspected: ${chance}${threshold}. ${count(entry.regions, 'region')} located.`;
  if (priority === 'none-found') return `The model found no ${withinSentence(entry.sought ?? 'finding')} (${chance}${threshold}). That does not rule one out.`;
  if (entry.analysis === 'analyzed') return `Analysed${chance && `: ${chance}${threshold}`}.`;
  const words = stateWords(entry.analysis);
  return entry.reason === null ? `${words}: nothing is known of this study yet.` : `${words}: ${entry.reason}`;
}

/** Of a model with several findings the probability is of all together, not of the one that was found. */
function chanceWords({ probability, threshold, finding, sought }: Pick<WorklistEntry, 'probability' | 'threshold' | 'finding' | 'sought'>): string {
  const of = sought === null || finding === sought ? '' : ` of ${withinSentence(sought)}`;
  return probability === null ? '' : `probability${of} ${percent(probability, threshold)}`;
}

/** 'opacity 0.1.1: Opacity suspected, probability 93 %, threshold 65 %': what one model said of one image; '' where it said nothing. */
export function analysisWords(analysis: StudyAnalysis): string {
  if (analysis.status !== 'analyzed') return '';
  const { model, positive, finding, sought, label, threshold, scores } = analysis;
  const said = positive ? `${finding ?? label} suspected` : `no ${withinSentence(sought ?? label)} found`;
  const names = Object.keys(scores);
  const each = names.length > 1 ? `; ${names.map((name) => `${name} ${percent(scores[name] ?? 0)}`).join(', ')}` : '';
  return `${model.name} ${model.version}: ${said}, ${chanceWords(analysis)}${threshold === null ? '' : `, threshold ${percent(threshold)}`}${each}`;
}

/** The images of a study in the order in which they are numbered, whichever model spoke of them. */
export function imageNumber(analyses: readonly StudyAnalysis[], of: StudyAnalysis): number {
  const images = [...new Set(analyses.map(({ sopInstanceUid, frame }) => `${sopInstanceUid} ${frame}`))];
  return images.indexOf(`${of.sopInstanceUid} ${of.frame}`) + 1;
}

/** 'pneumonia-type 1.0.0 (patient is 60 years old; …)': models that do not judge the images as they are now. */
export function leftOutWords({ instances }: StudyDetail): string[] {
  const current = instances.filter((instance) => instance.current).flatMap(({ leftOut }) => leftOut);
  return [...new Set(current.map(({ model, reason }) => `${model.name} ${model.version} (${reason})`))];
}

/** The most suspicious image first; images without an answer last. */
export function bySuspicion(a: StudyAnalysis, b: StudyAnalysis): number {
  return suspicion(b) - suspicion(a);
}

function suspicion(analysis: StudyAnalysis): number {
  return analysis.status === 'analyzed' ? analysis.probability : -1;
}
