import assert from 'node:assert/strict';
import { localTime, resultOffset } from '../../ai/results/local-time.ts';
import { radiographHeader } from '../support/results.ts';

const CREATED = '2026-11-20T13:12:05Z';

describe('times of results', () => {
  it("follow the source's own offset, down to the minute", () => {
    for (const [stated, minutes] of [['+0545', 345], ['-0330', -210], ['+0000', 0], ['+1400', 840]] as const) {
      assert.equal(resultOffset(radiographHeader({ TimezoneOffsetFromUTC: stated }), 'Europe/Zurich', CREATED), minutes);
    }
  });

  it('follow the zone of the settings at the time of the study where the source states none or nonsense', () => {
    const summer = { StudyDate: '20260703', StudyTime: '101500' };
    assert.equal(resultOffset(radiographHeader(summer), 'Europe/Zurich', CREATED), 120);
    assert.equal(resultOffset(radiographHeader({ ...summer, TimezoneOffsetFromUTC: '+9999' }), 'Europe/Zurich', CREATED), 120);
    assert.equal(resultOffset(radiographHeader({ ...summer, StudyTime: undefined }), 'Asia/Kathmandu', CREATED), 345);
    assert.equal(resultOffset(radiographHeader({ StudyDate: undefined }), 'Europe/Zurich', CREATED), 60);
  });

  it('are right on both sides of a clock change', () => {
    const before = radiographHeader({ StudyDate: '20260329', StudyTime: '015959' });
    const after = radiographHeader({ StudyDate: '20260329', StudyTime: '030000' });
    assert.equal(resultOffset(before, 'Europe/Zurich', CREATED), 60);
    assert.equal(resultOffset(after, 'Europe/Zurich', CREATED), 120);
  });

  it('change the date where the zone does', () => {
    assert.deepEqual(localTime('2026-12-31T23:30:00Z', 60), {
      date: '20270101',
      time: '003000',
      offset: '+0100',
      display: '2027-01-01 00:30:00 +01:00',
    });
    assert.equal(localTime('2026-11-20T01:00:00Z', -210).display, '2026-11-19 21:30:00 -03:30');
  });
});
