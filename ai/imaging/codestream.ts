// What a compressed frame says of itself, read before a codec is trusted with it: size, precision, and whether it is all there.

export interface CodestreamHeader {
  width: number;
  height: number;
  components: number;
  /** Bits of a sample. */
  precision: number;
}

/** Frame header of JPEG and JPEG-LS (T.81 B.2.2, T.87 C.2.2). @throws {Error} */
export function readJpegHeader(bytes: Uint8Array): CodestreamHeader {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) throw new Error('not a JPEG stream: no start of image');
  for (let at = 2; at + 10 <= bytes.length;) {
    const marker = bytes[at + 1] as number;
    if (bytes[at] !== 0xff) break;
    if (marker === 0xff) {
      at++;
      continue;
    }
    const isFrame =
      (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) || marker === 0xf7;
    if (isFrame) {
      const [precision = 0, h1 = 0, h2 = 0, w1 = 0, w2 = 0, components = 0] = bytes.subarray(at + 4, at + 10);
      return { precision, height: (h1 << 8) | h2, width: (w1 << 8) | w2, components };
    }
    at += 2 + (((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number));
  }
  throw new Error('JPEG stream without a frame header');
}

/** SIZ segment of JPEG 2000 (T.800 A.5.1), of a codestream as DICOM has it or inside a JP2 file. @throws {Error} */
export function readJpeg2000Header(bytes: Uint8Array): CodestreamHeader {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 4096)).indexOf('ff4fff51', 0, 'hex');
  if (start < 0 || start + 45 > bytes.length) throw new Error('not a JPEG 2000 codestream: no SIZ segment');
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, bytes.length - start);
  return {
    width: view.getUint32(8) - view.getUint32(16),
    height: view.getUint32(12) - view.getUint32(20),
    components: view.getUint16(40),
    precision: (view.getUint8(42) & 0x7f) + 1,
  };
}

/** Width to height, by the number that stands for it (ISO/IEC 18181-1 D.2). */
const JPEG_XL_RATIOS = [0, 1, 12 / 10, 4 / 3, 3 / 2, 16 / 9, 5 / 4, 2];

/** Size of a JPEG XL image (ISO/IEC 18181-1 D.2), bare or in boxes (18181-2). @throws {Error} */
export function readJpegXlSize(bytes: Uint8Array): { width: number; height: number } {
  const start = jpegXlCodestream(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  if (start === undefined || start + 12 > bytes.length) throw new Error('not a JPEG XL codestream');
  let bit = (start + 2) * 8;
  const read = (count: number): number => {
    let value = 0;
    // 30 bits at most; a sum, since the highest would be the sign.
    for (let i = 0; i < count; i++, bit++) value += (((bytes[bit >> 3] as number) >> (bit & 7)) & 1) * 2 ** i;
    return value;
  };
  const small = read(1) === 1;
  const side = (): number => (small ? 8 * (1 + read(5)) : 1 + read([9, 13, 18, 30][read(2)] as number));
  const height = side();
  const ratio = read(3);
  return { height, width: ratio === 0 ? side() : Math.floor(height * (JPEG_XL_RATIOS[ratio] as number) + 1e-9) };
}

function jpegXlCodestream(bytes: Buffer): number | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0x0a) return 0;
  for (let at = 0; at + 12 < bytes.length;) {
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString('latin1', at + 4, at + 8);
    const inside = at + (length === 1 ? 16 : 8) + (type === 'jxlp' ? 4 : 0);
    if (type === 'jxlc' || type === 'jxlp') return bytes[inside] === 0xff && bytes[inside + 1] === 0x0a ? inside : undefined;
    if (length < 8) return undefined;
    at += length;
  }
  return undefined;
}

/**
 * Whether the end marker (EOI, EOC: FF D9 in both) is there. Some codecs fill up what is missing with gray and say nothing.
 * Behind it there may be a byte of padding (PS3.5 A.4), and some writers leave more.
 */
export function endsWhole(bytes: Uint8Array): boolean {
  const tail = Buffer.from(bytes.buffer, bytes.byteOffset + Math.max(0, bytes.length - 64), Math.min(64, bytes.length));
  return tail.includes(Buffer.from([0xff, 0xd9]));
}
