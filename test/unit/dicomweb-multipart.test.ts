import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { MultipartError, readMultipart } from '../../gateway/dicomweb/multipart.ts';

type Read = { headers: Record<string, string>; body: string };

async function* chunked(text: string | Buffer, size: number): AsyncGenerator<Uint8Array> {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : text;
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function readAll(text: string | Buffer, boundary: string, size = 1_000_000): Promise<Read[]> {
  const parts: Read[] = [];
  for await (const part of readMultipart(chunked(text, size), boundary)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of part.body) chunks.push(chunk);
    parts.push({ headers: Object.fromEntries(part.headers), body: Buffer.concat(chunks).toString('latin1') });
  }
  return parts;
}

const TWO = 'to be ignored\r\n--b1\r\nContent-Type: application/dicom\r\n\r\nfirst\r\n--b1  \r\nContent-Type: text/plain;\r\n charset=utf-8\r\n\r\n\r\n--b1--\r\nand this too';

describe('reading multipart bodies', () => {
  it('gives every part with its headers, whatever the size of the chunks that they come in', async () => {
    const expected = [
      { headers: { 'content-type': 'application/dicom' }, body: 'first' },
      { headers: { 'content-type': 'text/plain; charset=utf-8' }, body: '' },
    ];
    for (let size = 1; size < 60; size++) assert.deepEqual(await readAll(TWO, 'b1', size), expected, `chunks of ${size}`);
  });

  it('takes a part without headers, and a boundary at the very start', async () => {
    assert.deepEqual(await readAll('--x\r\n\r\nbytes\r\n--x--', 'x', 3), [{ headers: {}, body: 'bytes' }]);
  });

  it('keeps bytes that only look like a boundary', async () => {
    const body = '\r\n--b\r\n\r--b1\r\n--b1x\r\n-\r\n--';
    assert.deepEqual(await readAll(`--b1\r\n\r\n${body}\r\n--b1--`, 'b1', 5), [{ headers: {}, body }]);
  });

  it('gives back any bytes exactly, in any chunks', async () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map((values) => values.map((value) => [13, 10, 45, 98, value][value % 5]!));
    await fc.assert(
      fc.asyncProperty(fc.array(bytes, { maxLength: 4 }), fc.integer({ min: 1, max: 40 }), async (bodies, size) => {
        const whole = Buffer.concat([...bodies.flatMap((body) => [Buffer.from('\r\n--bbbbb\r\nA: b\r\n\r\n'), Buffer.from(body)]), Buffer.from('\r\n--bbbbb--')]);
        const texts = bodies.map((body) => Buffer.from(body).toString('latin1'));
        fc.pre(texts.every((text) => !`${text}\r\n`.includes('\r\n--bbbbb')));
        assert.deepEqual((await readAll(whole, 'bbbbb', size)).map((part) => part.body), texts);
      }),
      { numRuns: 300, seed: 20 },
    );
  });

  it('skips what a reader leaves of a part', async () => {
    const starts: string[] = [];
    for await (const part of readMultipart(chunked('--x\r\n\r\n0123456789\r\n--x\r\n\r\nabcdef\r\n--x--', 4), 'x')) {
      for await (const chunk of part.body) {
        starts.push(Buffer.from(chunk).toString('latin1'));
        break;
      }
    }
    assert.deepEqual(starts, ['0', 'ab']);
  });

  it('does not read ahead of its reader', async () => {
    let taken = 0;
    async function* source(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('--x\r\n\r\n');
      for (;;) {
        taken += 1;
        yield Buffer.alloc(1000);
      }
    }
    const parts = readMultipart(source(), 'x');
    const { value: part } = await parts.next();
    const body = part!.body[Symbol.asyncIterator]();
    for (let read = 1; read <= 3; read++) {
      await body.next();
      assert.ok(taken <= read + 1, `${taken} chunks taken for ${read} read`);
    }
  });

  const broken: [string, string, RegExp][] = [
    ['a body without any boundary', 'no boundary here', /no boundary/],
    ['an empty body', '', /no boundary/],
    ['a body with another boundary than announced', '--other\r\n\r\nbytes\r\n--other--', /no boundary/],
    ['a body that goes on for long without the boundary', '-'.repeat(70_000), /first 65536 bytes/],
    ['a body cut within a part', '--x\r\n\r\nbytes', /without its closing boundary/],
    ['a body cut within a boundary', '--x\r\n\r\nbytes\r\n--', /without its closing boundary/],
    ['a body cut after a boundary', '--x\r\n\r\nbytes\r\n--x', /within a boundary line/],
    ["a body cut within a part's headers", '--x\r\nContent-Type: applica', /within a part's headers/],
    ['headers that are too long', `--x\r\nA: ${'b'.repeat(17_000)}\r\n\r\n\r\n--x--`, /headers is longer than 16384/],
    ['headers that never end', `--x\r\nA: ${'b'.repeat(40_000)}`, /headers is longer than 16384/],
    ['a header line without a name', '--x\r\nnonsense\r\n\r\n\r\n--x--', /without a name/],
    ['a boundary line that never ends', `--x${' '.repeat(5000)}`, /boundary line is longer/],
  ];
  for (const [what, text, message] of broken)
    it(`refuses ${what}`, async () => {
      for (const size of [7, 100_000])
        await assert.rejects(readAll(text, 'x', size), (error) => error instanceof MultipartError && message.test(error.message), `chunks of ${size}`);
    });
});
