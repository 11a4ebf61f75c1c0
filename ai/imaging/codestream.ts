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
  for (let at = 2; at + 10 <= bytes.length; ) {
    const marker = bytes[at + 1] as number;
    if (bytes[at] !== 0xff) break;
    if (marker === 0xff) {
      at++;
      continue;
    }
    const isFrame = (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) || marker === 0xf7;
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
    width: view.getUint32(8) - view.getUint32(16), height: view.getUint32(12) - view.getUint32(20),
    components: view.getUint16(40), precision: (view.getUint8(42) & 0x7f) + 1,
  };
}

/**
 * Whether the end marker (EOI, EOC: FF D9 in both) is there. Some codecs fill up what is missing with gray and say nothing.
 * Behind it there may be a byte of padding (PS3.5 A.4), and some writers leave more.
 */
export function endsWhole(bytes: Uint8Array): boolean {
  const tail = Buffer.from(bytes.buffer, bytes.byteOffset + Math.max(0, bytes.length - 64), Math.min(64, bytes.length));
  return tail.includes(Buffer.from([0xff, 0xd9]));
}
