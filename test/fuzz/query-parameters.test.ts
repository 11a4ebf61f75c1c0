// Whatever stands in a query string, the parser gives a query or says why not; and a query that is written out is read back as it was.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseSearch } from '../../gateway/dicomweb/query-parameters.ts';
import { HttpError } from '../../gateway/http/errors.ts';
import type { ArchiveQuery, Matching, QueryKey } from '../../storage/archive.ts';
import { keywordOf } from '../../storage/dicom/dataset.ts';

const two = (min: number, max: number) => fc.integer({ min, max }).map((number) => String(number).padStart(2, '0'));
const date = fc.date({ min: new Date('1900-01-01'), max: new Date('2100-12-31'), noInvalidDate: true }).map((day) => day.toISOString().slice(0, 10).replaceAll('-', ''));
const time = fc.oneof(two(0, 23), fc.tuple(two(0, 23), two(0, 59), two(0, 59), fc.constantFrom('', '.5', '.123456')).map((parts) => parts.join('')));
const offset = fc.constantFrom('', '+0100', '-0500');
const dateTime = fc.oneof(fc.tuple(date, offset), fc.tuple(date, time, offset)).map((parts) => parts.join(''));
const uid = fc.array(fc.nat(99_999), { minLength: 2, maxLength: 8 }).map((parts) => parts.join('.'));
const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).map((value) => value.replaceAll(/[\\,]/g, '-').trim()).filter((value) => value !== '' && !/^\*+$/.test(value) && value !== '""' && value.isWellFormed());
const range = (moment: fc.Arbitrary<string>): fc.Arbitrary<Matching> =>
  fc.oneof(fc.tuple(moment, moment).map(([from, to]) => ({ kind: 'range' as const, from, to })), moment.map((from) => ({ kind: 'range' as const, from })));
const values = (value: fc.Arbitrary<string>): fc.Arbitrary<Matching> => fc.uniqueArray(value, { minLength: 1, maxLength: 4 }).map((list) => ({ kind: 'values', values: list }));
const other: fc.Arbitrary<Matching> = fc.constantFrom({ kind: 'universal' }, { kind: 'empty' });

/** Attributes of each kind of value; no two of the list share a tag. */
const KINDS: [tag: string, matching: fc.Arbitrary<Matching>][] = [
  ['00080020', fc.oneof(range(date), values(date), other)],
  ['00080030', fc.oneof(range(time), values(time), other)],
  ['0008002A', fc.oneof(range(dateTime), values(dateTime), other)],
  ['00080016', fc.oneof(values(uid), other)],
  ['00100010', fc.oneof(values(text), other)],
  ['00100020', fc.oneof(values(text), other)],
  ['00080061', fc.oneof(values(text), other)],
  ['00200011', fc.oneof(values(fc.integer().map(String)), other)],
  ['00101030', fc.oneof(values(fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => String(number === 0 ? 0 : number))), other)],
];
const flat = fc.subarray(KINDS, { minLength: 0 }).chain((kinds) => fc.tuple(...kinds.map(([tag, matching]) => matching.map((how): QueryKey => ({ tag, matching: how })))));
const inSequence = fc.option(
  fc.tuple(values(text), fc.option(values(text))).map(([procedure, step]): QueryKey => ({
    tag: '00400275',
    matching: { kind: 'sequence', keys: [{ tag: '00401001', matching: procedure }, ...(step ? [{ tag: '00400009', matching: step }] : [])] },
  })),
);
const query = fc
  .record({ keys: flat, sequence: inSequence, include: fc.oneof(fc.constant('all' as const), fc.subarray(['00104000', '00101010', '00081032'])), fuzzy: fc.boolean(), limit: fc.option(fc.nat()), offset: fc.option(fc.nat()) })
  .map(({ keys, sequence, include, fuzzy, limit, offset: skipped }): ArchiveQuery => {
    const all: QueryKey[] = [...keys, ...(sequence ? [sequence] : [])];
    const ranged = (tag: string): boolean => all.some((key) => key.tag === tag && key.matching.kind === 'range');
    return {
      level: 'study',
      keys: all,
      include: include === 'all' ? 'all' : [...new Set([...all.map((key) => key.tag), ...include])],
      ...(ranged('00080020') && ranged('00080030') && { combinedDateTime: true }),
      ...(fuzzy && { fuzzy: true }),
      ...(limit !== null && { limit }),
      ...(skipped !== null && { offset: skipped }),
    };
  });

function format(asked: ArchiveQuery, byKeyword: boolean): string {
  const pieces: string[] = ['emptyvaluematching=true'];
  const add = (path: string, key: QueryKey): void => {
    const name = path + (byKeyword ? keywordOf(key.tag)! : key.tag.toLowerCase());
    const { matching } = key;
    if (matching.kind === 'sequence') for (const inner of matching.keys) add(`${name}.`, inner);
    else pieces.push(`${name}=${encodeURIComponent(valueOf(matching))}`);
  };
  for (const key of asked.keys) add('', key);
  pieces.push(`includefield=${asked.include === 'all' ? 'all' : asked.include.join(',')}`);
  if (asked.fuzzy) pieces.push('fuzzymatching=true');
  if (asked.limit !== undefined) pieces.push(`limit=${asked.limit}`);
  if (asked.offset !== undefined) pieces.push(`offset=${asked.offset}`);
  return pieces.join('&');
}

function valueOf(matching: Exclude<Matching, { kind: 'sequence' }>): string {
  if (matching.kind === 'universal') return '';
  if (matching.kind === 'empty') return '""';
  if (matching.kind === 'range') return `${matching.from ?? ''}-${matching.to ?? ''}`;
  return matching.values.join('\\');
}

describe('any query string', function () {
  this.timeout(60_000);

  it('is read back as the query that it was written from, by keyword and by tag', () => {
    fc.assert(
      fc.property(query, fc.boolean(), (asked, byKeyword) => {
        assert.deepEqual(parseSearch({ level: 'study' }, format(asked, byKeyword)), { query: asked, warnings: [] });
      }),
      { numRuns: 1000 },
    );
  });

  it('gives a query, or 400 with a reason, and nothing else', () => {
    const name = fc.oneof(fc.constantFrom('PatientName', 'StudyDate', 'AcquisitionDateTime', 'SeriesNumber', '00400275.00401001', '0040A730.', '.', 'limit', 'offset', 'fuzzymatching', 'includefield', 'LIMIT', '__proto__', 'constructor', 'ModalitiesInStudy', 'PixelData', '00091001', '00020010'), fc.string({ maxLength: 12 }));
    const value = fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }).filter((text_) => text_.isWellFormed()).map(encodeURIComponent), fc.string({ maxLength: 20 }), fc.constantFrom('-', '--', '20240101-20240102-', '%', '%00', '%5C%5C', ',', '""', '*', '1e999', '9'.repeat(30)));
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 6 }), fc.constantFrom('&', '&&', '=', ';'), (pairs, separator) => {
        try {
          const { query: read } = parseSearch({ level: 'instance', studyInstanceUid: '1.2' }, pairs.map(([left, right]) => `${left}=${right}`).join(separator));
          assert.ok(read.keys.some((key) => key.tag === '0020000D'));
          assert.ok(read.limit === undefined || Number.isSafeInteger(read.limit));
        } catch (error) {
          if (!(error instanceof HttpError)) throw error;
          assert.equal(error.status, 400);
          assert.ok(error.message.length > 10 && error.message.length < 1000);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
