// From boxes of the model's input to regions of the stored image, each with the UID by which it is tracked.
import type { Region } from '../analysis.ts';
import { deriveUid } from '../../storage/dicom/uids.ts';
import type { Box } from './outputs.ts';

/** From pixels of the model's input to pixels of the stored image: x * scaleX + offsetX. */
export interface Placement {
  scaleX: number;
  scaleY: number;
  offsetX: number;
  offsetY: number;
  /** Size of the stored image. */
  columns: number;
  rows: number;
}

/** What a tracking UID is derived from beside the place. */
export interface RegionSource {
  uidRoot: string;
  /** Digest of the dataset where known, else the SOP Instance UID. */
  instance: string;
  frame: number;
  sha256: string;
  label: string;
}

/** Boxes of the input as regions of the stored image: whole pixels, within the image, never empty. */
export function placeRegions(boxes: readonly Box[], placement: Placement, source: RegionSource): Region[] {
  const { scaleX, scaleY, offsetX, offsetY, columns, rows } = placement;
  return boxes.flatMap((box) => {
    const x = within(Math.round(box.x1 * scaleX + offsetX), 0, columns);
    const y = within(Math.round(box.y1 * scaleY + offsetY), 0, rows);
    const width = within(Math.round(box.x2 * scaleX + offsetX), 0, columns) - x;
    const height = within(Math.round(box.y2 * scaleY + offsetY), 0, rows) - y;
    if (width < 1 || height < 1) return [];
    const { uidRoot, instance, frame, sha256, label } = source;
    const trackingUid = deriveUid(uidRoot, 'region', instance, String(frame), sha256, label, [x, y, width, height].join(','));
    return [{ x, y, width, height, label, score: box.score, trackingUid }];
  });
}

function within(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
