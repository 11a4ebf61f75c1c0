import assert from 'node:assert/strict';
import type { Request } from 'express';
import { isNotModified, requestedRange } from '../../gateway/http/conditional.ts';

const request = (headers: Record<string, string>): Request => ({ headers, get: (name: string) => headers[name] }) as unknown as Request;
const lastModified = new Date('2026-01-02T03:04:05Z');

describe('conditional requests', () => {
  for (const [headers, etag, expected] of [
    [{}, '"a"', false],
    [{ 'if-none-match': '"a"' }, '"a"', true],
    [{ 'if-none-match': 'W/"a"' }, '"a"', true],
    [{ 'if-none-match': '"b", W/"a"' }, 'W/"a"', true],
    [{ 'if-none-match': '"ab"' }, '"a"', false],
    [{ 'if-none-match': '*' }, '"a"', true],
    [{ 'if-match': '"a"' }, '"a"', false],
    [{ 'if-match': '*' }, '"a"', false],
    [{ 'if-match': '"a"' }, 'W/"a"', 412],
    [{ 'if-match': 'W/"a"' }, '"a"', 412],
    [{ 'if-match': '"b"' }, '"a"', 412],
    [{ 'if-modified-since': 'Fri, 02 Jan 2026 03:04:05 GMT' }, '"a"', true],
    [{ 'if-modified-since': 'Fri, 02 Jan 2026 03:04:04 GMT' }, '"a"', false],
    [{ 'if-modified-since': 'yesterday' }, '"a"', false],
    [{ 'if-none-match': '"b"', 'if-modified-since': 'Fri, 02 Jan 2026 03:04:05 GMT' }, '"a"', false],
    [{ 'if-unmodified-since': 'Fri, 02 Jan 2026 03:04:04 GMT' }, '"a"', 412],
    [{ 'if-unmodified-since': 'yesterday' }, '"a"', false],
  ] as const)
    it(`with ${JSON.stringify(headers)} of ${etag} ${expected === 412 ? 'fail' : expected ? 'need no body' : 'are answered'}`, () => {
      const ask = (): boolean => isNotModified(request(headers as Record<string, string>), { etag, lastModified });
      if (expected === 412) assert.throws(ask, { status: 412 });
      else assert.equal(ask(), expected);
    });
});

describe('byte ranges', () => {
  for (const [range, expected] of [
    ['bytes=0-0', [0, 1]], ['bytes=9-', [9, 10]], ['bytes=-3', [7, 10]], ['bytes=-99', [0, 10]], ['bytes=2-99', [2, 10]], ['Bytes = 1-2', [1, 3]],
    ['bytes=10-', 416], ['bytes=3-2', 416], ['bytes=-0', 416], ['bytes=', 416], ['bytes=-', 416], ['bytes=1', 416], ['bytes=0x1-2', 416], ['bytes=99999999999999999-', 416],
    ['bytes=0-1,3-4', undefined], ['items=0-1', undefined], ['', undefined],
  ] as const)
    it(`"${range}" of ten bytes ${expected === 416 ? 'is refused' : expected ? `is ${expected.join(' to ')}` : 'is all of them'}`, () => {
      const ask = () => requestedRange(request({ range }), 10, { etag: '"a"' });
      if (expected === 416) assert.throws(ask, { status: 416, headers: { 'Content-Range': 'bytes */10' } });
      else assert.deepEqual(ask(), expected && { start: expected[0], end: expected[1] });
    });

  it('is all where the caller holds a part of another version', () => {
    for (const [ifRange, whole] of [['"a"', false], ['"b"', true], ['W/"a"', true], [lastModified.toUTCString(), false], ['Thu, 01 Jan 2026 00:00:00 GMT', true]] as const)
      assert.equal(requestedRange(request({ range: 'bytes=0-1', 'if-range': ifRange }), 10, { etag: '"a"', lastModified }) === undefined, whole, ifRange);
  });
});
