// PS3.4 table CC.1.1-2, row by row.
import assert from 'node:assert/strict';
import { transitionOf, type StepRequest } from '../../gateway/ups/state-machine.ts';
import type { StepState } from '../../storage/ups/step.ts';

const STATES: StepState[] = ['SCHEDULED', 'IN PROGRESS', 'COMPLETED', 'CANCELED'];

/** What each state answers, in the order of STATES: the states gone through, a code, or what else happens. */
const TABLE: [StepRequest, boolean, string[]][] = [
  ['IN PROGRESS', true, ['IN PROGRESS', 'C302', 'C300', 'C300']],
  ['IN PROGRESS', false, ['C301', 'C301', 'C301', 'C301']],
  ['SCHEDULED', true, ['C303', 'C303', 'C303', 'C303']],
  ['SCHEDULED', false, ['C303', 'C303', 'C303', 'C303']],
  ['COMPLETED', true, ['C310', 'finish COMPLETED', 'B306', 'C300']],
  ['COMPLETED', false, ['C301', 'C301', 'C301', 'C301']],
  ['CANCELED', true, ['C310', 'finish CANCELED', 'C300', 'B304']],
  ['CANCELED', false, ['C301', 'C301', 'C301', 'C301']],
  ['cancel request', false, ['IN PROGRESS, CANCELED', 'tell', 'C311', 'B304']],
];

describe('the states of a Unified Procedure Step', () => {
  for (const [request, uidIsRight, answers] of TABLE)
    it(`answer ${request}${request === 'cancel request' ? '' : ` with ${uidIsRight ? 'the' : 'another'} Transaction UID`} as the standard has it`, () => {
      const said = STATES.map((state) => {
        const transition = transitionOf(state, request, uidIsRight);
        if (transition.kind === 'change') return transition.to.join(', ');
        if (transition.kind === 'finish') return `finish ${transition.to}`;
        return 'code' in transition ? transition.code : transition.kind;
      });
      assert.deepEqual(said, answers);
    });
});
