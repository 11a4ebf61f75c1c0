import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dataset } from '../../storage/dicom/dataset.ts';
import { parsePart10, readPart10 } from '../../storage/dicom/part10.ts';
import { readFrame } from '../../storage/dicom/frames.ts';
import { TRANSFER_SYNTAXES, transferSyntax } from '../../storage/dicom/uids.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { IntakeRefusal } from '../../storage/errors.ts';
import { openDestination } from '../../gateway/delivery/destinations/open.ts';
import { echo } from '../../gateway/dimse/echo-scu.ts';
import { imageValues, settingsWith, sha256, silent, startTestServer } from '../support/dimse.ts';
import { freePort, runTool, startTool } from '../support/peers.ts';
import { outcomesOf, ResultFolder, SECONDARY_CAPTURE } from '../support/results-on-disk.ts';

/** storescu's option for each transfer syntax that it can propose. */
const STORESCU_SYNTAXES: Record<string, string> = {
  '-xi': '1.2.840.10008.1.2',
  '-xe': '1.2.840.10008.1.2.1',
  '-xb': '1.2.840.10008.1.2.2',
  '-xd': '1.2.840.10008.1.2.1.99',
  '-xy': '1.2.840.10008.1.2.4.50',
  '-xx': '1.2.840.10008.1.2.4.51',
  '-xs': '1.2.840.10008.1.2.4.70',
  '-xt': '1.2.840.10008.1.2.4.80',
  '-xu': '1.2.840.10008.1.2.4.81',
  '-xv': '1.2.840.10008.1.2.4.90',
  '-xw': '1.2.840.10008.1.2.4.91',
  '-xm': '1.2.840.10008.1.2.4.100',
  '-xh': '1.2.840.10008.1.2.4.101',
  '-xn': '1.2.840.10008.1.2.4.102',
  '-xl': '1.2.840.10008.1.2.4.103',
  '-x2': '1.2.840.10008.1.2.4.104',
  '-x3': '1.2.840.10008.1.2.4.105',
  '-xo': '1.2.840.10008.1.2.4.106',
  '-x4': '1.2.840.10008.1.2.4.107',
  '-x5': '1.2.840.10008.1.2.4.108',
  '-xr': '1.2.840.10008.1.2.5',
};
const never = new AbortController().signal;

/** A file in the syntax; where it is compressed, of bytes that no decoder would take, since nobody here decodes. */
async function fileIn(folder: ResultFolder, transferSyntaxUid: string, sopInstanceUid: string, pixelBytes = 4096): Promise<string> {
  const values = imageValues(sopInstanceUid, pixelBytes);
  const { encapsulated } = transferSyntax(transferSyntaxUid);
  const pixels = values.PixelData as Buffer;
  const elements = dataset({ ...values, PixelData: encapsulated ? [pixels] : pixels });
  const path = join(folder.path, `${sopInstanceUid}.dcm`);
  await writeFile(path, writePart10(elements, { transferSyntaxUid }));
  return path;
}

describe('DCMTK as peer', function () {
  this.timeout(120_000);
  let folder: ResultFolder;
  beforeEach(async () => void (folder = await ResultFolder.create()));
  afterEach(() => folder[Symbol.asyncDispose]());

  it('echoscu gets its answer, and with a wrong called AE title its rejection', async () => {
    await using test = await startTestServer();
    const ok = await runTool('echoscu', ['-v', '-aec', 'HILUM', '127.0.0.1', String(test.port)]);
    assert.equal(ok.code, 0, ok.output);
    assert.match(ok.output, /Received Echo Response \(Success\)/);
    const wrong = await runTool('echoscu', ['-v', '-aec', 'OTHER', '127.0.0.1', String(test.port)]);
    assert.match(wrong.output, /Called AE Title Not Recognized/);
  });

  it('storescu says who it is, is verified where the settings want that, and is rejected where it is somebody else', async () => {
    const passcodeFile = join(folder.path, 'passcode');
    await writeFile(passcodeFile, 'open sesame\n');
    await using test = await startTestServer({ peers: [{ name: 'room', aeTitle: 'STORESCU', requireUser: { name: 'room', passcodeFile } }] });
    const path = await fileIn(folder, '1.2.840.10008.1.2.1', '2.25.1');
    const send = (...options: string[]) => runTool('storescu', ['-v', ...options, '-aec', 'HILUM', '127.0.0.1', String(test.port), path]);
    const verified = await send('-usr', 'room', '-pwd', 'open sesame', '-rsp');
    assert.equal(verified.code, 0, verified.output);
    assert.equal(test.sink.received.length, 1);
    for (const options of [[], ['-usr', 'room'], ['-usr', 'room', '-pwd', 'open'], ['-usr', 'other', '-pwd', 'open sesame'], ['--jwt', path]])
      assert.match((await send(...options)).output, /Result: Rejected Permanent, Source: Service User\s+F: Reason: No Reason/, options.join(' '));
    assert.equal(test.sink.received.length, 1);
  });

  it('storescu sends in every transfer syntax that it knows, and what is kept is in that syntax, with all elements and pixels', async () => {
    await using test = await startTestServer();
    for (const [index, [option, syntax]] of Object.entries(STORESCU_SYNTAXES).entries()) {
      const uid = `2.25.${100 + index}`;
      const path = await fileIn(folder, syntax, uid);
      const { code, output } = await runTool('storescu', [option, '-R', '-aec', 'HILUM', '127.0.0.1', String(test.port), path]);
      const name = TRANSFER_SYNTAXES[syntax]!.name;
      assert.equal(code, 0, `${name}: ${output}`);
      const received = test.sink.received[index]!;
      assert.deepEqual(received.context.command, { sopClassUid: '1.2.840.10008.5.1.4.1.1.1', sopInstanceUid: uid, transferSyntaxUid: syntax }, name);
      const kept = parsePart10(await readFile(received.path), { transferSyntaxUid: syntax });
      const sent = await readPart10(path);
      assert.deepEqual(kept.dataset, sent.dataset, name);
      assert.deepEqual(Buffer.from(await readFrame(kept, 1)), Buffer.from(await readFrame(sent, 1)), name);
    }
  });

  it('storescu proposes everything at once, in few and in many contexts, and sends a whole folder', async () => {
    await using test = await startTestServer();
    for (let index = 0; index < 10; index += 1) await fileIn(folder, '1.2.840.10008.1.2.1', `2.25.${index + 1}`, 200_000);
    for (const options of [[], ['+C'], ['-R']]) {
      const { code, output } = await runTool('storescu', [...options, '+sd', '-aec', 'HILUM', '127.0.0.1', String(test.port), folder.path]);
      assert.equal(code, 0, output);
    }
    assert.equal(test.sink.received.length, 30);
    assert.equal(new Set(test.sink.received.map(({ sha256: digest }) => digest)).size, 10);
  });

  it('storescu with the smallest PDUs it knows sends the same bytes as with the largest', async () => {
    await using test = await startTestServer({ limits: { pduBytes: 4096 } });
    const path = await fileIn(folder, '1.2.840.10008.1.2.1', '2.25.1', 1_000_000);
    const { code, output } = await runTool('storescu', ['-pdu', '131072', '--max-send-pdu', '4096', '-aec', 'HILUM', '127.0.0.1', String(test.port), path]);
    assert.equal(code, 0, output);
    const { datasetOffset } = await readPart10(path);
    assert.equal(test.sink.received[0]?.sha256, sha256((await readFile(path)).subarray(datasetOffset)));
  });

  it('storescu sees the status of each refusal, and goes on with the next instance', async () => {
    await using test = await startTestServer();
    test.sink.before = ({ command }) => {
      if (command?.sopInstanceUid === '2.25.1') throw new IntakeRefusal('out-of-room', 'the disk is nearly full');
    };
    const paths = [await fileIn(folder, '1.2.840.10008.1.2.1', '2.25.1', 3_000_000), await fileIn(folder, '1.2.840.10008.1.2.1', '2.25.2')];
    const { output } = await runTool('storescu', ['-v', '-nh', '-aec', 'HILUM', '127.0.0.1', String(test.port), ...paths]);
    assert.match(output, /Received Store Response \(Refused: OutOfResources\)/);
    assert.match(output, /Received Store Response \(Success\)/);
    assert.deepEqual(test.sink.received.map(({ context }) => context.command?.sopInstanceUid), ['2.25.2']);
  });

  const destination = (port: number, timeoutSeconds = 10) => {
    const settings = settingsWith({
      peers: [{ name: 'pacs', aeTitle: 'PACS', host: '127.0.0.1', port }],
      destinations: [{ name: 'pacs', type: 'dimse', peer: 'pacs', timeoutSeconds }],
    });
    return openDestination(settings.destinations[0]!, settings, silent);
  };

  for (const [what, option] of [['as they are', '+xe'], ['in Implicit VR', '+xi'], ['with DCMTK choosing', '+xa']] as const)
    it(`storescp takes our results ${what}`, async () => {
      await using target = await ResultFolder.create();
      await using scp = await startTool('storescp', (port) => [option, '-aet', 'PACS', '-od', target.path, String(port)]);
      await echo({ host: '127.0.0.1', port: scp.port, calledAe: 'PACS', callingAe: 'HILUM' }, 5000);
      const results = [await folder.report('2.25.10'), await folder.image('2.25.11', 2_000_000, SECONDARY_CAPTURE)];
      const outcomes = await outcomesOf(destination(scp.port).send(results, never));
      assert.deepEqual(outcomes.map(({ status }) => status), ['delivered', 'delivered'], JSON.stringify(outcomes) + scp.output());
      const files = await readdir(target.path);
      assert.equal(files.length, 2);
      for (const { path, sopInstanceUid } of results) {
        const arrived = await readPart10(join(target.path, files.find((name) => name.endsWith(`.${sopInstanceUid}`))!));
        const sent = await readPart10(path);
        assert.deepEqual(arrived.dataset, sent.dataset);
        if (sent.pixelData) assert.deepEqual(await readFrame(arrived, 1), await readFrame(sent, 1));
      }
    });

  for (const option of ['--refuse', '--abort-after', '--abort-during'])
    it(`storescp ${option}: the destination is unavailable, with the reason`, async () => {
      await using scp = await startTool('storescp', (port) => [option, '--ignore', '-aet', 'PACS', String(port)]);
      const sending = outcomesOf(destination(scp.port).send([await folder.image('2.25.11', 2_000_000)], never));
      await assert.rejects(sending, { name: 'DestinationUnavailable', message: option === '--refuse' ? /rejected/ : /aborted|closed|broke/ });
    });

  it('nothing listens: the destination is unavailable', async () => {
    const sending = outcomesOf(destination(await freePort()).send([await folder.image('2.25.11')], never));
    await assert.rejects(sending, { name: 'DestinationUnavailable', message: /ECONNREFUSED/ });
  });
});
