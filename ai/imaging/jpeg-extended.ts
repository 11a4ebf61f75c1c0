// JPEG baseline and extended sequential DCT with Huffman coding, 8 and 12 bits (ITU-T T.81, processes 1, 2 and 4):
// transfer syntaxes 1.2.840.10008.1.2.4.50 and .51; dcmjs-codecs does not decode the 12-bit form of the latter.
import { AAN_SCALE, inverseTransform } from './jpeg-transform.ts';

/** Samples as coded: no colour conversion, subsampled components repeated to full size. */
export interface JpegImage {
  width: number;
  height: number;
  components: number;
  /** 8 or 12 bits a sample. */
  precision: number;
  /** Interleaved by pixel. */
  data: Uint16Array;
}

interface Component {
  id: number;
  horizontal: number;
  vertical: number;
  quantization: number;
  /** Blocks of 8 by 8, padded to whole MCUs. */
  blocksAcross: number;
  blocksDown: number;
  samples: Uint16Array;
}

interface Frame {
  precision: number;
  width: number;
  height: number;
  components: Component[];
  horizontal: number;
  vertical: number;
}

interface HuffmanTable {
  /** By the next 9 bits: length of the code in the high byte, its symbol in the low byte; 0 when longer. */
  quick: Uint16Array;
  /** T.81 F.16: by code length, the largest code and where its symbols begin. */
  largest: Int32Array;
  offset: Int32Array;
  symbols: Uint8Array;
}

const QUICK_BITS = 9;

/** T.81 figure A.6: place in the zigzag to place in the block. */
const ZIGZAG = Uint8Array.from([
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42,
  49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
]);

/**
 * Decodes one image.
 * @param expected what the dataset says: a stream that disagrees is refused before anything is allocated
 * @throws {Error} what is wrong with the stream, in words
 */
export function decodeSequentialJpeg(
  bytes: Uint8Array,
  expected: { width: number; height: number; components: number },
): JpegImage {
  const quantization: (Float32Array | undefined)[] = [];
  const huffman: { dc: (HuffmanTable | undefined)[]; ac: (HuffmanTable | undefined)[] } = { dc: [], ac: [] };
  let frame: Frame | undefined;
  let restartInterval = 0;
  let scans = 0;
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) throw new Error('not a JPEG stream: no start of image');
  let at = 2;
  while (at + 4 <= bytes.length) {
    if (bytes[at] !== 0xff) throw new Error(`JPEG marker expected at byte ${at} of the frame`);
    const marker = bytes[at + 1] as number;
    if (marker === 0xff) {
      at++;
      continue;
    }
    if (marker === 0xd9) break;
    const end = at + 2 + (((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number));
    if (end > bytes.length || end < at + 4) throw new Error('JPEG segment runs past the end of the frame');
    const segment = bytes.subarray(at + 4, end);
    at = end;
    if (marker === 0xdb) readQuantization(segment, quantization);
    else if (marker === 0xc4) readHuffman(segment, huffman);
    else if (marker === 0xdd) restartInterval = ((segment[0] ?? 0) << 8) | (segment[1] ?? 0);
    else if (marker === 0xc0 || marker === 0xc1) frame = readFrame(segment, expected);
    else if (marker >= 0xc2 && marker <= 0xcf && marker !== 0xc8 && marker !== 0xcc)
      throw new Error(`JPEG process SOF${marker - 0xc0} is not sequential DCT with Huffman coding`);
    else if (marker === 0xcc) throw new Error('JPEG with arithmetic coding');
    else if (marker === 0xda) {
      if (!frame) throw new Error('JPEG scan before its frame header');
      at = readScan(bytes, end, segment, frame, quantization, huffman, restartInterval);
      scans++;
    }
  }
  if (!frame || scans === 0) throw new Error('JPEG stream without an image');
  return interleave(frame);
}

function readQuantization(segment: Uint8Array, tables: (Float32Array | undefined)[]): void {
  for (let at = 0; at < segment.length;) {
    const head = segment[at++] as number;
    const wide = head >> 4 ? 2 : 1;
    if (at + 64 * wide > segment.length) throw new Error('JPEG quantization table is cut short');
    const table = new Float32Array(64);
    for (let i = 0; i < 64; i++, at += wide) {
      const value = wide === 2 ? ((segment[at] as number) << 8) | (segment[at + 1] as number) : (segment[at] as number);
      const place = ZIGZAG[i] as number;
      // The transform's own scaling is folded in, an eighth for each dimension's normalisation with it.
      table[place] = (value * (AAN_SCALE[place >> 3] as number) * (AAN_SCALE[place & 7] as number)) / 8;
    }
    tables[head & 15] = table;
  }
}

function readHuffman(segment: Uint8Array, tables: { dc: (HuffmanTable | undefined)[]; ac: (HuffmanTable | undefined)[] }): void {
  for (let at = 0; at < segment.length;) {
    const head = segment[at] as number;
    const counts = segment.subarray(at + 1, at + 17);
    const total = counts.reduce((sum, count) => sum + count, 0);
    if (counts.length < 16 || total > 256 || at + 17 + total > segment.length) throw new Error('JPEG Huffman table is cut short');
    const symbols = segment.slice(at + 17, at + 17 + total);
    at += 17 + total;
    const quick = new Uint16Array(1 << QUICK_BITS);
    const largest = new Int32Array(18).fill(-1);
    const offset = new Int32Array(18);
    let code = 0;
    for (let length = 1, symbol = 0; length <= 16; length++, code <<= 1) {
      offset[length] = symbol - code;
      for (let i = 0; i < (counts[length - 1] as number); i++, symbol++, code++) {
        if (code >= 1 << length) throw new Error('JPEG Huffman table has more codes than fit');
        if (length <= QUICK_BITS)
          quick.fill(
            (length << 8) | (symbols[symbol] as number),
            code << (QUICK_BITS - length),
            (code + 1) << (QUICK_BITS - length),
          );
        largest[length] = code;
      }
    }
    (head >> 4 ? tables.ac : tables.dc)[head & 15] = { quick, largest, offset, symbols };
  }
}

function readFrame(segment: Uint8Array, expected: { width: number; height: number; components: number }): Frame {
  const [precision = 0, h1 = 0, h2 = 0, w1 = 0, w2 = 0, count = 0] = segment;
  const [height, width] = [(h1 << 8) | h2, (w1 << 8) | w2];
  if (precision !== 8 && precision !== 12) throw new Error(`JPEG of ${precision} bits a sample`);
  if (width !== expected.width || height !== expected.height || count !== expected.components) {
    throw new Error(
      `JPEG frame of ${width} by ${height} pixels with ${count} components where the dataset says ${expected.width} by ${expected.height} with ${expected.components}`,
    );
  }
  if (segment.length < 6 + 3 * count) throw new Error('JPEG frame header is cut short');
  const specs = Array.from({ length: count }, (_, i) => {
    const [id, factors, quantization] = segment.subarray(6 + 3 * i) as unknown as [number, number, number];
    const [horizontal, vertical] = count === 1 ? [1, 1] : [factors >> 4, factors & 15];
    if (horizontal < 1 || horizontal > 4 || vertical < 1 || vertical > 4) throw new Error('JPEG sampling factor out of range');
    return { id, horizontal, vertical, quantization };
  });
  const horizontal = Math.max(...specs.map((s) => s.horizontal));
  const vertical = Math.max(...specs.map((s) => s.vertical));
  const components = specs.map((s) => {
    const blocksAcross = Math.ceil(width / (8 * horizontal)) * s.horizontal;
    const blocksDown = Math.ceil(height / (8 * vertical)) * s.vertical;
    return { ...s, blocksAcross, blocksDown, samples: new Uint16Array(blocksAcross * blocksDown * 64) };
  });
  return { precision, width, height, components, horizontal, vertical };
}

/** Reads the entropy-coded data of one scan (T.81 F.2). @returns where the next marker stands */
function readScan(
  bytes: Uint8Array,
  start: number,
  header: Uint8Array,
  frame: Frame,
  quantization: readonly (Float32Array | undefined)[],
  huffman: { dc: (HuffmanTable | undefined)[]; ac: (HuffmanTable | undefined)[] },
  restartInterval: number,
): number {
  const count = header[0] ?? 0;
  const parts = Array.from({ length: count }, (_, i) => {
    const component = frame.components.find((c) => c.id === header[1 + 2 * i]);
    const tables = header[2 + 2 * i] ?? 0;
    const dc = huffman.dc[tables >> 4];
    const ac = huffman.ac[tables & 15];
    const table = component && quantization[component.quantization];
    if (!component || !dc || !ac || !table) throw new Error('JPEG scan uses a component or table that was not defined');
    return { component, dc, ac, table, predicted: 0 };
  });
  const first = parts[0];
  if (!first) throw new Error('JPEG scan without components');
  const bits = bitReader(bytes, start);
  const block = new Float32Array(64);
  const top = 2 ** frame.precision - 1;
  const middle = 2 ** (frame.precision - 1);
  const oneBlock = (part: (typeof parts)[number], column: number, row: number): void => {
    part.predicted = readBlock(bits, part.dc, part.ac, part.table, part.predicted, block);
    inverseTransform(
      block,
      part.component.samples,
      (row * part.component.blocksAcross * 8 + column) * 8,
      part.component.blocksAcross * 8,
      middle,
      top,
    );
  };
  const single = count === 1;
  // A scan of one component has no padding to whole MCUs (T.81 A.2.2).
  const across = single
    ? Math.ceil((frame.width * first.component.horizontal) / frame.horizontal / 8)
    : Math.ceil(frame.width / (8 * frame.horizontal));
  const down = single
    ? Math.ceil((frame.height * first.component.vertical) / frame.vertical / 8)
    : Math.ceil(frame.height / (8 * frame.vertical));
  for (let mcu = 0; mcu < across * down; mcu++) {
    if (restartInterval && mcu > 0 && mcu % restartInterval === 0) {
      bits.restart();
      for (const part of parts) part.predicted = 0;
    }
    const [column, row] = [mcu % across, Math.floor(mcu / across)];
    if (single) {
      oneBlock(first, column, row);
      continue;
    }
    for (const part of parts) {
      const { horizontal, vertical } = part.component;
      for (let v = 0; v < vertical; v++)
        for (let h = 0; h < horizontal; h++) oneBlock(part, column * horizontal + h, row * vertical + v);
    }
  }
  return bits.end();
}

type BitReader = ReturnType<typeof bitReader>;

function bitReader(bytes: Uint8Array, start: number) {
  let at = start;
  let buffer = 0;
  let held = 0;
  let missing = 0;
  /** Tops the buffer up to at least 17 bits; past the end or at a marker come zeros, a few of which a last code may need. */
  const refill = (): void => {
    while (held <= 16) {
      let byte = at < bytes.length ? (bytes[at] as number) : -1;
      if (byte === 0xff) {
        if (bytes[at + 1] === 0) at += 2;
        else byte = -1;
      } else if (byte >= 0) at++;
      if (byte < 0) {
        byte = 0;
        if (++missing > 8) throw new Error('JPEG data ends before the image is complete');
      }
      buffer = ((buffer << 8) | byte) & 0x1ffffff;
      held += 8;
    }
  };
  return {
    symbol(table: HuffmanTable): number {
      if (held < 16) refill();
      const entry = table.quick[(buffer >> (held - QUICK_BITS)) & 511] as number;
      if (entry) {
        held -= entry >> 8;
        return entry & 255;
      }
      for (let length = QUICK_BITS + 1; length <= 16; length++) {
        const code = (buffer >> (held - length)) & ((1 << length) - 1);
        if (code <= (table.largest[length] as number)) {
          held -= length;
          return table.symbols[code + (table.offset[length] as number)] ?? 0;
        }
      }
      throw new Error('JPEG data with a code that is not in its table');
    },
    /** T.81 F.12: `size` bits, extended to a signed value. */
    signed(size: number): number {
      if (size === 0) return 0;
      if (held < size) refill();
      held -= size;
      const value = (buffer >> held) & ((1 << size) - 1);
      return value < 1 << (size - 1) ? value - (1 << size) + 1 : value;
    },
    restart(): void {
      const marker = bytes[at + 1] ?? 0;
      if (bytes[at] !== 0xff || marker < 0xd0 || marker > 0xd7) throw new Error('JPEG restart marker is missing');
      at += 2;
      [buffer, held, missing] = [0, 0, 0];
    },
    /** Where the next marker stands; unread bits and padding before it are passed over. */
    end(): number {
      while (at + 1 < bytes.length && !(bytes[at] === 0xff && (bytes[at + 1] as number) > 0 && bytes[at + 1] !== 0xff)) at++;
      return at;
    },
  };
}

/** One block of dequantized coefficients, in block order. @returns the DC value, which predicts the next */
function readBlock(
  bits: BitReader,
  dc: HuffmanTable,
  ac: HuffmanTable,
  table: Float32Array,
  predicted: number,
  block: Float32Array,
): number {
  block.fill(0);
  const size = bits.symbol(dc);
  if (size > 15) throw new Error('JPEG DC difference of more than 15 bits');
  const value = predicted + bits.signed(size);
  block[0] = value * (table[0] as number);
  for (let k = 1; k < 64; k++) {
    const symbol = bits.symbol(ac);
    const length = symbol & 15;
    if (length === 0) {
      if (symbol !== 0xf0) break;
      k += 15;
      continue;
    }
    k += symbol >> 4;
    if (k > 63) throw new Error('JPEG block with more than 64 coefficients');
    const place = ZIGZAG[k] as number;
    block[place] = bits.signed(length) * (table[place] as number);
  }
  return value;
}

function interleave(frame: Frame): JpegImage {
  const { width, height, precision, components } = frame;
  const data = new Uint16Array(width * height * components.length);
  components.forEach((c, channel) => {
    const stride = c.blocksAcross * 8;
    for (let y = 0; y < height; y++) {
      const from = Math.floor((y * c.vertical) / frame.vertical) * stride;
      if (components.length === 1) data.set(c.samples.subarray(from, from + width), y * width);
      else
        for (let x = 0; x < width; x++)
          data[(y * width + x) * components.length + channel] = c.samples[
            from + Math.floor((x * c.horizontal) / frame.horizontal)
          ] as number;
    }
  });
  return { width, height, components: components.length, precision, data };
}
