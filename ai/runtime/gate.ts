// Bounds how many images of a model are between their file and their outcome, so that memory stays bounded whatever waits:
// those outside are only a path. The most urgent enters first.
import { PriorityQueue } from './priority-queue.ts';

interface Entry {
  enter(): void;
  refuse(error: unknown): void;
}

export class Gate {
  readonly #places: number;
  readonly #mostWaiting: number;
  readonly #waiting = new PriorityQueue<Entry>();
  #inside = 0;

  constructor(places: number, mostWaiting: number) {
    this.#places = places;
    this.#mostWaiting = mostWaiting;
  }

  /**
   * Waits for a place; whoever has one calls leave().
   * @throws {RangeError} when too many wait already
   * @throws the signal's reason
   */
  async enter(priority: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#inside < this.#places) {
      this.#inside += 1;
      return;
    }
    if (this.#waiting.size >= this.#mostWaiting) throw new RangeError(`${this.#waiting.size} images are waiting already`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const entry: Entry = { enter: resolve, refuse: reject };
    const abort = (): void => void (this.#waiting.remove(entry) && reject(signal?.reason));
    signal?.addEventListener('abort', abort, { once: true });
    this.#waiting.push(entry, priority);
    await promise.finally(() => signal?.removeEventListener('abort', abort));
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next) next.enter();
    else this.#inside -= 1;
  }

  /** Sends away all who wait. */
  close(error: Error): void {
    for (const entry of this.#waiting.clear()) entry.refuse(error);
  }
}
