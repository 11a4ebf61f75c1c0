import assert from 'node:assert/strict';
import { duplexPair, type Duplex } from 'node:stream';
import { acceptAssociation } from '../../gateway/dimse/acceptor.ts';
import { Association } from '../../gateway/dimse/association.ts';
import { AssociationError } from '../../gateway/dimse/association-error.ts';
import { encodeCommand } from '../../gateway/dimse/command.ts';
import { encodeAbort, encodeDataHeader, RELEASE_RP, RELEASE_RQ } from '../../gateway/dimse/pdu.ts';
import { Wire } from '../../gateway/dimse/wire.ts';
import { CR_STORAGE, EXPLICIT, storeRequest } from '../support/dimse.ts';

const MAX_PDU = 65536;
const context = { id: 1, abstractSyntax: CR_STORAGE, transferSyntax: EXPLICIT };
const command = encodeCommand(storeRequest('1.2.3'));

/** An association that is open, and the far end of its connection. */
function openAssociation(silenceMs = 2000, maxSentBytes = 0): { association: Association; wire: Wire; far: Duplex } {
  const [near, far] = duplexPair();
  const wire = new Wire(near, silenceMs);
  return { association: new Association(wire, [context], MAX_PDU, maxSentBytes), wire, far };
}

function data(bytes: Uint8Array, isCommand: boolean, isLast: boolean, contextId = 1): Buffer {
  return Buffer.concat([encodeDataHeader({ contextId, isCommand, isLast, length: bytes.length }), bytes]);
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

const failure = (kind: string, message: RegExp) => (error: unknown) => error instanceof AssociationError && error.failure === kind && message.test(error.message);

describe('an association', () => {
  it('hands on a message whose fragments are cut anywhere, several in a PDU, some of them empty', async () => {
    const { association, far } = openAssociation();
    const first = data(command.subarray(0, 3), true, false);
    const second = data(command.subarray(3), true, true);
    const joined = Buffer.concat([first, second.subarray(6)]); // one P-DATA-TF with two PDV items
    joined.writeUInt32BE(joined.length - 6, 2);
    const all = Buffer.concat([joined, data(Buffer.from('ab'), false, false), data(Buffer.alloc(0), false, false), data(Buffer.from('cde'), false, true), RELEASE_RQ]);
    for (const byte of all) far.write(Buffer.from([byte]));
    const message = await association.receive();
    assert.equal(message?.command.affectedSopInstanceUid, '1.2.3');
    assert.equal(message.context.transferSyntax, EXPLICIT);
    assert.equal((await collect(message.dataset!)).toString(), 'abcde');
    assert.equal(await association.receive(), undefined);
    far.destroy();
  });

  it('stops the sender while nobody reads the dataset, and loses nothing', async () => {
    const { association, far } = openAssociation();
    const block = Buffer.alloc(60_000, 7);
    far.write(data(command, true, true));
    const message = await association.receive();
    let sent = 0;
    const sending = (async () => {
      for (; sent < 100; sent += 1) if (!far.write(data(block, false, sent === 99))) await new Promise((resolve) => far.once('drain', resolve));
    })();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(sent < 15, `${sent} blocks of 60 KB went out though nobody read`);
    assert.equal((await collect(message!.dataset!)).length, 100 * block.length);
    await sending;
    far.destroy();
  });

  it('lets a consumer stop in the middle, and finds the next message after the rest', async () => {
    const { association, far } = openAssociation();
    far.write(Buffer.concat([data(command, true, true), data(Buffer.alloc(50), false, false), data(Buffer.alloc(50), false, true), data(command, true, true)]));
    const message = await association.receive();
    for await (const _ of message!.dataset!) break;
    await message!.dataset!.discard();
    assert.equal(message!.dataset!.bytes, 100);
    assert.equal((await association.receive())?.command.commandField, 1);
    far.destroy();
  });

  it('fails a dataset that the connection cuts, and says so on every later read', async () => {
    const { association, far } = openAssociation();
    far.write(data(command, true, true));
    far.end(data(Buffer.alloc(50), false, false));
    const message = await association.receive();
    await assert.rejects(collect(message!.dataset!), failure('closed', /peer closed/));
    await assert.rejects(message!.dataset!.discard(), failure('closed', /peer closed/));
    assert.ok(message!.dataset!.failure);
  });

  const wrong: [string, Buffer, string, RegExp][] = [
    ['a PDU longer than announced', Buffer.from([4, 0, 0, 1, 0, 1]), 'protocol', /announces 65537 bytes; the limit is 65536/],
    ['an unknown PDU type', Buffer.from('GET / HTTP/1.1\r\n'), 'protocol', /no PDU has type 71/],
    ['a PDU that is not for this state', Buffer.from([2, 0, 0, 0, 0, 4]), 'protocol', /A-ASSOCIATE-AC when open/],
    ['a release of a wrong length', Buffer.from([5, 0, 0, 0, 0, 3]), 'protocol', /3 bytes instead of 4/],
    ['a fragment longer than its PDU', Buffer.from([4, 0, 0, 0, 0, 8, 0, 0, 0, 9, 1, 3, 0, 0]), 'protocol', /does not fit/],
    ['a PDU with too few bytes for a fragment', Buffer.from([4, 0, 0, 0, 0, 3, 0, 0, 0]), 'protocol', /too few/],
    ['data on a context that was not accepted', data(command, true, true, 3), 'protocol', /context 3, which was not accepted/],
    ['a dataset without a command', data(Buffer.alloc(10), false, true), 'protocol', /where a command was due/],
    ['a release within a command', Buffer.concat([data(command.subarray(0, 5), true, false), RELEASE_RQ]), 'protocol', /within a command set/],
    ['a command set without an end', Buffer.concat(Array.from({ length: 3 }, () => data(Buffer.alloc(30_000), true, false))), 'protocol', /more than 65536 bytes/],
    ['an abort', encodeAbort(2, 6), 'aborted', /service provider: invalid PDU parameter value of the peer/],
  ];
  for (const [what, bytes, kind, message] of wrong)
    it(`refuses ${what}`, async () => {
      const { association, far } = openAssociation();
      far.write(bytes);
      await assert.rejects(association.receive(), failure(kind, message));
      far.destroy();
    });

  const wrongWithin: [string, Buffer, RegExp][] = [
    ['a command', data(command, true, true), /a command fragment within a dataset/],
    ['a release', RELEASE_RQ, /A-RELEASE-RQ within a dataset/],
  ];
  for (const [what, bytes, message] of wrongWithin)
    it(`refuses ${what} within a dataset`, async () => {
      const { association, far } = openAssociation();
      far.write(Buffer.concat([data(command, true, true), data(Buffer.alloc(4), false, false), bytes]));
      const received = await association.receive();
      await assert.rejects(collect(received!.dataset!), failure('protocol', message));
      far.destroy();
    });

  it('gives up a peer that is silent for longer than the limit, also one that was changed while waiting', async () => {
    const { association, far } = openAssociation(30);
    await assert.rejects(association.receive(), failure('timeout', /silent for 0.03 s/));
    far.destroy();
    const patient = openAssociation(60_000);
    const waiting = assert.rejects(patient.association.receive(), failure('timeout', /took too long/));
    patient.wire.limitTotal(20);
    await waiting;
    patient.far.destroy();
  });

  it('gives a connection so long to ask for an association, whatever comes meanwhile', async () => {
    const [near, far] = duplexPair();
    const trickle = setInterval(() => far.write(Buffer.from([1])), 5);
    const negotiation = { admit: () => undefined, transferSyntaxesOf: () => undefined, maxPduBytes: MAX_PDU };
    await assert.rejects(acceptAssociation(new Wire(near, 2000), negotiation, 20), failure('timeout', /took too long/));
    clearInterval(trickle);
    far.destroy();
  });

  it('gives up a peer that takes nothing in', async () => {
    const { association, far } = openAssociation(30);
    const endless = (async function* () {
      for (;;) yield Buffer.alloc(100_000);
    })();
    await assert.rejects(association.send(1, storeRequest('1.2.3'), endless), failure('timeout', /silent/));
    far.destroy();
  });

  it('sends no PDU longer than the peer takes, and one last fragment', async () => {
    const { association, far } = openAssociation(2000, 1000);
    const received: Buffer[] = [];
    far.on('data', (chunk: Buffer) => received.push(chunk));
    await association.send(1, storeRequest('1.2.3'), (async function* () {
      yield Buffer.alloc(2500, 1);
      yield Buffer.alloc(0);
      yield Buffer.alloc(300, 2);
    })());
    await new Promise((resolve) => setTimeout(resolve, 20));
    const bytes = Buffer.concat(received);
    const flags: string[] = [];
    let dataset = 0;
    for (let at = 0; at < bytes.length; ) {
      const length = bytes.readUInt32BE(at + 2);
      assert.ok(length <= 1000);
      if ((bytes[at + 11]! & 1) === 0) dataset += length - 6;
      flags.push(String(bytes[at + 11]));
      at += 6 + length;
    }
    assert.equal(flags.join(''), '30002');
    assert.equal(dataset, 2800);
    far.destroy();
  });

  it('sends fragments of even length alone, whatever pieces a dataset comes in', async () => {
    const { association, far } = openAssociation(2000, 4000);
    const received: Buffer[] = [];
    far.on('data', (chunk: Buffer) => received.push(chunk));
    const pieces = [206, 7, 20, 8, 2303, 1, 9001, 5, 3000, 3].map((length, index) => Buffer.alloc(length, index + 1));
    await association.send(1, storeRequest('1.2.3'), (async function* () {
      yield* pieces;
    })());
    await new Promise((resolve) => setTimeout(resolve, 20));
    const bytes = Buffer.concat(received);
    const dataset: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = bytes.readUInt32BE(at + 2);
      if ((bytes[at + 11]! & 1) === 0) dataset.push(bytes.subarray(at + 12, at + 6 + length));
      at += 6 + length;
    }
    assert.ok(dataset.every(({ length }) => length % 2 === 0), dataset.map(({ length }) => length).join());
    assert.deepEqual(Buffer.concat(dataset), Buffer.concat(pieces));
    assert.ok(dataset.length < 8, `${dataset.length} fragments`);
    far.destroy();
  });

  it("tells the peer's abort rather than a broken pipe", async () => {
    const { association, far } = openAssociation();
    far.end(encodeAbort(2, 1));
    await new Promise((resolve) => setTimeout(resolve, 10));
    const endless = (async function* () {
      for (;;) yield Buffer.alloc(100_000);
    })();
    await assert.rejects(association.send(1, storeRequest('1.2.3'), endless), failure('aborted', /unrecognized PDU/));
    far.destroy();
  });

  it('releases, also when the peer wanted to at the same moment', async () => {
    const { association, far } = openAssociation();
    far.write(Buffer.concat([RELEASE_RQ, RELEASE_RP]));
    const seen: Buffer[] = [];
    far.on('data', (chunk: Buffer) => seen.push(chunk));
    far.on('end', () => far.end());
    await association.release();
    assert.deepEqual(Buffer.concat(seen), Buffer.concat([RELEASE_RQ, RELEASE_RP]));
  });
});
