// Images come in on several associations while something is killed again and again; then what was promised is looked for.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, readlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DimseDestination } from '../../gateway/delivery/destinations/dimse.ts';
import { parsePart10 } from '../../storage/dicom/part10.ts';
import { silent } from './dimse.ts';
import { spawnGateway, studyOf, temporaryFolder, waitFor, type ChildGateway, type Tree } from './gateway.ts';
import { numberedImages, type NumberedImage } from './numbered-images.ts';
import { startRecordingPacs, type RecordingPacs } from './recording-pacs.ts';
import { seededRandom } from './random.ts';

export interface KillPlan {
  victim: 'gateway' | 'postgres';
  kills: number;
  studies: number;
  imagesOfStudy: number;
  seed: number;
}

const ASSOCIATIONS = 4;
/** A kill comes this long after its share of the images was let go, at most: in the midst of intake, analysis or delivery. */
const LONGEST_MOMENT_MS = 900;
/** An image every so often on each association, so that there is something under way at any moment. */
const PACE_MS = 60;
const RETRY_MS = 100;

/** The tiny model and short times; one PACS as destination. */
export function faultSettings(pacs: { port: number }, overrides: Tree = {}): Tree {
  return {
    models: [resolve(import.meta.dirname, '../fixtures/models/tiny')],
    peers: [{ name: 'pacs', aeTitle: 'PACS', host: '127.0.0.1', port: pacs.port }],
    destinations: [{ name: 'pacs', type: 'dimse', peer: 'pacs', timeoutSeconds: 5, retry: { firstSeconds: 0.1, maxSeconds: 1 } }],
    routes: [{ name: 'chest', when: { Modality: ['CR', 'DX'] }, completeAfterSeconds: 0.5, models: ['tiny'], deliver: [{ to: 'pacs' }] }],
    ...overrides,
  };
}

/** @returns what happened, for whoever wants figures */
export async function runKills({ victim, kills, studies, imagesOfStudy, seed }: KillPlan): Promise<{ acknowledged: number; stored: number; versions: number }> {
  const folder = await temporaryFolder();
  const home = join(folder.path, 'home');
  const pacs = await startRecordingPacs();
  let gateway: ChildGateway | undefined;
  const run: Run = { ended: false, released: 0, port: 0, acknowledged: new Set() };
  try {
    await mkdir(home);
    const images = await numberedImages(folder.path, { studies, imagesOfStudy, series: seed });
    const settings = faultSettings(pacs);
    gateway = await spawnGateway(home, settings);
    run.port = gateway.dimsePort;
    const random = seededRandom(seed);
    const senders = Array.from({ length: ASSOCIATIONS }, (_, lane) => sendUntilAcknowledged(images.filter((_image, index) => index % ASSOCIATIONS === lane), images, run));
    const sent = Promise.all(senders);
    sent.catch(() => {});
    for (let kill = 1; kill <= kills; kill++) {
      run.released = Math.round((images.length * kill) / kills);
      await sleep(random() * LONGEST_MOMENT_MS);
      if (victim === 'postgres') {
        await killPostgres(home);
      } else {
        await gateway.kill();
        gateway = await spawnGateway(home, settings);
        run.port = gateway.dimsePort;
      }
    }
    const { process: child } = gateway;
    assert.equal(child.exitCode, null, 'the gateway stays up');
    await Promise.race([sent, once(child, 'exit').then(([code]) => assert.fail(`the gateway ended by itself (${code})`))]);
    assert.equal(run.acknowledged.size, images.length);
    const uids = [...new Set(images.map(({ studyInstanceUid }) => studyInstanceUid))];
    for (const uid of uids) await settled(gateway.api, uid, imagesOfStudy);
    assert.equal(await gateway.stop(), 0);
    gateway = await spawnGateway(home, settings);
    for (const image of images) await expectBytes(gateway.api, image);
    for (const uid of uids) await expectOneSet(gateway.api, uid, imagesOfStudy, pacs);
    expectOneContent(pacs);
    assert.equal(await gateway.stop(), 0);
    assert.deepEqual(await readdir(join(home, 'journal')), []);
    assert.deepEqual(await readdir(join(home, 'incoming')), []);
    assert.deepEqual(await processesOf(home), []);
    const reports = pacs.stored.filter(({ sopClassUid }) => isReport(sopClassUid));
    return { acknowledged: images.length, stored: pacs.stored.length, versions: new Set(reports.map(({ sopInstanceUid }) => sopInstanceUid)).size };
  } finally {
    run.ended = true;
    if (gateway?.process.exitCode === null && gateway.process.signalCode === null) await gateway.stop();
    await pacs.stop();
    await folder.remove();
  }
}

interface Run {
  /** So many of the images may be sent by now. */
  released: number;
  /** Where the gateway listens now. */
  port: number;
  acknowledged: Set<string>;
  ended: boolean;
}

/** A modality keeps an image until it was told that it is stored, and tries again until then. */
async function sendUntilAcknowledged(mine: NumberedImage[], all: NumberedImage[], run: Run): Promise<void> {
  const place = new Map(all.map(({ sopInstanceUid }, index) => [sopInstanceUid, index]));
  const waiting = new Map(mine.map((image) => [image.sopInstanceUid, image]));
  while (waiting.size > 0 && !run.ended) {
    const due = [...waiting.values()].filter(({ sopInstanceUid }) => (place.get(sopInstanceUid) ?? 0) < run.released);
    const remote = { host: '127.0.0.1', port: run.port, calledAe: 'HILUM', callingAe: 'MODALITY' };
    const client = new DimseDestination({ remote, maxPduBytes: 65_536, timeoutMs: 30_000, log: silent });
    try {
      if (due.length > 0)
        for await (const outcome of client.send(due, AbortSignal.timeout(60_000))) {
          if (outcome.status !== 'delivered') continue;
          run.acknowledged.add(outcome.sopInstanceUid);
          waiting.delete(outcome.sopInstanceUid);
          await sleep(PACE_MS);
        }
    } catch {
      // Killed while sending, or not there yet: what has no answer stays in `waiting`.
    }
    await sleep(RETRY_MS);
  }
}

/** @returns its process number */
export async function killPostgres(home: string): Promise<number> {
  // Between two servers there is no file; the next one is as good.
  const pid = await waitFor(async () => Number((await readFile(join(home, 'postgres/postmaster.pid'), 'utf8').catch(() => '')).split('\n', 1)[0]) || undefined, 'postmaster.pid');
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // the file is one that the last kill left
  }
  return pid;
}

/** Waits until the newest outcome, of all images, is at its destination. */
async function settled(api: string, studyInstanceUid: string, images: number): Promise<void> {
  await waitFor(
    async () => {
      const study = await studyOf(api, studyInstanceUid).catch(() => undefined); // Postgres may be just back
      const overlays = study?.results.filter(({ kind, current }) => current && kind === 'overlay').length;
      return study?.intake === 'complete' && study.delivery === 'delivered' && overlays === images;
    },
    `the results of study ${studyInstanceUid}`,
  );
}

async function expectBytes(api: string, image: NumberedImage): Promise<void> {
  assert.equal(await digestOfObject(api, image), image.digest, `${image.sopInstanceUid} has the bytes that were sent`);
}

interface ObjectUids {
  studyInstanceUid: string;
  seriesInstanceUid: string;
  sopInstanceUid: string;
}

async function digestOfObject(api: string, { studyInstanceUid, seriesInstanceUid, sopInstanceUid }: ObjectUids): Promise<string> {
  const url = `${api}/dicomweb/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`;
  const response = await fetch(url, { headers: { accept: 'application/dicom; transfer-syntax=*' } });
  assert.equal(response.status, 200, url);
  const bytes = Buffer.from(await response.arrayBuffer());
  return createHash('sha256').update(bytes.subarray(parsePart10(bytes).datasetOffset)).digest('hex');
}

/** One current report and an overlay of each image, as the gateway says it and as the PACS has it. */
async function expectOneSet(api: string, studyInstanceUid: string, images: number, pacs: RecordingPacs): Promise<void> {
  const study = await studyOf(api, studyInstanceUid);
  assert.ok(study);
  assert.deepEqual([study.images, study.instances.length, study.flagged], [images, images, null]);
  const current = study.results.filter((result) => result.current && !result.alternativeTo);
  assert.deepEqual(current.map(({ kind }) => kind).toSorted(), [...Array<string>(images).fill('overlay'), 'structured-report']);
  for (const result of current) {
    const there = pacs.stored.find(({ sopInstanceUid }) => sopInstanceUid === result.sopInstanceUid);
    assert.equal(there?.digest, await digestOfObject(api, { ...result, studyInstanceUid }), `${result.kind} ${result.sopInstanceUid} is at the PACS as it was made`);
  }
  const reports = pacs.stored.filter((stored) => stored.studyInstanceUid === studyInstanceUid && isReport(stored.sopClassUid));
  const replaced = new Set(reports.flatMap(({ predecessors }) => predecessors));
  const heads = new Set(reports.map(({ sopInstanceUid }) => sopInstanceUid).filter((uid) => !replaced.has(uid)));
  assert.deepEqual([...heads], current.filter(({ kind }) => kind === 'structured-report').map(({ sopInstanceUid }) => sopInstanceUid));
}

function expectOneContent(pacs: RecordingPacs): void {
  const digests = new Map<string, string>();
  for (const { sopInstanceUid, digest } of pacs.stored) {
    assert.equal(digests.get(sopInstanceUid) ?? digest, digest, `${sopInstanceUid} has one content`);
    digests.set(sopInstanceUid, digest);
  }
}

const isReport = (sopClassUid: string): boolean => sopClassUid.startsWith('1.2.840.10008.5.1.4.1.1.88.');

/** Processes that work in a data folder or were told of it. */
export async function processesOf(home: string): Promise<string[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found: string[] = [];
  for (const id of ids) {
    const folder = await readlink(`/proc/${id}/cwd`).catch(() => '');
    const command = (await readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
    if (folder.startsWith(home) || command.includes(home)) found.push(`${id}: ${command}`);
  }
  return found;
}
