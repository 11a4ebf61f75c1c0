// Whether a source answers: C-ECHO, a search of one study; and what it had to say in the watch.
import { pino } from 'pino';
import type { Settings, Source } from '../../config/settings.ts';
import { openSource } from '../sources/open.ts';
import type { Finding } from './doctor.ts';

const TIMEOUT_SECONDS = 5;

export async function probeSource(source: Source, settings: Settings): Promise<Finding> {
  const client = openSource({ ...source, timeoutSeconds: Math.min(source.timeoutSeconds, TIMEOUT_SECONDS) }, settings, pino({ level: 'silent' }));
  try {
    await client.probe(AbortSignal.timeout(2 * TIMEOUT_SECONDS * 1000));
    return { ok: true, what: `source ${source.name} answers` };
  } catch (error) {
    return { ok: false, what: `source ${source.name}: ${(error as Error).message}`, advice: 'what is to be fetched from it waits until it answers; see hilum_retrievals and hilum_watch_failures in /metrics' };
  } finally {
    await client.close();
  }
}
