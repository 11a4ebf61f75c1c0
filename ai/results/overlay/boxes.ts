// Boxes around the regions, with their number and score, drawn so that they hide as little as possible.
import type { Region } from '../../analysis.ts';
import { percent } from '../wording.ts';
import { COLOURS } from './colours.ts';
import type { OverlayGeometry } from './geometry.ts';
import { setLine } from './lettering.ts';

export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The region in pixels of the overlay, cut to the image. */
export function overlayBox(region: Region, geometry: OverlayGeometry): Rectangle {
  const { scale, offsetX, offsetY, imageWidth, imageHeight } = geometry;
  const x0 = clamp(region.x * scale, imageWidth);
  const y0 = clamp(region.y * scale, imageHeight);
  const x1 = clamp((region.x + region.width) * scale, imageWidth);
  const y1 = clamp((region.y + region.height) * scale, imageHeight);
  return { x: offsetX + x0, y: offsetY + y0, width: x1 - x0, height: y1 - y0 };
}

/** SVG of all boxes and labels. */
export function boxesSvg(regions: readonly Region[], geometry: OverlayGeometry): string {
  const boxes = regions.map((region) => overlayBox(region, geometry));
  // Two to four pixels: seen at arm's length, thinner than any finding.
  const stroke = Math.max(2, Math.round(geometry.width / 600));
  const labels: Rectangle[] = [];
  const parts = boxes.map((box, place) => {
    const { svg, place: label } = labelSvg(`${place + 1}   ${percent(regions[place]!.score)}`, box, boxes, labels, geometry);
    labels.push(label);
    return boxSvg(visible(box, stroke, geometry), stroke) + svg;
  });
  return parts.join('');
}

/** At the image's border the line is drawn just within it, so that its full width is seen. */
function visible(box: Rectangle, stroke: number, { offsetX, offsetY, imageWidth, imageHeight }: OverlayGeometry): Rectangle {
  const x0 = Math.max(box.x, offsetX + stroke / 2);
  const y0 = Math.max(box.y, offsetY + stroke / 2);
  const x1 = Math.min(box.x + box.width, offsetX + imageWidth - stroke / 2);
  const y1 = Math.min(box.y + box.height, offsetY + imageHeight - stroke / 2);
  return { x: x0, y: y0, width: Math.max(x1 - x0, 0), height: Math.max(y1 - y0, 0) };
}

/** The line lies with its middle on the region's edge; the casing half outside and half inside it. */
function boxSvg({ x, y, width, height }: Rectangle, stroke: number): string {
  const rectangle = `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${width.toFixed(1)}" height="${height.toFixed(1)}" fill="none"`;
  return (
    `${rectangle} stroke="${COLOURS.casing}" stroke-opacity="0.6" stroke-width="${stroke + 2}"/>` +
    `${rectangle} stroke="${COLOURS.finding}" stroke-width="${stroke}"/>`
  );
}

function labelSvg(
  text: string,
  box: Rectangle,
  boxes: readonly Rectangle[],
  taken: readonly Rectangle[],
  geometry: OverlayGeometry,
): { svg: string; place: Rectangle } {
  const size = geometry.width * 0.019;
  const line = setLine(text, size, 'bold');
  const padding = size * 0.3;
  const place = labelPlace({ width: line.width + 2 * padding, height: size * 1.3 }, box, [...boxes, ...taken], geometry);
  const background = `<rect x="${place.x.toFixed(1)}" y="${place.y.toFixed(1)}" width="${place.width.toFixed(1)}" height="${place.height.toFixed(1)}" rx="3" fill="${COLOURS.casing}" fill-opacity="0.65"/>`;
  const baseline = place.y + size;
  const glyphs = `<path transform="translate(${(place.x + padding).toFixed(1)} ${baseline.toFixed(1)})" fill="${COLOURS.finding}" d="${line.path}"/>`;
  return { svg: background + glyphs, place };
}

/** Outside the box where there is room, at the corner that covers least of other boxes and labels; inside only as the last resort. */
function labelPlace(
  { width, height }: { width: number; height: number },
  box: Rectangle,
  others: readonly Rectangle[],
  geometry: OverlayGeometry,
): Rectangle {
  const gap = 4;
  const right = box.x + box.width - width;
  const above = box.y - height - gap;
  const below = box.y + box.height + gap;
  const candidates = [
    { x: box.x, y: above },
    { x: right, y: above },
    { x: box.x, y: below },
    { x: right, y: below },
    { x: box.x + box.width + gap, y: box.y },
    { x: box.x - width - gap, y: box.y },
    { x: box.x + gap, y: box.y + gap },
  ].map((corner) => ({ ...corner, width, height }));
  const left = geometry.offsetX;
  const within = candidates.filter(
    ({ x, y }) =>
      x >= left &&
      x + width <= left + geometry.imageWidth &&
      y >= geometry.offsetY &&
      y + height <= geometry.offsetY + geometry.imageHeight,
  );
  const covered = (candidate: Rectangle): number => others.reduce((sum, other) => sum + overlap(candidate, other), 0);
  const best = within.toSorted((a, b) => covered(a) - covered(b))[0];
  return best ?? { x: clamp(box.x, geometry.width - width), y: clamp(box.y, geometry.legendTop - height), width, height };
}

/** Square pixels that two rectangles share. */
function overlap(a: Rectangle, b: Rectangle): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return width > 0 && height > 0 ? width * height : 0;
}

function clamp(value: number, highest: number): number {
  return Math.min(Math.max(value, 0), Math.max(highest, 0));
}
