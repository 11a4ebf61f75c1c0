// The multipart reader, given any parts in any chunks: what went in comes out. Given what something happened to: the right parts,
// or MultipartError; it never hangs, and never holds more than a little of what it is given.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isBoundary, MultipartError, readMultipart } from '../../gateway/dicomweb/multipart.ts';

interface Sent {
  headers: [string, string][];
  body: Uint8Array;
}
interface Read {
  headers: Record<string, string>;
  body: Buffer;
}

const boundary = fc.string({ unit: fc.constantFrom(...'abcXYZ019\'()+_,-./:=? '), minLength: 1, maxLength: 70 }).filter(isBoundary);
const headers = fc.uniqueArray(fc.tuple(fc.stringMatching(/^[a-z][a-z-]{0,20}$/), fc.stringMatching(/^[!-~]([ -~]{0,40}[!-~])?$/)), { selector: ([name]) => name, maxLength: 4 });

/** Bytes that look like the reader's own marks more often than chance has it. */
const bodyWith = (mark: string): fc.Arbitrary<Uint8Array> =>
  fc.array(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constantFrom('\r\n', '--', '\r', `\r\n--${mark}x`, `--${mark}`, `\r\n-${mark}`, `\r\n--${mark.slice(0, -1)}`).map((text) => Buffer.from(text, 'latin1'))), { maxLength: 8 })
    .map((pieces) => Buffer.concat(pieces))
    // What is a delimiter line in itself cannot be in a part (RFC 2046 5.1.1).
    .filter((bytes) => !new RegExp(`\\r\\n--${RegExp.escape(mark)}(--|\\r\\n|[ \\t]|-?\\r?$)`).test(`\r\n${bytes.toString('latin1')}`));

const message = boundary.chain((mark) =>
  fc.record({ mark: fc.constant(mark), parts: fc.array(fc.record({ headers, body: bodyWith(mark) }), { minLength: 1, maxLength: 5 }), preamble: fc.constantFrom('', '\r\n', 'ignored\r\n'), padding: fc.constantFrom('', ' ', ' \t ') }),
);
const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 });

function encode({ mark, parts, preamble, padding }: { mark: string; parts: Sent[]; preamble: string; padding: string }): Buffer {
  const pieces = parts.flatMap((part, index) => [
    Buffer.from(`${index === 0 ? preamble : '\r\n'}--${mark}${padding}\r\n${part.headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`, 'latin1'),
    part.body,
  ]);
  return Buffer.concat([...pieces, Buffer.from(`\r\n--${mark}--\r\n`, 'latin1')]);
}

async function* chunks(bytes: Uint8Array, sizes: number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length]!;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function read(source: AsyncIterable<Uint8Array>, mark: string): Promise<Read[]> {
  const parts: Read[] = [];
  for await (const part of readMultipart(source, mark)) {
    const body: Uint8Array[] = [];
    for await (const chunk of part.body) body.push(Buffer.from(chunk));
    parts.push({ headers: Object.fromEntries(part.headers), body: Buffer.concat(body) });
  }
  return parts;
}

const expected = (parts: Sent[]): Read[] => parts.map(({ headers: pairs, body }) => ({ headers: Object.fromEntries(pairs), body: Buffer.from(body) }));

describe('the multipart reader', () => {
  it('gives any parts as they went in, with any boundary, in any chunks', async () => {
    await fc.assert(
      fc.asyncProperty(message, cuts, async (sent, sizes) => {
        assert.deepEqual(await read(chunks(encode(sent), sizes), sent.mark), expected(sent.parts));
      }),
      { seed: 40, numRuns: 500 },
    );
  });

  it('gives, of a body that is cut, the parts before the cut and MultipartError', async () => {
    await fc.assert(
      fc.asyncProperty(message, cuts, fc.double({ min: 0, max: 1, noNaN: true }), async (sent, sizes, where) => {
        const whole = encode(sent);
        // Without its last line break, and without the second hyphen of the last boundary, the body is still whole.
        const cut = whole.subarray(0, Math.floor(where * (whole.length - 4)));
        const before: Read[] = [];
        const reading = (async () => {
          for await (const part of readMultipart(chunks(cut, sizes), sent.mark)) {
            const body: Uint8Array[] = [];
            for await (const chunk of part.body) body.push(Buffer.from(chunk));
            before.push({ headers: Object.fromEntries(part.headers), body: Buffer.concat(body) });
          }
        })();
        await assert.rejects(reading, MultipartError);
        assert.deepEqual(before, expected(sent.parts).slice(0, before.length));
      }),
      { seed: 41, numRuns: 500 },
    );
  });

  it('throws nothing but MultipartError on what something happened to', async () => {
    const change = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), drop: fc.nat({ max: 5 }), put: fc.oneof(fc.uint8Array({ maxLength: 4 }), fc.constantFrom('\r\n', '--', '\r\n\r\n', ': ').map((text) => Buffer.from(text))) });
    await fc.assert(
      fc.asyncProperty(message, cuts, fc.array(change, { minLength: 1, maxLength: 5 }), async (sent, sizes, changes) => {
        let bytes: Uint8Array = encode(sent);
        for (const { at, drop, put } of changes) {
          const place = Math.floor(at * bytes.length);
          bytes = Buffer.concat([bytes.subarray(0, place), put, bytes.subarray(place + drop)]);
        }
        try {
          await read(chunks(bytes, sizes), sent.mark);
        } catch (error) {
          assert.ok(error instanceof MultipartError, String((error as Error).stack));
        }
      }),
      { seed: 42, numRuns: 1000 },
    );
  });

  it('holds back nearly nothing of a part: what comes in goes out at once', async () => {
    await fc.assert(
      fc.asyncProperty(boundary, fc.constantFrom('\r', '\n', '-', '\r\n', '\r\n-', '\r\n--', 'x'), async (mark, filling) => {
        let given = 0;
        let taken = 0;
        let most = 0;
        const block = Buffer.from(filling.repeat(2_000));
        async function* source(): AsyncGenerator<Uint8Array> {
          yield Buffer.from(`--${mark}\r\n\r\n`, 'latin1');
          for (let turn = 0; turn < 30; turn++) {
            most = Math.max(most, given - taken);
            given += block.length;
            yield block;
          }
          yield Buffer.from(`\r\n--${mark}--`, 'latin1');
        }
        for await (const part of readMultipart(source(), mark)) for await (const chunk of part.body) taken += chunk.length;
        assert.ok(most < 500, `${most} bytes were held`);
        assert.equal(taken, given);
      }),
      { seed: 43, numRuns: 100 },
    );
  });
});
