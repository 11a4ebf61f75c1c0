// The archive shows what is there: the current version of every instance, and our own current results, each once; and counts them.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { MIGRATIONS } from '../../migrations/all.ts';
import { refreshCounts } from '../../storage/archive-index.ts';
import { BlobStore } from '../../storage/blobs.ts';
import { createDataSource, migrate } from '../../storage/database.ts';
import { dataset, num, text, texts } from '../../storage/dicom/dataset.ts';
import { writePart10 } from '../../storage/dicom/write.ts';
import { PATIENT_TAGS, SERIES_TAGS, STUDY_TAGS } from '../../storage/query/levels.ts';
import { keepResultHeaders } from '../../storage/result-headers.ts';
import { insertResult, type NewResult } from '../../storage/workitems.repository.ts';
import { ArchiveDatabase, key } from '../support/archive-database.ts';
import { inTemporaryFolder } from '../support/temporary-folder.ts';

const silent = pino({ level: 'silent' });

describe('what the archive shows', function () {
  this.timeout(60_000);
  let database: ArchiveDatabase;
  let study: string;
  let studies = 0;
  before(async () => {
    database = await ArchiveDatabase.start();
  });
  after(() => database?.[Symbol.asyncDispose]());
  beforeEach(() => {
    study = `1.7.${++studies}`;
  });

  const image = (series: number, number: number, values: Record<string, unknown> = {}) =>
    database.store({ StudyInstanceUID: study, SeriesInstanceUID: `${study}.${series}`, SOPInstanceUID: `${study}.${series}.${number}`, SeriesNumber: series, InstanceNumber: number, PatientName: 'Doe^Ann', ...values });
  const instances = async (of = study): Promise<string[]> => (await database.select({ studyInstanceUids: [of] })).map(({ sopInstanceUid }) => sopInstanceUid.slice(study.length + 1));

  /** What the search says of a study: series, instances, modalities; nothing where it finds none. Its series must say the same. */
  async function counts(of = study): Promise<unknown[]> {
    const [found] = await database.search({ keys: [key('StudyInstanceUID', of)] });
    const series = await database.search({ level: 'series', keys: [key('StudyInstanceUID', of)] });
    const each = series.map((one) => num(one, 'NumberOfSeriesRelatedInstances') ?? 0);
    assert.equal(each.reduce((sum, one) => sum + one, 0), (await instances(of)).length);
    assert.equal(found ? num(found, 'NumberOfStudyRelatedInstances') : 0, (await instances(of)).length);
    return found ? [series.length, num(found, 'NumberOfStudyRelatedInstances'), texts(found, 'ModalitiesInStudy').join(' ')] : [];
  }

  function result(uid: string, values: Partial<NewResult> = {}): NewResult {
    const header = dataset({ SOPInstanceUID: uid, SOPClassUID: '1.2.840.10008.5.1.4.1.1.88.33', StudyInstanceUID: study, SeriesInstanceUID: `${study}.9`, SeriesNumber: 9, InstanceNumber: 1, Modality: 'SR', SeriesDescription: 'AI' });
    return {
      sopInstanceUid: uid, studyInstanceUid: study, seriesInstanceUid: `${study}.9`, sopClassUid: '1.2.840.10008.5.1.4.1.1.88.33', kind: 'structured-report', sourceSopInstanceUid: null,
      alternativeTo: null, predecessor: null, blob: randomUUID(), digest: 'd', bytes: 10, modelName: 'm', modelVersion: '1', modelSha256: 's', createdAt: new Date(), header, frames: 0, ...values,
    } as NewResult;
  }
  async function keep(...results: NewResult[]): Promise<void> {
    await database.dataSource.transaction(async (transaction) => {
      const [workitem]: { id: string }[] = await transaction.query(
        `insert into workitems (study_instance_uid, version, route, state, created_at)
         values ($1, (select count(*) + 1 from workitems where study_instance_uid = $1), 'r', 'completed', now()) returning id`, [study]);
      await transaction.query('update results set current = false where study_instance_uid = $1', [study]);
      for (const each of results) await insertResult(transaction, workitem!.id, each);
      await refreshCounts(transaction, study);
    });
  }

  it('counts each instance that comes in, also of several at once', async () => {
    assert.deepEqual(await counts(), []);
    await image(1, 1);
    assert.deepEqual(await counts(), [1, 1, 'CR']);
    await Promise.all(Array.from({ length: 12 }, (_, index) => image(1 + (index % 3), 10 + index, { Modality: ['CR', 'DX', 'PR'][index % 3] })));
    assert.deepEqual(await counts(), [3, 13, 'CR DX PR']);
  });

  it('is as the newest image describes it, and as the newest version of each', async () => {
    await image(1, 1, { StudyDescription: 'first', SeriesDescription: 'one' });
    await image(1, 2, { StudyDescription: 'second' });
    await image(1, 1, { StudyDescription: 'corrected', SeriesDescription: 'two', Rows: 7 });
    assert.deepEqual(await counts(), [1, 2, 'CR']);
    const [found] = await database.search({ keys: [key('StudyInstanceUID', study)], include: ['00081030'] });
    assert.equal(text(found!, 'StudyDescription'), 'corrected');
    const [series] = await database.search({ level: 'series', keys: [key('StudyInstanceUID', study)] });
    assert.equal(text(series!, 'SeriesDescription'), 'two');
    assert.equal((await database.search({ keys: [key('StudyInstanceUID', study), key('StudyDescription', 'first')] })).length, 0);
    const rows = await database.search({ level: 'instance', keys: [key('StudyInstanceUID', study), key('Rows', '7')] });
    assert.equal(rows.length, 1);
  });

  it('is not described by a result that comes back, nor by an image of another patient', async () => {
    await image(1, 1, { StudyDescription: 'chest' });
    await image(2, 1, { Modality: 'SR', StudyDescription: 'report' });
    await database.store({ StudyInstanceUID: study, SeriesInstanceUID: `${study}.3`, SOPInstanceUID: `${study}.3.1`, Modality: 'SR', PatientName: 'Doe^Ann', StudyDescription: 'returned' }, { origin: 'own-result', frames: 0 });
    const described = async (): Promise<unknown[]> => {
      const [found] = await database.search({ keys: [key('StudyInstanceUID', study)], include: ['00081030'] });
      return [text(found!, 'StudyDescription'), text(found!, 'PatientID')];
    };
    assert.deepEqual(await described(), ['report', 'P1']);
    await image(1, 2, { PatientID: 'P2', StudyDescription: 'stranger' });
    assert.deepEqual(await described(), ['report', 'P1']);
    await image(1, 3, { StudyDescription: 'later' });
    assert.deepEqual(await described(), ['report', 'P1'], 'a study with a contradiction stays as it was');
    assert.deepEqual(await counts(), [3, 5, 'CR SR']);
  });

  it('has an instance in the study that it was sent for last, and nowhere else', async () => {
    await image(1, 1);
    await image(1, 2);
    const other = `${study}.77`;
    await database.store({ StudyInstanceUID: other, SeriesInstanceUID: `${other}.1`, SOPInstanceUID: `${study}.1.1`, PatientName: 'Doe^Ann' });
    assert.deepEqual(await counts(), [1, 1, 'CR']);
    assert.deepEqual(await counts(other), [1, 1, 'CR']);
    await database.store({ StudyInstanceUID: other, SeriesInstanceUID: `${other}.1`, SOPInstanceUID: `${study}.1.2`, PatientName: 'Doe^Ann' });
    assert.deepEqual(await counts(), [], 'a study of which nothing is left is not found');
    assert.deepEqual(await counts(other), [1, 2, 'CR']);
  });

  it('has nothing of what is in the recycle bin', async () => {
    await image(1, 1);
    await image(2, 1, { Modality: 'DX' });
    const bin = async (at: string, uid: string): Promise<void> => {
      await database.query(`update instances set deleted_at = ${at} where sop_instance_uid = $1`, [uid]);
      await database.query('select refresh_study_counts($1)', [study]);
    };
    await bin('now()', `${study}.2.1`);
    assert.deepEqual(await counts(), [1, 1, 'CR']);
    assert.deepEqual(await database.select({ sopInstanceUids: [`${study}.2.1`] }), []);
    await bin('now()', `${study}.1.1`);
    assert.deepEqual(await counts(), []);
    await bin('null', `${study}.2.1`);
    assert.deepEqual(await counts(), [1, 1, 'DX']);
  });

  it('has our current results among the images, each once; others who knows their UID', async () => {
    await image(1, 1);
    const [first, second, other] = [`${study}.9.1`, `${study}.9.2`, `${study}.9.3`];
    await keep(result(first));
    assert.deepEqual([await counts(), await instances()], [[2, 2, 'CR SR'], ['1.1', '9.1']]);
    await keep(result(second, { predecessor: first }), result(other, { alternativeTo: second }));
    assert.deepEqual([await counts(), await instances()], [[2, 2, 'CR SR'], ['1.1', '9.2']]);
    const known = await database.select({ sopInstanceUids: [first, other], studyInstanceUids: [study] });
    assert.deepEqual(known.map(({ sopInstanceUid }) => sopInstanceUid), [first, other]);
    const [found] = await database.search({ level: 'instance', keys: [key('SOPInstanceUID', second)], include: 'all' });
    assert.equal(text(found!, 'SeriesDescription'), 'AI');
    assert.deepEqual((await database.search({ level: 'series', keys: [key('StudyInstanceUID', study), key('Modality', 'SR')] })).map((series) => num(series, 'NumberOfSeriesRelatedInstances')), [1]);

    await database.store({ StudyInstanceUID: study, SeriesInstanceUID: `${study}.9`, SOPInstanceUID: second, SOPClassUID: '1.2.840.10008.5.1.4.1.1.88.33', Modality: 'SR', PatientName: 'Doe^Ann' }, { origin: 'own-result', frames: 0 });
    assert.deepEqual([await counts(), await instances()], [[2, 2, 'CR SR'], ['1.1', '9.2']]);
    await keep(result(second));
    assert.deepEqual(await counts(), [2, 2, 'CR SR']);
  });

  it('gives headers with the instances, and where their files are', async () => {
    await image(1, 1, { Rows: 12 });
    const found = [];
    for await (const each of database.archive.headers({ seriesInstanceUids: [`${study}.1`] })) found.push(each);
    assert.deepEqual(found.map(({ instance, header }) => [instance.sopInstanceUid, instance.frames, instance.bytes, num(header, 'Rows')]), [[`${study}.1.1`, 1, 1000, 12]]);
    assert.match(found[0]!.instance.path, /\/blobs\/..\/..\/[0-9a-f-]{36}\.dcm$/);
    assert.deepEqual(await database.select({}), [], 'nothing is selected by nothing');
    assert.deepEqual(await database.select({ studyInstanceUids: [] }), []);
    assert.deepEqual(await database.select({ seriesInstanceUids: [`${study}.1`], studyInstanceUids: ['9.9'] }), []);
    assert.equal((await database.select({ patientId: 'P1', seriesInstanceUids: [`${study}.1`] })).length, 1);
  });

  it('holds what was in the database before it had an archive', async () => {
    await inTemporaryFolder(async (folder) => {
      await database.query('create database earlier');
      const url = database.url.replace('/hilum?', '/earlier?');
      const before = createDataSource(url, MIGRATIONS.slice(0, MIGRATIONS.findIndex(({ name }) => name.startsWith('Archive'))));
      await before.initialize();
      await migrate(before);
      const store = async (sop: string, version: number, current: boolean, values: Record<string, unknown>): Promise<void> => {
        const header = dataset({ StudyInstanceUID: '1.1', SeriesInstanceUID: '1.1.1', SOPInstanceUID: sop, Modality: 'DX', PatientID: 'E1', InstanceNumber: 4, ...values });
        await before.query(
          `insert into instances (id, sop_instance_uid, version, current, study_instance_uid, series_instance_uid, sop_class_uid, transfer_syntax_uid, digest, bytes, header, origin, frames, address, transport, association_id, received_at, source_timezone)
           values (gen_random_uuid(), $1, $2::integer, $3, '1.1', '1.1.1', '1.2', '1.2.840.10008.1.2.1', $2::integer::text, 1, $4, 'source', 1, 'a', 'stow', 'a', now() + make_interval(secs => $2::integer), '+0000')`,
          [sop, version, current, JSON.stringify(header)]);
      };
      await before.query(`insert into studies (study_instance_uid, first_received_at, intake, analysis) values ('1.1', now(), 'complete', 'not-routed')`);
      await before.query(`insert into series (study_instance_uid, series_instance_uid) values ('1.1', '1.1.1')`);
      await store('1.1.1.1', 1, false, { StudyDescription: 'old' });
      await store('1.1.1.1', 2, true, { StudyDescription: 'new', PatientName: 'Früher^Anna' });
      const report = dataset({ SOPClassUID: '1.2.840.10008.5.1.4.1.1.88.33', SOPInstanceUID: '1.1.9.1', StudyInstanceUID: '1.1', SeriesInstanceUID: '1.1.9', Modality: 'SR', InstanceNumber: 3 });
      const [there, gone] = [randomUUID(), randomUUID()];
      await new BlobStore(folder, silent).writeResult(there, writePart10(report));
      for (const [uid, blob] of [['1.1.9.1', there], ['1.1.9.2', gone]])
        await before.query(
          `insert into results (sop_instance_uid, study_instance_uid, series_instance_uid, sop_class_uid, kind, blob, digest, bytes, model_name, model_version, model_sha256, current, created_at)
           values ($1, '1.1', '1.1.9', '1.2.840.10008.5.1.4.1.1.88.33', 'structured-report', $2, 'd', 1, 'm', '1', 's', true, now())`, [uid, blob]);
      await before.destroy();

      const dataSource = createDataSource(url, MIGRATIONS);
      await dataSource.initialize();
      await migrate(dataSource);
      const [row] = await dataSource.query(`select attributes #>> '{00081030,Value,0}' as description, patient_name, series, instances, modalities from archive_studies`);
      assert.deepEqual(row, { description: 'new', patient_name: '=fruher^anna===', series: 1, instances: 1, modalities: ['DX'] });
      const problems: unknown[] = [];
      assert.equal(await keepResultHeaders(dataSource, new BlobStore(folder, silent), { info: () => {}, error: (problem: unknown) => void problems.push(problem) }, new AbortController().signal), 1);
      assert.equal(problems.length, 1, 'a result without its file is told, and the others are kept');
      const objects = await dataSource.query('select sop_instance_uid, ordinal from archive_objects where shown order by 1');
      assert.deepEqual(objects, [{ sop_instance_uid: '1.1.1.1', ordinal: '4' }, { sop_instance_uid: '1.1.9.1', ordinal: '3' }]);
      assert.deepEqual(await dataSource.query('select series, instances, modalities from archive_studies'), [{ series: 2, instances: 2, modalities: ['DX', 'SR'] }]);
      await dataSource.destroy();
    });
  });

  it('knows the levels of attributes as the search does', async () => {
    const every = (tags: Iterable<string>): string => JSON.stringify(Object.fromEntries([...tags].map((tag) => [tag, {}])));
    const all = every([...PATIENT_TAGS, ...STUDY_TAGS, ...SERIES_TAGS, '00280010']);
    const [row] = await database.query('select dicom_study_attributes($1::jsonb) as study, dicom_series_attributes($1::jsonb) as series', [all]);
    assert.deepEqual(new Set(Object.keys(row!['study'] as object)), PATIENT_TAGS.union(STUDY_TAGS));
    assert.deepEqual(new Set(Object.keys(row!['series'] as object)), SERIES_TAGS);
  });
});
