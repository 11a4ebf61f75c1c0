// Display shutters (PS3.3 C.7.6.11): what lies outside is covered.
import { num, nums, texts } from '../../../storage/dicom/dataset.ts';
import type { Dataset } from '../../../storage/dicom/dataset.ts';

/** SVG content in pixels of the image; nothing where there is no shutter. Where there are several, what is in all of them is seen. */
export function shutterSvg(ds: Dataset, columns: number, rows: number): string {
  const gray = Math.round(((num(ds, 'ShutterPresentationValue') ?? 0) / 65_535) * 255);
  return texts(ds, 'ShutterShape')
    .map((shape) => opening(shape, ds))
    .filter((path) => path !== undefined)
    .map((path) => `<path fill-rule="evenodd" fill="rgb(${gray},${gray},${gray})" d="M0 0H${columns}V${rows}H0Z${path}"/>`)
    .join('');
}

/** Edges are pixels counted from 1 that are still seen. */
function opening(shape: string, ds: Dataset): string | undefined {
  if (shape === 'RECTANGULAR') {
    const [left, right, upper, lower] = ['ShutterLeftVerticalEdge', 'ShutterRightVerticalEdge', 'ShutterUpperHorizontalEdge', 'ShutterLowerHorizontalEdge'].map((keyword) => num(ds, keyword));
    if (left === undefined || right === undefined || upper === undefined || lower === undefined) return undefined;
    return `M${left - 1} ${upper - 1}H${right}V${lower}H${left - 1}Z`;
  }
  if (shape === 'CIRCULAR') {
    const [row, column] = nums(ds, 'CenterOfCircularShutter');
    const radius = num(ds, 'RadiusOfCircularShutter');
    if (row === undefined || column === undefined || radius === undefined) return undefined;
    return `M${column - 0.5 - radius} ${row - 0.5}a${radius} ${radius} 0 1 0 ${2 * radius} 0a${radius} ${radius} 0 1 0 ${-2 * radius} 0Z`;
  }
  if (shape !== 'POLYGONAL') return undefined;
  const vertices = nums(ds, 'VerticesOfThePolygonalShutter');
  const points = Array.from({ length: vertices.length >> 1 }, (_, at) => `${vertices[2 * at + 1]! - 0.5} ${vertices[2 * at]! - 0.5}`);
  return points.length < 3 ? undefined : `M${points.join('L')}Z`;
}
