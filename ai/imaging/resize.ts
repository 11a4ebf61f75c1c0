// A displayed frame at a model's input size, and the way back from there to pixels of the stored image.
import sharp from 'sharp';
import type { DisplayFrame } from './grayscale.ts';

export interface InputSize {
  width: number;
  height: number;
  /** stretch fills the input and changes the aspect ratio; letterbox keeps it and fills up with black. */
  fit: 'stretch' | 'letterbox';
}
export interface ModelInput {
  /** Row by row, input.width * input.height values, 0 to 255. */
  pixels: Uint8Array;
  /** From pixels of the input to pixels of the stored image, both from the top-left corner of the top-left pixel. */
  toImage(x: number, y: number): [x: number, y: number];
}

export async function toModelInput(display: DisplayFrame, input: InputSize): Promise<ModelInput> {
  const scale = Math.min(input.width / display.width, input.height / display.height);
  const stretch = input.fit === 'stretch';
  const width = stretch ? input.width : Math.max(1, Math.round(display.width * scale));
  const height = stretch ? input.height : Math.max(1, Math.round(display.height * scale));
  const left = Math.floor((input.width - width) / 2);
  const top = Math.floor((input.height - height) / 2);
  const { buffer, byteOffset, length } = display.pixels;
  const pixels = await sharp(Buffer.from(buffer, byteOffset, length), {
    raw: { width: display.width, height: display.height, channels: 1 },
  })
    .resize(width, height, { fit: 'fill' })
    .extend({ left, top, right: input.width - width - left, bottom: input.height - height - top, background: '#000' })
    .toColourspace('b-w')
    .raw()
    .toBuffer();
  return { pixels, toImage: (x, y) => [((x - left) * display.width) / width, ((y - top) * display.height) / height] };
}
