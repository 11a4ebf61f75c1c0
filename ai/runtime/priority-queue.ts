// What waits, higher priority first, and in the order of arrival within one priority.

export class PriorityQueue<T> {
  readonly #waiting: { priority: number; item: T }[] = [];

  get size(): number {
    return this.#waiting.length;
  }

  push(item: T, priority: number): void {
    let low = 0;
    let high = this.#waiting.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#waiting[middle]!.priority >= priority) low = middle + 1;
      else high = middle;
    }
    this.#waiting.splice(low, 0, { item, priority });
  }

  peek(): T | undefined {
    return this.#waiting[0]?.item;
  }

  shift(): T | undefined {
    return this.#waiting.shift()?.item;
  }

  /** Takes up to `most` items that fit the test, in order; the others keep their places. */
  take(most: number, fits: (item: T) => boolean): T[] {
    const taken: T[] = [];
    for (let index = 0; index < this.#waiting.length && taken.length < most; ) {
      if (fits(this.#waiting[index]!.item)) taken.push(...this.#waiting.splice(index, 1).map(({ item }) => item));
      else index += 1;
    }
    return taken;
  }

  /** Whether the item was still waiting. */
  remove(item: T): boolean {
    const index = this.#waiting.findIndex((entry) => entry.item === item);
    if (index >= 0) this.#waiting.splice(index, 1);
    return index >= 0;
  }

  /** Empties the queue. */
  clear(): T[] {
    return this.#waiting.splice(0).map(({ item }) => item);
  }
}
