import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { openDestination, type DestinationClient, type OutgoingResult } from '../../gateway/delivery/destinations/open.ts';
import { freePort } from '../support/peers.ts';
import { REJECTION } from '../../gateway/dimse/pdu.ts';
import { parsePart10, readPart10 } from '../../storage/dicom/part10.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { DestinationUnavailable } from '../../storage/errors.ts';
import { settingsWith, silent } from '../support/dimse.ts';
import { COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, outcomesOf, ResultFolder } from '../support/results-on-disk.ts';
import { startScriptedScp } from '../support/scripted-scp.ts';

function clientFor(port: number, timeoutSeconds = 5): DestinationClient {
  const settings = settingsWith({
    peers: [{ name: 'pacs', aeTitle: 'PACS', host: '127.0.0.1', port }],
    destinations: [{ name: 'pacs', type: 'dimse', peer: 'pacs', timeoutSeconds }],
  });
  return openDestination(settings.destinations[0]!, settings, silent);
}

const never = new AbortController().signal;
const send = (port: number, results: OutgoingResult[], timeoutSeconds?: number) => outcomesOf(clientFor(port, timeoutSeconds).send(results, never));
const unavailable = (message: RegExp) => (error: unknown) => error instanceof DestinationUnavailable && message.test(error.message);

describe('delivery to a DICOM peer', () => {
  let folder: ResultFolder;
  beforeEach(async () => void (folder = await ResultFolder.create()));
  afterEach(() => folder[Symbol.asyncDispose]());

  it('sends all that waits over one association, the very bytes of each', async () => {
    await using scp = await startScriptedScp();
    const results = [await folder.report('2.25.10'), await folder.image('2.25.11', 500_000), await folder.image('2.25.12')];
    const outcomes = await send(scp.port, results);
    assert.deepEqual(outcomes, results.map(({ sopInstanceUid }) => ({ status: 'delivered', sopInstanceUid, deliveredSopInstanceUid: sopInstanceUid })));
    assert.equal(scp.associations, 1);
    for (const [index, { path, sopInstanceUid }] of results.entries()) {
      const { datasetOffset } = await readPart10(path);
      const stored = scp.stored[index]!;
      assert.equal(stored.sopInstanceUid, sopInstanceUid);
      assert.equal(stored.transferSyntaxUid, EXPLICIT_VR_LITTLE_ENDIAN);
      assert.ok(stored.bytes.equals((await readFile(path)).subarray(datasetOffset)));
    }
  });

  it('transcodes where the peer takes only Implicit VR, and every element arrives as it was', async () => {
    await using scp = await startScriptedScp({ syntaxesOf: () => [IMPLICIT_VR_LITTLE_ENDIAN] });
    const results = [await folder.report('2.25.10'), await folder.image('2.25.11')];
    assert.ok((await send(scp.port, results)).every(({ status }) => status === 'delivered'));
    for (const [index, { path }] of results.entries()) {
      const stored = scp.stored[index]!;
      assert.equal(stored.transferSyntaxUid, IMPLICIT_VR_LITTLE_ENDIAN);
      const sent = await readPart10(path);
      const arrived = parsePart10(stored.bytes, { transferSyntaxUid: IMPLICIT_VR_LITTLE_ENDIAN });
      assert.deepEqual(arrived.dataset, sent.dataset);
      assert.equal(arrived.pixelData?.length, sent.pixelData?.length);
    }
  });

  it('sends the Comprehensive SR where the peer takes no Comprehensive 3D SR, and says so', async () => {
    await using scp = await startScriptedScp({ syntaxesOf: (uid) => (uid === COMPREHENSIVE_3D_SR ? undefined : [EXPLICIT_VR_LITTLE_ENDIAN]) });
    const [outcome] = await send(scp.port, [await folder.report('2.25.10')]);
    assert.deepEqual(outcome, {
      status: 'delivered',
      sopInstanceUid: '2.25.10',
      deliveredSopInstanceUid: '2.25.10.1',
      detail: `the peer does not accept SOP class ${COMPREHENSIVE_3D_SR}`,
    });
    assert.equal(scp.stored[0]?.sopClassUid, COMPREHENSIVE_SR);
  });

  it('does the same where the peer accepts the context, and refuses the class with 0122', async () => {
    await using scp = await startScriptedScp({ answer: (uid) => ({ status: uid === '2.25.10' ? 0x0122 : 0 }) });
    const [outcome] = await send(scp.port, [await folder.report('2.25.10')]);
    assert.deepEqual([outcome?.status, scp.stored[0]?.sopInstanceUid], ['delivered', '2.25.10.1']);
  });

  it('says that a result is refused where the peer takes neither form, and delivers the others', async () => {
    await using scp = await startScriptedScp({ syntaxesOf: (uid) => (uid.startsWith('1.2.840.10008.5.1.4.1.1.88') ? undefined : [EXPLICIT_VR_LITTLE_ENDIAN]) });
    const [report, image] = await send(scp.port, [await folder.report('2.25.10'), await folder.image('2.25.11')]);
    assert.equal(report?.status, 'refused');
    assert.match(report.detail!, /does not accept SOP class .*88\.34; .*88\.33/);
    assert.equal(image?.status, 'delivered');
  });

  it("counts warnings as delivered and failures as refused, with the peer's own reason", async () => {
    const answers: Record<string, { status: number; errorComment?: string }> = {
      '2.25.20': { status: 0xb000 },
      '2.25.21': { status: 0xb006 },
      '2.25.22': { status: 0xa700, errorComment: 'disk full' },
      '2.25.23': { status: 0xa900 },
      '2.25.24': { status: 0xc000, errorComment: 'no idea' },
      '2.25.25': { status: 0x0111 },
      '2.25.26': { status: 0 },
    };
    await using scp = await startScriptedScp({ answer: (uid) => answers[uid]! });
    const outcomes = await send(scp.port, await Promise.all(Object.keys(answers).map((uid) => folder.image(uid))));
    assert.deepEqual(
      outcomes.map(({ status, detail, ...rest }) => [status, detail, 'permanent' in rest && rest.permanent]),
      [
        ['delivered', 'B000 coercion of data elements', false],
        ['delivered', 'B006 elements discarded', false],
        ['refused', 'A700 out of resources: disk full', false],
        ['refused', 'A900 dataset does not match SOP class', true],
        ['refused', 'C000 cannot understand: no idea', false],
        ['delivered', '0111 duplicate SOP instance', false],
        ['delivered', undefined, false],
      ],
    );
  });

  it('says that the destination is unavailable when nothing listens there', async () => {
    const port = await freePort();
    await assert.rejects(send(port, [await folder.image('2.25.11')]), unavailable(new RegExp(`PACS at 127.0.0.1:${port}: cannot connect.*ECONNREFUSED`)));
  });

  it("gives the peer's rejection in words", async () => {
    await using scp = await startScriptedScp({ reject: REJECTION.callingAeNotRecognized });
    await assert.rejects(send(scp.port, [await folder.image('2.25.11')]), unavailable(/rejected permanently by the service user: calling AE title not recognized/));
    scp.script.reject = REJECTION.localLimitExceeded;
    await assert.rejects(send(scp.port, [await folder.image('2.25.11')]), unavailable(/rejected transiently by the service provider \(presentation\): local limit exceeded/));
  });

  it('gives up a peer that hangs: before the association, in place of an answer, or without reading', async () => {
    await using scp = await startScriptedScp({ hangAtOnce: true });
    const results = [await folder.image('2.25.11', 30_000_000)];
    await assert.rejects(send(scp.port, results, 0.2), unavailable(/silent for 0.2 s/));
    scp.script = { answer: () => 'hang' };
    await assert.rejects(send(scp.port, results, 0.2), unavailable(/silent for 0.2 s/));
    scp.script = { readNothing: true };
    await assert.rejects(send(scp.port, results, 0.2), unavailable(/silent for 0.2 s/));
  });

  it('does not let an instance at which the peer breaks off hold back the others', async () => {
    await using scp = await startScriptedScp({ answer: (uid) => (uid === '2.25.11' ? 'abort' : { status: 0 }) });
    const outcomes = await send(scp.port, [await folder.image('2.25.10'), await folder.image('2.25.11'), await folder.image('2.25.12')]);
    assert.deepEqual(outcomes.map(({ sopInstanceUid, status }) => [sopInstanceUid, status]), [['2.25.10', 'delivered'], ['2.25.11', 'refused'], ['2.25.12', 'delivered']]);
    assert.match(outcomes[1]!.detail!, /aborted by the service user of the peer/);
  });

  it('says that the destination is unavailable when it breaks off every time', async () => {
    await using scp = await startScriptedScp({ answer: () => 'abort' });
    const results = [await folder.image('2.25.10'), await folder.image('2.25.11'), await folder.image('2.25.12')];
    await assert.rejects(send(scp.port, results), unavailable(/aborted/));
    assert.ok(scp.associations <= 2);
  });

  it('keeps what was delivered before the destination went away', async () => {
    await using scp = await startScriptedScp({ answer: (uid) => (uid === '2.25.11' ? 'hang' : { status: 0 }) });
    const delivered: string[] = [];
    await assert.rejects(async () => {
      for await (const { sopInstanceUid } of clientFor(scp.port, 0.2).send([await folder.image('2.25.10'), await folder.image('2.25.11')], never)) delivered.push(sopInstanceUid);
    }, unavailable(/silent/));
    assert.deepEqual(delivered, ['2.25.10']);
  });

  it('refuses a result whose file is gone or broken, and delivers the others', async () => {
    await using scp = await startScriptedScp();
    const broken = await folder.image('2.25.9');
    await writeFile(broken.path, (await readFile(broken.path)).subarray(0, 1000));
    const results = [{ ...(await folder.image('2.25.8')), path: '/nowhere' }, broken, await folder.image('2.25.10')];
    const outcomes = await send(scp.port, results);
    assert.deepEqual(outcomes.map(({ status }) => status), ['refused', 'refused', 'delivered']);
    assert.match(outcomes[0]!.detail!, /cannot be read: ENOENT/);
    assert.equal(outcomes[1]?.status === 'refused' && outcomes[1].permanent, true);
  });

  it('stops at once when it is told to', async () => {
    await using scp = await startScriptedScp({ answer: () => 'hang' });
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('shutting down')), 50);
    await assert.rejects(outcomesOf(clientFor(scp.port, 30).send([await folder.image('2.25.10')], controller.signal)), /shutting down/);
  });
});
