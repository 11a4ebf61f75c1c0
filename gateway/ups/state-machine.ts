// The states of a Unified Procedure Step and what leads from one to another: PS3.4 table CC.1.1-2, with its rows and columns.
import type { StepState } from '../../storage/ups/step.ts';

/** A request, together with whether it came with the right Transaction UID. */
export type StepRequest = 'IN PROGRESS' | 'SCHEDULED' | 'COMPLETED' | 'CANCELED' | 'cancel request';

/** PS3.4 tables CC.2.1-2 and CC.2.2-2, by their codes. */
export type Refusal = 'C300' | 'C301' | 'C302' | 'C303' | 'C304' | 'C310' | 'C311';
export type Warning = 'B304' | 'B306';

export type Transition =
  /** Through each of these states, the last one being final where the request asks for that. */
  | { kind: 'change'; to: StepState[] }
  /** The step may go to its final state if it meets that state's requirements. */
  | { kind: 'finish'; to: 'COMPLETED' | 'CANCELED' }
  /** The performer is told that somebody wants it canceled. */
  | { kind: 'tell' }
  | { kind: 'warning'; code: Warning }
  | { kind: 'refusal'; code: Refusal };

const refuse = (code: Refusal): Transition => ({ kind: 'refusal', code });
const warn = (code: Warning): Transition => ({ kind: 'warning', code });
const WRONG_UID = { SCHEDULED: refuse('C301'), 'IN PROGRESS': refuse('C301'), COMPLETED: refuse('C301'), CANCELED: refuse('C301') };

/** With the right Transaction UID; a scheduled step has none yet, so that any is right there. */
const WITH_UID: Record<Exclude<StepRequest, 'cancel request'>, Record<StepState, Transition>> = {
  'IN PROGRESS': { SCHEDULED: { kind: 'change', to: ['IN PROGRESS'] }, 'IN PROGRESS': refuse('C302'), COMPLETED: refuse('C300'), CANCELED: refuse('C300') },
  SCHEDULED: { SCHEDULED: refuse('C303'), 'IN PROGRESS': refuse('C303'), COMPLETED: refuse('C303'), CANCELED: refuse('C303') },
  COMPLETED: { SCHEDULED: refuse('C310'), 'IN PROGRESS': { kind: 'finish', to: 'COMPLETED' }, COMPLETED: warn('B306'), CANCELED: refuse('C300') },
  CANCELED: { SCHEDULED: refuse('C310'), 'IN PROGRESS': { kind: 'finish', to: 'CANCELED' }, COMPLETED: refuse('C300'), CANCELED: warn('B304') },
};
const CANCEL_REQUEST: Record<StepState, Transition> = {
  SCHEDULED: { kind: 'change', to: ['IN PROGRESS', 'CANCELED'] },
  'IN PROGRESS': { kind: 'tell' },
  COMPLETED: refuse('C311'),
  CANCELED: warn('B304'),
};

/** @param uidIsRight whether the request's Transaction UID is the step's; of no matter to a request to cancel */
export function transitionOf(state: StepState, request: StepRequest, uidIsRight: boolean): Transition {
  if (request === 'cancel request') return CANCEL_REQUEST[state];
  if (request === 'SCHEDULED') return WITH_UID.SCHEDULED[state];
  return uidIsRight ? WITH_UID[request][state] : WRONG_UID[state];
}
