// What the handlers of UPS-RS need, and what they have in common: the answer to a refusal, and Warning header fields.
import type { EntityManager } from 'typeorm';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import type { UpsRepository } from '../../storage/ups.repository.ts';
import { HttpError } from '../http/errors.ts';
import type { Refusal, Warning } from './state-machine.ts';

export interface UpsService {
  steps: UpsRepository;
  /** Whether a step that a caller creates is an order for us (settings: ups.claim). */
  claims(step: Dataset): boolean;
  /** Enqueues the job that takes an order. */
  order(stepUid: string, transaction: EntityManager): Promise<void>;
  /** Enqueues the job that sees what became of a study that waits for a worker from outside. */
  follow(workitem: string, transaction: EntityManager): Promise<void>;
  /** Ours: Retrieve AE Title, and the worklist of steps that name none. */
  aeTitle: string;
}

/** PS3.18 11.7.3.2 and 11.8.3.2, PS3.4 tables CC.2.1-2 and CC.2.2-2. */
const WORDS: Record<Refusal | Warning, string> = {
  B304: 'The UPS is already in the requested state of CANCELED.',
  B306: 'The UPS is already in the requested state of COMPLETED.',
  C300: 'The submitted request is inconsistent with the state of the UPS Instance.',
  C301: 'The Transaction UID is incorrect.',
  C302: 'The submitted request is inconsistent with the state of the UPS Instance.',
  C303: 'The submitted request is inconsistent with the state of the UPS Instance.',
  C304: 'The submitted request is inconsistent with the state of the UPS Instance.',
  C310: 'The submitted request is inconsistent with the state of the UPS Instance.',
  C311: 'The UPS is already COMPLETED.',
};
const DETAILS: Partial<Record<Refusal, string>> = {
  C300: 'The step has ended and can no longer be changed.',
  C302: 'The step is in progress already.',
  C303: 'A step can only be created as SCHEDULED, not become so.',
  C310: 'The step has not been claimed: its state must be IN PROGRESS first.',
};

export function warning(root: string, words: string): Record<string, string> {
  return { Warning: `299 ${root}: ${words}` };
}

export function warningOf(root: string, code: Warning): Record<string, string> {
  return warning(root, WORDS[code]);
}

/** A request that its step's state does not allow. @param detail in words for the body, where more can be said */
export function refused(root: string, code: Refusal, detail?: string): HttpError {
  return new HttpError(409, detail ?? DETAILS[code] ?? WORDS[code], warning(root, WORDS[code]));
}

export const noSuchStep = (): HttpError => new HttpError(404, 'There is no such workitem.');
