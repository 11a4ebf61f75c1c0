// How far a long command is, on stderr: one line that is written over on a terminal, else a line now and then.

/** Milliseconds between two lines in a log. */
const IN_A_LOG = 15_000;
const ON_A_TERMINAL = 200;

export class ProgressLine {
  readonly #what: string;
  readonly #total: number;
  readonly #started = performance.now();
  #last = performance.now();
  #shown = false;

  constructor(what: string, total: number) {
    this.#what = what;
    this.#total = total;
  }

  show(done: number): void {
    const now = performance.now();
    const terminal = process.stderr.isTTY;
    if (now - this.#last < (terminal ? ON_A_TERMINAL : IN_A_LOG)) return;
    this.#last = now;
    const left = ((now - this.#started) / done) * (this.#total - done);
    const line = `${done} of ${this.#total} ${this.#what}, ${inWords(left)} left`;
    process.stderr.write(terminal ? `\r${line}\x1b[K` : `${line}\n`);
    this.#shown = true;
  }

  /** Clears the line of a terminal for what comes after. */
  end(): void {
    if (this.#shown && process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  }
}

function inWords(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
