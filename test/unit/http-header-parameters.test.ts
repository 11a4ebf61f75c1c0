import assert from 'node:assert/strict';
import { covers, parseAccept, parseMediaType } from '../../gateway/http/header-parameters.ts';

describe('media types in headers', () => {
  it('reads parameters, quoted or not, whatever their case', () => {
    const type = parseMediaType('Multipart/Related; Type="application/dicom" ;boundary="a;b\\"c, d"; transfer-syntax=*');
    assert.equal(type?.type, 'multipart/related');
    assert.deepEqual([...type!.parameters], [['type', 'application/dicom'], ['boundary', 'a;b"c, d'], ['transfer-syntax', '*']]);
  });

  it('takes the first of a parameter that is given twice', () => {
    assert.equal(parseMediaType('multipart/related; boundary=a; boundary=b')?.parameters.get('boundary'), 'a');
  });

  it('finds no type in what is none', () => {
    for (const header of ['', 'multipart', 'a b/c', '/', 'a/', '; boundary=x']) assert.equal(parseMediaType(header), undefined, header);
  });

  it('orders an Accept header by quality and leaves out what is not wanted', () => {
    const ranges = parseAccept('application/json;q=0.5, multipart/related; type="application/dicom, or so", image/png;q=0, */*;q=0.1');
    assert.deepEqual(ranges.map((range) => range.type), ['multipart/related', 'application/json', '*/*']);
  });

  it('accepts anything when nothing is said', () => {
    assert.deepEqual(parseAccept(undefined).map((range) => range.type), ['*/*']);
  });

  it('knows which ranges cover a type', () => {
    assert.deepEqual(['*/*', 'image/*', 'image/png', 'image/jpeg', 'text/*'].map((type) => covers({ type, parameters: new Map() }, 'image/png')), [true, true, true, false, false]);
  });
});
