// Graphic annotations of a presentation state (PS3.3 C.10.5): its lines, circles, points and texts.
import { items, nums, text } from '../../../storage/dicom/dataset.ts';
import type { Dataset } from '../../../storage/dicom/dataset.ts';
import { setLine } from '../../results/overlay/lettering.ts';
import type { StoredFrame } from '../decode.ts';
import { lettersSvg } from './annotation.ts';
import type { Region, Turn } from './picture.ts';
import { isFor } from './referenced-images.ts';

type Point = [x: number, y: number];

/** Seen on black and on white, and in no radiograph. */
const COLOUR = '#ffd24a';
/** A state may hold as many as it likes; a person sees no more. */
const MAX_OBJECTS = 2000;

/** How positions of a state come into the picture: those in PIXEL units by turning, those in DISPLAY units as shares of the area. */
interface Place {
  frame: StoredFrame;
  turn: Turn;
  /** Displayed area in pixels of the turned image. */
  area: Region;
}

/**
 * SVG content in pixels of the turned image: what is drawn in the image is turned with it (PS3.3 C.10.6), what is drawn on the display
 * and every text is upright.
 * @param area of the turned image; undefined for all of it
 */
export function graphicsSvg(state: Dataset, sopInstanceUid: string, frame: StoredFrame, turn: Turn, area: Region | undefined): string {
  const stroke = strokeOf(frame);
  const across = turn.degrees % 180 !== 0;
  const place: Place = { frame, turn, area: area ?? { x: 0, y: 0, width: across ? frame.rows : frame.columns, height: across ? frame.columns : frame.rows } };
  const drawn = objectsOf(state, 'GraphicObjectSequence', sopInstanceUid, frame).map((object) => graphicSvg(object, place, stroke));
  return [...drawn, ...objectsOf(state, 'TextObjectSequence', sopInstanceUid, frame).map((object) => textSvg(object, place, stroke))].join('');
}

function objectsOf(state: Dataset, keyword: string, sopInstanceUid: string, frame: StoredFrame): Dataset[] {
  const annotations = items(state, 'GraphicAnnotationSequence').filter((item) => isFor(item, sopInstanceUid, frame.frameNumber));
  return annotations.flatMap((item) => items(item, keyword)).slice(0, MAX_OBJECTS);
}

function strokeOf({ columns, rows }: StoredFrame): number {
  return Math.max(1, Math.max(columns, rows) / 700);
}

function graphicSvg(object: Dataset, place: Place, stroke: number): string {
  const points = pointsOf(nums(object, 'GraphicData'), text(object, 'GraphicAnnotationUnits'), place);
  const [first, second, third, fourth] = points;
  if (!first) return '';
  const style = `fill="${text(object, 'GraphicFilled') === 'Y' ? COLOUR : 'none'}" stroke="${COLOUR}" stroke-width="${stroke.toFixed(2)}"`;
  switch (text(object, 'GraphicType')) {
    case 'POINT':
      return cross(first, stroke);
    case 'POLYLINE':
    case 'INTERPOLATED':
      return `<polyline points="${points.map((point) => point.join(',')).join(' ')}" ${style}/>`;
    case 'CIRCLE':
      return second ? `<circle cx="${first[0]}" cy="${first[1]}" r="${Math.hypot(second[0] - first[0], second[1] - first[1])}" ${style}/>` : '';
    case 'ELLIPSE': {
      if (!second || !third || !fourth) return '';
      // The ends of the longer axis, then those of the shorter one.
      const [dx, dy] = [second[0] - first[0], second[1] - first[1]];
      const angle = (Math.atan2(dy, dx) * 180) / Math.PI;
      const [cx, cy] = [(first[0] + second[0]) / 2, (first[1] + second[1]) / 2];
      const minor = Math.hypot(fourth[0] - third[0], fourth[1] - third[1]) / 2;
      return `<ellipse rx="${Math.hypot(dx, dy) / 2}" ry="${minor}" transform="translate(${cx} ${cy}) rotate(${angle})" ${style}/>`;
    }
    default:
      return '';
  }
}

function textSvg(object: Dataset, place: Place, stroke: number): string {
  const lines = (text(object, 'UnformattedTextValue') ?? '').split(/\r\n|[\r\n\f]/).slice(0, 50);
  const size = Math.max(10, Math.max(place.frame.columns, place.frame.rows) / 45);
  const points = (keyword: string, units: string): Point[] => pointsOf(nums(object, keyword), text(object, units), place);
  const corners = ['BoundingBoxTopLeftHandCorner', 'BoundingBoxBottomRightHandCorner'].flatMap((keyword) => points(keyword, 'BoundingBoxAnnotationUnits'));
  const corner: Point | undefined = corners.length === 0 ? undefined : [Math.min(...corners.map(([x]) => x)), Math.min(...corners.map(([, y]) => y))];
  const [anchor] = points('AnchorPoint', 'AnchorPointAnnotationUnits');
  const start = corner ?? (anchor && ([anchor[0] + size / 2, anchor[1] - size / 2] as Point));
  if (!start) return '';
  const top = corner ? size : 0;
  const written = lines.map((line, row) => lettersSvg(setLine(line, size).path, start[0], start[1] + top + row * size * 1.3, size, COLOUR)).join('');
  return written + (anchor && text(object, 'AnchorPointVisibility') === 'Y' ? cross(anchor, stroke) : '');
}

function pointsOf(values: readonly number[], units: string | undefined, { frame, turn, area }: Place): Point[] {
  return Array.from({ length: values.length >> 1 }, (_, at) => {
    const [x, y] = [values[2 * at]!, values[2 * at + 1]!];
    return units === 'DISPLAY' ? [area.x + x * area.width, area.y + y * area.height] : turned([x, y], frame, turn);
  });
}

/** Where a point of the image comes to lie: turned clockwise, then mirrored (PS3.3 C.10.6). */
function turned([x, y]: Point, { columns, rows }: StoredFrame, { degrees, mirrored }: Turn): Point {
  const rotated: Record<Turn['degrees'], Point> = { 0: [x, y], 90: [rows - y, x], 180: [columns - x, rows - y], 270: [y, columns - x] };
  const [across, down] = rotated[degrees];
  return [mirrored ? (degrees % 180 === 0 ? columns : rows) - across : across, down];
}

function cross([x, y]: Point, stroke: number): string {
  const arm = stroke * 5;
  return `<path d="M${x - arm} ${y}h${2 * arm}M${x} ${y - arm}v${2 * arm}" stroke="${COLOUR}" stroke-width="${stroke.toFixed(2)}" fill="none"/>`;
}
