// Checks for drift from time to time. Nothing waits for it, and whatever it meets harms nothing else.
import type { Logger } from 'pino';

export interface DriftScheduleOptions {
  check(): Promise<void>;
  /** Read anew for each pause. */
  minutes(): number;
  log: Logger;
}

/** Soon enough to say at start what is drifted, late enough not to compete with what a start has to do. */
const FIRST_SECONDS = 20;

/** @returns ends it, after the check that runs */
export function scheduleDriftChecks({ check, minutes, log }: DriftScheduleOptions): () => Promise<void> {
  let running: Promise<void> = Promise.resolve();
  let stopped = false;
  let timer = setTimeout(next, FIRST_SECONDS * 1000);
  function next(): void {
    running = check()
      .catch((error: unknown) => log.warn({ err: error }, 'drift could not be checked; it is tried again at the next time'))
      .then(() => {
        if (!stopped) timer = setTimeout(next, minutes() * 60_000);
      });
  }
  return async () => {
    stopped = true;
    clearTimeout(timer);
    await running;
  };
}
