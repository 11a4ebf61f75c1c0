import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { settingsSchema } from '../../config/settings.ts';
import type { Archive } from '../../storage/archive.ts';
import { dataset, text, texts, type Dataset } from '../../storage/dicom/dataset.ts';
import { parseDatasetXml } from '../../storage/dicom/xml.ts';
import { ArchiveDatabase } from '../support/archive-database.ts';
import { assertDicomJson } from '../support/dicom-json.ts';
import { startTestGateway, type TestGateway } from '../support/http-gateway.ts';
import { partsOf } from '../support/multipart-response.ts';

const MUELLER = '2.25.1';
const DOE = '2.25.2';
const YAMADA = '2.25.3';

describe('QIDO-RS', function () {
  this.timeout(60_000);
  let database: ArchiveDatabase;
  let gateway: TestGateway;
  before(async () => {
    database = await ArchiveDatabase.start();
    const image = (study: string, series: number, number: number, values: Record<string, unknown>) =>
      database.store({
        StudyInstanceUID: study, SeriesInstanceUID: `${study}.${series}`, SOPInstanceUID: `${study}.${series}.${number}`, SeriesNumber: series, InstanceNumber: number, Rows: 10, Columns: 20, ...values,
      });
    const mueller = { PatientName: 'Müller^Jürg', PatientID: 'P1', PatientBirthDate: '19700203', PatientSex: 'M', StudyDate: '20240105', StudyTime: '083000', AccessionNumber: 'A1', StudyDescription: 'Chest PA', Modality: 'CR',
      RequestAttributesSequence: [{ RequestedProcedureID: 'RP1', ScheduledProcedureStepID: 'S1' }, { RequestedProcedureID: 'RP2', ScheduledProcedureStepID: 'S2' }] };
    for (const series of [1, 2]) for (const number of [1, 2]) await image(MUELLER, series, number, { ...mueller, SeriesDescription: series === 1 ? 'PA' : 'lateral' });
    await image(DOE, 1, 1, { PatientName: 'Doe^Jane', PatientID: 'P2', PatientSex: 'F', StudyDate: '20240210', StudyTime: '120000', Modality: 'DX', StudyDescription: 'Chest, PA + lateral', PatientComments: 'line 1\fline 2' });
    await image(YAMADA, 1, 1, { PatientName: 'Yamada^Tarou=山田^太郎=やまだ^たろう', PatientID: 'P3', StudyDate: '20231224', StudyTime: '235959', AccessionNumber: 'A3', Modality: 'CT' });
    await image(YAMADA, 2, 1, { PatientName: 'Yamada^Tarou=山田^太郎=やまだ^たろう', PatientID: 'P3', StudyDate: '20231224', StudyTime: '235959', AccessionNumber: 'A3', Modality: 'SR', SOPClassUID: '1.2.840.10008.5.1.4.1.1.88.33', Rows: undefined, Columns: undefined });
    gateway = await startTestGateway({ archive: database.archive });
  });
  after(async () => {
    await gateway.close();
    await database[Symbol.asyncDispose]();
  });

  const ask = (path: string, headers: Record<string, string> = {}) => fetch(`${gateway.url}/dicomweb${path}`, { headers });
  const found = async (path: string): Promise<Dataset[]> => {
    const response = await ask(path);
    const body = await response.text();
    assert.equal(response.status, 200, body);
    return assertDicomJson(body);
  };
  const uids = async (path: string, keyword = 'StudyInstanceUID') => (await found(path)).map((match) => text(match, keyword));

  it("answers OHIF's study list: newest first, with counts, modalities and where to retrieve", async () => {
    const response = await ask('/studies?limit=101&offset=0&fuzzymatching=false&includefield=00081030%2C00080060%2C00080090%2C00100030');
    assert.equal(response.headers.get('content-type'), 'application/dicom+json');
    assert.equal(response.headers.get('warning'), null);
    const matches = assertDicomJson(await response.text());
    assert.deepEqual(matches.map((match) => text(match, 'StudyInstanceUID')), [DOE, MUELLER, YAMADA]);
    assert.deepEqual(
      ['StudyDate', 'StudyTime', 'AccessionNumber', 'PatientName', 'PatientID', 'PatientBirthDate', 'StudyDescription', 'ModalitiesInStudy', 'NumberOfStudyRelatedSeries', 'NumberOfStudyRelatedInstances', 'InstanceAvailability', 'RetrieveAETitle', 'RetrieveURL'].map((keyword) => texts(matches[1]!, keyword).join('\\')),
      ['20240105', '083000', 'A1', 'Müller^Jürg', 'P1', '19700203', 'Chest PA', 'CR', '2', '4', 'ONLINE', 'HILUM', `${gateway.url}/dicomweb/studies/${MUELLER}`],
    );
    assert.deepEqual([matches[0]!['00100030'], matches[0]!['00080090']], [{ vr: 'DA' }, { vr: 'PN' }], 'what has no value is there all the same');
    assert.deepEqual(texts(matches[2]!, 'ModalitiesInStudy').toSorted(), ['CT', 'SR']);
  });

  it('answers at all six resources, each match with its own address', async () => {
    assert.equal((await found('/studies')).length, 3);
    assert.equal((await found('/series')).length, 5);
    assert.equal((await found('/instances')).length, 7);
    assert.deepEqual(await uids(`/studies/${MUELLER}/series`, 'SeriesInstanceUID'), [`${MUELLER}.1`, `${MUELLER}.2`]);
    assert.deepEqual(await uids(`/studies/${MUELLER}/instances`, 'SOPInstanceUID'), [1, 2].flatMap((series) => [1, 2].map((number) => `${MUELLER}.${series}.${number}`)));
    assert.deepEqual(await uids(`/studies/${MUELLER}/series/${MUELLER}.2/instances`, 'RetrieveURL'), [1, 2].map((number) => `${gateway.url}/dicomweb/studies/${MUELLER}/series/${MUELLER}.2/instances/${MUELLER}.2.${number}`));
    const [series] = await found(`/studies/${MUELLER}/series?includefield=0008103E%2C00080021`);
    assert.deepEqual(['Modality', 'SeriesNumber', 'SeriesDescription', 'NumberOfSeriesRelatedInstances', 'RetrieveURL'].map((keyword) => text(series!, keyword)), ['CR', '1', 'PA', '2', `${gateway.url}/dicomweb/studies/${MUELLER}/series/${MUELLER}.1`]);
    const [relational] = await found('/instances?PatientID=P2');
    assert.deepEqual(['PatientName', 'Modality', 'StudyInstanceUID', 'SeriesInstanceUID', 'Rows'].map((keyword) => text(relational!, keyword)), ['Doe^Jane', 'DX', DOE, `${DOE}.1`, '10']);
  });

  for (const [query, expected] of [
    ['PatientID=P2', [DOE]],
    ['00100020=P1', [MUELLER]],
    ['PatientName=muller*', [MUELLER]],
    ['PatientName=*J%C3%9CRG', [MUELLER]],
    ['PatientName=%E5%B1%B1%E7%94%B0*', [YAMADA]],
    ['PatientName=d%3Fe*', [DOE]],
    ['PatientName=jane+doe&fuzzymatching=true', [DOE]],
    ['StudyDate=20240101-20240131', [MUELLER]],
    ['StudyDate=20240101-', [DOE, MUELLER]],
    ['StudyDate=-20231231', [YAMADA]],
    ['StudyDate=20240105-20240210&StudyTime=0900-1300', [DOE]],
    ['StudyInstanceUID=2.25.1,2.25.3', [MUELLER, YAMADA]],
    ['StudyInstanceUID=2.25.1%5C2.25.2', [DOE, MUELLER]],
    ['ModalitiesInStudy=CT', [YAMADA]],
    ['ModalitiesInStudy=CR,DX', [DOE, MUELLER]],
    ['Modality=SR', [YAMADA]],
    ['AccessionNumber=%22%22&emptyvaluematching=true', [DOE]],
    ['RequestAttributesSequence.RequestedProcedureID=RP2', [MUELLER]],
    ['00400275.00401001=RP2&00400275.00400009=S2', [MUELLER]],
    ['00400275.00401001=RP2&00400275.00400009=S1', []],
    ['StudyDescription=Chest*', [DOE, MUELLER]],
    ['SOPClassUID=1.2.840.10008.5.1.4.1.1.88.33', [YAMADA]],
    ['PatientSex=F&StudyDate=20240105', []],
  ] as const)
    it(`finds studies by ${query}`, async () => assert.deepEqual(await uids(`/studies?${query}`), expected));

  it('returns what is asked for beyond the usual, or everything that is known', async () => {
    const [usual] = await found('/studies?PatientID=P1');
    assert.equal(text(usual!, 'StudyDescription'), undefined);
    assert.equal(text((await found('/studies?PatientID=P1&StudyDescription='))[0]!, 'StudyDescription'), 'Chest PA');
    assert.equal(text((await found('/studies?PatientID=P2&includefield=all'))[0]!, 'PatientComments'), 'line 1\fline 2');
    const [all] = await found(`/studies/${MUELLER}/instances?includefield=all&limit=1`);
    assert.deepEqual(['Columns', 'SeriesDescription', 'StudyDescription'].map((keyword) => text(all!, keyword)), ['20', 'PA', 'Chest PA']);
  });

  it('gives one page after the other, and says when there are more', async () => {
    const pages: (string | undefined)[] = [];
    for (const offset of [0, 1, 2]) {
      const response = await ask(`/studies?limit=1&offset=${offset}`);
      const warning = response.headers.get('warning');
      assert.equal(warning, offset === 2 ? null : `299 ${gateway.url}/dicomweb: There are additional results that can be requested`);
      pages.push(...assertDicomJson(await response.text()).map((match) => text(match, 'StudyInstanceUID')));
    }
    assert.deepEqual(pages, [DOE, MUELLER, YAMADA]);
    assert.deepEqual(await found('/studies?offset=3'), []);
    assert.deepEqual(await found('/studies?limit=0'), []);
  });

  it('cuts what is asked of all studies at its own maximum and says so, and never what a study has', async () => {
    const small = await startTestGateway({ archive: database.archive, settings: settingsSchema.parse({ http: { port: 0 }, dicomweb: { maxResults: 2 } }) });
    try {
      const get = async (path: string) => {
        const response = await fetch(`${small.url}/dicomweb${path}`);
        return [assertDicomJson(await response.text()).length, /additional results/.test(response.headers.get('warning') ?? '')];
      };
      assert.deepEqual(await get('/instances'), [2, true]);
      assert.deepEqual(await get('/instances?limit=5000'), [2, true]);
      assert.deepEqual(await get('/instances?offset=5'), [2, false]);
      assert.deepEqual(await get(`/studies/${MUELLER}/instances`), [4, false]);
    } finally {
      await small.close();
    }
  });

  it('answers in XML, a part for each match', async () => {
    const response = await ask('/studies?StudyDate=20240101-', { accept: 'multipart/related; type="application/dicom+xml"' });
    const parts = await partsOf(response, 'application/dicom+xml');
    assert.deepEqual(parts.map(({ type, location }) => [type, location]), [DOE, MUELLER].map((uid) => ['application/dicom+xml', `${gateway.url}/dicomweb/studies/${uid}`]));
    const json = await found('/studies?StudyDate=20240101-');
    assert.deepEqual(parts.map(({ bytes }) => parseDatasetXml(bytes.toString())), json);
    const none = await ask('/studies?PatientID=nobody', { accept: 'multipart/related; type="application/dicom+xml"' });
    assert.deepEqual([none.status, await none.text()], [204, '']);
  });

  it('chooses by Accept, or by the accept parameter, which a browser can set', async () => {
    const type = async (path: string, accept?: string) => {
      const response = await ask(path, accept === undefined ? {} : { accept });
      await response.arrayBuffer();
      return `${response.status} ${response.headers.get('content-type')?.split(';')[0]}`;
    };
    for (const accept of ['*/*', 'application/*', 'application/dicom+json', 'text/html, */*;q=0.1', 'multipart/related; type="application/dicom+xml";q=0.5, application/dicom+json']) assert.equal(await type('/studies', accept), '200 application/dicom+json', accept);
    assert.equal(await type('/studies', 'application/json'), '200 application/json');
    assert.equal(await type('/studies', 'multipart/related; type=application/dicom+xml'), '200 multipart/related');
    assert.equal(await type('/studies', 'application/dicom+xml'), '200 multipart/related');
    assert.equal(await type('/studies?accept=application/dicom%2Bjson', 'text/html'), '200 application/dicom+json');
    assert.equal(await type('/studies?accept=application/json&charset=utf-8', 'text/html'), '200 application/json');
    for (const path of ['/studies?charset=ISO-8859-1', '/studies?accept=text/html']) assert.equal(await type(path), '406 application/problem+json', path);
    assert.equal(await type('/studies', 'text/html'), '406 application/problem+json');
    assert.equal(await type('/studies', 'multipart/related; type="application/dicom"'), '406 application/problem+json');
  });

  it('refuses what it does not understand, and says what', async () => {
    for (const [path, reason] of [
      ['/studies?PatientIdentifier=1', /"PatientIdentifier" is no keyword/],
      ['/studies?StudyDate=yesterday', /StudyDate must be a date/],
      ['/studies?limit=many', /limit must be a whole number/],
      ['/studies/abc/series', /study .*not a UID/],
      ['/studies?PatientName=%FF', /percent-encoded UTF-8/],
    ] as const) {
      const response = await ask(path);
      const problem = (await response.json()) as { detail: string };
      assert.deepEqual([response.status, response.headers.get('content-type')], [400, 'application/problem+json'], path);
      assert.match(problem.detail, reason);
    }
  });

  it('ignores parameters that are none of its own, and says so without echoing what could hurt', async () => {
    const response = await ask('/studies?PatientID=P1&orderby=x&%C3%A9%0D%0AX-Evil:1=2');
    assert.match(response.headers.get('warning')!, /^299 \S+: The parameter "orderby" is not supported and was ignored, 299 \S+: The parameter "\?\?\?X-Evil:1" is not supported and was ignored$/);
    assert.equal(response.headers.get('x-evil'), null);
    assert.equal(assertDicomJson(await response.text()).length, 1);
  });

  it('names addresses as a proxy before it has them', async () => {
    const at = async (headers: Record<string, string>) => text(assertDicomJson(await (await ask('/studies?PatientID=P1', headers)).text())[0]!, 'RetrieveURL');
    assert.equal(await at({ 'X-Forwarded-Proto': 'https', 'X-Forwarded-Prefix': '/imaging/ai/' }), `${gateway.url.replace('http:', 'https:')}/imaging/ai/dicomweb/studies/${MUELLER}`);
    assert.equal(await at({ 'X-Forwarded-Prefix': '//evil.example/' }), `${gateway.url}/dicomweb/studies/${MUELLER}`);
  });

  it('finds nothing in a study that is not there', async () => assert.deepEqual(await found('/studies/2.25.999/series'), []));

  it('answers HEAD without a body, a wrong method with those that there are, and OPTIONS', async () => {
    const head = await fetch(`${gateway.url}/dicomweb/studies`, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('content-type'), await head.text()], [200, 'application/dicom+json', '']);
    const wrong = await fetch(`${gateway.url}/dicomweb/studies`, { method: 'PUT' });
    assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'GET, HEAD, OPTIONS, POST']);
    assert.match(((await wrong.json()) as { detail: string }).detail, /does not take PUT/);
    assert.equal((await fetch(`${gateway.url}/dicomweb/nothing`, { method: 'PUT' })).status, 404);
    const api = await fetch(`${gateway.url}/api/worklist`, { method: 'OPTIONS' });
    assert.deepEqual([api.status, api.headers.get('allow')], [204, 'GET, HEAD, OPTIONS']);
  });
});

describe('a search of QIDO-RS that takes long', function () {
  this.timeout(20_000);
  /** Matches without end, a KB each, and how many were asked for. */
  const endless = () => {
    const state = { read: 0, ended: false };
    const search = async function* (): AsyncGenerator<Dataset> {
      try {
        for (;;) yield dataset({ StudyInstanceUID: `2.25.${++state.read}`, StudyDescription: 'x'.repeat(1000) });
      } finally {
        state.ended = true;
      }
    };
    return { state, archive: { search, select: search, headers: search } as unknown as Archive };
  };
  const settings = settingsSchema.parse({ http: { port: 0 }, dicomweb: { maxResults: 1_000_000_000 }, limits: { drainSeconds: 1 } });

  it('goes no further than its caller reads, and ends when the caller leaves', async () => {
    const { state, archive } = endless();
    const gateway = await startTestGateway({ archive, settings });
    try {
      const stop = new AbortController();
      const response = await fetch(`${gateway.url}/dicomweb/studies`, { signal: stop.signal });
      const reader = response.body!.getReader();
      await reader.read();
      let before = -1;
      // What fits into the sockets' buffers is read ahead, and then no more.
      for (const end = performance.now() + 10_000; before !== state.read && performance.now() < end; await sleep(250)) before = state.read;
      assert.equal(state.read, before);
      assert.ok(state.read < 50_000, `${state.read} matches were read for a caller that took none`);
      stop.abort();
      for (const end = performance.now() + 5000; !state.ended && performance.now() < end; ) await sleep(20);
      assert.ok(state.ended);
    } finally {
      await gateway.close();
    }
  });

  it('breaks the connection where it fails in the middle, so that a part never passes for the whole', async () => {
    const search = async function* (): AsyncGenerator<Dataset> {
      for (let number = 1; number < 400; number++) yield dataset({ StudyInstanceUID: `2.25.${number}`, StudyDescription: 'x'.repeat(1000) });
      throw new Error('the database is gone');
    };
    const gateway = await startTestGateway({ archive: { search, select: search, headers: search } as unknown as Archive, settings });
    try {
      const response = await fetch(`${gateway.url}/dicomweb/studies`);
      await assert.rejects(response.text());
      assert.match(gateway.logged.join(''), /the database is gone/);
    } finally {
      await gateway.close();
    }
  });
});
