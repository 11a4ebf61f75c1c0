// hilum deliveries: what waits and what was given up; `resend` makes it due again.
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import type { LoadedSettings } from '../../config/load.ts';
import { DeliveriesRepository } from '../../storage/deliveries.repository.ts';
import { JobQueue } from '../pipeline/queue.ts';
import { withDatabase } from './database.ts';

/** Enough to see what is wrong; the API tells each study's own. */
const DEAD_LETTERS_SHOWN = 20;

export async function deliveriesCommand(args: string[], settings: LoadedSettings): Promise<number> {
  const { values, positionals } = parseArgs({ args, options: { to: { type: 'string' }, study: { type: 'string' } }, allowPositionals: true });
  const [action] = positionals;
  if (action !== undefined && action !== 'resend') throw new Error('usage: deliveries [resend [--to DESTINATION] [--study UID]]');
  if (values.to !== undefined && !settings.destinations.some(({ name }) => name === values.to)) throw new Error(`there is no destination "${values.to}"`);
  return withDatabase(settings, async (dataSource, url) => {
    const deliveries = new DeliveriesRepository(dataSource);
    if (action === undefined) {
      for (const { destination, state, count } of await deliveries.summary()) console.log(`${destination.padEnd(24)} ${state.padEnd(10)} ${count}`);
      for (const { destination, sopInstanceUid, lastError } of await deliveries.deadLetters(DEAD_LETTERS_SHOWN)) console.log(`given up: ${sopInstanceUid} to ${destination}: ${lastError}`);
      return 0;
    }
    const hours = Math.max(24, ...settings.destinations.map(({ retry }) => retry.hours));
    const count = await deliveries.resend({ ...(values.to !== undefined && { destination: values.to }), ...(values.study !== undefined && { studyInstanceUid: values.study }) }, hours);
    const names = settings.destinations.map(({ name }) => name).filter((name) => values.to === undefined || name === values.to);
    const queue = new JobQueue(url, pino({ level: 'silent' }));
    await queue.start(names, false);
    for (const destination of names) await queue.send('deliver', { destination });
    await queue.stop();
    console.log(`${count} deliveries are due again`);
    return 0;
  });
}
