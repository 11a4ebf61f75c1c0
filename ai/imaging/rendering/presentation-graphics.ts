// Graphic annotations of a presentation state (PS3.3 C.10.5): its lines, circles, points and texts.
import { items, nums, text } from '../../../storage/dicom/dataset.ts';
import type { Dataset } from '../../../storage/dicom/dataset.ts';
import { setLine } from '../../results/overlay/lettering.ts';
import type { StoredFrame } from '../decode.ts';
import { lettersSvg } from './annotation.ts';
import { isFor } from './referenced-images.ts';

type Point = [x: number, y: number];

/** Seen on black and on white, and in no radiograph. */
const COLOUR = '#ffd24a';
/** A state may hold as many as it likes; a person sees no more. */
const MAX_OBJECTS = 2000;

/** SVG content in pixels of the image; positions in DISPLAY units are shares of it. */
export function graphicsSvg(state: Dataset, sopInstanceUid: string, frame: StoredFrame): string {
  const stroke = Math.max(1, Math.max(frame.columns, frame.rows) / 700);
  const annotations = items(state, 'GraphicAnnotationSequence').filter((item) => isFor(item, sopInstanceUid, frame.frameNumber));
  const graphics = annotations.flatMap((item) => items(item, 'GraphicObjectSequence')).slice(0, MAX_OBJECTS);
  const texts = annotations.flatMap((item) => items(item, 'TextObjectSequence')).slice(0, MAX_OBJECTS);
  const drawn = graphics.map((object) => graphicSvg(object, frame, stroke)).join('');
  return drawn + texts.map((object) => textSvg(object, frame, stroke)).join('');
}

function graphicSvg(object: Dataset, frame: StoredFrame, stroke: number): string {
  const points = pointsOf(nums(object, 'GraphicData'), text(object, 'GraphicAnnotationUnits'), frame);
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

function textSvg(object: Dataset, frame: StoredFrame, stroke: number): string {
  const lines = (text(object, 'UnformattedTextValue') ?? '').split(/\r\n|[\r\n\f]/).slice(0, 50);
  const size = Math.max(10, Math.max(frame.columns, frame.rows) / 45);
  const [corner] = pointsOf(nums(object, 'BoundingBoxTopLeftHandCorner'), text(object, 'BoundingBoxAnnotationUnits'), frame);
  const [anchor] = pointsOf(nums(object, 'AnchorPoint'), text(object, 'AnchorPointAnnotationUnits'), frame);
  const start = corner ?? (anchor && ([anchor[0] + size / 2, anchor[1] - size / 2] as Point));
  if (!start) return '';
  const top = corner ? size : 0;
  const written = lines.map((line, row) => lettersSvg(setLine(line, size).path, start[0], start[1] + top + row * size * 1.3, size, COLOUR)).join('');
  return written + (anchor && text(object, 'AnchorPointVisibility') === 'Y' ? cross(anchor, stroke) : '');
}

function pointsOf(values: readonly number[], units: string | undefined, { columns, rows }: StoredFrame): Point[] {
  const [wide, high] = units === 'DISPLAY' ? [columns, rows] : [1, 1];
  return Array.from({ length: values.length >> 1 }, (_, at) => [values[2 * at]! * wide, values[2 * at + 1]! * high]);
}

function cross([x, y]: Point, stroke: number): string {
  const arm = stroke * 5;
  return `<path d="M${x - arm} ${y}h${2 * arm}M${x} ${y - arm}v${2 * arm}" stroke="${COLOUR}" stroke-width="${stroke.toFixed(2)}" fill="none"/>`;
}
