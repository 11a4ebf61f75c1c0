// The query parameters of rendered resources (PS3.18 8.3.5), and in which media types pictures are given (PS3.18 8.7.4).
import type { Request } from 'express';
import { HttpError } from '../http/errors.ts';
import { covers } from '../http/header-parameters.ts';
import type { MediaType } from '../http/header-parameters.ts';
import type { Rendering } from './render-pool.ts';

/** The default first (PS3.18 table 8.7.4-1). */
const IMAGE_TYPES = ['image/jpeg', 'image/png', 'image/gif'] as const;
export type ImageType = (typeof IMAGE_TYPES)[number];

/** No screen needs more, and a picture of more takes a second. */
const MAX_SIDE = 8192;
/** At 90 nothing can be seen of the compression in a radiograph. */
const DEFAULT_QUALITY = 90;
const SHAPES: Readonly<Record<string, NonNullable<Rendering['window']>['shape']>> = { linear: 'LINEAR', 'linear-exact': 'LINEAR_EXACT', sigmoid: 'SIGMOID' };
const KEYWORDS = ['patient', 'technique'] as const;

/** The image type that a range stands for; undefined where it stands for none. */
export function imageTypeOf({ type }: Pick<MediaType, 'type'>): ImageType | undefined {
  return IMAGE_TYPES.find((known) => covers({ type, parameters: new Map() }, known));
}

/** @throws {HttpError} 400 naming the parameter */
export function renderingOf(request: Request, mediaType: ImageType): Rendering {
  const window = parameter(request, 'window', windowOf);
  const viewport = parameter(request, 'viewport', viewportOf);
  return {
    mediaType,
    quality: parameter(request, 'quality', qualityOf) ?? DEFAULT_QUALITY,
    ...(window && { window }),
    ...viewport,
    annotation: parameter(request, 'annotation', annotationOf) ?? [],
    withProfile: parameter(request, 'iccprofile', profileOf) ?? false,
  };
}

/** Why a value is not understood. */
export class ParameterError extends Error {}

/** @throws {HttpError} 400 */
export function parameter<T>(request: Request, name: string, parse: (text: string) => T): T | undefined {
  const value: unknown = request.query[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw new HttpError(400, `The query parameter ${name} is there more than once.`);
  try {
    return parse(value.trim());
  } catch (error) {
    if (!(error instanceof ParameterError)) throw error;
    throw new HttpError(400, `The query parameter ${name} is "${value.slice(0, 100)}" and must be ${error.message}.`, {}, { cause: error });
  }
}

/** PS3.18 8.3.5.1.4 */
function windowOf(text: string): NonNullable<Rendering['window']> {
  const [center = '', width = '', name = '', ...more] = text.split(',').map((part) => part.trim());
  const shape = SHAPES[name.toLowerCase()];
  const window = { center: decimal(center), width: decimal(width) };
  if (more.length > 0 || window.center === undefined || window.width === undefined || shape === undefined)
    throw new ParameterError('CENTER,WIDTH,FUNCTION, the function one of linear, linear-exact and sigmoid');
  return windowWith(window.center, window.width, shape);
}

/** @throws {ParameterError} for a width that the function does not have (PS3.3 C.11.2.1.2) */
export function windowWith(center: number, width: number, shape: NonNullable<Rendering['window']>['shape']): NonNullable<Rendering['window']> {
  if (shape === 'LINEAR' ? width < 1 : width <= 0) throw new ParameterError(shape === 'LINEAR' ? 'of a width of 1 at least' : 'of a width above 0');
  return { center, width, shape };
}

/** PS3.18 8.3.5.1.3: the size to fit into, and the region of the image; a negative size of the region turns it around. */
function viewportOf(text: string): Pick<Rendering, 'viewport' | 'region' | 'mirror'> {
  const parts = text.split(',').map((part) => part.trim());
  const [width, height] = [side(parts[0]), side(parts[1])];
  const [x, y, w, h] = parts.slice(2).map((part) => (part === '' ? undefined : (decimal(part) ?? Number.NaN)));
  const wrong = parts.length > 6 || width === undefined || height === undefined || [x, y, w, h].some((value) => Number.isNaN(value)) || w === 0 || h === 0;
  if (wrong || (x ?? 0) < 0 || (y ?? 0) < 0)
    throw new ParameterError(`WIDTH,HEIGHT of 1 to ${MAX_SIDE} pixels, and then, where wanted, the X,Y,WIDTH,HEIGHT of a region of the image`);
  const region = { unit: 'pixel' as const, x: x ?? 0, y: y ?? 0, ...(w !== undefined && { width: Math.abs(w) }), ...(h !== undefined && { height: Math.abs(h) }) };
  return {
    viewport: { width, height },
    ...(parts.length > 2 && { region }),
    ...((w ?? 1) < 0 || (h ?? 1) < 0 ? { mirror: { horizontal: (w ?? 1) < 0, vertical: (h ?? 1) < 0 } } : {}),
  };
}

/** Pixels of a side of the picture; undefined where it is none that we make. */
export function side(text: string | undefined): number | undefined {
  const value = /^\d{1,5}$/.test(text ?? '') ? Number(text) : 0;
  return value >= 1 && value <= MAX_SIDE ? value : undefined;
}

export function decimal(text: string): number | undefined {
  return /^[+-]?(\d{1,10}(\.\d{0,10})?|\.\d{1,10})(e[+-]?\d)?$/i.test(text) ? Number(text) : undefined;
}

/** PS3.18 8.3.5.1.2 */
export function qualityOf(text: string): number {
  const value = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > 100) throw new ParameterError('a whole number of 1 to 100');
  return value;
}

/** PS3.18 8.3.5.1.1 */
export function annotationOf(text: string): Rendering['annotation'] {
  const words = text.split(',').map((word) => word.trim());
  const known = KEYWORDS.filter((keyword) => words.includes(keyword));
  if (words.some((word) => !(KEYWORDS as readonly string[]).includes(word))) throw new ParameterError('patient, technique, or both');
  return known;
}

/** PS3.18 8.3.5.1.5: colour is taken for sRGB, and the picture says so where it is asked to. */
function profileOf(text: string): boolean {
  if (text !== 'no' && text !== 'yes' && text !== 'srgb') throw new ParameterError('no, yes or srgb: other colour spaces are not made here');
  return text !== 'no';
}
