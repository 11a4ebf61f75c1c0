// The inverse discrete cosine transform of JPEG blocks, by the fast method of Arai, Agui and Nakajima (Trans. IEICE E71, 1988).

/** Scale of each row and column in the Arai-Agui-Nakajima transform: 1, then cos(k pi / 16) sqrt 2. */
export const AAN_SCALE = Array.from({ length: 8 }, (_, k) => (k === 0 ? 1 : Math.cos((k * Math.PI) / 16) * Math.SQRT2));

const ROOT_2 = Math.SQRT2;
/** 2 cos(pi/8), 2 (cos(pi/8) - cos(3pi/8)), 2 (cos(pi/8) + cos(3pi/8)): the rotation of the odd part. */
const TURN = 2 * Math.cos(Math.PI / 8);
const TURN_LESS = 2 * (Math.cos(Math.PI / 8) - Math.cos((3 * Math.PI) / 8));
const TURN_MORE = 2 * (Math.cos(Math.PI / 8) + Math.cos((3 * Math.PI) / 8));

/** Inverse transform of Arai, Agui and Nakajima (1988) over eight values, `step` apart, in place. */
function transform8(d: Float32Array, o: number, step: number): void {
  const [p1, p2, p3] = [o + step, o + 2 * step, o + 3 * step];
  const [p4, p5, p6, p7] = [o + 4 * step, o + 5 * step, o + 6 * step, o + 7 * step];
  const d0 = d[o] as number,
    d1 = d[p1] as number,
    d2 = d[p2] as number,
    d3 = d[p3] as number;
  const d4 = d[p4] as number,
    d5 = d[p5] as number,
    d6 = d[p6] as number,
    d7 = d[p7] as number;
  const sum04 = d0 + d4,
    less04 = d0 - d4,
    sum26 = d2 + d6;
  const less26 = (d2 - d6) * ROOT_2 - sum26;
  const even0 = sum04 + sum26,
    even3 = sum04 - sum26,
    even1 = less04 + less26,
    even2 = less04 - less26;
  const sum53 = d5 + d3,
    less53 = d5 - d3,
    sum17 = d1 + d7,
    less17 = d1 - d7;
  const odd7 = sum17 + sum53;
  const odd5 = (sum17 - sum53) * ROOT_2;
  const turned = (less53 + less17) * TURN;
  const odd6 = turned - less53 * TURN_MORE - odd7;
  const odd5b = odd5 - odd6;
  const odd4 = turned - less17 * TURN_LESS - odd5b;
  d[o] = even0 + odd7;
  d[p7] = even0 - odd7;
  d[p1] = even1 + odd6;
  d[p6] = even1 - odd6;
  d[p2] = even2 + odd5b;
  d[p5] = even2 - odd5b;
  d[p3] = even3 + odd4;
  d[p4] = even3 - odd4;
}

/**
 * One block of 8 by 8 coefficients, scaled by AAN_SCALE / 8 in both directions, to samples; the block is used up.
 * @param start place of the block's first sample in `to`; `stride` samples further is the next row
 * @param middle added to each sample (T.81 A.3.1); the outcome is kept within 0 to `top`
 */
export function inverseTransform(
  block: Float32Array,
  to: Uint16Array,
  start: number,
  stride: number,
  middle: number,
  top: number,
): void {
  for (let column = 0; column < 8; column++) transform8(block, column, 8);
  for (let row = 0; row < 8; row++) {
    transform8(block, row * 8, 1);
    const o = start + row * stride;
    for (let i = 0; i < 8; i++) {
      const value = (block[row * 8 + i] as number) + middle + 0.5;
      to[o + i] = value < 0 ? 0 : value > top ? top : value;
    }
  }
}
