// Connected parts of a binary map.

export interface Part {
  /** Indexes into the map. */
  places: number[];
  /** First and last row, first and last column. */
  top: number;
  bottom: number;
  left: number;
  right: number;
  /** Mean column. */
  centreX: number;
}

/** Joined over edges (4-connected). @param inside whether a place, row-major, belongs to any */
export function connectedParts(inside: (place: number) => boolean, width: number, height: number): Part[] {
  const seen = new Uint8Array(width * height);
  const parts: Part[] = [];
  for (let start = 0; start < seen.length; start++) if (!seen[start] && inside(start)) parts.push(partFrom(start, inside, seen, width, height));
  return parts;
}

function partFrom(start: number, inside: (place: number) => boolean, seen: Uint8Array, width: number, height: number): Part {
  // What is found and not yet looked around from stands behind what was.
  const places = [start];
  seen[start] = 1;
  const visit = (place: number): void => {
    if (seen[place] || !inside(place)) return;
    seen[place] = 1;
    places.push(place);
  };
  let sumX = 0;
  let [top, bottom, left, right] = [height, 0, width, 0];
  for (let at = 0; at < places.length; at++) {
    const place = places[at]!;
    const x = place % width;
    const y = (place - x) / width;
    sumX += x;
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
    left = Math.min(left, x);
    right = Math.max(right, x);
    if (x > 0) visit(place - 1);
    if (x < width - 1) visit(place + 1);
    if (y > 0) visit(place - width);
    if (y < height - 1) visit(place + width);
  }
  return { places, top, bottom, left, right, centreX: sumX / places.length };
}
