import { runKills } from '../support/kill-run.ts';

// The full form, ten kills of each, is in test/peers/kill-full.test.ts.
describe('killed at any moment', function () {
  this.timeout(180_000);
  for (const victim of ['gateway', 'postgres'] as const)
    it(`loses no acknowledged image, and brings each study's results once, though its ${victim === 'gateway' ? 'process' : 'Postgres'} is killed`, async () => {
      await runKills({ victim, kills: 2, studies: 10, imagesOfStudy: 4, seed: victim === 'gateway' ? 1 : 2 });
    });
});
