// Purges the recycle bin from time to time. Nothing waits for it; what it could not do is done the next time.
import type { Logger } from 'pino';
import type { RecycleBin } from './bin.ts';

/** Days are what counts; an hour more or less does not. */
const EVERY_MS = 3600 * 1000;
/** After a start, when everything else is up. */
const FIRST_MS = 30_000;

/** @returns ends it, after the purge that runs */
export function schedulePurge(bin: Pick<RecycleBin, 'purgeDue'>, log: Logger): () => Promise<void> {
  let running: Promise<void> = Promise.resolve();
  let stopped = false;
  let timer = setTimeout(next, FIRST_MS);
  function next(): void {
    running = bin
      .purgeDue()
      .catch((error: unknown) => log.warn({ err: error }, 'the recycle bin could not be purged; it is tried again in an hour'))
      .then(() => {
        if (!stopped) timer = setTimeout(next, EVERY_MS);
      });
  }
  return async () => {
    stopped = true;
    clearTimeout(timer);
    await running;
  };
}
