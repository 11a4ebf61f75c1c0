// Keys of a search as Postgres is asked for them: names, wildcards, dates.
import assert from 'node:assert/strict';
import type { ArchiveQuery, Matching } from '../../storage/archive.ts';
import { tagOf } from '../../storage/dicom/dictionary.ts';
import { levelOf, PATIENT_TAGS, SERIES_TAGS, STUDY_TAGS } from '../../storage/query/levels.ts';
import { matchElement, matchName, matchText } from '../../storage/query/matching.ts';
import { boundsInUtc, boundsOf } from '../../storage/query/moments.ts';
import { foldName, soundOf, wordsOf } from '../../storage/query/person-name.ts';
import { planSearch } from '../../storage/query/search.ts';
import { Parameters, type Statement } from '../../storage/query/statement.ts';
import { groupPattern, likePattern } from '../../storage/query/wildcards.ts';

describe('names that are searched for', () => {
  it('are compared without case, accents and the widths of letters, in every script', () => {
    assert.equal(foldName('MÜLLER^Jürg'), 'muller^jurg');
    assert.equal(foldName('Łukasz^Ångström'), 'lukasz^angstrom');
    assert.equal(foldName('Straße'), 'strasse');
    assert.equal(foldName('ΠΑΠΑΔΌΠΟΥΛΟΣ'), foldName('Παπαδόπουλος'));
    assert.equal(foldName('ЁЛКИН'), foldName('елкин'));
    assert.equal(foldName('ﾔﾏﾀﾞ'), foldName('ヤマダ'));
    assert.equal(foldName('Ｓｍｉｔｈ'), 'smith');
  });

  it('keep what makes another name of them', () => {
    assert.notEqual(foldName('ヤマダ'), foldName('ヤマタ'));
    assert.notEqual(foldName('김'), foldName('기'));
    assert.notEqual(foldName('Doe^John'), foldName('Doe John'));
  });

  it('lose spaces around delimiters, and delimiters at the end', () => {
    assert.equal(foldName('Doe ^ John^^^ '), 'doe^john');
    assert.equal(foldName('Yamada^Tarou^ = 山田^太郎^'), 'yamada^tarou=山田^太郎');
  });

  it('sound alike however they are spelt, where they are of Latin letters', () => {
    for (const [one, other] of [['smith', 'schmidt'], ['catherine', 'katharina'], ['meyer', 'maier'], ['stephen', 'stefan'], ['vagner', 'wagner'], ['kowalska', 'kovalska']] as const)
      assert.equal(soundOf(one), soundOf(other), `${one} and ${other}`);
    assert.notEqual(soundOf('smith'), soundOf('jones'));
    assert.equal(soundOf('山田'), undefined);
    assert.equal(soundOf('j'), undefined);
    assert.deepEqual(wordsOf("o'connor^mary-ann*"), ['o', 'connor', 'mary', 'ann']);
  });
});

describe('wildcards', () => {
  it('are those of DICOM: what SQL takes for one stands for itself', () => {
    assert.equal(likePattern('50%_a*b?c\\'), '50\\%\\_a%b_c\\\\');
    assert.equal(groupPattern('a.b*c?'), 'a\\.b[^=]*c[^=]');
  });

  it('are characters in attributes that have none', () => {
    const parameters = new Parameters();
    assert.equal(matchText('uid', 'UI', ['1.2.*'], parameters), 'uid = any($1::text[])');
    assert.deepEqual(parameters.values, [['1.2.*']]);
  });

  it('and plain values may stand side by side, spaces at the ends of no meaning', () => {
    const parameters = new Parameters();
    assert.equal(matchText('c', 'LO', ['a ', 'b*', ' d'], parameters), '((c = any($1::text[])) or (c like $2))');
    assert.deepEqual(parameters.values, [['a', 'd'], 'b%']);
  });

  it('within a name stay in one component group, which an index finds first', () => {
    const name = (value: string): unknown[] => {
      const parameters = new Parameters();
      matchName('name', 'sounds', [value], { parameters, fuzzy: false, zone: undefined, datasetZone: 'null' });
      return parameters.values;
    };
    assert.deepEqual(name('*ann*'), ['%ann%']);
    assert.deepEqual(name('Müller*'), ['%=muller%']);
    assert.deepEqual(name('doe^john'), ['%=doe^john=%']);
    assert.deepEqual(name('d*n'), ['%=d%n=%', '=d[^=]*n=']);
    assert.deepEqual(name('Yamada*=山田*'), ['%=yamada%', '%=山田%']);
  });
});

describe('dates and times that are searched for', () => {
  it('mean all that they may: an hour is all its minutes', () => {
    assert.deepEqual(boundsOf('TM', '10'), { first: '100000000000', last: '109999999999' });
    assert.deepEqual(boundsOf('DA', '2024.01.31'), { first: '20240131', last: '20240131' });
    assert.deepEqual(boundsOf('DT', '202401+0100'), { first: '20240100000000000000', last: '20240199999999999999' });
  });

  it('are in UTC where an offset is known, their own before that of the request', () => {
    assert.deepEqual(boundsInUtc('20240101001500+0100', '-0500'), { first: '20231231231500000000', last: '20231231231500999999' });
    assert.deepEqual(boundsInUtc('20240229', '-0500'), { first: '20240229050000000000', last: '20240301045959999999' });
    assert.deepEqual(boundsInUtc('2024', '+0000'), { first: '20240101000000000000', last: '20241231235959999999' });
    assert.equal(boundsInUtc('2024', undefined), undefined);
  });
});

describe('a key of any attribute', () => {
  const sql = (keyword: string, matching: Matching): string | undefined =>
    matchElement('x', { tag: tagOf(keyword), matching }, { parameters: new Parameters(), fuzzy: false, zone: undefined, datasetZone: 'null' });

  it('that is universal, or a sequence of such, is no condition', () => {
    assert.equal(sql('StationName', { kind: 'universal' }), undefined);
    assert.equal(sql('RequestAttributesSequence', { kind: 'sequence', keys: [{ tag: tagOf('RequestedProcedureID'), matching: { kind: 'universal' } }] }), undefined);
  });

  it('holds all keys of a sequence against one item', () => {
    const item = (keyword: string) => ({ tag: tagOf(keyword), matching: { kind: 'values' as const, values: ['1'] } });
    const condition = sql('RequestAttributesSequence', { kind: 'sequence', keys: [item('RequestedProcedureID'), item('ScheduledProcedureStepID')] });
    assert.equal(condition?.match(/jsonb_array_elements\(x->'Value'\)/g)?.length, 1);
  });

  it('has ranges where its values have an order', () => {
    assert.match(sql('ContentDate', { kind: 'range', from: '2024', to: '2025' }) ?? '', /dicom_digits.*>=.*dicom_digits.*<=/);
    assert.match(sql('StationName', { kind: 'range', from: 'A' }) ?? '', /where false/);
  });
});

describe('the levels of attributes', () => {
  it('are one for each', () => {
    for (const tag of PATIENT_TAGS) assert.ok(!STUDY_TAGS.has(tag) && !SERIES_TAGS.has(tag), tag);
    for (const tag of STUDY_TAGS) assert.ok(!SERIES_TAGS.has(tag), tag);
    assert.deepEqual(['PatientName', 'StudyDate', 'Modality', 'Rows', 'ModalitiesInStudy', 'NumberOfSeriesRelatedInstances'].map((keyword) => levelOf(tagOf(keyword))), ['patient', 'study', 'series', 'instance', 'study', 'series']);
    assert.equal(levelOf('00091001'), 'instance');
  });
});

describe('the statement of a search', () => {
  function planOf(query: ArchiveQuery): { first: Statement; next: Statement } {
    const plan = planSearch(query);
    return { first: plan.page(undefined, 10, 0), next: plan.page(['20240101', '1.2', 3, '1.2.3'], 10, 0) };
  }

  it('goes on after the last row without counting those before', () => {
    const { next } = planOf({ level: 'series', keys: [], include: [] });
    assert.match(next.sql, /\(s\.moment, s\.study_instance_uid\) <= \(\$1, \$2\) and \(\(s\.moment, s\.study_instance_uid\) < \(\$1, \$2\) or \(e\.ordinal, e\.series_instance_uid\) > \(\$3, \$4\)\)/);
    assert.doesNotMatch(next.sql, /offset/);
  });

  it('asks each value by a parameter', () => {
    const { first } = planOf({ level: 'study', keys: [{ tag: tagOf('PatientName'), matching: { kind: 'values', values: ["'; drop table studies --*"] } }], include: ['00081030'] });
    assert.doesNotMatch(first.sql, /drop table/);
  });
});
