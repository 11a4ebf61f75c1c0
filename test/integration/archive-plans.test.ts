// How Postgres answers what viewers ask most: by an index, whatever there is. The same generated studies and whole tables in
// ANALYZE's sample make the same statistics, so the plans are the same at every run.
import assert from 'node:assert/strict';
import type { ArchiveQuery, Selection } from '../../storage/archive.ts';
import { planSearch } from '../../storage/query/search.ts';
import { planSelection } from '../../storage/query/selection.ts';
import type { Statement } from '../../storage/query/statement.ts';
import { ArchiveDatabase, key } from '../support/archive-database.ts';
import { generateArchive } from '../support/archive-generator.ts';

/** Enough that reading all of them is dear; ANALYZE takes up to 30,000 rows of a table, here all of studies and series. */
const STUDIES = 10_000;
const A_STUDY = '2.25.7000000042';

describe('the plan of a search', function () {
  this.timeout(120_000);
  let database: ArchiveDatabase;
  before(async () => {
    database = await ArchiveDatabase.start();
    await generateArchive(database.dataSource, STUDIES);
  });
  after(() => database?.[Symbol.asyncDispose]());

  async function plan({ sql, parameters }: Statement): Promise<string> {
    const rows = await database.query(`explain ${sql}`, parameters);
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  }

  const SEARCHES: [string, Partial<ArchiveQuery>, string[]][] = [
    ["OHIF's list of studies", { include: ['00081030', '00080060'], limit: 101 }, ['archive_studies_newest']],
    ['a Patient ID', { keys: [key('PatientID', 'P000123')] }, ['archive_studies_patient']],
    ['the beginning of a Patient ID', { keys: [key('PatientID', 'P00012*')] }, ['archive_studies_patient']],
    ['an accession number', { keys: [key('AccessionNumber', 'A00000777')] }, ['archive_studies_accession']],
    ['a part of a name that few have', { keys: [key('PatientName', '*pulos^hel*')], limit: 101 }, ['archive_studies_name']],
    ['a part of a name that many have, newest first', { keys: [key('PatientName', '*ann*')], limit: 101 }, ['archive_studies_newest']],
    ['a name in ideographs', { keys: [key('PatientName', '*山田^太*')], limit: 101 }, ['archive_studies_name']],
    ['the sound of a name', { keys: [key('PatientName', 'kovalska helene')], fuzzy: true, limit: 101 }, ['archive_studies_name', 'archive_studies_sounds']],
    ['dates with a modality', { keys: [key('StudyDate', { kind: 'range', from: '20240101', to: '20240331' }), key('ModalitiesInStudy', 'CR')], limit: 101 }, ['archive_studies_newest']],
    ['a modality that no study has', { keys: [key('ModalitiesInStudy', 'XA')], limit: 101 }, ['archive_studies_modalities']],
    ['the series of a study', { level: 'series', keys: [key('StudyInstanceUID', A_STUDY)] }, ['archive_studies_pkey', 'archive_series_pkey']],
    ['the instances of a study', { level: 'instance', keys: [key('StudyInstanceUID', A_STUDY)] }, ['archive_studies_pkey', 'archive_series_pkey', 'instances_']],
    ['the instances of a series', { level: 'instance', keys: [key('SeriesInstanceUID', `${A_STUDY}.1`)] }, ['archive_series_uid', 'instances_']],
    ['one instance', { level: 'instance', keys: [key('SOPInstanceUID', `${A_STUDY}.1.3`)] }, ['instances_current']],
    ['the study of an instance', { keys: [key('SOPInstanceUID', `${A_STUDY}.1.3`)] }, ['instances_current', 'archive_studies_pkey']],
    ['the newest instances of all', { level: 'instance', limit: 101 }, ['archive_studies_newest', 'archive_series_pkey', 'instances_']],
    ['all patients', { level: 'patient', limit: 101 }, ['archive_studies_patient']],
  ];
  for (const [what, query, indexes] of SEARCHES)
    it(`for ${what} is by ${indexes.join(' and ')}`, async () => {
      const asked: ArchiveQuery = { level: 'study', keys: [], include: [], ...query };
      const found = await plan(planSearch(asked).page(undefined, asked.limit ?? 500, 0));
      for (const index of indexes) assert.ok(found.includes(index), `${index} is not in\n${found}`);
      assert.doesNotMatch(found, /Seq Scan/);
    });

  const SELECTIONS: [string, Selection][] = [
    ['a study', { studyInstanceUids: [A_STUDY] }],
    ['a series', { studyInstanceUids: [A_STUDY], seriesInstanceUids: [`${A_STUDY}.2`] }],
    ['an instance', { studyInstanceUids: [A_STUDY], seriesInstanceUids: [`${A_STUDY}.2`], sopInstanceUids: [`${A_STUDY}.2.1`] }],
    ['a patient', { patientId: 'P000123' }],
  ];
  for (const [what, selection] of SELECTIONS)
    it(`for a retrieve of ${what} reads no table as a whole`, async () => {
      const found = await plan(planSelection(selection, true)!(undefined, 100));
      assert.match(found, /instances_(study|series|current|versions|digests)/);
      assert.doesNotMatch(found, /Seq Scan on (instances|archive_)/);
    });

  it('goes on where a page ended by the index, not from the start', async () => {
    const search = planSearch({ level: 'study', keys: [], include: [] });
    const found = await plan(search.page(['20200101000000000000', A_STUDY], 500, 0));
    assert.match(found, /archive_studies_newest[^]*Index Cond: \(ROW\(moment, study_instance_uid\) < ROW/);
  });
});
