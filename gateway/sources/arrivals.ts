// Intake of what is fetched: counts what was taken, keeps why something was not, and says when there is no room for more.
import { IntakeRefusal } from '../../storage/errors.ts';
import type { ReceiveContext } from '../../storage/receive.ts';
import type { InstanceReceiver } from '../dimse/storage-scp.ts';
import type { FetchIntake } from './source-client.ts';

/** Reasons that are told; one of a thousand alike is enough. */
const MAX_REASONS = 3;

export class Arrivals implements FetchIntake {
  readonly #receiver: InstanceReceiver;
  readonly #purpose: ReceiveContext['purpose'];
  readonly #full = new AbortController();
  readonly full = this.#full.signal;
  taken = 0;
  refused = 0;
  readonly #reasons = new Set<string>();

  constructor(receiver: InstanceReceiver, purpose?: ReceiveContext['purpose']) {
    this.#receiver = receiver;
    this.#purpose = purpose;
  }

  /** @returns in words; null where nothing was refused */
  get reasons(): string | null {
    return this.#reasons.size === 0 ? null : [...this.#reasons].join('; ');
  }

  async receive(source: AsyncIterable<Uint8Array>, context: ReceiveContext): Promise<void> {
    try {
      await this.#receiver.receive(source, { ...context, ...(this.#purpose && { purpose: this.#purpose }) });
      this.taken += 1;
    } catch (error) {
      if (error instanceof IntakeRefusal) this.#refuse(error);
      throw error;
    }
  }

  /** For want of room nothing is refused for good: it is fetched again. */
  #refuse(refusal: IntakeRefusal): void {
    if (this.#reasons.size < MAX_REASONS) this.#reasons.add(refusal.message);
    if (refusal.kind === 'out-of-room') this.#full.abort(refusal);
    else this.refused += 1;
  }
}
