// C-MOVE and C-GET as peers see them: what arrives, in which transfer syntax, what is counted, and how it ends.
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { COMMAND, type Command } from '../../gateway/dimse/command.ts';
import type { Association, Message } from '../../gateway/dimse/association.ts';
import { DatasetTranscoder } from '../../gateway/transcode/dataset-transcoder.ts';
import { dataset, text, texts } from '../../storage/dicom/dataset.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { writeFileMeta, writePart10 } from '../../storage/dicom/write.ts';
import { CR_STORAGE, EXPLICIT, imageValues, IMPLICIT, startTestServer } from '../support/dimse.ts';
import { temporaryFolder } from '../support/gateway.ts';
import { associateWith, context, GET, keep, keepFile, MOVE, operate, startQueryRetrieve, type QueryRetrieveServer } from '../support/query-retrieve.ts';
import { startScriptedScp, type Script } from '../support/scripted-scp.ts';

const JPEG_BASELINE = '1.2.840.10008.1.2.4.50';
const JPEG_2000 = '1.2.840.10008.1.2.4.90';
const RLE = '1.2.840.10008.1.2.5';
const study = (...numbers: number[]): Record<string, unknown>[] => numbers.map((number) => ({ SOPInstanceUID: `2.25.${number}`, InstanceNumber: number }));
const wanted = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '2.25.1' };
const counts = ({ remainingSuboperations: remaining, completedSuboperations: completed, failedSuboperations: failed, warningSuboperations: warning }: Partial<Command>) => ({ remaining, completed, failed, warning });

/** A gateway that knows a destination, which does what the script says. */
async function withDestination(script: Script = {}): Promise<{ test: QueryRetrieveServer; scp: Awaited<ReturnType<typeof startScriptedScp>>; association: Association } & AsyncDisposable> {
  const scp = await startScriptedScp(script);
  const test = await startQueryRetrieve({ peers: [{ name: 'archive', aeTitle: 'ARCHIVE', host: '127.0.0.1', port: scp.port }] });
  const association = await associateWith(test.port, [context(MOVE)]);
  return {
    test,
    scp,
    association,
    async [Symbol.asyncDispose]() {
      await association.abort();
      await scp[Symbol.asyncDispose]();
      await test[Symbol.asyncDispose]();
    },
  };
}

describe('C-MOVE', () => {
  it('sends a study to a peer as it is stored, and counts', async () => {
    await using at = await withDestination();
    await keep(at.test.store, study(11, 12, 13));
    const responses = await operate(at.association, COMMAND.moveRq, wanted, { moveDestination: 'ARCHIVE' });
    assert.deepEqual(at.scp.stored.map(({ sopInstanceUid, transferSyntaxUid }) => [sopInstanceUid, transferSyntaxUid]), [11, 12, 13].map((number) => [`2.25.${number}`, EXPLICIT]));
    assert.deepEqual(counts(responses[0]!), { remaining: 2, completed: 1, failed: 0, warning: 0 });
    assert.deepEqual([responses.at(-1)!.status, counts(responses.at(-1)!)], [0, { remaining: undefined, completed: 3, failed: 0, warning: 0 }]);
    assert.equal(at.scp.associations, 1);
  });

  it('says with each instance who had asked for it', async () => {
    await using destination = await startTestServer({ dimse: { aeTitle: 'ARCHIVE' } });
    await using test = await startQueryRetrieve({ peers: [{ name: 'archive', aeTitle: 'ARCHIVE', host: '127.0.0.1', port: destination.port }] });
    await keep(test.store, study(11));
    const association = await associateWith(test.port, [context(MOVE)]);
    assert.equal((await operate(association, COMMAND.moveRq, wanted, { moveDestination: 'ARCHIVE' })).at(-1)!.status, 0);
    const [received] = destination.sink.received;
    assert.deepEqual([received!.context.callingAe, received!.context.moveOriginator], ['HILUM', { aeTitle: 'VIEWER', messageId: 7 }]);
    await association.release();
  });

  const levels: [string, Record<string, unknown>, number[]][] = [
    ['series', { QueryRetrieveLevel: 'SERIES', StudyInstanceUID: '2.25.1', SeriesInstanceUID: '2.25.2' }, [11, 12]],
    ['two series', { QueryRetrieveLevel: 'SERIES', StudyInstanceUID: '2.25.1', SeriesInstanceUID: ['2.25.2', '2.25.3'] }, [11, 12, 13]],
    ['images', { QueryRetrieveLevel: 'IMAGE', StudyInstanceUID: '2.25.1', SeriesInstanceUID: '2.25.2', SOPInstanceUID: ['2.25.12', '2.25.99'] }, [12]],
    ['two studies', { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: ['2.25.1', '2.25.4'] }, [11, 12, 13, 14]],
    ['nothing that is here', { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '2.25.99' }, []],
  ];
  for (const [what, identifier, expected] of levels)
    it(`retrieves ${what}`, async () => {
      await using at = await withDestination();
      await keep(at.test.store, [...study(11, 12), { SOPInstanceUID: '2.25.13', SeriesInstanceUID: '2.25.3' }, { SOPInstanceUID: '2.25.14', StudyInstanceUID: '2.25.4' }]);
      const last = (await operate(at.association, COMMAND.moveRq, identifier, { moveDestination: 'ARCHIVE' })).at(-1)!;
      assert.deepEqual([last.status, last.completedSuboperations], [0, expected.length]);
      assert.deepEqual(at.scp.stored.map(({ sopInstanceUid }) => sopInstanceUid).toSorted(), expected.map((number) => `2.25.${number}`));
    });

  const wrong: [string, Record<string, unknown>, string, number, RegExp][] = [
    ['a destination that nobody knows', wanted, 'NOBODY', 0xa801, /"NOBODY" is not among the peers/],
    ['a destination without an address', wanted, 'NOWHERE', 0xa801, /no host and port/],
    ['no level', { StudyInstanceUID: '2.25.1' }, 'ARCHIVE', 0xa900, /QueryRetrieveLevel is missing/],
    ['no study', { QueryRetrieveLevel: 'STUDY' }, 'ARCHIVE', 0xa900, /StudyInstanceUID says which/],
    ['an image without its series', { QueryRetrieveLevel: 'IMAGE', StudyInstanceUID: '2.25.1', SOPInstanceUID: '2.25.11' }, 'ARCHIVE', 0xa900, /SeriesInstanceUID is needed/],
    ['a wildcard', { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '*' }, 'ARCHIVE', 0xa900, /"\*" is not a UID/],
  ];
  for (const [what, identifier, moveDestination, status, reason] of wrong)
    it(`refuses ${what} with ${status.toString(16).toUpperCase()}`, async () => {
      const peers = [{ name: 'archive', aeTitle: 'ARCHIVE', host: '127.0.0.1', port: 1 }, { name: 'nowhere', aeTitle: 'NOWHERE' }];
      await using test = await startQueryRetrieve({ peers });
      const association = await associateWith(test.port, [context(MOVE)]);
      const [response, ...others] = await operate(association, COMMAND.moveRq, identifier, { moveDestination });
      assert.deepEqual([response!.status, others], [status, []]);
      assert.match(response!.errorComment!, reason);
      await association.release();
    });

  it('sends uncompressed what the destination does not take as it is stored, and as it is what it takes', async () => {
    const takes: Record<string, string[]> = { archive: [EXPLICIT, RLE], old: [IMPLICIT] };
    for (const [name, syntaxes] of Object.entries(takes)) {
      await using at = await withDestination({ syntaxesOf: () => syntaxes });
      const values = imageValues('2.25.11');
      await keepFile(at.test.store, writePart10(dataset({ ...values })));
      const rle = await rleFile('2.25.12');
      await keepFile(at.test.store, rle);
      assert.equal((await operate(at.association, COMMAND.moveRq, wanted, { moveDestination: 'ARCHIVE' })).at(-1)!.status, 0, name);
      const expected = name === 'archive' ? [EXPLICIT, RLE] : [IMPLICIT, IMPLICIT];
      assert.deepEqual(at.scp.stored.map(({ transferSyntaxUid }) => transferSyntaxUid), expected);
      const last = at.scp.stored.at(-1)!;
      const header = parsePart10(last.bytes, { transferSyntaxUid: last.transferSyntaxUid });
      assert.equal(header.pixelData?.encapsulated, name === 'archive');
    }
  });

  it('counts what is refused, warned of, and not taken at all, names it, and sends all others', async () => {
    await using at = await withDestination({
      syntaxesOf: (sopClassUid) => (sopClassUid === CR_STORAGE ? [EXPLICIT] : undefined),
      answer: (uid) => (uid === '2.25.12' ? { status: 0xa700, errorComment: 'disk full' } : { status: uid === '2.25.13' ? 0xb000 : 0 }),
    });
    await keep(at.test.store, [...study(11, 12, 13), { SOPInstanceUID: '2.25.14', SOPClassUID: '1.2.840.10008.5.1.4.1.1.2', InstanceNumber: 14 }, ...study(15)]);
    const last = (await operate(at.association, COMMAND.moveRq, wanted, { moveDestination: 'ARCHIVE' })).at(-1)!;
    assert.deepEqual([last.status, counts(last)], [0xb000, { remaining: undefined, completed: 2, failed: 2, warning: 1 }]);
    assert.match(last.errorComment!, /disk full/);
    assert.deepEqual(texts(last.dataset!, 'FailedSOPInstanceUIDList'), ['2.25.12', '2.25.14']);
  });

  it('goes on over another association where the destination breaks off at one instance', async () => {
    await using at = await withDestination({ answer: (uid) => (uid === '2.25.12' ? 'abort' : { status: 0 }) });
    await keep(at.test.store, study(11, 12, 13));
    const last = (await operate(at.association, COMMAND.moveRq, wanted, { moveDestination: 'ARCHIVE' })).at(-1)!;
    assert.deepEqual([last.status, counts(last)], [0xb000, { remaining: undefined, completed: 2, failed: 1, warning: 0 }]);
    assert.deepEqual(texts(last.dataset!, 'FailedSOPInstanceUIDList'), ['2.25.12']);
    assert.equal(at.scp.associations, 2);
  });

  it('says A702 and why where the destination is not there, rejects us, or takes nothing', async () => {
    const scripts: [Script | undefined, RegExp][] = [
      [undefined, /cannot connect/],
      [{ reject: { result: 1, source: 1, reason: 3 } }, /rejected permanently by the service user/],
      [{ answer: () => 'abort' }, /aborted/],
      [{ syntaxesOf: () => undefined }, /does not take/],
    ];
    for (const [script, reason] of scripts) {
      await using at = await withDestination(script);
      if (!script) await at.scp[Symbol.asyncDispose]();
      await keep(at.test.store, study(11, 12, 13));
      const last = (await operate(at.association, COMMAND.moveRq, wanted, { moveDestination: 'ARCHIVE' })).at(-1)!;
      assert.deepEqual([last.status, counts(last)], [0xa702, { remaining: undefined, completed: 0, failed: 3, warning: 0 }]);
      assert.match(last.errorComment!, reason);
    }
  });

  it('sends the rest where a file is gone, and counts it as failed', async () => {
    await using at = await withDestination();
    await keep(at.test.store, study(11, 12));
    for await (const { path, sopInstanceUid } of at.test.store.select({ studyInstanceUids: ['2.25.1'] })) if (sopInstanceUid === '2.25.11') await rm(path);
    const last = (await operate(at.association, COMMAND.moveRq, wanted, { moveDestination: 'ARCHIVE' })).at(-1)!;
    assert.deepEqual([last.status, last.errorComment, counts(last)], [0xb000, 'it cannot be read', { remaining: undefined, completed: 1, failed: 1, warning: 0 }]);
  });

  it('stops at a C-CANCEL after the instance on its way, says how many remain, and is there for the next request', async () => {
    const cancel = new AbortController();
    await using at = await withDestination({
      answer: (uid) => {
        if (uid === '2.25.12') cancel.abort();
        return { status: 0 };
      },
    });
    await keep(at.test.store, study(...Array.from({ length: 40 }, (_, index) => 11 + index)));
    const last = (await operate(at.association, COMMAND.moveRq, wanted, { moveDestination: 'ARCHIVE', signal: cancel.signal })).at(-1)!;
    assert.equal(last.status, 0xfe00);
    const { remaining = 0, completed = 0 } = counts(last);
    assert.equal(remaining + completed, 40);
    assert.ok(completed >= 1 && completed < 40, `${completed} went out`);
    assert.equal(at.scp.stored.length, completed);
    at.scp.script.answer = () => ({ status: 0 });
    assert.equal((await operate(at.association, COMMAND.moveRq, wanted, { moveDestination: 'ARCHIVE' })).at(-1)!.completedSuboperations, 40);
  });

  it('gives itself out as the settings want where a destination asks for a user', async () => {
    await using destination = await startTestServer({ dimse: { aeTitle: 'ARCHIVE' }, peers: [{ name: 'hilum', aeTitle: 'HILUM', requireUser: { name: 'gateway' } }] });
    const peer = { name: 'archive', aeTitle: 'ARCHIVE', host: '127.0.0.1', port: destination.port };
    for (const [sendUser, status] of [[undefined, 0xa702], [{ name: 'gateway' }, 0]] as const) {
      await using test = await startQueryRetrieve({ peers: [{ ...peer, ...(sendUser && { sendUser }) }] });
      await keep(test.store, study(11));
      const association = await associateWith(test.port, [context(MOVE)]);
      assert.equal((await operate(association, COMMAND.moveRq, wanted, { moveDestination: 'ARCHIVE' })).at(-1)!.status, status);
      await association.release();
    }
  });
});

/** An RLE image, made by the gateway's own encoder. */
async function rleFile(sopInstanceUid: string): Promise<Uint8Array> {
  const folder = await temporaryFolder();
  const transcoder = new DatasetTranscoder();
  try {
    const path = `${folder.path}/native.dcm`;
    await writeFile(path, writePart10(dataset({ ...imageValues(sopInstanceUid), InstanceNumber: 99 })));
    const instance = { studyInstanceUid: '2.25.1', seriesInstanceUid: '2.25.2', sopInstanceUid, sopClassUid: CR_STORAGE, transferSyntaxUid: EXPLICIT, path, bytes: 0, frames: 1, digest: '' };
    const parts: Uint8Array[] = [writeFileMeta({ sopClassUid: CR_STORAGE, sopInstanceUid, transferSyntaxUid: RLE })];
    for await (const part of await transcoder.dataset(instance, RLE)) parts.push(part);
    return Buffer.concat(parts);
  } finally {
    await transcoder.close();
    await folder.remove();
  }
}

const CR_SCP = { abstractSyntax: CR_STORAGE, scu: false, scp: true };

/** Takes what C-GET sends, and answers it. */
function taking(association: Association, answer: (uid: string) => number = () => 0) {
  const stored: { uid: string; transferSyntaxUid: string; bytes: Buffer }[] = [];
  const onRequest = async ({ context: { id, transferSyntax }, command, dataset: incoming }: Message): Promise<void> => {
    const parts: Uint8Array[] = [];
    for await (const part of incoming!) parts.push(part);
    const uid = command.affectedSopInstanceUid!;
    const status = answer(uid);
    stored.push({ uid, transferSyntaxUid: transferSyntax, bytes: Buffer.concat(parts) });
    await association.send(id, { commandField: COMMAND.storeRsp, affectedSopClassUid: command.affectedSopClassUid!, affectedSopInstanceUid: uid, messageIdBeingRespondedTo: command.messageId!, status, hasDataset: false });
  };
  return { stored, onRequest };
}

describe('C-GET', () => {
  it('sends a study back over the same association, and counts', async () => {
    await using test = await startQueryRetrieve();
    await keep(test.store, study(11, 12, 13));
    const association = await associateWith(test.port, [context(GET), context(CR_STORAGE, EXPLICIT, IMPLICIT)], { roles: [CR_SCP] });
    assert.deepEqual(association.agreement.roles.get(CR_STORAGE), CR_SCP);
    const { stored, onRequest } = taking(association, (uid) => (uid === '2.25.12' ? 0xa700 : uid === '2.25.13' ? 0xb000 : 0));
    const responses = await operate(association, COMMAND.getRq, wanted, { onRequest });
    assert.deepEqual(stored.map(({ uid, transferSyntaxUid }) => [uid, transferSyntaxUid]), [11, 12, 13].map((number) => [`2.25.${number}`, EXPLICIT]));
    assert.equal(text(parsePart10(stored[0]!.bytes, { transferSyntaxUid: EXPLICIT }).dataset, 'SOPInstanceUID'), '2.25.11');
    assert.deepEqual(counts(responses[0]!), { remaining: 2, completed: 1, failed: 0, warning: 0 });
    const last = responses.at(-1)!;
    assert.deepEqual([last.status, counts(last)], [0xb000, { remaining: undefined, completed: 1, failed: 1, warning: 1 }]);
    assert.deepEqual(texts(last.dataset!, 'FailedSOPInstanceUIDList'), ['2.25.12']);
    await association.release();
  });

  it('sends nothing to a peer that has not taken the SCP role, and says so', async () => {
    await using test = await startQueryRetrieve();
    await keep(test.store, study(11));
    const association = await associateWith(test.port, [context(GET), context(CR_STORAGE, EXPLICIT)]);
    const [response] = await operate(association, COMMAND.getRq, wanted);
    assert.deepEqual([response!.status, counts(response!)], [0xa702, { remaining: undefined, completed: 0, failed: 1, warning: 0 }]);
    assert.match(response!.errorComment!, /no context with SCP role/);
    await association.release();
  });

  const choices: [string, string[], string][] = [
    ['what comes first of what everything can be sent in', [JPEG_2000, EXPLICIT], JPEG_2000],
    ['uncompressed where the first is lossy', [JPEG_BASELINE, IMPLICIT], IMPLICIT],
    ['what cannot be made here, where nothing else is proposed', [JPEG_BASELINE], JPEG_BASELINE],
  ];
  for (const [what, proposed, expected] of choices)
    it(`agrees on ${what}`, async () => {
      await using test = await startQueryRetrieve();
      const association = await associateWith(test.port, [context(GET), context(CR_STORAGE, ...proposed)], { roles: [CR_SCP] });
      assert.equal(association.contexts.get(3)!.transferSyntax, expected);
      await association.release();
    });

  it('never makes a lossy image of one that is not, and sends each as it is stored where there is a context for that', async () => {
    await using test = await startQueryRetrieve();
    await keep(test.store, study(11));
    const lossy = { ...imageValues('2.25.12'), InstanceNumber: 12, BitsAllocated: 8, BitsStored: 8, HighBit: 7, PixelData: [Buffer.from('no decoder takes this')] };
    await keepFile(test.store, writePart10(dataset(lossy), { transferSyntaxUid: JPEG_BASELINE }));
    const association = await associateWith(test.port, [context(GET), context(CR_STORAGE, JPEG_BASELINE)], { roles: [CR_SCP] });
    const { stored, onRequest } = taking(association);
    const last = (await operate(association, COMMAND.getRq, wanted, { onRequest })).at(-1)!;
    assert.deepEqual(stored.map(({ uid, transferSyntaxUid }) => [uid, transferSyntaxUid]), [['2.25.12', JPEG_BASELINE]]);
    assert.deepEqual([last.status, texts(last.dataset!, 'FailedSOPInstanceUIDList')], [0xb000, ['2.25.11']]);
    await association.release();
  });

  it('stops at a C-CANCEL in the middle', async () => {
    await using test = await startQueryRetrieve();
    await keep(test.store, study(...Array.from({ length: 30 }, (_, index) => 11 + index)));
    const association = await associateWith(test.port, [context(GET), context(CR_STORAGE, EXPLICIT)], { roles: [CR_SCP] });
    const cancel = new AbortController();
    const { stored, onRequest } = taking(association, (uid) => {
      if (uid === '2.25.13') cancel.abort();
      return 0;
    });
    const last = (await operate(association, COMMAND.getRq, wanted, { onRequest, signal: cancel.signal })).at(-1)!;
    assert.deepEqual([last.status, last.remainingSuboperations! + last.completedSuboperations!], [0xfe00, 30]);
    assert.equal(last.completedSuboperations, stored.length);
    assert.ok(stored.length < 30);
    assert.equal((await operate(association, COMMAND.getRq, { ...wanted, QueryRetrieveLevel: 'IMAGE', SeriesInstanceUID: '2.25.2', SOPInstanceUID: '2.25.11' }, { onRequest })).at(-1)!.status, 0);
    await association.release();
  });

  it('sends the instance that is on its way whole, though it was cancelled in the middle of it', async () => {
    await using test = await startQueryRetrieve();
    const side = 4000;
    const large = { Rows: side, Columns: side, PixelData: Buffer.alloc(side * side * 2) };
    await keep(test.store, [{ SOPInstanceUID: '2.25.11', InstanceNumber: 1, ...large }, { SOPInstanceUID: '2.25.12', InstanceNumber: 2, ...large }]);
    const association = await associateWith(test.port, [context(GET), context(CR_STORAGE, EXPLICIT)], { roles: [CR_SCP] });
    const cancel = new AbortController();
    const { stored, onRequest } = taking(association);
    const slowly = async (message: Message): Promise<void> => {
      cancel.abort();
      await new Promise((resolve) => setTimeout(resolve, 100));
      await onRequest(message);
    };
    const last = (await operate(association, COMMAND.getRq, wanted, { onRequest: slowly, signal: cancel.signal })).at(-1)!;
    assert.deepEqual([last.status, counts(last)], [0xfe00, { remaining: 1, completed: 1, failed: 0, warning: 0 }]);
    assert.equal(stored.length, 1);
    assert.ok(stored[0]!.bytes.length > 2 * side * side);
    await association.release();
  });

  it('aborts the association where a file breaks off in the middle, rather than sending an instance that is not whole', async () => {
    await using test = await startQueryRetrieve();
    await keep(test.store, study(11));
    test.transcoder.dataset = async () =>
      (async function* () {
        yield Buffer.alloc(1000);
        yield Buffer.alloc(1000);
        throw new Error('EIO');
      })();
    const association = await associateWith(test.port, [context(GET), context(CR_STORAGE, EXPLICIT)], { roles: [CR_SCP] });
    const { stored, onRequest } = taking(association);
    await assert.rejects(operate(association, COMMAND.getRq, wanted, { onRequest }), /aborted/);
    assert.deepEqual(stored, []);
  });
});
