import assert from 'node:assert/strict';
import { MultipartError } from '../../gateway/dicomweb/multipart.ts';
import { PartHead } from '../../gateway/dicomweb/part-head.ts';
import { StoreResponse } from '../../gateway/dicomweb/store-response.ts';
import { DicomFormatError, IntakeRefusal, type RefusalKind } from '../../storage/errors.ts';
import { testInstance } from '../support/http-gateway.ts';

const name = { sopClassUid: '1.2', sopInstanceUid: '1.2.3' };
const stored = { ...name, seriesInstanceUid: '1.4', studyInstanceUid: '1.5' };
const reasons = (response: StoreResponse, tag: string) =>
  response.dataset()[tag]?.Value?.map((item) => (item as unknown as Record<string, { Value: number[] }>)['00081197']!.Value[0]);

describe('the response to a store request', () => {
  const failures: [Error, number, number][] = [
    ...([['out-of-room', 0xa700, 503], ['too-large', 0xa700, 413], ['mismatch', 0xa900, 409], ['not-understood', 0xc000, 409], ['changed', 0x0111, 409]] as const)
      .map(([kind, reason, status]): [Error, number, number] => [new IntakeRefusal(kind satisfies RefusalKind, kind), reason, status]),
    [new DicomFormatError('truncated', 7), 0xc000, 409],
    [new Error('disk on fire'), 0x0110, 500],
  ];
  for (const [error, reason, status] of failures)
    it(`says ${reason.toString(16)} and ${status} when all fails with: ${error.message}`, () => {
      const response = new StoreResponse('http://h/dicomweb');
      response.fail(name, error);
      assert.deepEqual(reasons(response, '00081198'), [reason]);
      assert.equal(response.status(), status);
      response.store(stored);
      assert.equal(response.status(), 202, 'unless something was stored');
    });

  it('keeps the words of an unexpected error for the log', () => {
    const response = new StoreResponse('');
    response.fail(name, new Error('cannot write /home/hilum/x'));
    assert.doesNotMatch(JSON.stringify(response.dataset()), /hilum/);
  });

  it('answers 409 to failures of several kinds', () => {
    const response = new StoreResponse('');
    response.fail(name, new IntakeRefusal('too-large', 'a'));
    response.fail(undefined, new IntakeRefusal('not-understood', 'b'));
    assert.equal(response.status(), 409);
    assert.deepEqual([reasons(response, '00081198'), reasons(response, '0008119A')], [[0xa700], [0xc000]]);
  });

  it('names the study only when all instances are of one', () => {
    const response = new StoreResponse('http://h/dicomweb');
    response.store(stored);
    assert.deepEqual(response.dataset()['00081190']!.Value, ['http://h/dicomweb/studies/1.5']);
    response.store({ ...stored, studyInstanceUid: '1.6' });
    assert.equal(response.dataset()['00081190'], undefined);
    assert.equal(response.status(), 200);
  });

  it('answers 400 to a body that broke off before anything was stored', () => {
    const response = new StoreResponse('');
    response.breakOff(new MultipartError('cut'));
    assert.equal(response.status(), 400);
  });
});

async function* chunks(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function* cut(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(10);
  throw new MultipartError('cut');
}

describe('the head of a part', () => {
  it('names the instance, however little of it was read', async () => {
    for (const size of [1, 100, 10_000])
      for (const read of [0, 1, 3]) {
        const head = new PartHead(chunks(testInstance(7), size));
        let left = read;
        if (left > 0) for await (const chunk of head.stream()) if (chunk && --left === 0) break;
        assert.deepEqual(await head.name(), { sopClassUid: '1.2.840.10008.5.1.4.1.1.7', sopInstanceUid: '2.25.500.1.7' }, `chunks of ${size}, ${read} read`);
      }
  });

  it('names nothing in what is not DICOM, and does not fail on lengths that lie', async () => {
    const lying = Buffer.from(testInstance(7));
    lying.writeUInt16LE(65535, lying.indexOf('\x02\0\x02\0UI', 0, 'latin1') + 6);
    for (const bytes of [new Uint8Array(), Buffer.alloc(200_000, 1), lying, testInstance(7).subarray(0, 140)]) assert.equal(await new PartHead(chunks(bytes, 1000)).name(), undefined);
  });

  it('names nothing where the file meta information has empty UIDs', async () => {
    const element = (number: number): Buffer => Buffer.from([2, 0, number, 0, 0x55, 0x49, 0, 0]);
    const file = Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), element(2), element(3), Buffer.alloc(1000)]);
    assert.equal(await new PartHead(chunks(file, 100)).name(), undefined);
  });

  it('skips the rest of a part only as far as it is told', async () => {
    assert.equal(await new PartHead(chunks(new Uint8Array(10_000), 100)).skipWithin(10_000), true);
    assert.equal(await new PartHead(chunks(new Uint8Array(10_001), 100)).skipWithin(10_000), false);
  });

  it('remembers why the part stopped coming', async () => {
    const head = new PartHead(cut());
    assert.equal(await head.name(), undefined);
    assert.ok(head.failure instanceof MultipartError);
  });
});
