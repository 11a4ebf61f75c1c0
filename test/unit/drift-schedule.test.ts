import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { pino } from 'pino';
import { scheduleDriftChecks } from '../../gateway/drift/schedule.ts';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the checks for drift', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  it('begin soon after the start, come back after as many minutes as the settings say now, and go on after one that failed', async () => {
    const lines: string[] = [];
    let checks = 0;
    let minutes = 60;
    const stop = scheduleDriftChecks({
      check: async () => {
        checks += 1;
        if (checks === 2) throw new Error('Postgres is away');
      },
      minutes: () => minutes,
      log: pino({}, { write: (line: string) => void lines.push(line) }),
    });
    const after = async (seconds: number): Promise<number> => {
      mock.timers.tick(seconds * 1000);
      await settle();
      return checks;
    };
    assert.equal(await after(19), 0);
    assert.equal(await after(1), 1);
    minutes = 5;
    assert.equal(await after(59 * 60), 1);
    assert.equal(await after(60), 2);
    assert.match(lines.join(''), /"level":40.*Postgres is away/);
    assert.equal(await after(5 * 60), 3);
    await stop();
    assert.equal(await after(24 * 3600), 3);
  });

  it('end only when the one that runs has ended', async () => {
    let finish: (() => void) | undefined;
    const stop = scheduleDriftChecks({ check: () => new Promise((resolve) => (finish = resolve)), minutes: () => 1, log: pino({ level: 'silent' }) });
    mock.timers.tick(20_000);
    let stopped = false;
    const stopping = stop().then(() => (stopped = true));
    await settle();
    assert.equal(stopped, false);
    finish?.();
    await stopping;
    mock.timers.tick(3_600_000);
  });
});
