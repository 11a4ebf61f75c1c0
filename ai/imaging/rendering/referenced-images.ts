// Which images a presentation state, or a part of it, is for (PS3.3 C.11.11, C.10.5).
import { items, nums, text } from '../../../storage/dicom/dataset.ts';
import type { Dataset } from '../../../storage/dicom/dataset.ts';

export interface ReferencedImage {
  seriesInstanceUid: string;
  sopInstanceUid: string;
  /** Empty: all of them. */
  frames: number[];
}

/** The images that a state is for (PS3.3 C.11.11). */
export function referencedImages(state: Dataset): ReferencedImage[] {
  return items(state, 'ReferencedSeriesSequence').flatMap((series) =>
    items(series, 'ReferencedImageSequence').map((image) => ({
      seriesInstanceUid: text(series, 'SeriesInstanceUID') ?? '',
      sopInstanceUid: text(image, 'ReferencedSOPInstanceUID') ?? '',
      frames: nums(image, 'ReferencedFrameNumber'),
    })),
  );
}

/** Whether an item of a state holds for the image: those without references hold for all. */
export function isFor(item: Dataset, sopInstanceUid: string, frame: number): boolean {
  const references = items(item, 'ReferencedImageSequence');
  return (
    references.length === 0 ||
    references.some((reference) => {
      const frames = nums(reference, 'ReferencedFrameNumber');
      return text(reference, 'ReferencedSOPInstanceUID') === sopInstanceUid && (frames.length === 0 || frames.includes(frame));
    })
  );
}
