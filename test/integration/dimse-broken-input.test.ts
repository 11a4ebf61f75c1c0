import assert from 'node:assert/strict';
import { encodeAssociateRequest } from '../../gateway/dimse/associate-pdu.ts';
import { encodeCommand } from '../../gateway/dimse/command.ts';
import { echo } from '../../gateway/dimse/echo-scu.ts';
import { encodeDataHeader, RELEASE_RQ } from '../../gateway/dimse/pdu.ts';
import { associateRequest, CR_STORAGE, eventually, imageDataset, RawPeer, startTestServer, storeRequest, type TestServer } from '../support/dimse.ts';

const header = (type: number, length: number): Buffer => {
  const bytes = Buffer.from([type, 0, 0, 0, 0, 0]);
  bytes.writeUInt32BE(length, 2);
  return bytes;
};
const [UNRECOGNIZED_PDU, UNEXPECTED_PDU, UNEXPECTED_PARAMETER, INVALID_PARAMETER] = [1, 2, 5, 6];

/** What an A-ABORT of the service provider gives as its reason. */
async function abortReason(peer: RawPeer): Promise<number> {
  const { type, body } = await peer.read();
  assert.equal(type, 7, `PDU type ${type} instead of A-ABORT`);
  assert.equal(body[2], 2, 'source is the service provider');
  await peer.readToEnd();
  return body[3]!;
}

/** Nothing kept, nothing half-open, and the next caller is served. */
async function unharmed(test: TestServer): Promise<void> {
  await eventually(() => test.server.associations() === 0, 'no association is left');
  await eventually(() => test.sink.begun === test.sink.broken, 'nothing is half received');
  assert.equal(test.sink.received.length, 0);
  await echo({ host: '127.0.0.1', port: test.port, calledAe: 'HILUM', callingAe: 'TEST' }, 5000);
}

describe('broken input over DIMSE', () => {
  const beforeAssociation: [string, Buffer, number][] = [
    ['a web browser', Buffer.from('GET / HTTP/1.1\r\nHost: hilum\r\n\r\n'), UNRECOGNIZED_PDU],
    ['TLS on a plain port', Buffer.from('16030100f1010000ed0303', 'hex'), UNRECOGNIZED_PDU],
    ['random bytes', Buffer.from('f0e1d2c3b4a5968778695a4b3c2d1e0f', 'hex'), UNRECOGNIZED_PDU],
    ['an A-ASSOCIATE-RQ that announces 4 GB', header(1, 0xffffffff), INVALID_PARAMETER],
    ['data without an association', Buffer.concat([header(4, 6), Buffer.alloc(6)]), UNEXPECTED_PDU],
    ['a release without an association', RELEASE_RQ, UNEXPECTED_PDU],
    ['an A-ASSOCIATE-RQ shorter than its fixed fields', Buffer.concat([header(1, 10), Buffer.alloc(10)]), INVALID_PARAMETER],
    ['an A-ASSOCIATE-RQ with an item longer than itself', Buffer.concat([header(1, 72), Buffer.alloc(68), Buffer.from([0x10, 0, 0xff, 0xff])]), INVALID_PARAMETER],
  ];
  for (const [what, bytes, reason] of beforeAssociation)
    it(`aborts ${what}, with the reason`, async () => {
      await using test = await startTestServer();
      await using peer = await RawPeer.connect(test.port);
      peer.send(bytes);
      assert.equal(await abortReason(peer), reason);
      await unharmed(test);
    });

  const store = encodeCommand(storeRequest('2.25.7'));
  const command = (bytes: Buffer, contextId = 1): Buffer => Buffer.concat([encodeDataHeader({ contextId, isCommand: true, isLast: true, length: bytes.length }), bytes]);
  const overlong = Buffer.from(store);
  overlong.writeUInt32LE(60_000, 16);
  const onAssociation: [string, Buffer, number][] = [
    ['a PDU longer than what we announced', header(4, 1048577), INVALID_PARAMETER],
    ['a PDU that announces 4 GB', header(4, 0xffffffff), INVALID_PARAMETER],
    ['a second A-ASSOCIATE-RQ', encodeAssociateRequest(associateRequest()), UNEXPECTED_PDU],
    ['an unknown PDU type', header(9, 4), UNRECOGNIZED_PDU],
    ['a fragment longer than its PDU', Buffer.concat([header(4, 10), Buffer.from([0, 0, 1, 0, 1, 3, 0, 0, 0, 0])]), INVALID_PARAMETER],
    ['data on a rejected presentation context', command(store, 5), INVALID_PARAMETER],
    ['a command set with a wrong length', command(overlong), INVALID_PARAMETER],
    ['a command set of garbage', command(Buffer.from('0123456789abcdef0123456789abcdef')), INVALID_PARAMETER],
    ['a dataset before any command', Buffer.concat([encodeDataHeader({ contextId: 1, isCommand: false, isLast: true, length: 4 }), Buffer.alloc(4)]), UNEXPECTED_PARAMETER],
    ['a release within a dataset', Buffer.concat([command(store), RELEASE_RQ]), UNEXPECTED_PDU],
    ['garbage within a dataset', Buffer.concat([command(store), Buffer.from('garbage instead of PDUs')]), UNRECOGNIZED_PDU],
    ['a second command within a dataset', Buffer.concat([command(store), command(store)]), UNEXPECTED_PARAMETER],
  ];
  for (const [what, bytes, reason] of onAssociation)
    it(`aborts ${what}, with the reason, and keeps nothing`, async () => {
      await using test = await startTestServer();
      await using peer = await RawPeer.associate(test.port, {
        contexts: [...associateRequest().contexts, { id: 5, abstractSyntax: '1.2.3.4', transferSyntaxes: ['1.2.840.10008.1.2'] }],
      });
      peer.send(bytes);
      assert.equal(await abortReason(peer), reason);
      await unharmed(test);
    });

  it('survives a port scan: connections that say nothing, or close at once', async () => {
    await using test = await startTestServer();
    for (let index = 0; index < 20; index += 1) {
      const peer = await RawPeer.connect(test.port);
      if (index % 2 === 0) peer.socket.resetAndDestroy();
      else peer.socket.destroy();
    }
    await using silentPeer = await RawPeer.connect(test.port);
    await unharmed(test);
    assert.equal(silentPeer.socket.destroyed, false);
  });

  it('forgets half a PDU whose sender goes away', async () => {
    await using test = await startTestServer();
    const request = encodeAssociateRequest(associateRequest());
    for (const length of [1, 5, 6, 40, request.length - 1]) {
      await using peer = await RawPeer.connect(test.port);
      peer.send(request.subarray(0, length));
      peer.socket.destroySoon();
    }
    await unharmed(test);
  });

  for (const how of ['closes', 'resets', 'aborts'] as const)
    it(`keeps nothing of an instance when the sender ${how} in the middle of it`, async () => {
      await using test = await startTestServer();
      await using peer = await RawPeer.associate(test.port);
      const image = imageDataset('2.25.7', 300_000);
      peer.sendCommand(storeRequest('2.25.7'));
      peer.sendDataset(image.subarray(0, 200_000), { isLast: false });
      await eventually(() => test.sink.begun === 1, 'the instance is being received');
      if (how === 'closes') peer.socket.end();
      else if (how === 'resets') peer.socket.resetAndDestroy();
      else peer.send(Buffer.concat([header(7, 4), Buffer.alloc(4)]));
      await unharmed(test);
      assert.equal(test.sink.broken, 1);
    });

  it('refuses an unknown SOP class by its context, and keeps the association for the others', async () => {
    await using test = await startTestServer();
    await using peer = await RawPeer.associate(test.port, {
      contexts: [{ id: 1, abstractSyntax: '1.2.3.4', transferSyntaxes: ['1.2.840.10008.1.2.1'] }, { id: 3, abstractSyntax: CR_STORAGE, transferSyntaxes: ['1.2.840.10008.1.2.1'] }],
    });
    peer.sendCommand(storeRequest('2.25.7'), 3);
    peer.sendDataset(imageDataset('2.25.7'), { contextId: 3 });
    await eventually(() => test.sink.received.length === 1, 'the known class was taken');
  });
});
