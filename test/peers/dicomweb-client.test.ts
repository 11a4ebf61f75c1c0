// The same requests of dicomweb-client, in a real browser, to Hilum and to Orthanc's DICOMweb: what Orthanc answers, Hilum answers,
// with the same matches and the same bytes.
import assert from 'node:assert/strict';
import type { Dataset, DicomElement, DicomValue, PersonName } from '../../storage/dicom/dataset.ts';
import { studyFiles, upload } from '../support/archive-studies.ts';
import { assertDicomJson } from '../support/dicom-json.ts';
import { DicomwebBrowser, type DicomwebClient } from '../support/dicomweb-browser.ts';
import { startTestGateway, temporaryFolder, waitFor, type TestGateway } from '../support/gateway.ts';
import { startOrthanc, type Orthanc } from '../support/orthanc.ts';

const STUDIES = [
  { studyInstanceUid: '2.25.71', series: [2, 1], values: { PatientID: 'P1', PatientName: 'Doe^Jane', StudyDate: '20240105', StudyTime: '083000', AccessionNumber: 'A1', StudyDescription: 'Chest PA', SpecificCharacterSet: 'ISO_IR 192' } },
  { studyInstanceUid: '2.25.72', series: [1], values: { PatientID: 'P2', PatientName: 'Müller^Jürg', StudyDate: '20240210', StudyTime: '120000', AccessionNumber: 'A2', Modality: 'DX', SpecificCharacterSet: 'ISO_IR 192' } },
  { studyInstanceUid: '2.25.73', series: [1, 1], values: { PatientID: 'P3', PatientName: 'Yamada^Tarou=山田^太郎=やまだ^たろう', StudyDate: '20231224', StudyTime: '235959', AccessionNumber: 'A3', SpecificCharacterSet: 'ISO_IR 192' } },
];
const STUDY = { studyInstanceUID: '2.25.71' };
const SERIES = { ...STUDY, seriesInstanceUID: '2.25.71.1' };
const INSTANCE = { ...SERIES, sopInstanceUID: '2.25.71.1.2' };
/** Of the study, which Orthanc also repeats in searches within one (PS3.18 tables 10.6.3-4 and -5 do not have them there). */
const OF_STUDY: ReadonlySet<string> = new Set(['00080020', '00080030', '00080050', '00080061', '00080090', '00081030', '00100010', '00100020', '00100030', '00100040', '0020000D', '00200010', '00201206', '00201208']);
const OF_SERIES: ReadonlySet<string> = new Set(['00080060', '0008103E', '0020000E', '00200011', '00201209']);
/** Counted, composed or said of itself: each server has its own. */
const OWN: ReadonlySet<string> = new Set(['00081190', '00080054', '00080056', '00080005', '00083002']);

describe('dicomweb-client in a browser', function () {
  this.timeout(120_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let gateway: TestGateway;
  let orthanc: Orthanc;
  let browser: DicomwebBrowser;
  let ours: DicomwebClient;
  let theirs: DicomwebClient;
  before(async () => {
    folder = await temporaryFolder();
    [orthanc, browser] = await Promise.all([startOrthanc(), DicomwebBrowser.start()]);
    gateway = await startTestGateway(folder.path, { roles: ['intake', 'web'], http: { port: 0, allowOrigins: [orthanc.url] } });
    ours = await browser.client(`${gateway.api}/dicomweb`);
    theirs = await browser.client(`${orthanc.url}/dicom-web`);
    const files = STUDIES.flatMap(studyFiles);
    await ours.store(files.map(({ file }) => file));
    await upload(orthanc, files);
    await waitFor(async () => ((await ours.call('searchForInstances')) as unknown[]).length === files.length, 'all instances in the index');
  });
  after(async () => {
    await browser?.[Symbol.asyncDispose]();
    await orthanc?.[Symbol.asyncDispose]();
    await gateway?.stop();
    await folder?.remove();
  });

  const uidOf = (match: Dataset, tag: string): string => String(match[tag]?.Value?.[0] ?? '');
  const named = (matches: Dataset[], tag: string): Map<string, Dataset> => new Map(matches.map((match) => [uidOf(match, tag), match]));
  const holds = (mine: DicomElement | undefined, other: DicomElement): boolean => {
    // Orthanc's index keeps names in Latin 1, and loses their other groups.
    const comparable = (value: DicomValue): DicomValue => (other.vr === 'PN' ? ((value as PersonName | null)?.Alphabetic ?? null) : value);
    const list = (element: DicomElement): string[] => (element.Value ?? []).map((value) => JSON.stringify(comparable(value))).toSorted();
    return mine !== undefined && mine.vr === other.vr && JSON.stringify(list(mine)) === JSON.stringify(list(other));
  };

  /** Every match of Orthanc's, with every value that it has there, is one of ours. */
  async function compare(method: string, options: object, tag: string): Promise<void> {
    const [mine, other] = await Promise.all([ours.call(method, options), theirs.call(method, options)]);
    const within = (uid: string): boolean => method.startsWith('searchFor') && uid in options;
    const isRepeated = (at: string): boolean => (within('studyInstanceUID') && OF_STUDY.has(at)) || (within('seriesInstanceUID') && OF_SERIES.has(at));
    const matches = named(assertDicomJson(mine), tag);
    const expected = named(other as Dataset[], tag);
    assert.ok(expected.size > 0, 'Orthanc finds something, or nothing is compared');
    assert.deepEqual([...matches.keys()].toSorted(), [...expected.keys()].toSorted());
    for (const [uid, match] of expected)
      for (const [at, element] of Object.entries(match)) {
        if (OWN.has(at) || isRepeated(at) || !element.Value || element.Value.every((value) => value === null)) continue;
        assert.ok(holds(matches.get(uid)?.[at], element), `${uid} ${at}: ${JSON.stringify(matches.get(uid)?.[at])}, and Orthanc has ${JSON.stringify(element)}`);
      }
  }

  const SEARCHES: [method: string, options: object, tag: string][] = [
    ['searchForStudies', {}, '0020000D'],
    ...[
      { PatientID: 'P1' }, { '00100020': 'P2' }, { PatientName: 'Doe*' }, { PatientName: '*jane' }, { PatientName: 'M*ller*' }, { AccessionNumber: 'A3' },
      { StudyDate: '20240105' }, { StudyDate: '20240101-20240131' }, { StudyDate: '20240101-' }, { StudyDate: '-20231231' }, { ModalitiesInStudy: 'DX' }, { StudyInstanceUID: '2.25.73' },
      { StudyDescription: 'Chest*' }, { PatientID: 'P1', includefield: 'StudyDescription' }, { PatientID: 'P*', includefield: '00081030,00100040' }, { includefield: 'all' }, { fuzzymatching: false, limit: 101, offset: 0, includefield: '00081030,00080060,00080090,00100030' },
    ].map((queryParams): [string, object, string] => ['searchForStudies', { queryParams }, '0020000D']),
    ['searchForSeries', {}, '0020000E'],
    ['searchForSeries', STUDY, '0020000E'],
    ['searchForSeries', { ...STUDY, queryParams: { includefield: '0008103E,00080021' } }, '0020000E'],
    ['searchForSeries', { queryParams: { Modality: 'DX' } }, '0020000E'],
    ['searchForSeries', { ...STUDY, queryParams: { SeriesNumber: '2' } }, '0020000E'],
    ['searchForInstances', {}, '00080018'],
    ['searchForInstances', STUDY, '00080018'],
    ['searchForInstances', SERIES, '00080018'],
    ['searchForInstances', { ...SERIES, queryParams: { InstanceNumber: '2' } }, '00080018'],
    ['searchForInstances', { queryParams: { SOPInstanceUID: INSTANCE.sopInstanceUID, includefield: 'all' } }, '00080018'],
  ];
  for (const [method, options, tag] of SEARCHES) it(`${method} ${JSON.stringify(options)}`, () => compare(method, options, tag));

  for (const [method, options] of [['retrieveStudyMetadata', STUDY], ['retrieveSeriesMetadata', SERIES], ['retrieveInstanceMetadata', INSTANCE]] as const) it(`${method}`, () => compare(method, options, '00080018'));

  it('asks from a page of another origin, where the settings name it, and from no other', async () => {
    const viewer = await browser.client(`${gateway.api}/dicomweb`, orthanc.url);
    assert.equal(((await viewer.call('searchForStudies', { queryParams: { PatientID: 'P1' } })) as unknown[]).length, 1);
    assert.deepEqual(await viewer.call('retrieveInstanceFrames', { ...INSTANCE, frameNumbers: [1] }), await ours.call('retrieveInstanceFrames', { ...INSTANCE, frameNumbers: [1] }));
    const stranger = await browser.client(`${gateway.api}/dicomweb`, orthanc.url.replace('127.0.0.1', 'localhost'));
    await assert.rejects(stranger.call('searchForStudies'), /request failed/);
  });

  it('takes one page after the other', async () => {
    const pages: string[] = [];
    for (const offset of [0, 1, 2, 3]) {
      const matches = (await ours.call('searchForStudies', { queryParams: { limit: 1, offset } })) as Dataset[];
      pages.push(...matches.map((match) => uidOf(match, '0020000D')));
    }
    assert.deepEqual(pages, ['2.25.72', '2.25.71', '2.25.73']);
  });

  const digests = (value: unknown): unknown[] => (value as unknown[]).map((each) => JSON.stringify(each)).toSorted();
  for (const [method, options] of [
    ['retrieveInstanceFrames', { ...INSTANCE, frameNumbers: [1] }],
    ['retrieveInstanceFrames', { ...INSTANCE, frameNumbers: [1], mediaTypes: [{ mediaType: 'application/octet-stream', transferSyntaxUID: '1.2.840.10008.1.2.1' }] }],
  ] as const)
    it(`${method} ${JSON.stringify(options)}: the same bytes`, async () => assert.deepEqual(digests(await ours.call(method, options)), digests(await theirs.call(method, options))));

  for (const [method, options, count] of [['retrieveInstance', INSTANCE, 1], ['retrieveSeries', SERIES, 2], ['retrieveStudy', STUDY, 3]] as const)
    it(`${method}: ${count} files`, async () => {
      for (const client of [ours, theirs]) {
        const value = await client.call(method, options);
        assert.equal(Array.isArray(value) ? value.length : 1, count);
      }
    });

  for (const [method, options] of [
    ['retrieveInstanceRendered', INSTANCE],
    ['retrieveInstanceRendered', { ...INSTANCE, mediaTypes: [{ mediaType: 'image/png' }], queryParams: { viewport: '64,64' } }],
    ['retrieveInstanceFramesRendered', { ...INSTANCE, frameNumbers: [1] }],
    ['retrieveInstanceThumbnail', INSTANCE],
    ['retrieveInstanceFramesThumbnail', { ...INSTANCE, frameNumbers: [1] }],
  ] as const)
    it(`${method} ${JSON.stringify(options)}`, async () => {
      const isThere = (client: DicomwebClient) => client.call(method, options).then(() => true, (error: Error) => error.message);
      const [mine, other] = await Promise.all([isThere(ours), isThere(theirs)]);
      assert.equal(mine, true, `Orthanc: ${other}`);
    });

  it('retrieveBulkData of what the metadata leaves out', async () => {
    const [metadata] = (await ours.call('retrieveInstanceMetadata', INSTANCE)) as Dataset[];
    const uri = metadata!['7FE00010']?.BulkDataURI;
    assert.ok(uri, 'pixel data is named by a BulkDataURI');
    const [pixels] = (await ours.call('retrieveBulkData', { BulkDataURI: uri })) as { digest: string }[];
    const [frame] = (await theirs.call('retrieveInstanceFrames', { ...INSTANCE, frameNumbers: [1] })) as { digest: string }[];
    assert.equal(pixels!.digest, frame!.digest);
  });
});
