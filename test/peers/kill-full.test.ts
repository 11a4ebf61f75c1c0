import { runKills } from '../support/kill-run.ts';

describe('killed ten times while 200 images come in on four associations', function () {
  this.timeout(600_000);
  for (const victim of ['gateway', 'postgres'] as const)
    it(`loses no acknowledged image, and brings each study's results once, when its ${victim === 'gateway' ? 'process' : 'Postgres'} is the victim`, async () => {
      await runKills({ victim, kills: 10, studies: 50, imagesOfStudy: 4, seed: victim === 'gateway' ? 11 : 12 });
    });
});
