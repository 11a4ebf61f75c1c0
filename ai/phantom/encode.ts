// One frame of a phantom in a transfer syntax's form; native ones need nothing (PS3.5 8 and annex A).
import { nativeCodecs } from '../imaging/native-codecs.ts';

export interface Encoding {
  lossy: boolean;
  /** Lossy Image Compression Method (PS3.3 C.7.6.1.1.5.1). */
  method?: string;
  codec: 'native' | 'rle' | 'jpeg' | 'jpeg-ls' | 'jpeg-2000' | 'htj2k' | 'jpeg-xl';
  /** JPEG lossless selection value. */
  predictor?: number;
}

const NATIVE: Encoding = { lossy: false, codec: 'native' };

/** Transfer syntaxes that phantoms can be made in. */
export const ENCODINGS: Readonly<Record<string, Encoding>> = {
  '1.2.840.10008.1.2': NATIVE,
  '1.2.840.10008.1.2.1': NATIVE,
  '1.2.840.10008.1.2.1.99': NATIVE,
  '1.2.840.10008.1.2.2': NATIVE,
  '1.2.840.10008.1.2.5': { lossy: false, codec: 'rle' },
  '1.2.840.10008.1.2.4.50': { lossy: true, codec: 'jpeg', method: 'ISO_10918_1' },
  '1.2.840.10008.1.2.4.57': { lossy: false, codec: 'jpeg', predictor: 5 },
  '1.2.840.10008.1.2.4.70': { lossy: false, codec: 'jpeg', predictor: 1 },
  '1.2.840.10008.1.2.4.80': { lossy: false, codec: 'jpeg-ls' },
  '1.2.840.10008.1.2.4.81': { lossy: true, codec: 'jpeg-ls', method: 'ISO_14495_1' },
  '1.2.840.10008.1.2.4.90': { lossy: false, codec: 'jpeg-2000' },
  '1.2.840.10008.1.2.4.91': { lossy: true, codec: 'jpeg-2000', method: 'ISO_15444_1' },
  '1.2.840.10008.1.2.4.110': { lossy: false, codec: 'jpeg-xl' },
  '1.2.840.10008.1.2.4.201': { lossy: false, codec: 'htj2k' },
  '1.2.840.10008.1.2.4.203': { lossy: true, codec: 'htj2k', method: 'ISO_15444_15' },
};

/** Near-lossless: no value is off by more; compression to a tenth: as archives do. */
const LARGEST_ERROR = 2;
const RATE = 10;

/**
 * @param bytes little-endian cells of `bitsAllocated`
 * @throws {RangeError} for what the syntax cannot hold
 */
export async function encodeFrame(
  encoding: Encoding,
  bytes: Uint8Array,
  image: { columns: number; rows: number; bitsAllocated: number; bitsStored: number; photometric: string },
): Promise<Uint8Array> {
  if (encoding.codec === 'native') return bytes;
  if (encoding.codec === 'jpeg' && encoding.lossy && image.bitsStored !== 8)
    throw new RangeError('JPEG baseline holds 8 bits a sample');
  const { NativeCodecs, Context } = await nativeCodecs();
  const context = new Context({
    width: image.columns,
    height: image.rows,
    bitsAllocated: image.bitsAllocated,
    bitsStored: image.bitsStored,
    samplesPerPixel: 1,
    pixelRepresentation: 0,
    planarConfiguration: 0,
    photometricInterpretation: image.photometric,
    decodedBuffer: bytes,
  });
  const { lossy } = encoding;
  const encoders = {
    rle: () => NativeCodecs.encodeRle(context),
    jpeg: () => NativeCodecs.encodeJpeg(context, { lossy, predictor: encoding.predictor ?? 1, quality: 90 }),
    'jpeg-ls': () => NativeCodecs.encodeJpegLs(context, { lossy, allowedLossyError: LARGEST_ERROR }),
    'jpeg-2000': () => NativeCodecs.encodeJpeg2000(context, { lossy, rate: RATE }),
    htj2k: () => NativeCodecs.encodeHtJpeg2000(context, { lossy }),
    'jpeg-xl': () => NativeCodecs.encodeJpegXl(context, { lossy }),
  };
  const encoded = encoders[encoding.codec]().getEncodedBuffer();
  if (!encoded) throw new RangeError('the codec gave nothing');
  return encoded;
}
