// How values read on the page: names, ages, times, and each state in words.
import type { StudyAnalysis, WorklistEntry } from '../worklist/worklist.ts';

/** What a row asks of its reader: a finding, a look because nothing is known, or its turn. */
export type Priority = 'finding' | 'unknown' | 'none-found' | 'pending';

export function priorityOf(entry: WorklistEntry): Priority {
  if (entry.positive === true) return 'finding';
  if (entry.flagged !== null || ['not-analyzable', 'failed', 'not-routed'].includes(entry.analysis)) return 'unknown';
  return entry.positive === false ? 'none-found' : 'pending';
}

/** Never more than the model said: that nothing was found is not that nothing is there. */
export const PRIORITY_WORDS: Record<Priority, string> = {
  finding: 'Opacity',
  unknown: 'No answer',
  'none-found': 'None found',
  pending: 'Pending',
};

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

/** What the analysis came to, as a sentence that promises nothing. */
export function conclusion(entry: WorklistEntry): string {
  const priority = priorityOf(entry);
  const chance = entry.probability === null ? '' : `probability ${percent(entry.probability, entry.threshold)}`;
  const threshold = entry.threshold === null ? '' : `, threshold ${percent(entry.threshold)}`;
  if (priority === 'finding') return `Opacity suspected: ${chance}${threshold}. ${count(entry.regions, 'region')} located.`;
  if (priority === 'none-found') return `The model found no opacity (${chance}${threshold}). That does not rule one out.`;
  if (entry.analysis === 'analyzed') return `Analysed${chance && `: ${chance}${threshold}`}.`;
  const words = stateWords(entry.analysis);
  return entry.reason === null ? `${words}: nothing is known of this study yet.` : `${words}: ${entry.reason}`;
}

/** The most suspicious image first; images without an answer last. */
export function bySuspicion(a: StudyAnalysis, b: StudyAnalysis): number {
  return suspicion(b) - suspicion(a);
}

function suspicion(analysis: StudyAnalysis): number {
  return analysis.status === 'analyzed' ? analysis.probability : -1;
}
