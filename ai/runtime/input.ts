// From gray pixels to the tensor that a model takes: its range, normalisation and channels, NCHW.
import type { Manifest } from './manifest.ts';

type Input = Manifest['input'];

/** @param images each height x width, 0 to 255; @returns [images.length, channels, height, width] */
export function fillInput(images: readonly Uint8Array[], input: Input): Float32Array {
  const { channels, width, height } = input;
  const plane = width * height;
  const tensor = new Float32Array(images.length * channels * plane);
  const tables = Array.from({ length: channels }, (_, channel) => normalisation(input, channel));
  images.forEach((pixels, index) => {
    if (pixels.length !== plane) throw new Error(`${pixels.length} pixels for an input of ${width} x ${height}`);
    tables.forEach((table, channel) => {
      const start = (index * channels + channel) * plane;
      for (let at = 0; at < plane; at++) tensor[start + at] = table[pixels[at]!]!;
    });
  });
  return tensor;
}

/** What each of the 256 gray values becomes in one channel. */
function normalisation({ range: [black, white], mean, std }: Input, channel: number): Float32Array {
  const centre = mean[channel] ?? mean[0] ?? 0;
  const spread = std[channel] ?? std[0] ?? 1;
  return Float32Array.from({ length: 256 }, (_, value) => (black + ((white - black) * value) / 255 - centre) / spread);
}

/** An image for trying out a provider: smooth slopes with a fine grid, the same each time. */
export function warmUpPixels({ width, height }: Input): Uint8Array {
  return Uint8Array.from({ length: width * height }, (_, at) => {
    const x = at % width;
    const y = Math.floor(at / width);
    return Math.round((120 * x) / width + (80 * y) / height + ((x * 7 + y * 13) % 32));
  });
}
