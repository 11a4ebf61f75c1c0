import assert from 'node:assert/strict';
import { decodeCells } from '../../ai/imaging/cells.ts';
import { ENCODABLE, encodeCells, lossyMethod, whyNotEncodable } from '../../ai/imaging/encode.ts';
import type { PixelDescription } from '../../ai/imaging/pixel-description.ts';

const GRAY: PixelDescription = { rows: 200, columns: 300, samplesPerPixel: 1, bitsAllocated: 16, bitsStored: 12, highBit: 11, signed: false, photometric: 'MONOCHROME2', planar: false };
const RGB: PixelDescription = { ...GRAY, samplesPerPixel: 3, bitsAllocated: 8, bitsStored: 8, highBit: 7, photometric: 'RGB' };
const ramp = new Uint8Array(Uint16Array.from({ length: 60_000 }, (_, at) => (at * 7) % 4096).buffer);
const colours = Uint8Array.from({ length: 180_000 }, (_, at) => ((at / 3) % 300) * (at % 3 === 0 ? 0.8 : 0.5));

const encode = (bytes: Uint8Array, d: PixelDescription, end: string) => encodeCells({ bytes, photometric: d.photometric, highBit: d.highBit }, d, `1.2.840.10008.1.2.${end}`);

/** Marker segments of the main header of JPEG 2000. */
function segments(bytes: Uint8Array): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  const view = Buffer.from(bytes);
  for (let at = 2; view.readUInt16BE(at) !== 0xff93 && view.readUInt16BE(at) !== 0xff90; at += 2 + view.readUInt16BE(at + 2)) found.set(view.readUInt16BE(at), view.subarray(at + 4, at + 2 + view.readUInt16BE(at + 2)));
  return found;
}

describe('encoding pixels', () => {
  it('HTJ2K with RPCL: in that order, with tile lengths, down to a thumbnail of 64 (PS3.5 10.18)', async () => {
    const [COD, TLM] = [0xff52, 0xff55];
    const plain = segments((await encode(ramp, GRAY, '4.201')).bytes);
    const rpcl = segments((await encode(ramp, GRAY, '4.202')).bytes);
    assert.notEqual(plain.get(COD)![1], 2);
    assert.equal(rpcl.get(COD)![1], 2);
    assert.ok(rpcl.has(TLM));
    const levels = rpcl.get(COD)![5]!;
    assert.ok(Math.ceil(200 / 2 ** levels) <= 64, `${levels} levels`);
  });

  it('says in the photometric interpretation what the codestream holds', async () => {
    const said: Record<string, string> = {};
    for (const end of ['5', '4.50', '4.70', '4.80', '4.81', '4.90', '4.91', '4.201', '4.203']) said[end] = (await encode(colours, RGB, end)).photometric;
    assert.deepEqual(said, {
      '5': 'RGB', '4.50': 'YBR_FULL_422', '4.70': 'RGB', '4.80': 'RGB', '4.81': 'RGB',
      '4.90': 'YBR_RCT', '4.91': 'YBR_ICT', '4.201': 'YBR_RCT', '4.203': 'YBR_ICT',
    });
  });

  it('comes near what went in where it is lossy, and is smaller than without loss', async () => {
    for (const [lossy, lossless, bytes, d, farthest] of [
      ['4.50', '4.70', colours, RGB, 40],
      ['4.81', '4.80', ramp, GRAY, 32],
      ['4.91', '4.90', colours, RGB, 20],
    ] as const) {
      const [small, large] = [await encode(bytes, d, lossy), await encode(bytes, d, lossless)];
      assert.ok(small.bytes.length < large.bytes.length, `${lossy}: ${small.bytes.length} and ${large.bytes.length}`);
      const back = await decodeCells(small.bytes, `1.2.840.10008.1.2.${lossy}`, { ...d, photometric: small.photometric });
      assert.equal(back.photometric, d.photometric);
      const of = (cells: Uint8Array) => (d.bitsAllocated === 8 ? cells : new Uint16Array(Uint8Array.from(cells).buffer));
      const [a, b] = [of(bytes), of(back.bytes)];
      let most = 0;
      a.forEach((value, at) => (most = Math.max(most, Math.abs(value - b[at]!))));
      assert.ok(most > 0 && most <= farthest, `${lossy}: ${most}`);
    }
  });

  it('names the method of what is lossy, and no other', () => {
    assert.deepEqual([...ENCODABLE].filter((uid) => lossyMethod(uid) !== undefined).map((uid) => uid.slice(18)), ['4.50', '4.81', '4.91', '4.203']);
  });

  it('says why there is no way', () => {
    for (const [d, end, reason] of [
      [{ ...GRAY, bitsAllocated: 1 }, '5', /single bits/],
      [{ ...GRAY, bitsAllocated: 32 }, '4.80', /32 bits/],
      [GRAY, '4.50', /8 bits alone/],
      [{ ...RGB, samplesPerPixel: 1, photometric: 'PALETTE COLOR' }, '4.91', /palette/],
      [{ ...RGB, bitsAllocated: 16 }, '4.90', /colour of more than 8 bits/],
      [{ ...GRAY, bitsAllocated: 8, signed: true }, '4.90', /signed samples of 8 bits/],
      [GRAY, '4.100', /no encoder/],
    ] as const)
      assert.match(whyNotEncodable(d as PixelDescription, `1.2.840.10008.1.2.${end}`) ?? '', reason);
    assert.equal(whyNotEncodable(GRAY, '1.2.840.10008.1.2.4.90'), undefined);
    assert.equal(whyNotEncodable({ ...GRAY, bitsAllocated: 32 }, '1.2.840.10008.1.2.5'), undefined);
  });
});
