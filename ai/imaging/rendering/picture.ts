// From a displayed frame to a picture for a screen: drawings over it, turned, cut, scaled to the viewport, encoded (PS3.18 8.3.5,
// PS3.4 N.2: presentation state, then region, then viewport, and annotation last).
import sharp, { type Sharp } from 'sharp';

/** Row by row; one byte a pixel, or three. */
export interface Canvas {
  width: number;
  height: number;
  channels: 1 | 3;
  pixels: Uint8Array;
}
export interface Region {
  x: number;
  y: number;
  width: number;
  height: number;
}
/** Clockwise, and mirrored left to right after that (PS3.3 C.10.6). */
export interface Turn {
  degrees: 0 | 90 | 180 | 270;
  mirrored: boolean;
}
export interface Layout {
  /** SVG content in pixels of the stored image, over it. */
  shutter?: string | undefined;
  turn?: Turn | undefined;
  /** SVG content in pixels of the turned image, over it. */
  graphics?: string | undefined;
  /** Of the turned image, in whole pixels. */
  region: Region;
  mirror?: { horizontal: boolean; vertical: boolean } | undefined;
  /** Of the picture. */
  width: number;
  height: number;
  /** SVG content in pixels of the picture. */
  writing?: string | undefined;
}
export interface Encoding {
  mediaType: 'image/jpeg' | 'image/png' | 'image/gif';
  quality: number;
  withProfile: boolean;
}

/** Pages ask for pictures while they are looked at: time counts more than the last bytes. */
const PNG_LEVEL = 6;

export async function encodePicture(canvas: Canvas, layout: Layout, encoding: Encoding): Promise<Uint8Array> {
  let current = canvas;
  // Each in a pass of its own: sharp has an order of its own within one.
  if (layout.shutter) current = await drawnOver(current, layout.shutter);
  if (layout.turn) current = await turned(current, layout.turn);
  if (layout.graphics) current = await drawnOver(current, layout.graphics);
  const { x, y, width, height } = layout.region;
  let picture = sharpOf(current).extract({ left: x, top: y, width, height });
  if (layout.mirror?.vertical) picture = picture.flip();
  if (layout.mirror?.horizontal) picture = picture.flop();
  if (layout.width !== width || layout.height !== height) picture = picture.resize(layout.width, layout.height, { fit: 'fill' });
  if (layout.writing) picture = sharpOf(await raw(picture)).composite([{ input: svg(layout.width, layout.height, layout.writing) }]);
  picture = picture.removeAlpha();
  const gray = current.channels === 1 && !layout.writing;
  if (gray) picture = picture.toColourspace('b-w');
  else if (encoding.withProfile) picture = picture.withIccProfile('srgb');
  if (encoding.mediaType === 'image/png') return picture.png({ compressionLevel: PNG_LEVEL }).toBuffer();
  if (encoding.mediaType === 'image/gif') return picture.gif().toBuffer();
  // Lines and letters in colour blur where chrominance is halved.
  return picture.jpeg({ quality: encoding.quality, chromaSubsampling: '4:4:4' }).toBuffer();
}

function drawnOver(canvas: Canvas, drawing: string): Promise<Canvas> {
  return raw(sharpOf(canvas).composite([{ input: svg(canvas.width, canvas.height, drawing) }]));
}

async function turned(canvas: Canvas, { degrees, mirrored }: Turn): Promise<Canvas> {
  const rotated = degrees === 0 ? canvas : await raw(sharpOf(canvas).rotate(degrees));
  return mirrored ? raw(sharpOf(rotated).flop()) : rotated;
}

function sharpOf({ width, height, channels, pixels }: Canvas): Sharp {
  return sharp(pixels, { raw: { width, height, channels } });
}

async function raw(picture: Sharp): Promise<Canvas> {
  const { data, info } = await picture.removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels: info.channels === 1 ? 1 : 3, pixels: data };
}

function svg(width: number, height: number, content: string): Buffer {
  return Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${content}</svg>`);
}
