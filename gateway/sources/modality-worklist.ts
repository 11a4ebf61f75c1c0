// Modality Worklist as SCU (PS3.4 annex K): what a modality left out of its images is asked for, before they are analysed. Only
// what the settings name, only where an image has no value, and only where the item is without doubt of the same patient.
import type { Logger } from 'pino';
import type { ModalityWorklistSettings, Settings } from '../../config/settings.ts';
import { dataset, get, items, keywordOf, tagOf, text, type Dataset } from '../../storage/dicom/dataset.ts';
import { DicomFormatError } from '../../storage/errors.ts';
import { patientContradiction } from '../../storage/identity.ts';
import type { ModalityWorklistRepository, StudyCompletion } from '../../storage/modality-worklist.repository.ts';
import { AssociationError } from '../dimse/association-error.ts';
import { contextOf, find, IDENTIFIER_SYNTAXES, MODALITY_WORKLIST_FIND, OperationRefused } from '../dimse/query-scu.ts';
import { requestAssociation } from '../dimse/requestor.ts';
import { identifierOf } from './keys.ts';

export interface ModalityWorklistOptions {
  settings: () => Settings;
  repository: ModalityWorklistRepository;
  log: Logger;
}

type Answer = Pick<StudyCompletion, 'outcome' | 'detail'> & { attributes?: Dataset };

/** A worklist that is away is asked again by the next images of a study, so often. */
const MAX_ATTEMPTS = 3;
/** Steps of one request: there are a handful. */
const MAX_ITEMS = 50;
/** Where the key stands in a worklist item (PS3.4 table K.6-1). */
const PATH_IN_ITEM = {
  AccessionNumber: 'AccessionNumber',
  RequestedProcedureID: 'RequestedProcedureID',
  StudyInstanceUID: 'StudyInstanceUID',
  ScheduledProcedureStepID: 'ScheduledProcedureStepSequence.ScheduledProcedureStepID',
} as const;
const PATIENT = ['PatientID', 'IssuerOfPatientID', 'PatientName', 'PatientBirthDate', 'PatientSex'] as const;

export class ModalityWorklist {
  readonly #options: ModalityWorklistOptions;
  /** Of a study whose images are analysed together, one asks. */
  readonly #asking = new Map<string, Promise<void>>();

  constructor(options: ModalityWorklistOptions) {
    this.#options = options;
  }

  /** Before an image is analysed. Whatever the worklist says, or does not say, the image is analysed after that. */
  async complete(instanceId: string): Promise<void> {
    const { settings, repository } = this.#options;
    const wanted = settings().modalityWorklist;
    if (!wanted) return;
    const image = await repository.image(instanceId);
    if (!image || wanted.complete.every((keyword) => hasValue(image.header, keyword))) return;
    const asking = this.#asking.get(image.studyInstanceUid) ?? this.#ask(image, wanted).finally(() => this.#asking.delete(image.studyInstanceUid));
    this.#asking.set(image.studyInstanceUid, asking);
    await asking;
  }

  async #ask({ studyInstanceUid, header }: { studyInstanceUid: string; header: Dataset }, wanted: ModalityWorklistSettings): Promise<void> {
    const { repository, log } = this.#options;
    const known = await repository.of(studyInstanceUid);
    if (known && (known.outcome !== 'unavailable' || known.attempts >= MAX_ATTEMPTS)) return;
    const matchedValue = keyOf(header, wanted.matchBy) ?? null;
    const answer: Answer = matchedValue === null ? { outcome: 'no-match', detail: `the image has no ${wanted.matchBy}` } : await this.#answer(header, wanted, matchedValue);
    const completion = { studyInstanceUid, peer: wanted.peer, matchedBy: wanted.matchBy, matchedValue, attributes: {}, ...answer };
    await repository.keep(completion);
    const attributes = Object.keys(completion.attributes).map((tag) => keywordOf(tag) ?? tag);
    const fields = { study: studyInstanceUid, peer: wanted.peer, matchedBy: wanted.matchBy, outcome: answer.outcome, attributes, detail: answer.detail };
    if (answer.outcome === 'completed') log.info(fields, 'completed from the modality worklist');
    else log.warn(fields, 'not completed from the modality worklist');
  }

  async #answer(header: Dataset, wanted: ModalityWorklistSettings, value: string): Promise<Answer> {
    try {
      return judged(header, wanted, await this.#items(wanted, value));
    } catch (error) {
      if (error instanceof AssociationError || error instanceof OperationRefused || error instanceof DicomFormatError) return { outcome: 'unavailable', detail: error.message };
      throw error;
    }
  }

  async #items({ peer: name, matchBy, complete, timeoutSeconds }: ModalityWorklistSettings, value: string): Promise<Dataset[]> {
    const { peers, dimse, limits } = this.#options.settings();
    const peer = peers.find((candidate) => candidate.name === name);
    if (peer?.host === undefined || peer.port === undefined) throw new AssociationError('unreachable', `peer "${name}" has no host and port`);
    const returned = [...PATIENT, ...complete, 'StudyInstanceUID', 'ScheduledProcedureStepSequence.Modality'].map((path) => [path, ''] as const);
    const identifier = identifierOf({ ...Object.fromEntries(returned), [PATH_IN_ITEM[matchBy]]: value });
    const association = await requestAssociation({
      remote: { host: peer.host, port: peer.port, calledAe: peer.aeTitle, callingAe: dimse.aeTitle, user: peer.sendUser },
      contexts: [{ abstractSyntax: MODALITY_WORKLIST_FIND, transferSyntaxes: IDENTIFIER_SYNTAXES }],
      maxPduBytes: limits.pduBytes,
      timeoutMs: timeoutSeconds * 1000,
    });
    const found: Dataset[] = [];
    try {
      for await (const item of find(association, contextOf(association, MODALITY_WORKLIST_FIND), identifier, 1)) if (found.push(item) >= MAX_ITEMS) break;
      await association.release();
    } catch (error) {
      await association.abort(error);
      throw error;
    }
    // A value with a wildcard in it, or a worklist that does not match by this key, gives items of others.
    return found.filter((item) => itemKeyOf(item, matchBy) === value);
  }
}

/** What of the items is to be believed of the image. */
export function judged(header: Dataset, { matchBy, complete }: Pick<ModalityWorklistSettings, 'matchBy' | 'complete'>, found: Dataset[]): Answer {
  const [first] = found;
  if (!first) return { outcome: 'no-match', detail: `the worklist has no item with this ${matchBy}` };
  const different = found.find((item) => patientContradiction(first, item) !== undefined);
  if (different) return { outcome: 'ambiguous', detail: `items of different patients have this ${matchBy}` };
  // An image without a Patient ID contradicts none.
  const known = hasValue(header, 'PatientID') ? header : { ...header, ...dataset({ PatientID: text(first, 'PatientID') ?? null }) };
  const contradiction = patientContradiction(known, first);
  if (contradiction) return { outcome: 'contradiction', detail: contradiction };
  const attributes: Dataset = {};
  for (const keyword of complete) {
    const values = new Set(found.map((item) => text(item, keyword) ?? ''));
    const element = get(first, keyword);
    if (values.size === 1 && element?.Value && !values.has('')) attributes[tagOf(keyword)] = element;
  }
  if (Object.keys(attributes).length === 0) return { outcome: 'no-match', detail: 'the worklist item says no more than the image' };
  return { outcome: 'completed', detail: null, attributes };
}

const hasValue = (header: Dataset, keyword: string): boolean => text(header, keyword) !== undefined;

/** Of an image: its own, or that of the one request that it fulfils (PS3.3 C.7.3.1, Request Attributes Sequence). */
function keyOf(header: Dataset, keyword: ModalityWorklistSettings['matchBy']): string | undefined {
  const requests = items(header, 'RequestAttributesSequence');
  return text(header, keyword) ?? (requests.length === 1 ? text(requests[0]!, keyword) : undefined);
}

function itemKeyOf(item: Dataset, keyword: ModalityWorklistSettings['matchBy']): string | undefined {
  const step = items(item, 'ScheduledProcedureStepSequence')[0];
  return text(keyword === 'ScheduledProcedureStepID' ? (step ?? {}) : item, keyword);
}
