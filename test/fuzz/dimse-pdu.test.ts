// Whatever bytes come, they are read as what they are or refused as what they are not; and cut anywhere, they mean the same.
import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import fc from 'fast-check';
import { acceptAssociation } from '../../gateway/dimse/acceptor.ts';
import { decodeAssociateAccept, decodeAssociateRequest, encodeAssociateRequest } from '../../gateway/dimse/associate-pdu.ts';
import { Association, type Message } from '../../gateway/dimse/association.ts';
import { AssociationError } from '../../gateway/dimse/association-error.ts';
import { decodeCommand, encodeCommand } from '../../gateway/dimse/command.ts';
import { encodeDataHeader, RELEASE_RQ } from '../../gateway/dimse/pdu.ts';
import { Wire } from '../../gateway/dimse/wire.ts';
import { associateRequest, CR_STORAGE, EXPLICIT, storeRequest } from '../support/dimse.ts';

const context = { id: 1, abstractSyntax: CR_STORAGE, transferSyntax: EXPLICIT };
const runs = { numRuns: 500 };

function readsOrRefuses(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof AssociationError, `not a refusal: ${String(error)}`);
    assert.equal(error.failure, 'protocol');
  }
}

/** Valid bytes with some of them changed: gets further than noise does. */
function damaged(valid: Buffer): fc.Arbitrary<Buffer> {
  const change = fc.tuple(fc.nat(valid.length - 1), fc.nat(255));
  return fc.tuple(fc.array(change, { maxLength: 5 }), fc.nat(valid.length)).map(([changes, length]) => {
    const bytes = Buffer.from(valid);
    for (const [at, value] of changes) bytes[at] = value;
    return bytes.subarray(0, length);
  });
}

function pieces(bytes: Buffer, cuts: number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index]!, end));
}

/** The whole of what an association hands on from these bytes, or how it ended. */
async function read(parts: Buffer[]): Promise<{ messages: [Message['command'], string][]; end: string }> {
  const [near, far] = duplexPair();
  const association = new Association(new Wire(near, 1000), [context], 65_536, 0);
  far.resume();
  for (const part of parts) far.write(part);
  far.end();
  const messages: [Message['command'], string][] = [];
  try {
    for (let message = await association.receive(); message; message = await association.receive()) {
      const dataset: Uint8Array[] = [];
      if (message.dataset) for await (const part of message.dataset) dataset.push(part);
      messages.push([message.command, Buffer.concat(dataset).toString('hex')]);
    }
    return { messages, end: 'released' };
  } catch (error) {
    assert.ok(error instanceof AssociationError, `not a refusal: ${String(error)}`);
    assert.notEqual(error.failure, 'timeout');
    return { messages, end: error.message };
  } finally {
    near.destroy();
    far.destroy();
  }
}

describe('any bytes at all', () => {
  it('are a PDU body or a command set, or are refused', () => {
    const request = encodeAssociateRequest(associateRequest({
      asyncOperations: { invoked: 1, performed: 2 },
      roles: [{ abstractSyntax: '1.2.3', scu: true, scp: false }],
      extended: [{ sopClassUid: '1.2.3', information: Buffer.from([1, 1]) }],
      commonExtended: [{ sopClassUid: '1.2.3', serviceClassUid: '1.2.4', relatedGeneralSopClassUids: ['1.2.5'] }],
      userIdentity: { type: 2, positiveResponse: true, primary: Buffer.from('user'), secondary: Buffer.from('secret') },
    })).subarray(6);
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)), damaged(request), damaged(encodeCommand(storeRequest('1.2.3'))));
    fc.assert(fc.property(bytes, (body) => [decodeAssociateRequest, decodeAssociateAccept, decodeCommand].forEach((decode) => readsOrRefuses(() => decode(body)))), runs);
  });

  it('on a new connection end in an association, a rejection or a refusal', async () => {
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 100 }).map((array) => Buffer.from(array)), damaged(encodeAssociateRequest(associateRequest())));
    await fc.assert(
      fc.asyncProperty(bytes, async (sent) => {
        const [near, far] = duplexPair();
        far.resume();
        far.end(sent);
        const negotiation = { admit: () => undefined, transferSyntaxesOf: () => new Set([EXPLICIT]), maxPduBytes: 65_536 };
        await acceptAssociation(new Wire(near, 1000), negotiation).catch((error: unknown) => assert.ok(error instanceof AssociationError, String(error)));
        near.destroy();
        far.destroy();
      }),
      runs,
    );
  });

  it('negotiate what they say: every item is read back as it was written', () => {
    const uid = fc.stringMatching(/^[0-2](\.(0|[1-9][0-9]{0,8})){1,5}$/);
    const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
    const short = fc.nat(0xffff);
    const plain = { noNullPrototype: true };
    const some = <T>(one: fc.Arbitrary<T>) => fc.array(one, { minLength: 1, maxLength: 4 });
    const negotiated = fc.record(
      {
        asyncOperations: fc.record({ invoked: short, performed: short }, plain),
        roles: fc.array(fc.record({ abstractSyntax: uid, scu: fc.boolean(), scp: fc.boolean() }, plain)),
        extended: some(fc.record({ sopClassUid: uid, information: bytes }, plain)),
        commonExtended: some(fc.record({ sopClassUid: uid, serviceClassUid: uid, relatedGeneralSopClassUids: fc.array(uid) }, plain)),
        userIdentity: fc.record({ type: fc.nat(255), positiveResponse: fc.boolean(), primary: bytes, secondary: bytes }, plain),
      },
      { requiredKeys: ['roles'], ...plain },
    );
    fc.assert(
      fc.property(negotiated, (items) => {
        const request = associateRequest(items);
        assert.deepEqual(decodeAssociateRequest(encodeAssociateRequest(request).subarray(6)), request);
      }),
      runs,
    );
  });

  it('on an association mean the same however the network cuts them', async () => {
    const command = encodeCommand(storeRequest('1.2.3'));
    const fragments = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 5 });
    const message = fc.tuple(fragments, fc.nat(command.length)).map(([datas, cut]) =>
      Buffer.concat([
        encodeDataHeader({ contextId: 1, isCommand: true, isLast: false, length: cut }),
        command.subarray(0, cut),
        encodeDataHeader({ contextId: 1, isCommand: true, isLast: true, length: command.length - cut }),
        command.subarray(cut),
        ...datas.flatMap((data, index) => [encodeDataHeader({ contextId: 1, isCommand: false, isLast: index === datas.length - 1, length: data.length }), data]),
      ]),
    );
    const valid = fc.array(message, { minLength: 1, maxLength: 3 }).map((messages) => Buffer.concat([...messages, RELEASE_RQ]));
    const stream = fc.oneof(valid, valid.chain(damaged));
    await fc.assert(
      fc.asyncProperty(stream, fc.array(fc.nat(), { maxLength: 20 }), async (bytes, cuts) => {
        assert.deepEqual(await read(pieces(bytes, cuts)), await read([bytes]));
      }),
      runs,
    );
  });
});
