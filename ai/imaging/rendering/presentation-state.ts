// Softcopy presentation states (PS3.3 A.33, C.11.10): how one image of those that a state is for is to be shown.
import { get, items, num, nums, tagOf, text } from '../../../storage/dicom/dataset.ts';
import type { Dataset, DicomElement } from '../../../storage/dicom/dataset.ts';
import type { StoredFrame } from '../decode.ts';
import type { Region, Turn } from './picture.ts';
import { graphicsSvg } from './presentation-graphics.ts';
import { isFor } from './referenced-images.ts';
import { shutterSvg } from './shutter.ts';

/** Grayscale and colour; the others blend images or paint them in false colours. */
export const PRESENTATION_STATES: ReadonlySet<string> = new Set(['1.2.840.10008.5.1.4.1.1.11.1', '1.2.840.10008.5.1.4.1.1.11.2']);

export interface Presentation {
  /** In place of the image's own attributes, see displayFrame. */
  attributes: Dataset;
  /** SVG content in pixels of the image, turned with it. */
  shutter: string;
  /** SVG content in pixels of the turned image. */
  graphics: string;
  turn: Turn;
  /** Displayed area in pixels of the turned image. */
  area: Region | undefined;
}

/** @param state with its lookup tables in it */
export function presentationOf(state: Dataset, frame: StoredFrame, sopInstanceUid: string): Presentation {
  const chosen = (keyword: string): Dataset | undefined => items(state, keyword).find((item) => isFor(item, sopInstanceUid, frame.frameNumber));
  const degrees = (((num(state, 'ImageRotation') ?? 0) % 360) + 360) % 360;
  const turn: Turn = { degrees: degrees === 90 || degrees === 180 || degrees === 270 ? degrees : 0, mirrored: text(state, 'ImageHorizontalFlip') === 'Y' };
  const area = displayedArea(chosen('DisplayedAreaSelectionSequence'), frame, turn);
  return {
    attributes: { ...modality(state), ...voi(chosen('SoftcopyVOILUTSequence'), state, frame), ...shape(state) },
    shutter: shutterSvg(state, frame.columns, frame.rows),
    graphics: graphicsSvg(state, sopInstanceUid, frame, turn, area),
    turn,
    area,
  };
}

const EMPTY_SEQUENCE: DicomElement = { vr: 'SQ' };

/** A state without a modality transformation has none, whatever the image has (PS3.4 N.2.1.1). */
function modality(state: Dataset): Dataset {
  return {
    [tagOf('ModalityLUTSequence')]: get(state, 'ModalityLUTSequence') ?? EMPTY_SEQUENCE,
    [tagOf('RescaleSlope')]: get(state, 'RescaleSlope') ?? { vr: 'DS', Value: [1] },
    [tagOf('RescaleIntercept')]: get(state, 'RescaleIntercept') ?? { vr: 'DS', Value: [0] },
  };
}

/** A state without a window shows the whole range (PS3.4 N.2.1.2). */
function voi(item: Dataset | undefined, state: Dataset, { bitsStored, signed }: StoredFrame): Dataset {
  const table = item && get(item, 'VOILUTSequence');
  const [center, width] = [item && num(item, 'WindowCenter'), item && num(item, 'WindowWidth')];
  if (center !== undefined && width !== undefined) return window(center, width, (item && text(item, 'VOILUTFunction')) ?? 'LINEAR', EMPTY_SEQUENCE);
  if (table) return window(undefined, undefined, 'LINEAR', table);
  const [slope, intercept] = [num(state, 'RescaleSlope') ?? 1, num(state, 'RescaleIntercept') ?? 0];
  const low = signed ? -(2 ** (bitsStored - 1)) : 0;
  return window((low + (2 ** bitsStored - 1) / 2) * slope + intercept, (2 ** bitsStored - 1) * Math.abs(slope), 'LINEAR_EXACT', EMPTY_SEQUENCE);
}

/** Attributes of a window, or of a table, and nothing of the image's own beside it. */
export function window(center: number | undefined, width: number | undefined, shape: string, table: DicomElement): Dataset {
  return {
    [tagOf('VOILUTSequence')]: table,
    [tagOf('WindowCenter')]: center === undefined ? { vr: 'DS' } : { vr: 'DS', Value: [center] },
    [tagOf('WindowWidth')]: width === undefined ? { vr: 'DS' } : { vr: 'DS', Value: [width] },
    [tagOf('VOILUTFunction')]: { vr: 'CS', Value: [shape] },
  };
}

function shape(state: Dataset): Dataset {
  const element = get(state, 'PresentationLUTShape');
  return element ? { [tagOf('PresentationLUTShape')]: element } : {};
}

/** Its corners are counted from 1 in pixels of the image as it is stored (PS3.3 C.10.4). */
function displayedArea(item: Dataset | undefined, { columns, rows }: StoredFrame, turn: Turn): Region | undefined {
  const [left, top] = item ? nums(item, 'DisplayedAreaTopLeftHandCorner') : [];
  const [right, bottom] = item ? nums(item, 'DisplayedAreaBottomRightHandCorner') : [];
  // Of a turned image the corners name the turned one's; only the whole of it is shown then.
  if (left === undefined || top === undefined || right === undefined || bottom === undefined || turn.degrees !== 0 || turn.mirrored) return undefined;
  const [x, y] = [Math.max(0, left - 1), Math.max(0, top - 1)];
  const area = { x, y, width: Math.min(columns, right) - x, height: Math.min(rows, bottom) - y };
  return area.width >= 1 && area.height >= 1 ? area : undefined;
}
