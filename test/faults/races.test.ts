import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { deliverDue } from '../../gateway/delivery/delivery.ts';
import { makeResults } from '../../gateway/pipeline/reporting.ts';
import { keepResult } from '../../ai/results/keep.ts';
import { encodeReport } from '../../ai/results/structured-report.ts';
import { phantomDicom } from '../../ai/phantom/dicom.ts';
import { digestOf } from '../../storage/digest.ts';
import { Journal } from '../../storage/journal.ts';
import type { WorkitemsRepository } from '../../storage/workitems.repository.ts';
import { silent } from '../support/dimse.ts';
import { temporaryFolder } from '../support/gateway.ts';
import { numberedImages, type NumberedImage } from '../support/numbered-images.ts';
import { TestPipeline } from '../support/pipeline.ts';

const OTHER_PATIENT = (text: string): string => text.replaceAll(/PATIENT-\d{6}/g, 'PATIENT-999999');

describe('steps that meet', function () {
  this.timeout(60_000);
  let pipeline: TestPipeline;
  let images: NumberedImage[];
  let next = 0;
  before(async () => {
    pipeline = await TestPipeline.start();
    images = await numberedImages(pipeline.folder, { studies: 12, imagesOfStudy: 2, series: 71 });
  });
  after(() => pipeline?.[Symbol.asyncDispose]());

  /** Two images of a study that no other test has. */
  function twoImages(): [NumberedImage, NumberedImage] {
    const [first, second] = images.slice(next, (next += 2));
    assert.ok(first && second);
    return [first, second];
  }

  it('leave one report to a study when a late image comes while the first version is under way', async () => {
    const [first, late] = twoImages();
    const study = first.studyInstanceUid;
    const one = await pipeline.index(first.path);
    const again: string[] = [];
    const former = await pipeline.close(study, { again });
    assert.deepEqual(again, [one], 'what has no analysis is asked for again');
    const two = await pipeline.index(late.path);
    const latest = await pipeline.close(study);
    assert.notEqual(latest, former);
    assert.deepEqual(await pipeline.analyze(study, one), []);
    assert.deepEqual(await pipeline.analyze(study, two), [latest]);
    await makeResults(former ?? '', pipeline.reporting());
    await makeResults(latest ?? '', pipeline.reporting());
    assert.deepEqual(await pipeline.query(`select count(*)::int as reports from results where study_instance_uid = $1 and alternative_to is null`, [study]), [{ reports: 1 }]);
    assert.equal(await pipeline.workitems.content(former ?? ''), undefined);
  });

  it('store results once when their job runs twice at a time', async () => {
    const [image] = twoImages();
    const id = await pipeline.index(image.path);
    const workitem = (await pipeline.close(image.studyInstanceUid)) ?? '';
    await pipeline.analyze(image.studyInstanceUid, id);
    await Promise.all([makeResults(workitem, pipeline.reporting()), makeResults(workitem, pipeline.reporting())]);
    assert.deepEqual(
      await pipeline.query(
        `select count(*)::int as results, count(*) filter (where results.current)::int as current, count(deliveries.id)::int as deliveries
         from results left join deliveries using (sop_instance_uid) where study_instance_uid = $1`,
        [image.studyInstanceUid],
      ),
      [{ results: 2, current: 2, deliveries: 1 }],
    );
  });

  it('keep the bytes that a run wrote before it was killed, though the next run would write others', async () => {
    const [image] = twoImages();
    const id = await pipeline.index(image.path);
    const workitem = (await pipeline.close(image.studyInstanceUid)) ?? '';
    await pipeline.analyze(image.studyInstanceUid, id);
    const killed = { content: (of: string) => pipeline.workitems.content(of), complete: () => Promise.reject(new Error('killed')) } as unknown as WorkitemsRepository;
    await assert.rejects(makeResults(workitem, { ...pipeline.reporting(), workitems: killed }), /killed/);
    let otherwise = '';
    await makeResults(workitem, {
      ...pipeline.reporting(),
      encode: (outcome) =>
        Promise.all(
          encodeReport(outcome).map((result) => {
            const bytes = Buffer.from(result.bytes);
            bytes[bytes.length - 1]! ^= 1;
            otherwise = result.sopInstanceUid;
            return keepResult(pipeline.blobs, { ...result, bytes });
          }),
        ),
    });
    const [row] = await pipeline.query('select blob, digest from results where sop_instance_uid = $1', [otherwise]);
    assert.equal(row?.['digest'], await digestOf(pipeline.blobs.path(String(row?.['blob'])), 'file'));
  });

  it('end in a report that says why, when an object of another patient comes while analyses are under way', async () => {
    const [image, other] = twoImages();
    const study = image.studyInstanceUid;
    const id = await pipeline.index(image.path);
    const former = await pipeline.close(study);
    // No image: it has no Rows, and its pixel data is something else.
    await pipeline.index(other.path, (text) => OTHER_PATIENT(text).replace('\x28\x00\x10\x00US', '\x29\x00\x10\x00US').replace('\xe0\x7f\x10\x00OW', '\xe1\x7f\x10\x00OW'));
    assert.equal(await pipeline.workitems.imageToAnalyze(id), undefined);
    const ready: string[] = [];
    const held = await pipeline.close(study, { ready });
    assert.notEqual(held, former);
    assert.deepEqual(ready, [held]);
    await makeResults(held ?? '', pipeline.reporting());
    const [row] = await pipeline.query(`select state, reason from workitems where id = $1`, [held]);
    assert.equal(row?.['state'], 'completed');
    assert.match(String(row?.['reason']), /different patients/);
  });

  it('go on with a route that got another model before a late image came', async () => {
    const [first, late] = twoImages();
    const study = first.studyInstanceUid;
    const one = await pipeline.index(first.path);
    const former = (await pipeline.close(study)) ?? '';
    assert.deepEqual(await pipeline.analyze(study, one), [former]);
    await makeResults(former, pipeline.reporting());
    const { settings } = pipeline;
    try {
      pipeline.settings = { ...settings, routes: settings.routes.map((route) => ({ ...route, models: ['newer'] })) };
      const two = await pipeline.index(late.path);
      const again: string[] = [];
      const workitem = await pipeline.close(study, { again });
      assert.deepEqual(again.toSorted(), [one, two].toSorted());
      assert.deepEqual(await pipeline.analyze(study, two, 'newer'), []);
      assert.deepEqual(await pipeline.analyze(study, one, 'newer'), [workitem]);
    } finally {
      pipeline.settings = settings;
    }
  });

  it('wait for the successor of a model that was replaced before the report was made, and speak of that alone', async () => {
    const [image] = twoImages();
    const study = image.studyInstanceUid;
    const instance = await pipeline.index(image.path);
    const workitem = (await pipeline.close(study)) ?? '';
    assert.deepEqual(await pipeline.analyze(study, instance), [workitem]);
    const successor = { ...pipeline.reporting(), settingsDigest: () => 'tiny, next version' };
    await makeResults(workitem, successor);
    const [row] = await pipeline.query(`select state, (select count(*)::int from results where study_instance_uid = $2) as results from workitems where id = $1`, [workitem, study]);
    assert.deepEqual(row, { state: 'running', results: 0 });
  });

  it('end the quiet period at a whole millisecond, as the job that closes the study is told', async () => {
    const [first, second] = twoImages();
    for (const image of [first, second]) {
      await pipeline.index(image.path);
      const [row] = await pipeline.query(`select extract(microseconds from due_at)::int % 1000 as rest from studies where study_instance_uid = $1`, [image.studyInstanceUid]);
      assert.equal(row?.['rest'], 0);
    }
  });

  it('keep one job for a destination that is away, however many results wait for it', async () => {
    const [image] = twoImages();
    const id = await pipeline.index(image.path);
    const workitem = await pipeline.close(image.studyInstanceUid);
    await pipeline.analyze(image.studyInstanceUid, id);
    await makeResults(workitem ?? '', pipeline.reporting());
    for (let results = 0; results < 20; results++) await pipeline.queue.send('deliver', { destination: 'pacs' });
    const options = { settings: () => pipeline.settings, deliveries: pipeline.deliveries, queue: pipeline.queue, blobs: pipeline.blobs, log: silent };
    await deliverDue('pacs', options, new AbortController().signal);
    assert.deepEqual(await pipeline.query(`select count(*)::int as jobs from pgboss.job where name = 'deliver.pacs'`), [{ jobs: 1 }]);
  });

  it('remove the second copy of an image before its journal entry, so that a crash in between leaves nothing behind', async () => {
    const [image] = twoImages();
    await pipeline.index(image.path);
    const { journal, blobs } = pipeline;
    const remove = journal.remove.bind(journal);
    let left: boolean | undefined;
    journal.remove = async (blobId) => {
      left = existsSync(blobs.path(blobId));
      await remove(blobId);
    };
    try {
      await pipeline.index(image.path);
    } finally {
      journal.remove = remove;
    }
    assert.equal(left, false);
  });

  it('leave what Postgres will never take in the journal, and index what comes after it', async () => {
    const [image] = twoImages();
    // Longer than an entry of an index may be; and more of them than are indexed at a time.
    const patientId = randomBytes(6000).toString('base64').slice(0, 8000);
    const broken = await phantomDicom({ seed: 710_001, columns: 128, rows: 160, patientId });
    const kept: string[] = [];
    for (let copy = 0; copy < 5; copy++) kept.push((await pipeline.receive(withOtherUid(broken, copy))).blobId);
    await pipeline.index(image.path);
    const found: string[] = [];
    for await (const { blobId } of (await Journal.open(pipeline.home, silent)).entries()) found.push(blobId);
    assert.deepEqual(found.toSorted(), kept.toSorted());
  });

  /** Another SOP Instance UID of the same length. */
  function withOtherUid(bytes: Uint8Array, digit: number): Buffer {
    const text = Buffer.from(bytes).toString('latin1');
    const uid = /2\.25\.\d+/.exec(text)?.[0] ?? ''; // the first one is Media Storage SOP Instance UID
    return Buffer.from(text.replaceAll(uid, `${uid.slice(0, -1)}${digit}`), 'latin1');
  }
});

describe('gateways that start at once on one data folder', function () {
  this.timeout(60_000);

  it('are one, though the last one was killed and left its lock', async () => {
    const { path, remove } = await temporaryFolder();
    const children: ReturnType<typeof spawn>[] = [];
    try {
      await mkdir(path, { recursive: true });
      await writeFile(join(path, 'gateway.lock'), '1 12345 a-former-boot');
      const script = `
        const { lockHome } = await import(${JSON.stringify(resolve(import.meta.dirname, '../../storage/home-lock.ts'))});
        process.stdin.once('data', async () => {
          process.stdout.write(await lockHome(${JSON.stringify(path)}).then(() => 'mine', (error) => error.name));
          setInterval(() => {}, 1000);
        });
        process.stdout.write('.');`;
      for (let child = 0; child < 6; child++) children.push(spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] }));
      const said = (child: ReturnType<typeof spawn>): Promise<string> => new Promise((heard) => child.stdout?.once('data', (chunk: Buffer) => heard(chunk.toString())));
      await Promise.all(children.map(said));
      const answers = children.map(said);
      for (const child of children) child.stdin?.write('go');
      assert.deepEqual((await Promise.all(answers)).toSorted(), [...Array<string>(5).fill('HomeInUseError'), 'mine']);
      const [pid] = (await readFile(join(path, 'gateway.lock'), 'utf8')).split(' ');
      assert.ok(children.some((child) => child.pid === Number(pid)));
    } finally {
      for (const child of children) child.kill('SIGKILL');
      await remove();
    }
  });
});
