import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { REJECTION } from '../../gateway/dimse/pdu.ts';
import type { StudyDetail } from '../../gateway/worklist/worklist.ts';
import { cStore, startTestGateway, studyOf, temporaryFolder, testSettings, waitFor, type TestGateway, type Tree } from '../support/gateway.ts';
import { faultSettings } from '../support/kill-run.ts';
import { numberedImages, type NumberedImage } from '../support/numbered-images.ts';
import { freePort } from '../support/peers.ts';
import { startScriptedScp, type Script, type ScriptedScp } from '../support/scripted-scp.ts';

const RETRY = { firstSeconds: 0.1, maxSeconds: 0.4 };
const OUT_OF_RESOURCES = 0xa700;

describe('a destination in trouble', function () {
  this.timeout(60_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let settings: Tree;
  let gateway: TestGateway;
  let images: NumberedImage[];
  let pacs: ScriptedScp;
  let archive: ScriptedScp;
  let pacsPort: number;

  before(async () => {
    folder = await temporaryFolder();
    const home = join(folder.path, 'home');
    await mkdir(home);
    images = await numberedImages(folder.path, { studies: 10, imagesOfStudy: 1, series: 21 });
    pacsPort = await freePort();
    pacs = await startScriptedScp({}, pacsPort);
    archive = await startScriptedScp();
    settings = faultSettings({ port: pacsPort }, {
      peers: [
        { name: 'pacs', aeTitle: 'PACS', host: '127.0.0.1', port: pacsPort },
        { name: 'archive', aeTitle: 'ARCHIVE', host: '127.0.0.1', port: archive.port },
      ],
      destinations: [
        { name: 'pacs', type: 'dimse', peer: 'pacs', timeoutSeconds: 1, retry: RETRY },
        { name: 'archive', type: 'dimse', peer: 'archive', timeoutSeconds: 1, retry: { ...RETRY, hours: 0.6 / 3600 } },
        { name: 'folder', type: 'folder', path: join(home, 'out'), retry: RETRY },
      ],
      routes: [
        { name: 'strict', when: { PatientID: ['PATIENT-000009', 'PATIENT-000010'] }, completeAfterSeconds: 0.1, models: ['tiny'], deliver: [{ to: 'archive' }] },
        { name: 'chest', when: { Modality: ['CR'] }, completeAfterSeconds: 0.1, models: ['tiny'], deliver: [{ to: 'pacs' }, { to: 'folder' }] },
      ],
    });
    await writeFile(join(home, 'hilum.yaml'), stringify(testSettings(home, settings)));
    gateway = await startTestGateway(home, settings);
  });
  after(async () => {
    await gateway?.stop();
    await pacs?.[Symbol.asyncDispose]();
    await archive?.[Symbol.asyncDispose]();
    await folder.remove();
  });

  let next = 0;
  async function sendOne(): Promise<NumberedImage> {
    const image = images[next++];
    assert.ok(image);
    assert.equal((await cStore(gateway.dimsePort ?? 0, [image]))[0]?.status, 'delivered');
    return image;
  }

  const at = (study: StudyDetail, destination: string): StudyDetail['deliveries'] => study.deliveries.filter((delivery) => delivery.destination === destination);
  const waitForStudy = (image: NumberedImage, holds: (study: StudyDetail) => boolean, what: string): Promise<StudyDetail> =>
    waitFor(async () => {
      const study = await studyOf(gateway.api, image.studyInstanceUid);
      return study !== undefined && holds(study) && study;
    }, what);

  /** With the PACS in trouble a study goes all the way to the other destination; without, to the PACS too, once. */
  async function expectLaterAndOnce(reason: RegExp, mend: () => void | Promise<void>): Promise<void> {
    const image = await sendOne();
    const stuck = await waitForStudy(
      image,
      (study) => study.deliveries.length === 4 && at(study, 'folder').every(({ status }) => status === 'delivered') && at(study, 'pacs').some(({ attempts }) => attempts >= 2),
      'the other destination and two tries at this one',
    );
    assert.equal(stuck.analysis, 'analyzed');
    const failing = at(stuck, 'pacs').filter(({ status }) => status === 'pending');
    assert.ok(failing.length > 0);
    assert.match(failing[0]?.lastError ?? '', reason);
    await mend();
    const done = await waitForStudy(image, ({ delivery }) => delivery === 'delivered', 'the PACS that is back');
    const sent = at(done, 'pacs').map(({ sopInstanceUid }) => sopInstanceUid).toSorted();
    const got = pacs.stored.map(({ sopInstanceUid }) => sopInstanceUid).filter((uid) => sent.includes(uid));
    assert.deepEqual(got.toSorted(), sent, 'each result once');
  }

  const faults: [string, Script, RegExp][] = [
    ['refuses the association', { reject: REJECTION.temporaryCongestion }, /rejected/i],
    ['takes the connection and says nothing', { hangAtOnce: true }, /within 1 s|no answer|nothing|timeout|silent/i],
    ['takes the association and never answers a C-STORE', { answer: () => 'hang' }, /within 1 s|no answer|nothing|timeout|silent/i],
    ['breaks off at every C-STORE', { answer: () => 'abort' }, /abort/i],
  ];
  for (const [what, script, reason] of faults)
    it(`holds up nothing else when it ${what}, and gets everything once when it is back`, async () => {
      pacs.script = script;
      await expectLaterAndOnce(reason, () => void (pacs.script = {}));
    });

  it('holds up nothing else when it is down, and gets everything once when it is back', async () => {
    await pacs[Symbol.asyncDispose]();
    await expectLaterAndOnce(/cannot connect/, async () => void (pacs = await startScriptedScp({}, pacsPort)));
  });

  it('gets what it takes though it refuses one instance, and that one once it takes it', async () => {
    let refused: string | undefined;
    pacs.script = {
      answer: (uid) => ((refused ??= uid) === uid ? { status: OUT_OF_RESOURCES, errorComment: 'not this one' } : { status: 0 }),
    };
    await expectLaterAndOnce(/A700.*not this one/, () => {
      assert.ok(!pacs.stored.some(({ sopInstanceUid }) => sopInstanceUid === refused));
      pacs.script = {};
    });
  });

  it('tries also what the peer says will never be right, and brings it once the peer is mended', async () => {
    pacs.script = { answer: () => ({ status: 0xa900, errorComment: 'no such template' }) };
    await expectLaterAndOnce(/A900.*no such template/, () => void (pacs.script = {}));
  });

  it('keeps a dead letter with the reason of the peer after the deadline; `hilum deliveries resend` brings it there', async () => {
    next = 8;
    archive.script = { answer: () => ({ status: OUT_OF_RESOURCES, errorComment: 'the jukebox is full' }) };
    const image = await sendOne();
    const dead = await waitForStudy(image, ({ delivery }) => delivery === 'failed', 'the dead letter');
    const letters = at(dead, 'archive').filter(({ status }) => status === 'failed');
    assert.match(letters[0]?.lastError ?? '', /A700.*the jukebox is full/);
    archive.script = {};
    assert.match(await hilum('deliveries'), /archive +failed +\d/);
    assert.match(await hilum('deliveries', 'resend', '--to', 'archive'), /[12] deliveries are due again/);
    const done = await waitForStudy(image, ({ delivery }) => delivery === 'delivered', 'what was sent again');
    const sent = at(done, 'archive').map(({ sopInstanceUid }) => sopInstanceUid).toSorted();
    assert.deepEqual(archive.stored.map(({ sopInstanceUid }) => sopInstanceUid).toSorted(), sent);
  });

  async function hilum(...args: string[]): Promise<string> {
    const config = join(gateway.home, 'hilum.yaml');
    const child = spawn(process.execPath, ['gateway/cli.ts', ...args, '--config', config], { cwd: resolve(import.meta.dirname, '../..'), stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    assert.equal(code, 0);
    return output;
  }
});
