// An open association (PS3.8 7, 9.2): DIMSE messages in and out over P-DATA-TF, release and abort, for either side.
// The state machine of PS3.8 9.2 is the place in the code where one is, and the table below, which says what each state takes.
import { ABORT_REASON, AssociationError, protocolError } from './association-error.ts';
import type { Command } from './command.ts';
import { decodeCommand, encodeCommand } from './command.ts';
import { IncomingDataset } from './incoming-dataset.ts';
import type { PduType, PdvHeader } from './pdu.ts';
import { decodePdvHeader, describeAbort, encodeAbort, encodeDataHeader, isPduType, PDU, PDU_HEADER_BYTES, PDU_NAME, PDV_HEADER_BYTES, RELEASE_RP, RELEASE_RQ } from './pdu.ts';
import type { Role } from './user-information.ts';
import type { Wire } from './wire.ts';

export type AssociationState = 'awaiting request' | 'awaiting reply' | 'open' | 'awaiting release reply';

/** PS3.8 table 9-10, by state (Sta2, Sta5, Sta6, Sta7); anything else there is answered by an A-ABORT (AA-1, AA-8). */
const TAKES: Record<AssociationState, readonly PduType[]> = {
  'awaiting request': [PDU.associateRq, PDU.abort],
  'awaiting reply': [PDU.associateAc, PDU.associateRj, PDU.abort],
  open: [PDU.data, PDU.releaseRq, PDU.abort],
  'awaiting release reply': [PDU.data, PDU.releaseRq, PDU.releaseRp, PDU.abort],
};

/** 128 presentation contexts with forty transfer syntaxes each come to some 150 KB. */
const MAX_ASSOCIATE_BYTES = 1024 * 1024;
/** Command sets are a few hundred bytes; this is out of reach of honest ones. */
const MAX_COMMAND_BYTES = 64 * 1024;
/** Larger PDUs than this bring no speed, and progress on a slow line is seen once for each. */
const MAX_SENT_PDU_BYTES = 128 * 1024;
/** Pieces of a dataset that are smaller than this go out together with the next. */
const SMALL_BYTES = 1024;
/** How long a peer gets to read our last PDU and close. */
const LINGER_MS = 2000;

/** A presentation context that both sides agreed on. */
export interface PresentationContext {
  id: number;
  abstractSyntax: string;
  transferSyntax: string;
}

export interface Message {
  context: PresentationContext;
  command: Command;
  /** The dataset as it comes over the wire; whoever takes the message reads or discards all of it before the next one. */
  dataset?: IncomingDataset;
}

/** What was agreed on beside presentation contexts. */
export interface Agreement {
  /** SOP class -> roles of the association's requestor, where it proposed any and we took them; else it is SCU of each. */
  roles: ReadonlyMap<string, Role>;
  /** SOP class -> Service-class-application-information that the acceptor answered. */
  extended: ReadonlyMap<string, Buffer>;
}
const NOTHING_MORE: Agreement = { roles: new Map(), extended: new Map() };

/**
 * The type and length of the next PDU, whose body is still on the wire.
 * @throws {AssociationError} where the state does not take it, or it is longer than `maxBytes`
 */
export async function readPduHeader(wire: Wire, state: AssociationState, maxBytes: number): Promise<{ type: PduType; length: number }> {
  const header = await wire.take(PDU_HEADER_BYTES);
  const type = header[0]!;
  const length = header.readUInt32BE(2);
  if (!isPduType(type)) throw protocolError(`no PDU has type ${type}`, ABORT_REASON.unrecognizedPdu);
  if (!TAKES[state].includes(type)) throw protocolError(`${PDU_NAME[type]} when ${state}`, ABORT_REASON.unexpectedPdu);
  const limit = type === PDU.data ? maxBytes : type === PDU.associateRq || type === PDU.associateAc ? MAX_ASSOCIATE_BYTES : 4;
  if (length > limit) throw protocolError(`${PDU_NAME[type]} announces ${length} bytes; the limit is ${limit}`);
  if (limit === 4 && length !== 4) throw protocolError(`${PDU_NAME[type]} announces ${length} bytes instead of 4`);
  if (type === PDU.abort) throw new AssociationError('aborted', `aborted by the ${describeAbort(await wire.take(length))} of the peer`);
  return { type, length };
}

/** Says A-ABORT where the connection still stands, and closes it. */
export async function abortConnection(wire: Wire, error: unknown): Promise<void> {
  const ours = error instanceof AssociationError && error.failure === 'protocol';
  const silent = error instanceof AssociationError && (error.failure === 'closed' || error.failure === 'aborted');
  if (!silent) wire.send(encodeAbort(ours ? 2 : 0, ours ? error.abortReason : 0));
  await wire.close(LINGER_MS);
}

export class Association {
  readonly contexts: ReadonlyMap<number, PresentationContext>;
  readonly agreement: Agreement;
  readonly #wire: Wire;
  readonly #maxReceivedBytes: number;
  /** Largest fragment that the peer takes: even, as PS3.8 annex E.2 wants it. */
  readonly #fragmentBytes: number;
  /** Bytes of the current P-DATA-TF that were not read yet. */
  #pduBytesLeft = 0;
  #betweenMessages = false;
  /** What is being read, while it is. */
  #reading: Promise<Message | undefined> | undefined;
  /** Messages go out one after the other, whoever sends them. */
  #sent: Promise<void> = Promise.resolve();

  /**
   * @param maxReceivedBytes largest P-DATA-TF body that we announced
   * @param maxSentBytes the same of the peer; 0: any
   */
  constructor(wire: Wire, contexts: readonly PresentationContext[], maxReceivedBytes: number, maxSentBytes: number, agreement = NOTHING_MORE) {
    this.#wire = wire;
    this.agreement = agreement;
    this.contexts = new Map(contexts.map((context) => [context.id, context]));
    this.#maxReceivedBytes = maxReceivedBytes;
    const sent = Math.min(maxSentBytes === 0 ? MAX_SENT_PDU_BYTES : maxSentBytes, MAX_SENT_PDU_BYTES);
    this.#fragmentBytes = Math.max(2, (sent - PDV_HEADER_BYTES) & ~1);
  }

  /** Whether we wait for a message of which nothing has been read. */
  get betweenMessages(): boolean {
    return this.#betweenMessages;
  }

  /**
   * The next message, or undefined when the peer has released the association (and its release is answered).
   * @throws {AssociationError} for everything else that can come; the caller then calls `abort`
   */
  async receive(): Promise<Message | undefined> {
    const message = await this.next();
    if (!message) await this.answerRelease();
    return message;
  }

  /** As `receive`, but leaves a release unanswered: what is under way can still be finished (PS3.8 9.2, Sta8). */
  async next(): Promise<Message | undefined> {
    this.#reading = this.#readMessage();
    try {
      return await this.#reading;
    } finally {
      this.#reading = undefined;
    }
  }

  async answerRelease(): Promise<void> {
    await this.#wire.write(RELEASE_RP);
  }

  /** While we work at a request, the peer may be silent for as long as it takes. */
  allowSilence(allowed: boolean): void {
    this.#wire.allowSilence(allowed);
  }

  /** Ends every wait on the connection, now and later, with this error. */
  fail(error: AssociationError): void {
    this.#wire.fail(error);
  }

  async #readMessage(): Promise<Message | undefined> {
    this.#betweenMessages = true;
    const parts: Buffer[] = [];
    let bytes = 0;
    let contextId: number | undefined;
    for (let last = false; !last; ) {
      const pdv = await this.#nextPdv();
      if (pdv === 'release') {
        if (parts.length > 0) throw protocolError('A-RELEASE-RQ within a command set', ABORT_REASON.unexpectedPdu);
        return undefined;
      }
      this.#betweenMessages = false;
      if (!pdv.isCommand) throw protocolError('a dataset fragment where a command was due', ABORT_REASON.unexpectedParameter);
      contextId ??= pdv.contextId;
      if (pdv.contextId !== contextId) throw protocolError('a command set spread over two presentation contexts', ABORT_REASON.unexpectedParameter);
      bytes += pdv.length;
      if (bytes > MAX_COMMAND_BYTES) throw protocolError(`a command set of more than ${MAX_COMMAND_BYTES} bytes`);
      parts.push(await this.readFragment(pdv.length, pdv.length));
      last = pdv.isLast;
    }
    const context = this.contexts.get(contextId!)!;
    const command = decodeCommand(Buffer.concat(parts));
    return command.hasDataset ? { context, command, dataset: new IncomingDataset(this, context.id) } : { context, command };
  }

  /** The next fragment of a dataset; for IncomingDataset. @throws {AssociationError} */
  async nextDatasetPdv(contextId: number): Promise<PdvHeader> {
    const pdv = await this.#nextPdv();
    if (pdv === 'release') throw protocolError('A-RELEASE-RQ within a dataset', ABORT_REASON.unexpectedPdu);
    if (pdv.isCommand) throw protocolError('a command fragment within a dataset', ABORT_REASON.unexpectedParameter);
    if (pdv.contextId !== contextId) throw protocolError('a dataset on another presentation context than its command', ABORT_REASON.unexpectedParameter);
    return pdv;
  }

  /** At least one byte of the fragment begun, and at most `bytes`; exactly so many with `atLeast`. */
  async readFragment(bytes: number, atLeast = 1): Promise<Buffer> {
    const read = atLeast === bytes ? await this.#wire.take(bytes) : await this.#wire.some(bytes);
    this.#pduBytesLeft -= read.length;
    return read;
  }

  async #nextPdv(): Promise<PdvHeader | 'release'> {
    while (this.#pduBytesLeft === 0) {
      const { type, length } = await readPduHeader(this.#wire, 'open', this.#maxReceivedBytes);
      if (type === PDU.releaseRq) {
        await this.#wire.take(length);
        return 'release';
      }
      this.#pduBytesLeft = length;
    }
    if (this.#pduBytesLeft < PDV_HEADER_BYTES) throw protocolError(`P-DATA-TF ends with ${this.#pduBytesLeft} bytes, too few for a PDV item`);
    const pdv = decodePdvHeader(await this.#wire.take(PDV_HEADER_BYTES), this.#pduBytesLeft);
    this.#pduBytesLeft -= PDV_HEADER_BYTES;
    if (!this.contexts.has(pdv.contextId)) throw protocolError(`data on presentation context ${pdv.contextId}, which was not accepted`);
    return pdv;
  }

  /**
   * Sends a message; the dataset is read as fast as the peer takes it.
   * @throws {AssociationError} with the peer's A-ABORT as the reason where it sent one
   * @throws what `dataset` throws; the association cannot go on then
   */
  async send(contextId: number, command: Command, dataset?: AsyncIterable<Uint8Array>): Promise<void> {
    const before = this.#sent;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#sent = promise;
    await before;
    try {
      await this.#sendFragments(encodeCommand(command), { contextId, isCommand: true, isLast: true });
      if (!dataset) return;
      let held: Uint8Array = Buffer.alloc(0);
      for await (const chunk of dataset) {
        // What goes out before the last fragment is of even length (annex E.2): some peers break off at an odd one.
        const kept = held.length < SMALL_BYTES ? held.length : held.length & 1;
        const sent = held.subarray(0, held.length - kept);
        if (sent.length > 0) await this.#sendFragments(sent, { contextId, isCommand: false, isLast: false });
        // Whoever reads a file may read the next chunk but one into the buffer of this one.
        await this.#wire.flushed();
        held = kept === 0 ? chunk : Buffer.concat([held.subarray(sent.length), chunk]);
      }
      await this.#sendFragments(held, { contextId, isCommand: false, isLast: true });
    } catch (error) {
      // A dataset that could not be read to its end cannot be taken back either.
      if (!(error instanceof AssociationError)) this.#wire.fail(new AssociationError('cancelled', 'a dataset broke off while it was sent', 0, { cause: error }));
      throw await this.#reasonFor(error);
    } finally {
      resolve();
    }
  }

  /** A peer that aborts also closes: the write fails first, and the A-ABORT waits unread. */
  async #reasonFor(error: unknown): Promise<unknown> {
    if (!(error instanceof AssociationError) || error.failure !== 'closed') return error;
    try {
      if (this.#reading) await this.#reading;
      else if (this.#pduBytesLeft === 0) await readPduHeader(this.#wire, 'open', this.#maxReceivedBytes);
    } catch (reason) {
      if (reason instanceof AssociationError && reason.failure === 'aborted') return reason;
    }
    return error;
  }

  async #sendFragments(bytes: Uint8Array, header: Omit<PdvHeader, 'length'>): Promise<void> {
    let at = 0;
    do {
      const fragment = bytes.subarray(at, at + this.#fragmentBytes);
      at += fragment.length;
      const isLast = header.isLast && at === bytes.length;
      await this.#wire.write(encodeDataHeader({ ...header, isLast, length: fragment.length }), fragment);
    } while (at < bytes.length);
  }

  /** Releases the association as its requestor, and closes the connection. @throws {AssociationError} */
  async release(): Promise<void> {
    await this.#wire.write(RELEASE_RQ);
    for (;;) {
      const { type, length } = await readPduHeader(this.#wire, 'awaiting release reply', this.#maxReceivedBytes);
      await this.#wire.take(length);
      if (type === PDU.releaseRp) break;
      // Both wanted to: release collision, PS3.8 9.2.2 (AR-8 to AR-10).
      if (type === PDU.releaseRq) await this.#wire.write(RELEASE_RP);
    }
    await this.#wire.close(LINGER_MS);
  }

  /** After `receive` said that the peer released: waits for it to close (ARTIM, PS3.8 9.1.4). */
  async close(): Promise<void> {
    await this.#wire.close(LINGER_MS);
  }

  /** Ends the association at once; `error` gives source and reason of the A-ABORT, where one is still due. */
  async abort(error?: unknown): Promise<void> {
    await abortConnection(this.#wire, error);
  }
}
