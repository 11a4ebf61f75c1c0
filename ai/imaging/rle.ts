// RLE lossless (PS3.5 annex G): each byte of the samples in a segment of its own, the most significant first, PackBits coded.

/**
 * @returns little-endian cells, colour by pixel
 * @throws {Error} what is wrong with the stream, in words
 */
export function decodeRle(bytes: Uint8Array, pixels: number, samplesPerPixel: number, bytesPerSample: number): Uint8Array {
  const segments = samplesPerPixel * bytesPerSample;
  if (bytes.length < 64) throw new Error('RLE header is cut short');
  const header = new DataView(bytes.buffer, bytes.byteOffset, 64);
  const count = header.getUint32(0, true);
  if (count !== segments) throw new Error(`RLE frame of ${count} segments where the dataset needs ${segments}`);
  const out = new Uint8Array(pixels * segments);
  for (let segment = 0; segment < segments; segment++) {
    const start = header.getUint32(4 + 4 * segment, true);
    const end = segment + 1 < segments ? header.getUint32(8 + 4 * segment, true) : bytes.length;
    if (start < 64 || end < start || end > bytes.length) throw new Error(`RLE segment ${segment + 1} lies outside the frame`);
    const sample = Math.floor(segment / bytesPerSample);
    const place = sample * bytesPerSample + (bytesPerSample - 1 - (segment % bytesPerSample));
    unpack(bytes, start, end, out, place, segments, pixels);
  }
  return out;
}

/** PackBits (PS3.5 G.3.2) into every `step`th byte from `place` on. */
function unpack(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  place: number,
  step: number,
  pixels: number,
): void {
  let at = start;
  let to = place;
  const last = place + pixels * step;
  while (to < last) {
    if (at >= end) throw new Error('RLE segment ends before the image is complete');
    const control = bytes[at++] as number;
    if (control < 128) {
      const stop = Math.min(at + control + 1, end);
      for (; at < stop && to < last; at++, to += step) out[to] = bytes[at] as number;
      at = stop;
    } else if (control > 128) {
      if (at >= end) throw new Error('RLE segment ends before the image is complete');
      const value = bytes[at++] as number;
      for (let i = 257 - control; i > 0 && to < last; i--, to += step) out[to] = value;
    }
  }
}
