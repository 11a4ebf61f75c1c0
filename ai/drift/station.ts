// Which device made an image, in words that stay the same from image to image (docs/drift.md).
import { text } from '../../storage/dicom/dataset.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';

const MOST_CHARACTERS = 64;

/** Station Name, else manufacturer, model and serial number (PS3.3 C.7.5.1), else 'unknown'. */
export function stationOf(header: Dataset): string {
  const name = clean(text(header, 'StationName'));
  return name || clean(['Manufacturer', 'ManufacturerModelName', 'DeviceSerialNumber'].map((keyword) => text(header, keyword) ?? '').join(' ')) || 'unknown';
}

/** Postgres keeps no NUL, and a label of a metric should be one line. */
function clean(value = ''): string {
  return value
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, MOST_CHARACTERS)
    .trimEnd();
}
