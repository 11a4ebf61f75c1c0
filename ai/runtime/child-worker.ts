// A process of our own that does one kind of work, asked and answering by messages. A process, not a thread: what codecs and
// libvips take they give back only with their process, and one that crashes in native code must not take the gateway with it.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

export class ChildWorker<Request, Reply> {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  /** @param ended told once, why it can do no more, unless `kill` ended it */
  constructor(module: URL, handlers: { reply(reply: Reply): void; ended(reason: string): void }) {
    this.#child = fork(module, { execArgv: [], serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.#exited = once(this.#child, 'exit').catch(() => undefined);
    this.#child.on('message', (reply) => handlers.reply(reply as Reply));
    this.#child.once('error', (error) => handlers.ended(error.message));
    this.#child.once('exit', (code, signal) => handlers.ended(signal ?? `exit code ${code}`));
  }

  send(request: Request): void {
    // A child that cannot be reached has ended, and says so by its own event.
    this.#child.send(request as object, () => undefined);
  }

  /** Whether the gateway waits for it: an idle worker holds no process up. */
  hold(busy: boolean): void {
    const change = busy ? 'ref' : 'unref';
    this.#child[change]();
    this.#child.channel?.[change]();
  }

  async kill(): Promise<void> {
    this.#child.removeAllListeners('message');
    this.#child.kill('SIGKILL');
    this.#child.ref();
    await this.#exited;
  }
}

/** The other side: answers each request, one after the other, and ends with the gateway. */
export function serveRequests<Request, Reply>(answer: (request: Request) => Promise<Reply>): void {
  // The gateway decides when to stop, also where a terminal or a service manager signals the whole group.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => undefined);
  // Not by exit(), which would wait for a codec that hangs.
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  let last: Promise<unknown> = Promise.resolve();
  process.on('message', (request) => {
    last = last.then(async () => {
      const reply = await answer(request as Request);
      process.send?.(reply);
    });
  });
}
