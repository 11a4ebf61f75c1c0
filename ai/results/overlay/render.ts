// The overlay as a picture: the image as displayed, the regions, the legend.
import sharp from 'sharp';
import type { Part10 } from '../../../storage/dicom/part10.ts';
import { readPart10 } from '../../../storage/dicom/part10.ts';
import type { AnalyzedOutcome } from '../../analysis.ts';
import { decodeFrame } from '../../imaging/decode.ts';
import { displayFrame, type DisplayFrame } from '../../imaging/grayscale.ts';
import { localTime, resultOffset } from '../local-time.ts';
import type { OutcomeImage, StudyOutcome } from '../outcome.ts';
import { boxesSvg } from './boxes.ts';
import { overlayGeometry, type OverlayGeometry } from './geometry.ts';
import { legendSvg } from './legend.ts';

export interface RenderedOverlay {
  geometry: OverlayGeometry;
  /** Interleaved RGB, 8 bits, row by row. */
  rgb: Uint8Array;
}

/**
 * The overlay of one analysed frame.
 * @throws {Error} for an image without an analysis, and as readPart10 and decodeFrame do
 */
export async function renderOverlay(study: StudyOutcome, image: OutcomeImage, file?: Part10): Promise<RenderedOverlay> {
  const source = file ?? (await readPart10(image.path));
  const display = displayFrame(await decodeFrame(source, image.frame), source.dataset);
  return drawOverlay(study, image, display);
}

/** The same as PNG, for pages; `maxSide` makes a thumbnail. */
export async function overlayPng(study: StudyOutcome, image: OutcomeImage, options: { maxSide?: number } = {}): Promise<Buffer> {
  const { geometry, rgb } = await renderOverlay(study, image);
  const picture = sharp(rgb, { raw: { width: geometry.width, height: geometry.height, channels: 3 } });
  if (options.maxSide !== undefined) {
    picture.resize({ width: options.maxSide, height: options.maxSide, fit: 'inside', withoutEnlargement: true });
  }
  return picture.png({ compressionLevel: 6 }).toBuffer();
}

/** @param display the frame as a monitor shows it, in the size in which it is stored */
export async function drawOverlay(study: StudyOutcome, image: OutcomeImage, display: DisplayFrame): Promise<RenderedOverlay> {
  const { outcome } = image;
  if (outcome.status !== 'analyzed') throw new Error(`an overlay needs an analysed image, and this one is ${outcome.status}`);
  const geometry = overlayGeometry(display.height, display.width);
  const canvas = await placeImage(display, geometry);
  const rgb = await sharp(canvas, { raw: { width: geometry.width, height: geometry.height, channels: 3 } })
    .composite([{ input: Buffer.from(overlaySvg(study, image, outcome, geometry)) }])
    .removeAlpha()
    .raw()
    .toBuffer();
  return { geometry, rgb };
}

function overlaySvg(study: StudyOutcome, image: OutcomeImage, outcome: AnalyzedOutcome, geometry: OverlayGeometry): string {
  const made = localTime(image.analyzedAt, resultOffset(image.header, study.timezone, image.analyzedAt));
  const { width, height } = geometry;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">` +
    `${boxesSvg(outcome.regions, geometry)}${legendSvg(study, image, outcome, made.display, geometry)}</svg>`
  );
}

/** The image in its place on a black canvas. Gray is resized as one channel: a third of the work. */
async function placeImage(display: DisplayFrame, geometry: OverlayGeometry): Promise<Uint8Array> {
  const { width, height, offsetX, offsetY, imageWidth, imageHeight } = geometry;
  const gray = await sharp(display.pixels, { raw: { width: display.width, height: display.height, channels: 1 } })
    .resize({ width: imageWidth, height: imageHeight, fit: 'fill', kernel: 'lanczos3' })
    .toColourspace('b-w')
    .raw()
    .toBuffer();
  const canvas = new Uint8Array(width * height * 3);
  for (let row = 0; row < imageHeight; row++) {
    let to = ((row + offsetY) * width + offsetX) * 3;
    const end = (row + 1) * imageWidth;
    for (let from = row * imageWidth; from < end; from++) {
      const value = gray[from]!;
      canvas[to++] = value;
      canvas[to++] = value;
      canvas[to++] = value;
    }
  }
  return canvas;
}
