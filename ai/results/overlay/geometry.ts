// How the pixels of a stored image map to those of its overlay: the image above, never covered, the legend in a band beneath.

export interface OverlayGeometry {
  /** Of the whole overlay, both even. */
  width: number;
  height: number;
  /** overlay pixel = stored pixel * scale + offset, in both directions. */
  scale: number;
  offsetX: number;
  offsetY: number;
  imageWidth: number;
  imageHeight: number;
  /** First row of the legend's band, which reaches down to the last row. */
  legendTop: number;
}

export const LONGEST_SIDE = 2048;
/** Below this width the legend could not be read; small images are enlarged, narrow ones get margins. */
export const SMALLEST_WIDTH = 1000;
/** Height of the legend's band as a share of the overlay's width: four lines that can be read at 1,000 pixels. */
export const LEGEND_SHARE = 0.16;

/** @param rows of the stored image @param columns of the stored image */
export function overlayGeometry(rows: number, columns: number): OverlayGeometry {
  const scale = overlayScale(rows, columns);
  const imageWidth = Math.max(1, Math.round(columns * scale));
  const imageHeight = Math.max(1, Math.round(rows * scale));
  const width = even(Math.max(imageWidth, SMALLEST_WIDTH));
  const legendHeight = Math.floor(width * LEGEND_SHARE);
  const height = Math.min(even(imageHeight + legendHeight), LONGEST_SIDE);
  return {
    width,
    height,
    scale,
    offsetX: Math.floor((width - imageWidth) / 2),
    offsetY: 0,
    imageWidth,
    imageHeight,
    legendTop: imageHeight,
  };
}

/** 1 where the image fits as it is; less for larger ones; more only until the legend can be read. */
function overlayScale(rows: number, columns: number): number {
  const byWidth = LONGEST_SIDE / columns;
  const wide = LONGEST_SIDE / (rows + LEGEND_SHARE * columns);
  const narrow = (LONGEST_SIDE - LEGEND_SHARE * SMALLEST_WIDTH) / rows;
  const byHeight = columns * wide >= SMALLEST_WIDTH ? wide : narrow;
  const wanted = columns >= SMALLEST_WIDTH ? 1 : SMALLEST_WIDTH / columns;
  return Math.min(byWidth, byHeight, wanted);
}

function even(value: number): number {
  return value + (value % 2);
}
