import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { recycleCommand } from '../../gateway/commands/recycle.ts';
import { pino } from 'pino';
import { checkStorage } from '../../gateway/commands/doctor-storage.ts';
import { makeResults } from '../../gateway/pipeline/reporting.ts';
import { RecycleBin } from '../../gateway/recycle/bin.ts';
import { PostgresWorklist } from '../../gateway/worklist/postgres-worklist.ts';
import { deriveUid } from '../../storage/dicom/uids.ts';
import { IntakeRepository } from '../../storage/intake.repository.ts';
import { PurgeRepository } from '../../storage/purge.repository.ts';
import { RecycleRepository } from '../../storage/recycle.repository.ts';
import { StoredArchive } from '../../storage/stored-archive.ts';
import { cStore, phantomFile, startTestGateway, temporaryFolder, waitFor, worklistOf, type SentFile } from '../support/gateway.ts';
import { faultSettings } from '../support/kill-run.ts';
import { TestPipeline } from '../support/pipeline.ts';
import { stowRequest } from '../support/stow.ts';

const BY = { requestedBy: '10.0.0.9', requestId: 'r1' };
const uid = (name: string): string => deriveUid('2.25', 'test', 'recycle', name);

describe('the recycle bin', () => {
  let pipeline: TestPipeline;
  let bin: RecycleBin;
  let removed: string[];
  let logged: Record<string, unknown>[];
  let seed = 700_000;

  before(async function () {
    this.timeout(60_000);
    pipeline = await TestPipeline.start();
  });
  after(async () => {
    await pipeline?.[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    removed = [];
    logged = [];
    bin = new RecycleBin({
      settings: () => pipeline.settings, recycle: new RecycleRepository(pipeline.dataSource), purge: new PurgeRepository(pipeline.dataSource), queue: pipeline.queue,
      log: pino({ level: 'info' }, { write: (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>) }),
      blobs: { remove: async (id) => void (removed.push(id), await pipeline.blobs.remove(id)) },
    });
  });

  const image = (study: string): Promise<SentFile> => phantomFile(pipeline.folder, { seed: seed++, studyInstanceUid: study, patientId: 'RECYCLED', patientName: 'Test^Recycled', rows: 64, columns: 64 });
  const archived = async (study: string): Promise<string[]> => (await Array.fromAsync(new StoredArchive(pipeline.dataSource, pipeline.blobs).select({ studyInstanceUids: [study] }))).map(({ sopInstanceUid }) => sopInstanceUid);
  const counts = async (study: string): Promise<unknown[]> => Object.values((await pipeline.query('select series, instances from archive_studies where study_instance_uid = $1', [study]))[0]!);
  const isOnWorklist = async (study: string): Promise<boolean> => {
    const worklist = new PostgresWorklist(pipeline.dataSource, () => 'probability');
    const listed = (await worklist.list({ limit: 1000 })).entries.some((entry) => entry.studyInstanceUid === study);
    assert.equal((await worklist.study(study)) !== undefined, listed, 'the list and the study itself agree');
    return listed;
  };
  const workitems = (study: string): Promise<Record<string, unknown>[]> => pipeline.query('select version, state, reason, cardinality(instances) as images from workitems where study_instance_uid = $1 order by version', [study]);
  /** As the jobs of the pipeline would. */
  async function report(study: string): Promise<void> {
    const workitem = await pipeline.close(study);
    const images = await pipeline.query(`select id from instances where study_instance_uid = $1 and current and origin = 'source'`, [study]);
    for (const { id } of images) await pipeline.analyze(study, String(id));
    await makeResults(workitem!, pipeline.reporting());
  }
  async function damages(): Promise<string[]> {
    const findings = await Array.fromAsync(checkStorage(pipeline.dataSource, pipeline.settings));
    return findings.filter(({ ok }) => !ok).map(({ what }) => what);
  }

  it('takes a study out of sight everywhere, stops its deliveries, says who did it, and brings all of it back', async () => {
    const study = uid('whole');
    await pipeline.index((await image(study)).path);
    await pipeline.index((await image(study)).path);
    await report(study);
    const before = await archived(study);
    assert.ok(before.length > 2, 'two images, and what was said of them');
    assert.deepEqual(await bin.delete({ studyInstanceUid: study }, BY).then((deleted) => [deleted?.instances, deleted?.wholeStudy]), [2, true]);
    assert.deepEqual(await archived(study), []);
    assert.deepEqual(await counts(study), [0, 0]);
    assert.equal(await isOnWorklist(study), false);
    const keys = [{ tag: '0020000D', matching: { kind: 'values' as const, values: [study] } }];
    assert.deepEqual(await Array.fromAsync(new StoredArchive(pipeline.dataSource, pipeline.blobs).search({ level: 'study', keys, include: [] })), []);
    assert.deepEqual((await pipeline.deliveries.due('pacs', 100)).filter(({ studyInstanceUid }) => studyInstanceUid === study), []);
    assert.equal(await pipeline.deliveries.resend({ studyInstanceUid: study }, 1), 0, 'a person who sends all again sends nothing of it');
    assert.equal(await bin.delete({ studyInstanceUid: study }, BY), undefined, 'there is nothing left to delete');
    const [listed] = await bin.list(10);
    assert.deepEqual([listed?.studyInstanceUid, listed?.instances, listed?.wholeStudy, listed?.requestedBy], [study, 2, true, BY.requestedBy]);
    assert.equal(listed!.purgeAt.getTime() - listed!.deletedAt.getTime(), 30 * 24 * 3600 * 1000);

    assert.equal((await bin.restore(study, BY)).length, 1);
    assert.deepEqual(await archived(study), before);
    assert.equal(await isOnWorklist(study), true);
    assert.ok((await pipeline.deliveries.due('pacs', 100)).some(({ studyInstanceUid }) => studyInstanceUid === study), 'what waited goes on');
    assert.deepEqual((await workitems(study)).map(({ state, reason }) => [state, reason]), [['completed', null]], 'its report is of these images: nothing is done again');
    assert.deepEqual(await bin.restore(study, BY), []);
    assert.deepEqual((await pipeline.query('select action, request_id from deletions where study_instance_uid = $1 order by id', [study])).map((row) => Object.values(row)), [['delete', 'r1'], ['restore', 'r1']]);
  });

  it('ends the analysis of a study that is deleted, and takes it up again when the study is restored', async () => {
    const study = uid('open');
    const instance = await pipeline.index((await image(study)).path);
    const workitem = await pipeline.close(study);
    await bin.delete({ studyInstanceUid: study }, BY);
    assert.equal(await pipeline.workitems.imageToAnalyze(instance), undefined);
    assert.deepEqual((await workitems(study)).map(({ state, reason }) => [state, reason]), [['completed', 'the images were deleted']]);
    await makeResults(workitem!, pipeline.reporting());
    assert.deepEqual(await archived(study), []);
    await bin.restore(study, BY);
    assert.ok(await pipeline.workitems.imageToAnalyze(instance));
    await report(study);
    assert.ok((await archived(study)).length > 1);
  });

  it('reports the images that are left when one of a study is deleted, and all again when it is back', async () => {
    const study = uid('part');
    const [first, second] = [await image(study), await image(study)];
    await pipeline.index(first.path);
    await pipeline.index(second.path);
    await report(study);
    const [{ series }] = (await pipeline.query('select series_instance_uid as series from instances where sop_instance_uid = $1', [second.sopInstanceUid])) as [{ series: string }];
    await bin.delete({ studyInstanceUid: study, seriesInstanceUid: series, sopInstanceUid: second.sopInstanceUid }, BY);
    assert.ok(!(await archived(study)).includes(second.sopInstanceUid));
    const overlays = await pipeline.query(`select 1 from results where source_sop_instance_uid = $1 and deleted_at is null`, [second.sopInstanceUid]);
    assert.equal(overlays.length, 0, 'what was said of it alone is gone too');
    await report(study);
    assert.deepEqual((await workitems(study)).map(({ state, images }) => [state, images]), [['completed', 2], ['completed', 1]]);
    await bin.restore(second.sopInstanceUid, BY);
    await report(study);
    assert.deepEqual((await workitems(study)).map(({ images }) => images), [2, 1, 2]);
  });

  it('describes a study by the images that are left', async () => {
    const study = uid('described');
    const first = await image(study);
    await pipeline.index(first.path);
    const second = await phantomFile(pipeline.folder, { seed: seed++, studyInstanceUid: study, patientId: 'RECYCLED', patientName: 'Test^Recycledx', rows: 64, columns: 64 });
    await pipeline.index(second.path, (text) => text.replace('Test^Recycledx', 'Test^Mistaken '));
    const names = async (): Promise<unknown[]> =>
      Object.values((await pipeline.query(`select studies.patient_name ->> 'Alphabetic' as a, attributes #>> '{00100010,Value,0,Alphabetic}' as b from studies join archive_studies using (study_instance_uid) where study_instance_uid = $1`, [study]))[0]!);
    assert.deepEqual(await names(), ['Test^Recycled', 'Test^Recycled'], 'held, and the first describes');
    await pipeline.query('update studies set conflict = null where study_instance_uid = $1', [study]);
    const [{ series }] = (await pipeline.query('select series_instance_uid as series from instances where sop_instance_uid = $1', [first.sopInstanceUid])) as [{ series: string }];
    await bin.delete({ studyInstanceUid: study, seriesInstanceUid: series, sopInstanceUid: first.sopInstanceUid }, BY);
    assert.deepEqual(await names(), ['Test^Mistaken', 'Test^Mistaken']);
    await bin.restore(first.sopInstanceUid, BY);
    await bin.delete({ studyInstanceUid: study, sopInstanceUid: second.sopInstanceUid }, BY);
    assert.deepEqual(await names(), ['Test^Recycled', 'Test^Recycled']);
    assert.deepEqual(logged.map(({ audit, requestedBy, requestId }) => [audit, requestedBy, requestId]), [['delete', '10.0.0.9', 'r1'], ['restore', '10.0.0.9', 'r1'], ['delete', '10.0.0.9', 'r1']]);
  });

  it('revives an instance that is sent again, under the file that it had', async () => {
    const study = uid('revived');
    const file = await image(study);
    const id = await pipeline.index(file.path);
    await bin.delete({ studyInstanceUid: study }, BY);
    const again = await pipeline.receive(await readFile(file.path));
    assert.equal(await pipeline.indexer.indexed(again.blobId), 'revived');
    assert.deepEqual(await archived(study), [file.sopInstanceUid]);
    assert.deepEqual(await counts(study), [1, 1]);
    assert.equal(await isOnWorklist(study), true);
    assert.deepEqual([existsSync(pipeline.blobs.path(id)), existsSync(pipeline.blobs.path(again.blobId))], [true, false]);
    assert.ok(await pipeline.workitems.imageToAnalyze(id));
    assert.deepEqual((await workitems(study)).map(({ state }) => state), ['completed', 'waiting']);
    await bin.purge(new Date(), BY, study);
    assert.deepEqual(await archived(study), [file.sopInstanceUid], 'a purge takes nothing that is back');
  });

  it('takes another dataset under a deleted UID as new, and keeps it when the old one is restored', async () => {
    const study = uid('replaced');
    const file = await image(study);
    await pipeline.index(file.path);
    await bin.delete({ studyInstanceUid: study }, BY);
    const repository = new IntakeRepository(pipeline.dataSource);
    assert.equal(await repository.isKnownOtherwise(file.sopInstanceUid, '00'), false, 'where changed versions are refused, this is none');
    const newer = await pipeline.index(file.path, (text) => text.replace('CHEST', 'CHES '));
    const [flagged] = await pipeline.query('select flagged from studies where study_instance_uid = $1', [study]);
    assert.equal(flagged?.['flagged'], null);
    await bin.restore(file.sopInstanceUid, BY);
    const current = await pipeline.query('select id from instances where sop_instance_uid = $1 and current', [file.sopInstanceUid]);
    assert.deepEqual(current, [{ id: newer }]);
  });

  it('purges rows and files of what was deleted long enough ago, also when it is killed in between', async () => {
    const study = uid('purged');
    const file = await image(study);
    const id = await pipeline.index(file.path);
    await report(study);
    const [{ blob }] = (await pipeline.query('select blob from results where study_instance_uid = $1 limit 1', [study])) as [{ blob: string }];
    await bin.delete({ studyInstanceUid: study }, BY);
    await bin.purgeDue();
    assert.equal(removed.length, 0, 'not yet');
    await pipeline.query(`update instances set deleted_at = now() - interval '31 days' where study_instance_uid = $1`, [study]);
    // The rows are gone, and the process is killed before the files are.
    assert.equal((await new PurgeRepository(pipeline.dataSource).purge(study, new Date(), BY)).instances, 1);
    assert.deepEqual(await damages(), []);
    await bin.purgeDue();
    assert.ok(removed.includes(id) && removed.includes(blob));
    assert.equal(existsSync(pipeline.blobs.path(id)), false);
    assert.deepEqual(await damages(), []);
    for (const table of ['studies', 'series', 'results', 'workitems', 'instances', 'archive_studies', 'archive_series'])
      assert.deepEqual(await pipeline.query(`select 1 from ${table} where study_instance_uid = $1`, [study]), [], table);
  });

  it('knows every table that refers to what it purges', async () => {
    // A table that is new here would keep a study from being purged: storage/purge.repository.ts must know of it.
    const referring = await pipeline.query(
      `select distinct conrelid::regclass::text as name from pg_constraint
       where contype = 'f' and confdeltype = 'a' and confrelid in ('instances'::regclass, 'analyses'::regclass, 'results'::regclass, 'workitems'::regclass, 'series'::regclass, 'studies'::regclass, 'patients'::regclass) order by 1`,
    );
    assert.deepEqual(referring.map(({ name }) => name), ['analyses', 'deliveries', 'instances', 'regions', 'results', 'series', 'shadow_analyses', 'studies', 'study_completions', 'ups', 'workitem_results', 'workitems']);
  });

  it('gives the results of a study that was purged and came again other UIDs: no UID has two contents', async () => {
    const study = uid('again');
    const file = await image(study);
    const results = async (): Promise<string[]> => (await pipeline.query('select sop_instance_uid as uid from results where study_instance_uid = $1', [study])).map(({ uid: one }) => String(one));
    await pipeline.index(file.path);
    await report(study);
    const first = await results();
    await bin.delete({ studyInstanceUid: study }, BY);
    await bin.purge(new Date(), BY, study);
    await pipeline.index(file.path);
    await report(study);
    const second = await results();
    assert.equal(second.length, first.length);
    assert.deepEqual(second.filter((one) => first.includes(one)), []);
  });
});

describe('hilum recycle', () => {
  it('lists, restores and purges, and wants to be told plainly to empty the bin', async () => {
    await using pipeline = await TestPipeline.start();
    const { url } = pipeline.dataSource.options as unknown as { url: string };
    const settings = { ...pipeline.settings, databaseUrl: url };
    const said: string[] = [];
    const { console: output } = globalThis;
    const { log } = output;
    const run = async (...args: string[]): Promise<string> => {
      said.length = 0;
      output.log = (line: string) => void said.push(line);
      try {
        assert.equal(await recycleCommand(args, settings), 0);
      } finally {
        output.log = log;
      }
      return said.join('\n');
    };
    const study = uid('command');
    const file = await phantomFile(pipeline.folder, { seed: 700_800, studyInstanceUid: study, rows: 64, columns: 64 });
    await pipeline.index(file.path);
    assert.equal(await run(), 'the recycle bin is empty');
    await new RecycleRepository(pipeline.dataSource).delete({ studyInstanceUid: study }, BY, async () => undefined);
    assert.match(await run('list'), new RegExp(`^${study}  whole study: 1 instances, 0 results; deleted .* by 10\\.0\\.0\\.9, purged `));
    assert.equal(await run('purge'), '0 instances and 0 results are purged', 'nothing is due');
    assert.equal(await run('restore', file.sopInstanceUid), `${study}: 1 instances and 0 results are back`);
    await assert.rejects(run('restore', study), /nothing of .* is in the recycle bin/);
    await new RecycleRepository(pipeline.dataSource).delete({ studyInstanceUid: study }, BY, async () => undefined);
    assert.equal(await run('purge', '--all'), '1 instances and 0 results are purged');
    for (const wrong of [['empty'], ['restore'], ['purge', study, 'x'], ['purge', study, '--all']]) await assert.rejects(run(...wrong), /usage: recycle/);
  }).timeout(60_000);
});

describe('DELETE over HTTP', () => {
  it('is refused until the settings allow it; then what is deleted is not found, and can be restored', async () => {
    const folder = await temporaryFolder();
    const home = join(folder.path, 'home');
    const study = uid('http');
    const overrides = faultSettings({ port: 1 });
    let gateway = await startTestGateway(home, overrides);
    try {
      const file = await phantomFile(folder.path, { seed: 700_900, studyInstanceUid: study, rows: 64, columns: 64 });
      const address = (): string => `${gateway.api}/dicomweb/studies/${study}`;
      assert.equal((await stowRequest(gateway.api, [file.path])).status, 200);
      const off = await fetch(address(), { method: 'DELETE' });
      assert.equal(off.status, 403);
      assert.match(((await off.json()) as { detail: string }).detail, /dicomweb\.delete is off/);
      await gateway.stop();
      gateway = await startTestGateway(home, { ...overrides, dicomweb: { delete: 'recycle' } });

      assert.equal((await fetch(`${gateway.api}/dicomweb/studies/none`, { method: 'DELETE' })).status, 400);
      assert.equal((await fetch(`${gateway.api}/dicomweb/studies/1.2.3`, { method: 'DELETE' })).status, 404);
      assert.equal((await fetch(`${address()}/series/1.2.3`, { method: 'DELETE' })).status, 404);
      const deleted = await fetch(address(), { method: 'DELETE' });
      assert.equal(deleted.status, 200);
      assert.equal(((await deleted.json()) as { instances: number }).instances, 1);
      assert.equal((await fetch(`${address()}/metadata`)).status, 404);
      assert.equal((await fetch(`${gateway.api}/api/studies/${study}`)).status, 404);
      assert.deepEqual((await worklistOf(gateway.api)).map(({ studyInstanceUid }) => studyInstanceUid), []);
      const { studies } = (await (await fetch(`${gateway.api}/api/recycle-bin`)).json()) as { studies: { studyInstanceUid: string }[] };
      assert.deepEqual(studies.map(({ studyInstanceUid }) => studyInstanceUid), [study]);

      assert.equal((await fetch(`${gateway.api}/api/recycle-bin/${study}/restore`, { method: 'POST' })).status, 200);
      assert.equal((await fetch(`${gateway.api}/api/recycle-bin/${study}/restore`, { method: 'POST' })).status, 404);
      await waitFor(async () => (await fetch(`${address()}/metadata`)).status === 200, 'the study');

      assert.equal((await fetch(address(), { method: 'DELETE' })).status, 200);
      assert.deepEqual((await cStore(gateway.dimsePort ?? 0, [file])).map(({ status }) => status), ['delivered']);
      await waitFor(async () => (await fetch(`${address()}/metadata`)).status === 200, 'the study, which was sent again by C-STORE');

      const changed = join(folder.path, 'changed.dcm');
      await writeFile(changed, Buffer.from((await readFile(file.path, 'latin1')).replace('CHEST', 'CHES '), 'latin1'));
      const answer = await stowRequest(gateway.api, [changed]);
      assert.equal(answer.status, 202);
      const [stored] = ((await answer.json()) as Record<string, { Value: Record<string, { Value: unknown[] }>[] }>)['00081199']!.Value;
      assert.deepEqual(stored!['00081196']!.Value, [0xb111], 'a changed version is stored with a warning');
    } finally {
      await gateway.stop();
      await folder.remove();
    }
  }).timeout(60_000);
});
