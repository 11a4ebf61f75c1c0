// C-FIND as a peer sees it: what the archive is asked, what comes back, and how it ends. What the archive finds is tested with the archive.
import assert from 'node:assert/strict';
import { encodeAssociateRequest } from '../../gateway/dimse/associate-pdu.ts';
import { COMMAND, decodeCommand } from '../../gateway/dimse/command.ts';
import { exchangeMany } from '../../gateway/dimse/exchange.ts';
import { RELEASE_RQ } from '../../gateway/dimse/pdu.ts';
import type { ArchiveQuery } from '../../storage/archive.ts';
import { dataset, text, type Dataset } from '../../storage/dicom/dataset.ts';
import { tagOf } from '../../storage/dicom/dictionary.ts';
import { writeDataset } from '../../storage/dicom/write.ts';
import { associateRequest, eventually, IMPLICIT, RawPeer } from '../support/dimse.ts';
import { associateWith, context, FIND, operate, PATIENT_ROOT_FIND, startQueryRetrieve, type QueryRetrieveServer } from '../support/query-retrieve.ts';

const study = (number: number, values: Record<string, unknown> = {}): Dataset =>
  dataset({ StudyInstanceUID: `2.25.${number}`, PatientName: 'DOE^JANE', PatientID: 'P1', StudyDate: '20260102', ModalitiesInStudy: ['CR'], ...values });

/** Answers with these, and remembers what was asked. */
function answering(test: QueryRetrieveServer, matches: Dataset[]): ArchiveQuery[] {
  const asked: ArchiveQuery[] = [];
  test.search = async function* (query) {
    asked.push(query);
    yield* matches;
  };
  return asked;
}

describe('C-FIND', () => {
  it('asks the archive for what the keys say, and returns every key, with the level and where to retrieve from', async () => {
    await using test = await startQueryRetrieve();
    const asked = answering(test, [study(1), study(2)]);
    const association = await associateWith(test.port, [context(FIND)]);
    const keys = { QueryRetrieveLevel: 'STUDY', PatientName: 'doe*', StudyDate: '20260101-20260131', StudyInstanceUID: ['2.25.1', '2.25.2'], StudyDescription: null, InstanceAvailability: null, ModalitiesInStudy: null };
    const responses = await operate(association, COMMAND.findRq, keys);
    assert.deepEqual(responses.map(({ status }) => status), [0xff00, 0xff00, 0]);
    assert.deepEqual(asked[0]!.keys.toSorted((a, b) => a.tag.localeCompare(b.tag)), [
      { tag: tagOf('StudyDate'), matching: { kind: 'range', from: '20260101', to: '20260131' } },
      { tag: tagOf('PatientName'), matching: { kind: 'values', values: ['doe*'] } },
      { tag: tagOf('StudyInstanceUID'), matching: { kind: 'values', values: ['2.25.1', '2.25.2'] } },
    ]);
    const [first] = responses;
    const found = first!.dataset!;
    assert.deepEqual(Object.keys(found).toSorted(), [...Object.keys(dataset(keys)), tagOf('SpecificCharacterSet'), tagOf('RetrieveAETitle')].toSorted());
    assert.deepEqual([text(found, 'RetrieveAETitle'), text(found, 'InstanceAvailability'), text(found, 'QueryRetrieveLevel'), text(found, 'PatientName'), text(found, 'StudyDescription')], ['HILUM', 'ONLINE', 'STUDY', 'DOE^JANE', undefined]);
    await association.release();
  });

  it('says FF01 where a key is of a level below, private or unknown, and matches all others', async () => {
    await using test = await startQueryRetrieve();
    const asked = answering(test, [study(1)]);
    for (const [tag, vr] of [['00091001', 'LO'], ['00080060', 'CS'], ['00089999', 'UN']] as const) {
      const association = await associateWith(test.port, [context(FIND, '1.2.840.10008.1.2.1')]);
      const [response] = await operate(association, COMMAND.findRq, { QueryRetrieveLevel: 'STUDY', PatientID: 'P1', [tag]: { vr } });
      assert.equal(response!.status, 0xff01);
      assert.deepEqual(asked.at(-1)!.keys, [{ tag: tagOf('PatientID'), matching: { kind: 'values', values: ['P1'] } }]);
      assert.deepEqual(response!.dataset![tag], { vr });
      await association.release();
    }
  });

  it('returns of a sequence what the item of the key asks for', async () => {
    await using test = await startQueryRetrieve();
    const asked = answering(test, [dataset({ SeriesInstanceUID: '2.25.3', RequestAttributesSequence: [{ RequestedProcedureID: 'R1', ScheduledProcedureStepID: 'S1' }] })]);
    const association = await associateWith(test.port, [context(FIND)]);
    const [response] = await operate(association, COMMAND.findRq, { QueryRetrieveLevel: 'SERIES', StudyInstanceUID: '2.25.1', RequestAttributesSequence: [{ RequestedProcedureID: 'R*' }] });
    assert.deepEqual(asked[0]!.keys.find(({ tag }) => tag === tagOf('RequestAttributesSequence'))?.matching, { kind: 'sequence', keys: [{ tag: tagOf('RequestedProcedureID'), matching: { kind: 'values', values: ['R*'] } }] });
    assert.deepEqual(response!.dataset![tagOf('RequestAttributesSequence')]!.Value, [dataset({ RequestedProcedureID: 'R1' })]);
    await association.release();
  });

  it("reads names in the query's character set, answers in it, and in UTF-8 where it cannot hold the answer", async () => {
    await using test = await startQueryRetrieve();
    const asked = answering(test, [study(1, { PatientName: 'BÜHLER^ÆNNE' }), study(2, { PatientName: '山田^太郎' })]);
    const association = await associateWith(test.port, [context(FIND)]);
    const bytes = writeDataset(dataset({ QueryRetrieveLevel: 'STUDY', PatientName: 'bühler*' }), IMPLICIT, ['ISO_IR 100']);
    assert.ok(Buffer.from(bytes).includes(Buffer.from('b\xfchler*', 'latin1')));
    const found: Dataset[] = [];
    for await (const { dataset: match } of exchangeMany(association, 1, { commandField: COMMAND.findRq, affectedSopClassUid: FIND, messageId: 1, hasDataset: true }, (async function* () { yield bytes; })()))
      if (match) found.push(match);
    assert.deepEqual(asked[0]!.keys[0]!.matching, { kind: 'values', values: ['bühler*'] });
    assert.deepEqual(found.map((match) => [text(match, 'SpecificCharacterSet'), text(match, 'PatientName')]), [['ISO_IR 100', 'BÜHLER^ÆNNE'], ['ISO_IR 192', '山田^太郎']]);
    await association.release();
  });

  const wrong: [string, string, Record<string, unknown>, number, string, RegExp][] = [
    ['no level', FIND, { PatientID: 'P' }, 0xa900, 'QueryRetrieveLevel', /QueryRetrieveLevel is missing/],
    ['an unknown level', FIND, { QueryRetrieveLevel: 'FRAME' }, 0xa900, 'QueryRetrieveLevel', /"FRAME"/],
    ['the patient level, which Study Root has not', FIND, { QueryRetrieveLevel: 'PATIENT' }, 0xa900, 'QueryRetrieveLevel', /"PATIENT" is none of Study Root/],
    ['series without their study', FIND, { QueryRetrieveLevel: 'SERIES' }, 0xa900, 'StudyInstanceUID', /StudyInstanceUID is needed/],
    ['series of two studies', FIND, { QueryRetrieveLevel: 'SERIES', StudyInstanceUID: ['1.2', '1.3'] }, 0xa900, 'StudyInstanceUID', /must have one value/],
    ['a UID that is none', FIND, { QueryRetrieveLevel: 'IMAGE', StudyInstanceUID: '1.2', SeriesInstanceUID: '1.*' }, 0xa900, 'SeriesInstanceUID', /"1\.\*" is not a UID/],
    ['studies of patients by a wildcard', PATIENT_ROOT_FIND, { QueryRetrieveLevel: 'STUDY', PatientID: 'P*' }, 0xa900, 'PatientID', /no wildcards/],
    ['a date that is none', FIND, { QueryRetrieveLevel: 'STUDY', StudyDate: '2026-13' }, 0xc000, 'StudyDate', /StudyDate "2026-13" is no DA/],
    ['a sequence key of two items', FIND, { QueryRetrieveLevel: 'STUDY', ProcedureCodeSequence: [{ CodeValue: '1' }, { CodeValue: '2' }] }, 0xa900, 'ProcedureCodeSequence', /more than one item/],
  ];
  for (const [what, model, identifier, status, offending, reason] of wrong)
    it(`refuses ${what} with ${status.toString(16).toUpperCase()}, the reason and the element`, async () => {
      await using test = await startQueryRetrieve();
      const asked = answering(test, []);
      const association = await associateWith(test.port, [context(model)]);
      const [response, ...others] = await operate(association, COMMAND.findRq, identifier);
      assert.deepEqual([response!.status, response!.offendingElements, others], [status, [tagOf(offending)], []]);
      assert.match(response!.errorComment!, reason);
      assert.equal(asked.length, 0);
      await association.release();
    });

  it('takes relational queries, combined date and time, and fuzzy names from a peer that has negotiated them', async () => {
    await using test = await startQueryRetrieve();
    const asked = answering(test, []);
    const association = await associateWith(test.port, [context(FIND)], { extended: [{ sopClassUid: FIND, information: Buffer.from([1, 1, 1, 1, 1]) }] });
    assert.deepEqual([...association.agreement.extended.get(FIND)!], [1, 1, 1, 0, 0]);
    const [response] = await operate(association, COMMAND.findRq, { QueryRetrieveLevel: 'SERIES', PatientName: 'Doe', StudyDate: '20260101-', StudyTime: '1200-' });
    assert.equal(response!.status, 0);
    assert.deepEqual([asked[0]!.combinedDateTime, asked[0]!.fuzzy, asked[0]!.keys.length], [true, true, 3]);
    await association.release();
  });

  it('ends at a C-CANCEL with FE00, in the middle of its answers', async () => {
    await using test = await startQueryRetrieve();
    let isClosed = false;
    test.search = async function* () {
      try {
        for (let number = 1; ; number += 1) yield study(number);
      } finally {
        isClosed = true;
      }
    };
    const association = await associateWith(test.port, [context(FIND)]);
    const cancel = new AbortController();
    setTimeout(() => cancel.abort(), 50);
    const responses = await operate(association, COMMAND.findRq, { QueryRetrieveLevel: 'STUDY' }, { signal: cancel.signal });
    assert.equal(responses.at(-1)!.status, 0xfe00);
    assert.ok(responses.length > 1);
    await eventually(() => isClosed, 'the search has ended');
    answering(test, []);
    assert.equal((await operate(association, COMMAND.findRq, { QueryRetrieveLevel: 'STUDY' })).at(-1)!.status, 0);
    await association.release();
  });

  it('ends at a C-CANCEL also while the archive is still looking for the first match', async () => {
    await using test = await startQueryRetrieve();
    const never = Promise.withResolvers<void>();
    test.search = async function* () {
      await never.promise;
      yield study(1);
    };
    const association = await associateWith(test.port, [context(FIND)]);
    const responses = await operate(association, COMMAND.findRq, { QueryRetrieveLevel: 'STUDY' }, { signal: AbortSignal.timeout(30) });
    assert.deepEqual(responses.map(({ status }) => status), [0xfe00]);
    never.resolve();
    await association.release();
  });

  it('is cancelled by leaving its answers, and the association goes on', async () => {
    await using test = await startQueryRetrieve();
    answering(test, Array.from({ length: 500 }, (_, number) => study(number)));
    const association = await associateWith(test.port, [context(FIND)]);
    const identifier = writeDataset(dataset({ QueryRetrieveLevel: 'STUDY' }), IMPLICIT);
    for (const messageId of [1, 2]) {
      const request = { commandField: COMMAND.findRq, affectedSopClassUid: FIND, messageId, hasDataset: true };
      for await (const { status } of exchangeMany(association, 1, request, (async function* () { yield identifier; })())) {
        assert.equal(status, 0xff00);
        break;
      }
    }
    await association.release();
  });

  it('stops asking the archive when the peer breaks off, or does not read', async () => {
    await using test = await startQueryRetrieve();
    let yielded = 0;
    let isClosed = false;
    test.search = async function* () {
      try {
        for (; ; yielded += 1) yield study(yielded, { StudyDescription: 'x'.repeat(64) });
      } finally {
        isClosed = true;
      }
    };
    await using peer = await RawPeer.connect(test.port);
    peer.send(encodeAssociateRequest(associateRequest({ contexts: [{ id: 1, abstractSyntax: FIND, transferSyntaxes: [IMPLICIT] }] })));
    await peer.read();
    peer.socket.pause();
    peer.sendCommand({ commandField: COMMAND.findRq, affectedSopClassUid: FIND, messageId: 1, hasDataset: true });
    peer.sendDataset(writeDataset(dataset({ QueryRetrieveLevel: 'STUDY', StudyDescription: null }), IMPLICIT));
    let before = -1;
    while (before !== yielded || yielded === 0) {
      before = yielded;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.ok(yielded < 200_000, `${yielded} matches were made for nobody`);
    peer.socket.destroy();
    await eventually(() => isClosed, 'the search has ended');
  });

  it('answers several queries that came at once, each in its turn, and cancels one that waits', async () => {
    await using test = await startQueryRetrieve();
    const first = Promise.withResolvers<void>();
    let searches = 0;
    test.search = async function* () {
      searches += 1;
      if (searches === 1) await first.promise;
      yield study(searches);
    };
    await using peer = await RawPeer.connect(test.port);
    peer.send(encodeAssociateRequest(associateRequest({ contexts: [{ id: 1, abstractSyntax: FIND, transferSyntaxes: [IMPLICIT] }], asyncOperations: { invoked: 0, performed: 0 } })));
    await peer.read();
    const identifier = writeDataset(dataset({ QueryRetrieveLevel: 'STUDY' }), IMPLICIT);
    for (const messageId of [1, 2, 3]) {
      peer.sendCommand({ commandField: COMMAND.findRq, affectedSopClassUid: FIND, messageId, hasDataset: true });
      peer.sendDataset(identifier);
    }
    peer.sendCommand({ commandField: COMMAND.cancelRq, messageIdBeingRespondedTo: 2, hasDataset: false });
    await eventually(() => searches === 1, 'the first is asked');
    await new Promise((resolve) => setTimeout(resolve, 50));
    first.resolve();
    const answers: [number | undefined, string][] = [];
    while (answers.filter(([, status]) => !status.startsWith('ff')).length < 3) {
      const { body } = await peer.read();
      if ((body[5]! & 1) === 0) continue;
      const { messageIdBeingRespondedTo, status } = decodeCommand(body.subarray(6));
      answers.push([messageIdBeingRespondedTo, status!.toString(16)]);
    }
    assert.deepEqual(answers, [[1, 'ff00'], [1, '0'], [2, 'fe00'], [3, 'ff00'], [3, '0']]);
    peer.send(RELEASE_RQ);
    assert.equal((await peer.read()).type, 6);
  });

  it('works at a query for longer than an association may be silent, and ends the association that then says nothing', async () => {
    await using test = await startQueryRetrieve({ limits: { associationIdleSeconds: 0.1 } });
    test.search = async function* () {
      await new Promise((resolve) => setTimeout(resolve, 400));
      yield study(1);
    };
    const association = await associateWith(test.port, [context(FIND)]);
    assert.deepEqual((await operate(association, COMMAND.findRq, { QueryRetrieveLevel: 'STUDY' })).map(({ status }) => status), [0xff00, 0]);
    await eventually(() => test.server.associations() === 0, 'the association has ended');
  });

  it('says A700 where the archive cannot be asked, and nothing of why', async () => {
    await using test = await startQueryRetrieve();
    test.search = () => {
      throw new Error('connect ECONNREFUSED 10.0.0.9:5432');
    };
    const association = await associateWith(test.port, [context(FIND)]);
    const [response] = await operate(association, COMMAND.findRq, { QueryRetrieveLevel: 'STUDY' });
    assert.deepEqual([response!.status, response!.errorComment], [0xa700, 'internal error, see the log of the gateway']);
    await association.release();
  });

  it('refuses a peer that may only store with 0124, and a peer that may only query when it stores', async () => {
    const peers = [{ name: 'room', aeTitle: 'VIEWER', allow: ['store'] }];
    await using test = await startQueryRetrieve({ peers });
    const association = await associateWith(test.port, [context(FIND)]);
    const [response] = await operate(association, COMMAND.findRq, { QueryRetrieveLevel: 'STUDY' });
    assert.equal(response!.status, 0x0124);
    assert.match(response!.errorComment!, /do not allow you C-FIND/);
    await association.release();
  });

  it('stops a query that is being answered when the gateway stops', async () => {
    await using test = await startQueryRetrieve();
    test.search = async function* () {
      for (let number = 1; ; number += 1) {
        yield study(number);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    };
    const association = await associateWith(test.port, [context(FIND)]);
    const responses = operate(association, COMMAND.findRq, { QueryRetrieveLevel: 'STUDY' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const drained = test.server.drain();
    assert.equal((await responses).at(-1)!.status, 0xa700);
    await association.release();
    await drained;
  });
});
