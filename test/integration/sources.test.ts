// Fetching when things go wrong: what is tried again, what is given up, what is said, and that nothing comes twice.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { settingsSchema, type Source } from '../../config/settings.ts';
import type { LoadedSettings } from '../../config/load.ts';
import { promoteStudy } from '../../gateway/pipeline/promote.ts';
import { fetchDue, type FetchOptions, type FetchOutcome } from '../../gateway/sources/fetch.ts';
import { Sources } from '../../gateway/sources/sources.ts';
import { watchOnce, type WatchOptions } from '../../gateway/sources/watch.ts';
import { IntakeRepository } from '../../storage/intake.repository.ts';
import { IntakeRefusal } from '../../storage/errors.ts';
import { texts } from '../../storage/dicom/dataset.ts';
import { RecycleRepository } from '../../storage/recycle.repository.ts';
import { RetrievalsRepository, type RequestedBy, type Retrieval, type RetrievalPurpose } from '../../storage/retrievals.repository.ts';
import { WatchesRepository } from '../../storage/watches.repository.ts';
import { studyFiles } from '../support/archive-studies.ts';
import { silent } from '../support/dimse.ts';
import { waitFor } from '../support/gateway.ts';
import { TestPipeline } from '../support/pipeline.ts';
import { startScriptedArchive, type ScriptedArchive } from '../support/scripted-archive.ts';
import { freePort } from '../support/peers.ts';

const never = new AbortController().signal;

describe('fetching from a source', function () {
  this.timeout(60_000);
  let pipeline: TestPipeline;
  let archive: ScriptedArchive;
  let retrievals: RetrievalsRepository;
  let watches: WatchesRepository;
  let outcomes: FetchOutcome[];
  let full = false;
  /** Another study for each test: the database is theirs together. */
  let study: string;
  let studies = 0;

  before(async () => {
    pipeline = await TestPipeline.start();
    retrievals = new RetrievalsRepository(pipeline.dataSource);
    watches = new WatchesRepository(pipeline.dataSource);
    await pipeline.queue.addSource('archive');
  });
  after(() => pipeline[Symbol.asyncDispose]());
  beforeEach(async () => {
    archive = await startScriptedArchive();
    study = `2.25.91${(studies += 1)}`;
    outcomes = [];
    full = false;
    await pipeline.query('delete from retrievals');
    await pipeline.query('delete from watched_studies');
    await pipeline.query('delete from watches');
    use({ name: 'archive', type: 'dimse', peer: 'pacs', timeoutSeconds: 10, watch: { everySeconds: 1 } });
  });
  afterEach(() => archive[Symbol.asyncDispose]());

  function use(source: Record<string, unknown>): Source {
    const retry = { hours: 1, firstSeconds: 0.01, maxSeconds: 0.01 };
    const { peers, sources } = settingsSchema.parse({ peers: [{ name: 'pacs', aeTitle: 'PACS', host: '127.0.0.1', port: archive.port }], sources: [{ retry, ...source }] });
    pipeline.settings = { ...pipeline.settings, peers, sources } satisfies LoadedSettings;
    return sources[0]!;
  }

  const settings = (): LoadedSettings => pipeline.settings;
  const repository = (): IntakeRepository => new IntakeRepository(pipeline.dataSource);

  function fetchOptions(): FetchOptions {
    const { queue, receiver } = pipeline;
    return {
      settings, retrievals, queue, log: silent,
      receiver: {
        receive: (source, context) => (full ? Promise.reject(new IntakeRefusal('out-of-room', 'the disk is full')) : receiver.receive(source, context)),
      },
      promote: (uid) => promoteStudy(uid, { settings, repository: repository(), queue, log: silent }),
      patientOf: (uid) => retrievals.anyHeader(uid),
      onFetch: (_source, outcome) => void outcomes.push(outcome),
    };
  }

  async function ask(purpose: RetrievalPurpose = 'study', hours = 1, requestedBy: RequestedBy = 'command'): Promise<string> {
    return (await retrievals.request({ source: 'archive', studyInstanceUid: study, purpose, requestedBy, hours }, async () => undefined)).id;
  }

  /** What is due now, once; a failure is due again at once, and is taken off so that a test can look. */
  async function tryOnce(id: string): Promise<Retrieval> {
    await pipeline.query('update retrievals set next_attempt_at = now() where id = $1', [id]);
    const controller = new AbortController();
    const options = { ...fetchOptions(), onFetch: (_: string, outcome: FetchOutcome) => (outcomes.push(outcome), controller.abort()) };
    await fetchDue('archive', options, controller.signal).catch((error: unknown) => {
      if (!controller.signal.aborted) throw error;
    });
    return (await retrievals.get(id))!;
  }

  const put = (series: number[], values: Record<string, unknown> = {}): void => void archive.instances.push(...studyFiles({ studyInstanceUid: study, series, values }));
  const commands = (): string[] => archive.asked.map(({ command }) => command);
  const here = async (): Promise<number> => (await retrievals.known(study, false)).size;

  it('says why a source refused, in its own words, and tries again', async () => {
    archive.script.refuse = { status: 0xa700, errorComment: 'the archive is being moved' };
    put([1]);
    const failed = await tryOnce(await ask());
    assert.deepEqual([failed.state, failed.attempts], ['waiting', 1]);
    assert.match(failed.lastError ?? '', /^PACS at 127\.0\.0\.1:\d+: C-FIND answered with A700 out of resources: the archive is being moved$/);
    archive.script.refuse = undefined;
    assert.equal((await tryOnce(failed.id)).state, 'completed');
    assert.equal(await here(), 1);
  });

  it('gives up when the time for it is over, and at once where there is no such study', async () => {
    archive.script.refuse = { status: 0xc000 };
    assert.equal((await tryOnce(await ask('study', 0))).state, 'failed');
    archive.script.refuse = undefined;
    const none = await tryOnce(await ask());
    assert.deepEqual([none.state, none.lastError], ['failed', 'the source has no such study']);
    assert.deepEqual(outcomes, ['failed', 'failed']);
  });

  it('leaves a source that says nothing after its time, and one that is not there', async () => {
    use({ name: 'archive', type: 'dimse', peer: 'pacs', timeoutSeconds: 0.5 });
    archive.script.hang = true;
    put([1]);
    assert.match((await tryOnce(await ask())).lastError ?? '', /PACS at .*: the peer was silent for 0\.5 s/);
    pipeline.settings.peers[0]!.port = await freePort();
    assert.match((await tryOnce(await ask())).lastError ?? '', /cannot connect to 127\.0\.0\.1:/);
  });

  it('keeps what came of a study, and asks for the rest alone', async () => {
    put([2, 1]);
    const lost = `${study}.1.2`;
    archive.script.lost = new Set([lost]);
    const id = await ask();
    const first = await tryOnce(id);
    assert.deepEqual([first.state, first.lastError, await here()], ['waiting', '2 of 3 instances have come; the source sent no more', 2]);
    archive.script.lost.clear();
    assert.equal((await tryOnce(id)).state, 'completed');
    const gets = archive.asked.filter(({ command }) => command === 'get').map(({ identifier }) => [texts(identifier, 'QueryRetrieveLevel')[0], texts(identifier, 'SOPInstanceUID')]);
    assert.deepEqual(gets.slice(0, 2), [['STUDY', []], ['IMAGE', [lost]]]);
    assert.ok(gets.slice(1).every(([level, uids]) => level === 'IMAGE' && uids?.[0] === lost), 'what is here is not asked for again');
    assert.equal(await here(), 3);
  });

  it('asks for nothing of what is here', async () => {
    put([2]);
    await tryOnce(await ask());
    archive.asked.length = 0;
    assert.equal((await tryOnce(await ask())).state, 'completed');
    assert.deepEqual(commands(), ['find', 'find']);
  });

  it('brings back what was deleted when a person asks for it, and not for a watch', async () => {
    put([2]);
    await tryOnce(await ask());
    await new RecycleRepository(pipeline.dataSource).delete({ studyInstanceUid: study }, { requestedBy: 'test' }, async () => undefined);
    assert.deepEqual([(await tryOnce(await ask('study', 1, 'watch'))).state, await here()], ['completed', 0]);
    assert.deepEqual([(await tryOnce(await ask())).state, await here()], ['completed', 2]);
  });

  it('is done with a study of which intake refuses an instance for good, and says why', async () => {
    put([2]);
    archive.script.instead = (uid, bytes) => (uid.endsWith('.1.2') ? Buffer.from('not a dataset at all, whatever it may be') : bytes);
    const done = await tryOnce(await ask());
    assert.deepEqual([done.state, done.instances, done.fetched, done.refused], ['completed', 2, 1, 1]);
    assert.ok(done.lastError);
    assert.deepEqual(archive.statuses.map((status) => status & 0xf000), [0, 0xc000]);
  });

  it('cancels a retrieve for which there is no room, and goes on when there is', async () => {
    put([5]);
    full = true;
    const id = await ask();
    const first = await tryOnce(id);
    assert.deepEqual([first.state, first.lastError], ['waiting', 'fetched 0 of 5 instances: the disk is full']);
    assert.equal(archive.cancelled, 1);
    assert.ok(archive.statuses.length < 5, `${archive.statuses.length} were sent`);
    full = false;
    assert.equal((await tryOnce(id)).state, 'completed');
    assert.equal(await here(), 5);
  });

  it('is due again after a process that died in it, and after a shutdown, without having failed', async () => {
    put([1]);
    const id = await ask();
    assert.equal((await retrievals.begin('archive'))?.id, id); // and nothing more: killed
    const stopped = AbortSignal.abort(new Error('the gateway is stopping'));
    archive.script.hang = true;
    await fetchDue('archive', fetchOptions(), stopped);
    assert.deepEqual([(await retrievals.get(id))?.attempts, archive.asked.length], [0, 0]);
    archive.script.hang = false;
    assert.equal((await tryOnce(id)).state, 'completed');
  });

  it('goes on with the other studies where one fails of something unheard of', async () => {
    put([1]);
    const [bad, good] = [study, `${study}8`];
    archive.instances.push(...studyFiles({ studyInstanceUid: good, series: [1] }));
    const id = await ask();
    const other = await retrievals.request({ source: 'archive', studyInstanceUid: good, purpose: 'study', requestedBy: 'watch', hours: 1 }, async () => undefined);
    const options = fetchOptions();
    const promote = async (uid: string): Promise<void> => {
      if (uid === bad && outcomes.length === 0) throw new TypeError('unheard of');
      await options.promote(uid);
    };
    await fetchDue('archive', { ...options, promote }, never);
    assert.deepEqual(outcomes.slice(0, 2), ['retry', 'completed']);
    assert.equal((await retrievals.get(other.id))?.state, 'completed');
    assert.equal((await tryOnce(id)).state, 'completed');
  });

  it('fetches studies before priors', async () => {
    put([1]);
    await ask('prior');
    const wanted = await ask('study');
    assert.equal((await retrievals.begin('archive'))?.id, wanted);
  });

  it('takes a study that grows while it is fetched once more', async () => {
    put([1]);
    await watches.seen('archive', [{ studyInstanceUid: study, instances: 1 }], 1, async () => undefined);
    archive.script.before = async () => {
      archive.script.before = undefined!;
      put([0, 1]);
      await watches.seen('archive', [{ studyInstanceUid: study, instances: 2 }], 1, async () => undefined);
    };
    await fetchDue('archive', fetchOptions(), never);
    assert.deepEqual(outcomes, ['grown', 'completed']);
    assert.equal(await here(), 2);
  });

  describe('by a watch', () => {
    const watchOptions = (): WatchOptions => ({ settings, watches, queue: pipeline.queue, log: silent });
    const today = new Date().toISOString().slice(0, 10).replaceAll('-', '');
    const asked = async (): Promise<unknown[]> => (await pipeline.query('select study_instance_uid as uid, state from retrievals order by study_instance_uid')).map(({ uid, state }) => [uid, state]);
    const again = (): Promise<unknown> => pipeline.query('update watches set next_at = now()');

    it('is one turn, whoever asks for it, and one retrieval a study', async () => {
      put([2], { StudyDate: today });
      const [source] = settings().sources;
      await Promise.all([watchOnce(source!, watchOptions(), never), watchOnce(source!, watchOptions(), never)]);
      assert.deepEqual(await asked(), [[study, 'waiting']]);
      assert.equal(commands().length, 2); // CR and DX
      await watchOnce(source!, watchOptions(), never);
      assert.equal(commands().length, 2);
      await fetchDue('archive', fetchOptions(), never);
      await again();
      await watchOnce(source!, watchOptions(), never);
      assert.deepEqual(await asked(), [[study, 'completed']]);
      put([0, 1], { StudyDate: today });
      await again();
      await watchOnce(source!, watchOptions(), never);
      assert.deepEqual((await asked()).map((row) => (row as string[])[1]), ['completed', 'waiting']);
    });

    it('asks the series where an archive knows neither modalities nor numbers of a study', async () => {
      archive.script.untold = ['ModalitiesInStudy', 'NumberOfStudyRelatedInstances', 'NumberOfSeriesRelatedInstances'];
      put([2, 1], { StudyDate: today });
      archive.instances.push(...studyFiles({ studyInstanceUid: `${study}9`, series: [1], values: { StudyDate: today, Modality: 'MR' } }));
      await watchOnce(settings().sources[0]!, watchOptions(), never);
      assert.deepEqual(await asked(), [[study, 'waiting']]);
      assert.deepEqual((await pipeline.query('select instances from watched_studies')).map(({ instances }) => instances), [3]);
    });

    it('leaves a source alone that does not answer, longer each time, and keeps why', async () => {
      archive.script.refuse = { status: 0xa700 };
      const [source] = settings().sources;
      const waits: number[] = [];
      for (let round = 0; round < 3; round += 1) {
        await again();
        await watchOnce(source!, watchOptions(), never);
        const [row] = await pipeline.query('select extract(epoch from next_at - now()) as wait from watches');
        waits.push(Math.ceil(Number(row?.['wait'])));
      }
      assert.deepEqual(waits, [2, 4, 8]);
      const [state] = await watches.states();
      assert.equal(state?.failures, 3);
      assert.match(state?.lastError ?? '', /A700/);
      archive.script.refuse = undefined;
      await again();
      await watchOnce(source!, watchOptions(), never);
      assert.equal((await watches.states())[0]?.failures, 0);
    });
  });

  describe('that is moved to us', () => {
    it('names a destination that the peer does not know, and what to enter there', async () => {
      use({ name: 'archive', type: 'dimse', peer: 'pacs', retrieve: 'move' });
      put([1]);
      archive.script.refuse = { status: 0xa801, only: 'move' };
      const failed = await tryOnce(await ask());
      assert.match(failed.lastError ?? '', /C-MOVE answered with A801 .*; it must know HILUM with the host and port of this gateway$/);
    });

    it('comes as a prior where it is fetched as one: by its originator, and where that is left out, by its sender', async () => {
      use({ name: 'archive', type: 'dimse', peer: 'pacs', retrieve: 'move' });
      const sources = new Sources({ settings, dataSource: pipeline.dataSource, queue: pipeline.queue, repository: repository(), log: silent });
      const isPrior = (context: Record<string, unknown>): Promise<boolean> => sources.isPrior({ studyInstanceUid: study, context: { transport: 'dimse', address: '', associationId: '', ...context } } as never);
      await ask('prior');
      assert.equal(await isPrior({ callingAe: 'PACS', moveOriginator: { aeTitle: 'HILUM', messageId: 1 } }), true);
      assert.equal(await isPrior({ callingAe: 'PACS' }), true);
      assert.equal(await isPrior({ callingAe: 'MODALITY' }), false);
      assert.equal(await isPrior({ callingAe: 'PACS', moveOriginator: { aeTitle: 'VIEWER', messageId: 1 } }), false);
      await ask('study');
      assert.equal(await isPrior({ callingAe: 'PACS' }), false);
    });
  });

  describe('over DICOMweb', () => {
    let server: Server;
    let retrieve: () => { status?: number; type?: string; body: Buffer; cut?: boolean };
    beforeEach(async () => {
      put([2]);
      server = createServer((request, response) => {
        const url = new URL(request.url ?? '', 'http://localhost');
        if (url.pathname.endsWith('/instances')) {
          const offset = Number(url.searchParams.get('offset') ?? 0);
          const matches = archive.instances.map(({ sopInstanceUid }) => ({ '0020000E': { vr: 'UI', Value: [`${study}.1`] }, '00080018': { vr: 'UI', Value: [sopInstanceUid] } })).slice(offset);
          response.setHeader('Content-Type', 'application/dicom+json').end(JSON.stringify(matches));
          return;
        }
        const { status = 200, type = 'multipart/related; type="application/dicom"; boundary=b', body, cut } = retrieve();
        response.writeHead(status, { 'Content-Type': type });
        if (cut) response.write(body, () => response.destroy());
        else response.end(body);
      });
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
      use({ name: 'archive', type: 'dicomweb', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/dicom-web`, timeoutSeconds: 10 });
    });
    afterEach(() => new Promise((done) => {
      server.closeAllConnections();
      server.close(done);
    }));

    const part = (file: Uint8Array): Buffer => Buffer.concat([Buffer.from('\r\n--b\r\nContent-Type: application/dicom\r\n\r\n'), file]);

    it('keeps the instances that came whole of an answer that is cut, and fetches the others', async () => {
      const [one, two] = archive.instances.map(({ file }) => file);
      retrieve = () => ({ body: Buffer.concat([part(one!), part(two!.subarray(0, 900))]), cut: true });
      const id = await ask();
      assert.equal((await tryOnce(id)).state, 'waiting');
      await waitFor(async () => (await here()) === 1, 'the instance that came whole');
      retrieve = () => ({ body: Buffer.concat([part(two!), Buffer.from('\r\n--b--\r\n')]) });
      assert.equal((await tryOnce(id)).state, 'completed');
      assert.equal(await here(), 2);
    });

    for (const [what, answer, reason] of [
      ['a refusal', { status: 403, type: 'text/html', body: Buffer.from('<h1>No access</h1>') }, /answers 403 Forbidden: No access/],
      ['another kind of answer', { type: 'text/html', body: Buffer.from('<h1>Welcome</h1>') }, /the answer is "text\/html", not multipart/],
      ['parts of another kind', { body: Buffer.from('--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--') }, /a part is "text\/plain", not application\/dicom/],
    ] as const)
      it(`says what is wrong with ${what}, and tries again`, async () => {
        retrieve = () => answer;
        const failed = await tryOnce(await ask());
        assert.equal(failed.state, 'waiting');
        assert.match(failed.lastError ?? '', reason);
      });
  });
});
