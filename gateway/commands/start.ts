// hilum start: the gateway in the foreground, until SIGINT or SIGTERM.
import { pino } from 'pino';
import type { LoadedSettings } from '../../config/load.ts';
import { startGateway } from '../main.ts';

export async function startCommand(_args: string[], settings: LoadedSettings): Promise<number> {
  const log = pino({ name: 'hilum', level: settings.log.level });
  const gateway = await startGateway(settings, log);
  const signal = await ended();
  log.info({ signal }, 'stopping: finishing what is being received');
  await gateway.stop();
  log.info('stopped');
  return 0;
}

/** The second signal is for whoever cannot wait. */
function ended(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => {
        resolve(signal);
        process.once(signal, () => process.exit(1));
      });
  });
}
