// What can wait runs only where nothing waits or runs that cannot: a candidate in the shadow delays no image by more than the
// one that it is at.
import { setTimeout as sleep } from 'node:timers/promises';

/** Between two images of one study there are some milliseconds in which nothing is under way. */
const QUIET_MILLISECONDS = 200;

export class Precedence {
  readonly #quietMilliseconds: number;
  #underWay = 0;
  #idle = Promise.withResolvers<void>();

  constructor(quietMilliseconds = QUIET_MILLISECONDS) {
    this.#quietMilliseconds = quietMilliseconds;
    this.#idle.resolve();
  }

  /** Runs what cannot wait. */
  async first<T>(work: () => Promise<T>): Promise<T> {
    if (this.#underWay++ === 0) this.#idle = Promise.withResolvers<void>();
    try {
      return await work();
    } finally {
      if (--this.#underWay === 0) this.#idle.resolve();
    }
  }

  /**
   * Runs what can wait, once nothing else has been under way for a moment.
   * @throws the signal's reason, when it is given up before its turn
   */
  async afterwards<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const given = Promise.withResolvers<never>();
    given.promise.catch(() => undefined);
    const abort = (): void => given.reject(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      do {
        signal?.throwIfAborted();
        await Promise.race([this.#idle.promise, given.promise]);
        await sleep(this.#quietMilliseconds);
      } while (this.#underWay > 0);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
    return work();
  }
}
