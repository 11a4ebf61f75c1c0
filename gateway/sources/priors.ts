// Earlier studies of a patient: asked for at a source, and each one that is of the same patient, the right kind and not too old
// becomes a retrieval of its own. Whose study it is, is decided here again: an archive matches a Patient ID with wildcards or
// without regard to its issuer, and a prior of another patient is worse than none.
import type { Logger } from 'pino';
import type { Settings, Source } from '../../config/settings.ts';
import { dataset, text, texts, type Dataset } from '../../storage/dicom/dataset.ts';
import { patientContradiction } from '../../storage/identity.ts';
import type { Retrieval, RetrievalsRepository } from '../../storage/retrievals.repository.ts';
import type { JobQueue } from '../pipeline/queue.ts';
import { dayIn, daysFrom } from './keys.ts';
import type { SourceClient } from './source-client.ts';

export interface PriorsOptions {
  settings: () => Settings;
  retrievals: RetrievalsRepository;
  queue: JobQueue;
  /** Patient and study date as an image here says them; undefined where the study is not here. */
  patientOf: (studyInstanceUid: string) => Promise<Dataset | undefined>;
  log: Logger;
}

const DAYS_OF_YEAR = 365.25;
/** Studies of one patient that are looked at; nobody has more chest radiographs in the years asked for. */
const MAX_CANDIDATES = 500;

/** @returns how many were asked for @throws {SourceUnavailable} */
export async function findPriors({ studyInstanceUid }: Retrieval, source: Source, client: SourceClient, options: PriorsOptions, signal: AbortSignal): Promise<number> {
  const { settings, retrievals, queue, log } = options;
  const patient = (await options.patientOf(studyInstanceUid)) ?? (await studyAt(client, studyInstanceUid, signal));
  const patientId = patient && text(patient, 'PatientID');
  if (!patientId) {
    log.info('no priors: neither we nor the source know the Patient ID of the study');
    return 0;
  }
  const candidates = await candidatesOf(studyInstanceUid, patient, source, client, settings().timezone, signal);
  let asked = 0;
  for (const candidate of candidates) {
    if (asked >= source.priors.count) break;
    const uid = text(candidate, 'StudyInstanceUID') ?? '';
    const contradiction = contradictionOf(patient, candidate);
    if (contradiction) log.warn({ prior: uid, reason: contradiction }, 'not fetched as a prior: it may be of another patient');
    else if (await isOfKind(candidate, source, client, signal)) {
      const request = { source: source.name, studyInstanceUid: uid, purpose: 'prior' as const, priorTo: studyInstanceUid, requestedBy: 'priors' as const, hours: source.retry.hours };
      await retrievals.request(request, (transaction) => queue.send('fetch', { source: source.name }, { transaction }));
      asked += 1;
    }
  }
  return asked;
}

async function studyAt(client: SourceClient, studyInstanceUid: string, signal: AbortSignal): Promise<Dataset | undefined> {
  for await (const match of client.find('study', { StudyInstanceUID: studyInstanceUid }, signal, 1)) return match;
  return undefined;
}

/** Newest first. */
async function candidatesOf(studyInstanceUid: string, patient: Dataset, { priors }: Source, client: SourceClient, timezone: string, signal: AbortSignal): Promise<Dataset[]> {
  const until = text(patient, 'StudyDate') ?? dayIn(timezone, new Date());
  const from = daysFrom(until, -Math.round(priors.years * DAYS_OF_YEAR));
  const found = new Map<string, Dataset>();
  const keys = { PatientID: text(patient, 'PatientID') ?? '', StudyDate: `${from}-${until}` };
  for await (const match of client.find('study', keys, signal, MAX_CANDIDATES)) {
    const uid = text(match, 'StudyInstanceUID') ?? '';
    const date = text(match, 'StudyDate') ?? '';
    if (uid !== '' && uid !== studyInstanceUid && date >= from && date <= until) found.set(uid, match);
  }
  const at = (match: Dataset): string => `${text(match, 'StudyDate') ?? ''}${text(match, 'StudyTime') ?? ''}`;
  return [...found.values()].sort((a, b) => (at(a) < at(b) ? 1 : -1));
}

/** What an archive does not say of the patient contradicts nothing, but for the Patient ID itself. */
function contradictionOf(patient: Dataset, candidate: Dataset): string | undefined {
  if (text(candidate, 'PatientID') !== text(patient, 'PatientID')) return 'Patient ID differs';
  return patientContradiction(patient, { ...dataset({ PatientID: text(patient, 'PatientID') }), ...candidate });
}

/** By its series, where a body part may be told; a study whose modalities are told as others is not asked for them. */
async function isOfKind(candidate: Dataset, { priors }: Source, client: SourceClient, signal: AbortSignal): Promise<boolean> {
  const told = texts(candidate, 'ModalitiesInStudy');
  if (told.length > 0 && !told.some((modality) => priors.modalities.includes(modality))) return false;
  const bodyParts = priors.bodyParts.map((part) => part.toUpperCase());
  for await (const series of client.find('series', { StudyInstanceUID: text(candidate, 'StudyInstanceUID') ?? '' }, signal))
    if (priors.modalities.includes(text(series, 'Modality') ?? '') && bodyParts.includes((text(series, 'BodyPartExamined') ?? '').toUpperCase())) return true;
  return false;
}
