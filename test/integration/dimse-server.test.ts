import assert from 'node:assert/strict';
import { encodeAssociateRequest } from '../../gateway/dimse/associate-pdu.ts';
import { decodeAssociateAccept } from '../../gateway/dimse/associate-pdu.ts';
import { decodeCommand } from '../../gateway/dimse/command.ts';
import { RELEASE_RQ } from '../../gateway/dimse/pdu.ts';
import { exchange } from '../../gateway/dimse/exchange.ts';
import { requestAssociation } from '../../gateway/dimse/requestor.ts';
import { STORAGE_SOP_CLASSES, TRANSFER_SYNTAXES } from '../../storage/dicom/uids.ts';
import { IntakeRefusal } from '../../storage/errors.ts';
import { associateRequest, CR_STORAGE, eventually, EXPLICIT, imageDataset, IMPLICIT, RawPeer, sha256, silent, startTestServer, storeRequest } from '../support/dimse.ts';

const remoteOf = (port: number) => ({ host: '127.0.0.1', port, calledAe: 'HILUM', callingAe: 'MODALITY' });
const crContext = [{ abstractSyntax: CR_STORAGE, transferSyntaxes: [EXPLICIT] }];
const associate = (port: number, contexts = crContext) => requestAssociation({ remote: remoteOf(port), contexts, maxPduBytes: 65536, timeoutMs: 5000 });

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The rejection (result, source, reason) that an A-ASSOCIATE-RQ gets, or undefined where it is accepted. */
async function rejectionOf(port: number, changes: Parameters<typeof associateRequest>[0] = {}): Promise<number[] | undefined> {
  await using peer = await RawPeer.connect(port);
  peer.send(encodeAssociateRequest(associateRequest(changes)));
  const { type, body } = await peer.read();
  return type === 3 ? [...body.subarray(1)] : undefined;
}

describe('the DIMSE server', () => {
  it('keeps the very bytes that C-STORE sends, and says with them who sent what', async () => {
    await using test = await startTestServer();
    const association = await associate(test.port);
    const image = imageDataset('2.25.7', 300_000);
    const { status } = await exchange(association, 1, { ...storeRequest('2.25.7'), messageId: 9 }, once(image));
    await association.release();
    assert.equal(status, 0);
    const [received] = test.sink.received;
    assert.equal(received?.sha256, sha256(image));
    assert.deepEqual(
      { ...received.context, associationId: '' },
      {
        transport: 'dimse',
        callingAe: 'MODALITY',
        calledAe: 'HILUM',
        address: '127.0.0.1',
        associationId: '',
        command: { sopClassUid: CR_STORAGE, sopInstanceUid: '2.25.7', transferSyntaxUid: EXPLICIT },
      },
    );
  });

  it('says success only when intake says that the instance is durable', async () => {
    await using test = await startTestServer();
    const durable = Promise.withResolvers<void>();
    test.sink.after = () => durable.promise;
    const association = await associate(test.port);
    let answered = false;
    const exchanged = exchange(association, 1, { ...storeRequest('2.25.7'), messageId: 1 }, once(imageDataset('2.25.7'))).finally(() => (answered = true));
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(answered, false);
    durable.resolve();
    assert.equal((await exchanged).status, 0);
    await association.release();
  });

  it('accepts every storage SOP class in every transfer syntax of the standard, in what the caller put first', async () => {
    await using test = await startTestServer();
    for (let at = 0; at < STORAGE_SOP_CLASSES.length; at += 128) {
      const classes = STORAGE_SOP_CLASSES.slice(at, at + 128);
      const association = await associate(test.port, classes.map((abstractSyntax) => ({ abstractSyntax, transferSyntaxes: ['1.2.3.4', EXPLICIT, IMPLICIT] })));
      assert.deepEqual([...association.contexts.values()].map(({ abstractSyntax }) => abstractSyntax), classes);
      assert.ok([...association.contexts.values()].every(({ transferSyntax }) => transferSyntax === EXPLICIT));
      await association.release();
    }
    const syntaxes = Object.keys(TRANSFER_SYNTAXES);
    const association = await associate(test.port, syntaxes.map((syntax) => ({ abstractSyntax: CR_STORAGE, transferSyntaxes: [syntax] })));
    assert.deepEqual([...association.contexts.values()].map(({ transferSyntax }) => transferSyntax), syntaxes);
    await association.release();
  });

  it('refuses unknown SOP classes and transfer syntaxes by presentation context, each with its reason', async () => {
    await using test = await startTestServer();
    await using peer = await RawPeer.connect(test.port);
    const contexts = [
      { id: 1, abstractSyntax: '1.2.840.10008.5.1.4.1.2.2.1', transferSyntaxes: [IMPLICIT] }, // Study Root Query/Retrieve FIND
      { id: 3, abstractSyntax: CR_STORAGE, transferSyntaxes: ['1.3.46.670589.33.1.4.1'] }, // a private one
      { id: 5, abstractSyntax: CR_STORAGE, transferSyntaxes: [IMPLICIT] },
    ];
    peer.send(encodeAssociateRequest(associateRequest({ contexts })));
    const { body } = await peer.read();
    const accept = decodeAssociateAccept(body);
    assert.deepEqual(accept.contexts.map(({ id, result }) => [id, result]), [[1, 3], [3, 4], [5, 0]]);
    assert.equal(accept.maxPduBytes, 1048576);
    peer.send(RELEASE_RQ);
    assert.equal((await peer.read()).type, 6);
  });

  it('answers C-ECHO, and other commands with 0211, and counts both', async () => {
    const counted: [string, number][] = [];
    const ignore = (): void => {};
    await using test = await startTestServer({}, silent, { association: ignore, stored: ignore, performed: (command, status) => counted.push([command, status]) });
    await using peer = await RawPeer.associate(test.port);
    peer.sendCommand({ commandField: 0x30, messageId: 5, affectedSopClassUid: '1.2.840.10008.1.1', hasDataset: false }, 3);
    const echo = decodeCommand((await peer.read()).body.subarray(6));
    assert.deepEqual([echo.commandField, echo.status, echo.messageIdBeingRespondedTo], [0x8030, 0, 5]);
    peer.sendCommand({ commandField: 0x20, messageId: 6, affectedSopClassUid: CR_STORAGE, hasDataset: true });
    peer.sendDataset(Buffer.alloc(100));
    const find = decodeCommand((await peer.read()).body.subarray(6));
    assert.deepEqual([find.commandField, find.status, find.messageIdBeingRespondedTo], [0x8020, 0x0211, 6]);
    assert.deepEqual(counted, [['C-ECHO', 0], ['C-FIND', 0x0211]]);
  });

  const refusals = [
    ['out-of-room', 0xa700],
    ['mismatch', 0xa900],
    ['not-understood', 0xc000],
  ] as const;
  for (const [kind, status] of refusals)
    it(`answers ${status.toString(16).toUpperCase()} with the reason when intake refuses an instance as ${kind}, and takes the next one`, async () => {
      await using test = await startTestServer();
      const association = await associate(test.port);
      test.sink.before = () => {
        throw new IntakeRefusal(kind, 'the reason in words');
      };
      const answer = await exchange(association, 1, { ...storeRequest('2.25.7'), messageId: 1 }, once(imageDataset('2.25.7', 3_000_000)));
      assert.deepEqual([answer.status, answer.errorComment, answer.affectedSopInstanceUid], [status, 'the reason in words', '2.25.7']);
      test.sink.before = () => {};
      assert.equal((await exchange(association, 1, { ...storeRequest('2.25.8'), messageId: 2 }, once(imageDataset('2.25.8')))).status, 0);
      assert.equal(test.sink.received.length, 1);
      await association.release();
    });

  it('refuses a SOP class that is not of the context, a missing instance UID, and a C-STORE without a dataset', async () => {
    await using test = await startTestServer();
    const association = await associate(test.port);
    const send = async (changes: Parameters<typeof storeRequest>[2], bytes?: Buffer) =>
      (await exchange(association, 1, { ...storeRequest('2.25.7', 1, changes), messageId: 1 }, bytes && once(bytes))).status;
    assert.equal(await send({ affectedSopClassUid: '1.2.840.10008.5.1.4.1.1.2' }, imageDataset('2.25.7')), 0x0122);
    assert.equal(await send({ affectedSopInstanceUid: '' }, imageDataset('2.25.7')), 0x0117);
    assert.equal(await send({ hasDataset: false }), 0xc000);
    assert.equal(test.sink.begun, 0);
    await association.release();
  });

  it('rejects a called AE title that is not ours, and callers that it does not know, each with the reason of the standard', async () => {
    const peers = [{ name: 'ct', aeTitle: 'CT', from: ['127.0.0.0/8'] }, { name: 'far', aeTitle: 'FAR', from: ['10.0.0.0/8'] }];
    await using test = await startTestServer({ peers, acceptUnknownPeers: 'never' });
    assert.deepEqual(await rejectionOf(test.port, { calledAe: 'OTHER', callingAe: 'CT' }), [1, 1, 7]);
    assert.deepEqual(await rejectionOf(test.port, { callingAe: 'STRANGER' }), [1, 1, 3]);
    assert.deepEqual(await rejectionOf(test.port, { callingAe: 'FAR' }), [1, 1, 3]);
    assert.equal(await rejectionOf(test.port, { callingAe: 'CT' }), undefined);
    assert.deepEqual(await rejectionOf(test.port, { callingAe: 'CT', applicationContext: '1.2.3' }), [1, 1, 2]);
  });

  it('rejects what is over the limit of associations as transient, and takes it when one has ended', async () => {
    await using test = await startTestServer({ limits: { associations: 2 } });
    const first = await associate(test.port);
    const second = await associate(test.port);
    assert.equal(test.server.associations(), 2);
    assert.deepEqual(await rejectionOf(test.port), [2, 3, 2]);
    await first.release();
    await eventually(() => test.server.associations() === 1, 'the first association has ended');
    assert.equal(await rejectionOf(test.port), undefined);
    await second.release();
  });

  it('takes new settings for the associations that follow', async () => {
    await using test = await startTestServer();
    const { settingsWith } = await import('../support/dimse.ts');
    test.server.configure(settingsWith({ dimse: { aeTitle: 'RENAMED' } }));
    assert.deepEqual(await rejectionOf(test.port), [1, 1, 7]);
    assert.equal(await rejectionOf(test.port, { calledAe: 'RENAMED' }), undefined);
  });

  it('ends an association that is silent for longer than the limit', async () => {
    await using test = await startTestServer({ limits: { associationIdleSeconds: 0.05 } });
    await using peer = await RawPeer.associate(test.port);
    assert.deepEqual([...(await peer.read()).body], [0, 0, 0, 0]);
    await peer.readToEnd();
    assert.equal(test.server.associations(), 0);
  });

  it('receives on many associations at once, each instance whole', async () => {
    await using test = await startTestServer();
    const expected = new Map<string, string>();
    await Promise.all(
      Array.from({ length: 8 }, async (_, number) => {
        const association = await associate(test.port);
        for (let index = 0; index < 5; index += 1) {
          const uid = `2.25.${number}.${index}`;
          const image = imageDataset(uid, 200_000);
          expected.set(uid, sha256(image));
          assert.equal((await exchange(association, 1, { ...storeRequest(uid), messageId: index + 1 }, once(image))).status, 0);
        }
        await association.release();
      }),
    );
    assert.deepEqual(new Map(test.sink.received.map(({ context, sha256: digest }) => [context.command!.sopInstanceUid, digest])), new Map([...expected].sort()));
  });

  it('finishes what is being sent when it is stopped, accepts nothing new, and ends idle associations', async () => {
    await using test = await startTestServer({ limits: { drainSeconds: 5 } });
    await using idle = await RawPeer.associate(test.port);
    await using sending = await RawPeer.associate(test.port);
    const image = imageDataset('2.25.7', 300_000);
    sending.sendCommand(storeRequest('2.25.7'));
    sending.sendDataset(image.subarray(0, 1000), { isLast: false });
    await eventually(() => test.sink.begun === 1, 'the instance is being received');
    const drained = test.server.drain();
    await assert.rejects(RawPeer.connect(test.port));
    sending.sendDataset(image.subarray(1000));
    assert.equal(decodeCommand((await sending.read()).body.subarray(6)).status, 0);
    sending.sendCommand(storeRequest('2.25.8'));
    assert.equal((await sending.read()).type, 7);
    assert.equal((await idle.read()).type, 7);
    await drained;
    assert.deepEqual(test.sink.received.map(({ sha256: digest }) => digest), [sha256(image)]);
    assert.equal(test.sink.begun, 1);
  });

  it('does not wait for a sender that stalls when it is stopped', async () => {
    await using test = await startTestServer({ limits: { drainSeconds: 0.1 } });
    await using stalled = await RawPeer.associate(test.port);
    stalled.sendCommand(storeRequest('2.25.7'));
    await eventually(() => test.sink.begun === 1, 'the instance is being received');
    await test.server.drain();
    assert.equal((await stalled.read()).type, 7);
    assert.equal(test.sink.broken, 1);
    assert.equal(test.sink.received.length, 0);
  });
});
