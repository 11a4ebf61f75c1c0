// What a search finds and what it says of it, in a real Postgres: every kind of matching, at every level (PS3.4 C.2.2.2).
import assert from 'node:assert/strict';
import type { ArchiveQuery, Matching, QueryKey } from '../../storage/archive.ts';
import { num, text, texts } from '../../storage/dicom/dataset.ts';
import { foldName, soundOf } from '../../storage/query/person-name.ts';
import { ArchiveDatabase, key } from '../support/archive-database.ts';

describe('a search of the archive', function () {
  this.timeout(60_000);
  let database: ArchiveDatabase;
  const image = (study: string, series: number, number: number, values: Record<string, unknown> = {}) =>
    database.store({ StudyInstanceUID: study, SeriesInstanceUID: `${study}.${series}`, SOPInstanceUID: `${study}.${series}.${number}`, SeriesNumber: series, InstanceNumber: number, ...values });

  before(async () => {
    database = await ArchiveDatabase.start();
    const muller = { PatientID: 'M1', PatientName: 'Müller^Jörg', PatientBirthDate: '19600102', PatientSex: 'M', StudyDate: '20240101', StudyTime: '103015.5', AccessionNumber: 'A%1', StudyDescription: 'Chest pa' };
    await image('1.1', 1, 2, { ...muller, Rows: 100, RequestAttributesSequence: [{ RequestedProcedureID: 'R1', ScheduledProcedureStepID: 'S1' }, { RequestedProcedureID: 'R2', ScheduledProcedureStepID: 'S2' }] });
    await image('1.1', 1, 1, { ...muller, Rows: 200 });
    await image('1.1', 2, 1, { ...muller, Modality: 'DX', SeriesDescription: '50% done', AcquisitionDateTime: '20240101103000+0200', ReferringPhysicianName: 'House^Gregory' });
    const yamada = { PatientID: 'Y1', IssuerOfPatientID: 'HOSPITAL', PatientName: 'Yamada^Tarou=山田^太郎=やまだ^たろう', StudyDate: '20240115', StudyTime: '08', ReferringPhysicianName: 'Łukasz^Ewa' };
    await image('1.2', 1, 1, { ...yamada, Modality: 'CT', SliceThickness: 1.5, ImageType: ['ORIGINAL', 'PRIMARY', 'AXIAL'], AcquisitionDateTime: '20240115080000' });
    const schmidt = { PatientID: 'S1', PatientName: 'SCHMIDT^ANNA MARIA', StudyDate: '20240201', StudyTime: '2359', StudyID: 'x_y' };
    await image('1.3', 1, 1, { ...schmidt, Modality: 'MR', AcquisitionDateTime: '20240201235900', TimezoneOffsetFromUTC: '-0500' });
    await image('1.4', 1, 1, { PatientID: 'S1', PatientName: 'SCHMIDT^ANNA MARIA', StudyDate: '', Modality: 'SR', SOPClassUID: '1.2.840.10008.5.1.4.1.1.88.33' });
  });
  after(() => database?.[Symbol.asyncDispose]());

  async function studies(keys: QueryKey | QueryKey[], query: Partial<ArchiveQuery> = {}): Promise<(string | undefined)[]> {
    return (await database.search({ ...query, keys: [keys].flat() })).map((found) => text(found, 'StudyInstanceUID'));
  }
  const range = (from?: string, to?: string): Matching => ({ kind: 'range', ...(from !== undefined && { from }), ...(to !== undefined && { to }) });
  const sequence = (...keys: QueryKey[]): Matching => ({ kind: 'sequence', keys });

  const CASES: [string, QueryKey | QueryKey[], string[], Partial<ArchiveQuery>?][] = [
    ['all studies, the newest first and those without a date last', [], ['1.3', '1.2', '1.1', '1.4']],
    ['a single value', key('PatientID', 'M1'), ['1.1']],
    ['spaces around it', key('PatientID', ' M1 '), ['1.1']],
    ['no other case of what is no name', key('PatientID', 'm1'), []],
    ['a list of UIDs', key('StudyInstanceUID', ['1.1', '1.3', '9.9']), ['1.3', '1.1']],
    ['a list of values', key('PatientID', ['Y1', 'S1']), ['1.3', '1.2', '1.4']],
    ['wildcards', key('StudyDescription', 'Ch?st*'), ['1.1']],
    ['a percent sign and an underscore as themselves', [key('AccessionNumber', 'A%*')], ['1.1']],
    ['an underscore for nothing else', key('StudyID', 'x_?'), ['1.3']],
    ['no underscore for any character', key('StudyDescription', 'Chest_pa'), []],
    ['no wildcard in a UID', key('StudyInstanceUID', '1.*'), []],
    ['what has no value', key('StudyDescription', { kind: 'empty' }), ['1.3', '1.2', '1.4']],
    ['an empty accession number', key('AccessionNumber', { kind: 'empty' }), ['1.3', '1.2', '1.4']],
    ['everything where a key is universal', key('StudyDescription', { kind: 'universal' }), ['1.3', '1.2', '1.1', '1.4']],
    ['a date', key('StudyDate', '20240115'), ['1.2']],
    ['a range of dates, both ends in it', key('StudyDate', range('20240101', '20240115')), ['1.2', '1.1']],
    ['dates from a day on', key('StudyDate', range('20240115')), ['1.3', '1.2']],
    ['dates up to a day, which no study without one is', key('StudyDate', range(undefined, '20240115')), ['1.2', '1.1']],
    ['an hour as all its minutes', key('StudyTime', '10'), ['1.1']],
    ['a range of times that ends with an hour', key('StudyTime', range('08', '10')), ['1.2', '1.1']],
    ['a range of times to the second', key('StudyTime', range('103015', '103015')), ['1.1']],
    ['dates and times each on its own', [key('StudyDate', range('20240101', '20240131')), key('StudyTime', range('09', '23'))], ['1.1']],
    ['dates and times as one range', [key('StudyDate', range('20240101', '20240131')), key('StudyTime', range('1031', '23'))], ['1.2'], { combinedDateTime: true }],
    ['a name without case and accents', key('PatientName', 'muller^jorg'), ['1.1']],
    ['a name by wildcards at both ends', key('PatientName', '*ANN*'), ['1.3', '1.4']],
    ['a name in ideographs', key('PatientName', '山田*'), ['1.2']],
    ['a name by its sound in kana', key('PatientName', 'やまだ^*'), ['1.2']],
    ['a name in two scripts', key('PatientName', 'Yamada*=山田*'), ['1.2']],
    ['no name of one script and another in the next', key('PatientName', 'Yamada*=鈴木*'), []],
    ['a family name alone, with a wildcard for the given ones', key('PatientName', 'Schmidt^*'), ['1.3', '1.4']],
    ['no part of a name without a wildcard', key('PatientName', 'Schmidt'), []],
    ['wildcards that do not reach into another script', key('PatientName', 'Y*郎'), []],
    ['names by beginnings of words, in any order', key('PatientName', 'mar sch'), ['1.3', '1.4'], { fuzzy: true }],
    ['names by their sounds', key('PatientName', 'Smith'), ['1.3', '1.4'], { fuzzy: true }],
    ['names with wildcards where they may also be fuzzy', key('PatientName', '*ller*'), ['1.1'], { fuzzy: true }],
    ['another person than the patient', key('ReferringPhysicianName', 'lukasz*'), ['1.2']],
    ['the modalities in a study', key('ModalitiesInStudy', 'DX'), ['1.1']],
    ['any of several modalities', key('ModalitiesInStudy', ['CT', 'MR']), ['1.3', '1.2']],
    ['modalities by a wildcard', key('ModalitiesInStudy', 'C*'), ['1.2', '1.1']],
    ['a modality, asked as the series has it', key('Modality', 'CT'), ['1.2']],
    ['the SOP classes in a study', key('SOPClassesInStudy', '1.2.840.10008.5.1.4.1.1.88.33'), ['1.4']],
    ['counts', key('NumberOfStudyRelatedInstances', '3'), ['1.1']],
    ['numbers of a series below', key('SeriesNumber', '2'), ['1.1']],
    ['what one and the same series has', [key('Modality', 'DX'), key('SeriesDescription', '50% *')], ['1.1']],
    ['nothing that two series have together', [key('SeriesNumber', '1'), key('SeriesDescription', '50% done')], []],
    ['an instance below', key('SOPInstanceUID', '1.2.1.1'), ['1.2']],
    ['numbers as numbers', key('SliceThickness', '1.50'), ['1.2']],
    ['any of several values of an attribute', key('ImageType', 'PRIMARY'), ['1.2']],
    ['what has an attribute of an item', key('RequestAttributesSequence', sequence(key('RequestedProcedureID', 'R2'))), ['1.1']],
    ['an item that has all that is asked', key('RequestAttributesSequence', sequence(key('RequestedProcedureID', 'R2'), key('ScheduledProcedureStepID', 'S*'))), ['1.1']],
    ['nothing that two items have together', key('RequestAttributesSequence', sequence(key('RequestedProcedureID', 'R1'), key('ScheduledProcedureStepID', 'S2'))), []],
    ['a moment as it was written, where nobody says an offset', key('AcquisitionDateTime', range('20240115', '20240115')), ['1.2']],
    ['a moment in UTC, where both do', key('AcquisitionDateTime', '20240101083000+0000'), ['1.1']],
    ['a moment by the offset of its dataset', key('AcquisitionDateTime', range('20240202045900+0000', '20240202045900+0000')), ['1.3']],
    ['a moment by the offset of the request', [key('AcquisitionDateTime', '202401010330'), key('TimezoneOffsetFromUTC', '-0500')], ['1.1']],
    ['the issuer of a Patient ID', key('IssuerOfPatientID', 'HOSPITAL'), ['1.2']],
  ];
  for (const [what, keys, expected, query] of CASES)
    it(`finds ${what}`, async () => {
      assert.deepEqual(await studies(keys, query), expected);
    });

  it('finds series by what their study and patient say, and says whose they are', async () => {
    const found = await database.search({ level: 'series', keys: [key('PatientName', 'MÜLLER*'), key('StudyDate', range('2024'))] });
    assert.deepEqual(found.map((series) => [text(series, 'SeriesInstanceUID'), text(series, 'Modality'), num(series, 'NumberOfSeriesRelatedInstances'), text(series, 'PatientID')]), [['1.1.1', 'CR', 2, 'M1'], ['1.1.2', 'DX', 1, 'M1']]);
  });

  it('says no more than asked of the series of one study', async () => {
    const [found] = await database.search({ level: 'series', keys: [key('StudyInstanceUID', '1.1')], include: [] });
    assert.equal(text(found!, 'StudyInstanceUID'), '1.1');
    assert.equal(text(found!, 'PatientID'), undefined);
    const [named] = await database.search({ level: 'series', keys: [key('StudyInstanceUID', '1.1')], include: ['00100020'] });
    assert.equal(text(named!, 'PatientID'), 'M1');
  });

  it('finds instances by what they say, in the order of series and instance numbers', async () => {
    const all = await database.search({ level: 'instance', keys: [key('StudyInstanceUID', '1.1')] });
    assert.deepEqual(all.map((instance) => text(instance, 'SOPInstanceUID')), ['1.1.1.1', '1.1.1.2', '1.1.2.1']);
    const rows = await database.search({ level: 'instance', keys: [key('Rows', '100')] });
    assert.deepEqual(rows.map((instance) => [text(instance, 'SOPInstanceUID'), num(instance, 'Rows')]), [['1.1.1.2', 100]]);
    const one = await database.search({ level: 'instance', keys: [key('SOPInstanceUID', ['1.1.2.1', '1.2.1.1']), key('InstanceNumber', '1')] });
    assert.deepEqual(one.map((instance) => text(instance, 'SOPInstanceUID')), ['1.2.1.1', '1.1.2.1']);
  });

  it('finds patients, each once, whichever study speaks of them', async () => {
    const patients = await database.search({ level: 'patient', include: ['00201200', '00201204'] });
    assert.deepEqual(patients.map((patient) => [text(patient, 'PatientID'), num(patient, 'NumberOfPatientRelatedStudies'), num(patient, 'NumberOfPatientRelatedInstances')]), [['M1', 1, 3], ['S1', 2, 2], ['Y1', 1, 1]]);
    const [patient] = await database.search({ level: 'patient', keys: [key('PatientName', '*anna*')], include: 'all' });
    assert.equal(text(patient!, 'PatientName'), 'SCHMIDT^ANNA MARIA');
    assert.equal(text(patient!, 'StudyInstanceUID'), undefined);
    assert.deepEqual((await database.search({ level: 'patient', keys: [key('StudyDate', '20240115')] })).map((found) => text(found, 'PatientID')), ['Y1']);
  });

  it('says of a study what is always said, and what was asked for, and all there is', async () => {
    const [plain] = await database.search({ keys: [key('StudyInstanceUID', '1.1')] });
    assert.deepEqual([texts(plain!, 'ModalitiesInStudy'), num(plain!, 'NumberOfStudyRelatedSeries'), num(plain!, 'NumberOfStudyRelatedInstances'), text(plain!, 'InstanceAvailability')], [['CR', 'DX'], 2, 3, 'ONLINE']);
    assert.equal(text(plain!, 'StudyDescription'), undefined);
    const [asked] = await database.search({ keys: [key('StudyInstanceUID', '1.1')], include: ['00081030', '00080062'] });
    assert.deepEqual([text(asked!, 'StudyDescription'), texts(asked!, 'SOPClassesInStudy')], ['Chest pa', ['1.2.840.10008.5.1.4.1.1.1']]);
    const [all] = await database.search({ keys: [key('StudyInstanceUID', '1.1')], include: 'all' });
    assert.equal(text(all!, 'StudyDescription'), 'Chest pa');
    assert.equal(text(all!, 'Rows'), undefined);
    const [instance] = await database.search({ level: 'instance', keys: [key('SOPInstanceUID', '1.2.1.1')], include: 'all' });
    assert.deepEqual([num(instance!, 'SliceThickness'), text(instance!, 'AvailableTransferSyntaxUID'), text(instance!, 'PatientName')], [1.5, '1.2.840.10008.1.2.1', 'Yamada^Tarou=山田^太郎=やまだ^たろう']);
  });

  it('leaves out of an answer what is left out of headers, in items too', async () => {
    const element = { vr: 'OW', BulkDataURI: '?offset=1&length=2' };
    await image('1.5', 1, 1, { PatientID: 'B1', '00091010': { vr: 'OB', BulkDataURI: '?offset=9&length=9' }, ModalityLUTSequence: [{ '00283006': element, LUTExplanation: 'kept' }] });
    const [found] = await database.search({ level: 'instance', keys: [key('SOPInstanceUID', '1.5.1.1')], include: 'all' });
    assert.equal(found?.['00091010'], undefined);
    assert.deepEqual(found?.['00283000']?.Value, [{ '00283003': { vr: 'LO', Value: ['kept'] } }]);
    await database.query(`delete from instances where study_instance_uid = '1.5'`);
    await database.query(`delete from archive_studies where study_instance_uid = '1.5'`);
  });

  it('gives any part of the list, each match once and in the same order, also where it reads it in pages', async () => {
    for (let series = 0; series < 3; series++) await image('1.6', series, series, { PatientID: 'L1', StudyDate: '20250101' });
    await database.query(
      `insert into instances (id, sop_instance_uid, instance_number, version, current, study_instance_uid, series_instance_uid, sop_class_uid, transfer_syntax_uid, digest, bytes,
         header, origin, frames, address, transport, association_id, received_at, source_timezone)
       select gen_random_uuid(), series_instance_uid || '.' || n, n / 4, 1, true, study_instance_uid, series_instance_uid, sop_class_uid, transfer_syntax_uid, digest, bytes,
         header || jsonb_build_object('00080018', jsonb_build_object('vr', 'UI', 'Value', jsonb_build_array(series_instance_uid || '.' || n))), origin, frames, address, transport, association_id, received_at, source_timezone
       from instances, generate_series(10, 215) as n where study_instance_uid = '1.6'`,
    );
    const keys = [key('StudyInstanceUID', '1.6')];
    const all = (await database.search({ level: 'instance', keys })).map((found) => text(found, 'SOPInstanceUID'));
    assert.equal(new Set(all).size, 621);
    const whole = (await database.search({ level: 'instance', keys, include: 'all' })).map((found) => text(found, 'SOPInstanceUID'));
    assert.deepEqual(whole, all);
    const part = (await database.search({ level: 'instance', keys, offset: 7, limit: 505 })).map((found) => text(found, 'SOPInstanceUID'));
    assert.deepEqual(part, all.slice(7, 512));
    assert.deepEqual((await database.select({ studyInstanceUids: ['1.6'] })).map(({ sopInstanceUid }) => sopInstanceUid), all);
    assert.equal((await database.search({ level: 'instance', keys, limit: 0 })).length, 0);
  });

  it('holds no connection for who reads slowly, or leaves', async () => {
    const begun = Array.from({ length: 40 }, () => database.archive.search({ level: 'instance', keys: [key('StudyInstanceUID', '1.6')], include: [] }));
    for (const { done } of await Promise.all(begun.map((search) => search.next()))) assert.equal(done, false);
    assert.deepEqual(await studies(key('PatientID', 'M1')), ['1.1']);
    for (const search of begun) await search.return();
  });

  it('folds names in the index as it folds those that are asked for', async () => {
    const names = ['MÜLLER ^Jürg^^', 'Łukasz^Ångström^Ø', 'ΠΑΠΑΔΌΠΟΥΛΟΣ^ΕΛΈΝΗ', 'Ёлкин^Йозеф', 'Straße^ẞ', 'ﾔﾏﾀﾞ^ﾀﾛｳ', 'Ｓｍｉｔｈ', 'İstanbul^Ilgın', 'Œuvre^Æsa^Þór^Ðan', '김^철수', 'Nguyễn^Văn', "O'Connor-Smith^Ph. D."];
    const rows = await database.query(`select name, dicom_fold_name(name) as folded, dicom_name_sounds(dicom_fold_name(name)) as sounds from unnest($1::text[]) as name`, [names]);
    assert.deepEqual(rows.map(({ folded }) => folded), names.map(foldName));
    for (const { name, folded, sounds } of rows) {
      const words = (folded as string).replaceAll('ph', 'f').split(/[ =^.,'()-]+/);
      assert.deepEqual(new Set(sounds as string[] | null), new Set(words.flatMap((word) => soundOf(word) ?? [])), String(name));
    }
  });
});
