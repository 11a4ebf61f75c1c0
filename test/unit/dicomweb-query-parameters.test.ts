import assert from 'node:assert/strict';
import { parseSearch, type SearchResource } from '../../gateway/dicomweb/query-parameters.ts';
import { HttpError } from '../../gateway/http/errors.ts';

const STUDIES: SearchResource = { level: 'study' };
const parse = (query: string, resource = STUDIES) => parseSearch(resource, query).query;
const keys = (query: string, resource = STUDIES) => parse(query, resource).keys;
const matching = (query: string) => keys(query)[0]?.matching;

describe('the query string of a search', () => {
  it('is empty for everything', () => {
    assert.deepEqual(parseSearch(STUDIES, ''), { query: { level: 'study', keys: [], include: [] }, warnings: [] });
  });

  it('names attributes by keyword or tag, in either case of the digits', () => {
    const key = { tag: '0010001F', matching: { kind: 'values', values: ['1'] } };
    for (const name of ['0010001F', '0010001f']) assert.deepEqual(keys(`${name}=1`), [key]);
    assert.deepEqual(keys('PatientID=1'), keys('00100020=1'));
  });

  it("has what the resource's address says as keys too", () => {
    const resource: SearchResource = { level: 'instance', studyInstanceUid: '1.2', seriesInstanceUid: '1.2.3' };
    assert.deepEqual(keys('', resource), [{ tag: '0020000D', matching: { kind: 'values', values: ['1.2'] } }, { tag: '0020000E', matching: { kind: 'values', values: ['1.2.3'] } }]);
    assert.equal(keys('StudyInstanceUID=9', resource).length, 3, 'both must match');
  });

  it('decodes percent signs and plus signs, in UTF-8', () => {
    assert.deepEqual(matching('PatientName=M%C3%BCller%5EJ*'), { kind: 'values', values: ['Müller^J*'] });
    assert.deepEqual(matching('PatientName=%E5%B1%B1%E7%94%B0'), { kind: 'values', values: ['山田'] });
    assert.deepEqual(matching('StudyDescription=chest+pa%2Blat'), { kind: 'values', values: ['chest pa+lat'] });
  });

  it('takes an empty value, or stars alone, as universal, and gives the attribute back', () => {
    for (const value of ['', '*', '**']) assert.deepEqual(matching(`PatientComments=${value}`), { kind: 'universal' });
    assert.deepEqual(parse('PatientComments=').include, ['00104000']);
  });

  for (const [query, expected] of [
    ['StudyDate=20240131', { kind: 'values', values: ['20240131'] }],
    ['StudyDate=20240101-20240131', { kind: 'range', from: '20240101', to: '20240131' }],
    ['StudyDate=20240101-', { kind: 'range', from: '20240101' }],
    ['StudyDate=-20240229', { kind: 'range', to: '20240229' }],
    ['StudyDate=-', { kind: 'universal' }],
    ['StudyTime=08-1230', { kind: 'range', from: '08', to: '1230' }],
    ['StudyTime=235959.999999', { kind: 'values', values: ['235959.999999'] }],
    ['AcquisitionDateTime=2023-2024', { kind: 'range', from: '2023', to: '2024' }],
    ['AcquisitionDateTime=20240101120000-0500', { kind: 'values', values: ['20240101120000-0500'] }],
    ['AcquisitionDateTime=20240101-0500-20240102%2B0100', { kind: 'range', from: '20240101-0500', to: '20240102+0100' }],
    ['AcquisitionDateTime=20240101120000.5-', { kind: 'range', from: '20240101120000.5' }],
  ] as const)
    it(`reads ${query}`, () => assert.deepEqual(matching(query), expected));

  it('makes one range of dates and times where both are ranges', () => {
    assert.equal(parse('StudyDate=20240101-20240102&StudyTime=1200-1300').combinedDateTime, true);
    assert.equal(parse('StudyDate=20240101&StudyTime=1200-1300').combinedDateTime, undefined);
  });

  it('takes lists of UIDs by comma and backslash, and repeated', () => {
    const expected = { kind: 'values', values: ['1.2', '1.3'] };
    for (const query of ['StudyInstanceUID=1.2,1.3', 'StudyInstanceUID=1.2%5C1.3', 'StudyInstanceUID=1.2&StudyInstanceUID=1.3', 'StudyInstanceUID=1.2,,1.3,1.2']) assert.deepEqual(matching(query), expected, query);
  });

  it('takes several values of other attributes by backslash, and of code strings by comma as OHIF sends them', () => {
    assert.deepEqual(matching('ModalitiesInStudy=CR,DX'), { kind: 'values', values: ['CR', 'DX'] });
    assert.deepEqual(matching('PatientID=1%5C2&multiplevaluematching=true'), { kind: 'values', values: ['1', '2'] });
    assert.deepEqual(matching('PatientName=Doe,+John'), { kind: 'values', values: ['Doe, John'] });
    assert.throws(() => parse('PatientID=1%5C2&multiplevaluematching=false'), /PatientID has several values, and multiplevaluematching is false/);
  });

  it('finds what is empty where that is asked for', () => {
    assert.deepEqual(matching('AccessionNumber=%22%22&emptyvaluematching=true'), { kind: 'empty' });
    assert.deepEqual(matching('AccessionNumber=%22%22'), { kind: 'values', values: ['""'] });
  });

  it("looks for a sequence's attributes in the same item", () => {
    assert.deepEqual(keys('RequestAttributesSequence.RequestedProcedureID=P1&00400275.00400009=S1'), [
      { tag: '00400275', matching: { kind: 'sequence', keys: [{ tag: '00401001', matching: { kind: 'values', values: ['P1'] } }, { tag: '00400009', matching: { kind: 'values', values: ['S1'] } }] } },
    ]);
    assert.deepEqual(matching('ProcedureCodeSequence='), { kind: 'universal' });
    assert.deepEqual(parse('RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeValue=X').include, ['00400275']);
  });

  it('gathers what is to be returned: names, tags, in lists and repeated, the attributes that are matched, or all', () => {
    assert.deepEqual(parse('includefield=00081030,PatientAge&includefield=00400275.00401001&PatientID=1&includefield=').include, ['00081030', '00101010', '00400275', '00100020']);
    assert.equal(parse('includefield=PatientAge&includefield=all').include, 'all');
  });

  it('knows limit, offset and fuzzymatching', () => {
    assert.deepEqual(parse('limit=101&offset=0&fuzzymatching=true'), { level: 'study', keys: [], include: [], fuzzy: true, limit: 101, offset: 0 });
    assert.deepEqual(parse('limit=0&fuzzymatching=false'), { level: 'study', keys: [], include: [], limit: 0 });
  });

  it("writes numbers in one way, and keeps text's wildcards", () => {
    assert.deepEqual(matching('SeriesNumber=007'), { kind: 'values', values: ['7'] });
    assert.deepEqual(matching('PatientWeight=70.50'), { kind: 'values', values: ['70.5'] });
    assert.deepEqual(matching('PatientName=*a?b*'), { kind: 'values', values: ['*a?b*'] });
  });

  it('ignores what is not for it, and says so', () => {
    assert.deepEqual(parseSearch(STUDIES, 'orderby=StudyDate&accept=application/json&charset=utf-8&_=17'), {
      query: { level: 'study', keys: [], include: [] },
      warnings: ['The parameter "orderby" is not supported and was ignored', 'The parameter "_" is not supported and was ignored'],
    });
    assert.deepEqual(parseSearch({ level: 'instance' }, 'TransferSyntaxUID=1.2&SpecificCharacterSet=x&PixelData=5').warnings, ['TransferSyntaxUID is not matched', 'SpecificCharacterSet is not matched', 'PixelData holds bytes and is not matched']);
  });

  it('answers without what is asked for and not known, and says so', () => {
    const { query, warnings } = parseSearch(STUDIES, 'includefield=PatientAge,SomethingNewer');
    assert.deepEqual([query.include, warnings], [['00101010'], ['includefield names "SomethingNewer" which is not known']]);
  });

  for (const [query, reason] of [
    ['PatientIdentifier=1', /The parameter "PatientIdentifier" is no keyword/],
    ['patientid=1', /did you mean PatientID\?/],
    ['(0010,0020)=1', /"\(0010,0020\)" is no keyword .* eight hexadecimal digits/],
    ['includefield=PatientID.PatientName', /includefield: PatientID is no sequence/],
    ['StudyDate=2024-01-31', /StudyDate must be a date, YYYYMMDD, or a range .* not "2024-01-31"/],
    ['StudyDate=20240230', /StudyDate must be a date/],
    ['StudyDate=2024*', /StudyDate must be a date/],
    ['StudyTime=25', /StudyTime must be a time/],
    ['AcquisitionDateTime=20240101120000%2B2500', /AcquisitionDateTime must be YYYY/],
    ['SeriesNumber=one', /SeriesNumber must be a whole number, not "one"/],
    ['PatientWeight=heavy', /PatientWeight must be a number/],
    ['PatientAge=45', /PatientAge must be an age such as 045Y/],
    ['StudyInstanceUID=1.2.x', /StudyInstanceUID must be a UID/],
    ['FrameIncrementPointer=PatientID', /FrameIncrementPointer must be a tag/],
    ['limit=-1', /limit must be a whole number of 0 or more, not "-1"/],
    ['limit=', /limit must be/],
    ['offset=1.5', /offset must be/],
    ['limit=1&limit=2', /limit is there twice/],
    ['fuzzymatching=yes', /fuzzymatching must be true or false/],
    ['PatientID.PatientName=x', /PatientID is no sequence/],
    ['RequestAttributesSequence=x', /RequestAttributesSequence is a sequence/],
    ['StudyDate=20240101-20240102&StudyDate=20250101-20250102', /StudyDate is there twice/],
    ['PatientName=%FF', /percent-encoded UTF-8/],
    ['PatientName=%E0%A4%A', /percent-encoded UTF-8/],
  ] as const)
    it(`refuses ${query}, and says why`, () => {
      assert.throws(() => parse(query), (error: unknown) => error instanceof HttpError && error.status === 400 && reason.test(error.message));
    });
});
