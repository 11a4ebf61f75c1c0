// The codecs of dcmjs-codecs (WebAssembly): JPEG lossless, JPEG-LS, JPEG 2000, HTJ2K, JPEG XL. One instance for each thread,
// started at the first need, and started anew after a fault, which may have left its memory in any state.
import dcmjsCodecs from 'dcmjs-codecs';
import type { CodestreamHeader } from './codestream.ts';
import type { PixelDescription } from './pixel-description.ts';

const { NativeCodecs, Context } = dcmjsCodecs;
// What a codec has to say of a bad stream comes with the error; its own lines on stderr would be a hundred for each.
dcmjsCodecs.log.setLevel('silent');

export type NativeCodec = 'jpeg' | 'jpeg-ls' | 'jpeg-2000' | 'high-throughput-jpeg-2000' | 'jpeg-xl';

const DECODERS: Record<NativeCodec, (context: InstanceType<typeof Context>) => InstanceType<typeof Context>> = {
  jpeg: (context) => NativeCodecs.decodeJpeg(context),
  'jpeg-ls': (context) => NativeCodecs.decodeJpegLs(context),
  'jpeg-2000': (context) => NativeCodecs.decodeJpeg2000(context),
  'high-throughput-jpeg-2000': (context) => NativeCodecs.decodeHtJpeg2000(context),
  'jpeg-xl': (context) => NativeCodecs.decodeJpegXl(context),
};

export interface NativeEncoding {
  codec: 'rle' | Exclude<NativeCodec, 'jpeg-xl'>;
  image: Pick<PixelDescription, 'rows' | 'columns' | 'bitsAllocated' | 'bitsStored' | 'samplesPerPixel' | 'signed' | 'photometric'>;
}
const ENCODERS: Record<
  NativeEncoding['codec'],
  (context: InstanceType<typeof Context>, parameters: Record<string, unknown>) => InstanceType<typeof Context>
> = {
  rle: (context) => NativeCodecs.encodeRle(context),
  jpeg: (context, parameters) => NativeCodecs.encodeJpeg(context, parameters),
  'jpeg-ls': (context, parameters) => NativeCodecs.encodeJpegLs(context, parameters),
  'jpeg-2000': (context, parameters) => NativeCodecs.encodeJpeg2000(context, parameters),
  'high-throughput-jpeg-2000': (context, parameters) => NativeCodecs.encodeHtJpeg2000(context, parameters),
};

let starting: Promise<void> | undefined;

/** Resolves when the codecs of this thread can be called; every call of them must follow without a wait in between. */
export async function nativeCodecs(): Promise<typeof dcmjsCodecs> {
  while (!NativeCodecs.isInitialized()) {
    starting ??= NativeCodecs.initializeAsync().finally(() => {
      starting = undefined;
    });
    await starting;
  }
  return dcmjsCodecs;
}

/**
 * @param header of the codestream, which has been checked against the dataset
 * @returns little-endian cells of 8 bits up to a precision of 8, else of 16; colour by pixel
 * @throws {Error} what the codec says
 */
export async function decodeNative(
  codec: NativeCodec,
  bytes: Uint8Array,
  header: CodestreamHeader,
  signed: boolean,
): Promise<Uint8Array> {
  await nativeCodecs();
  const context = new Context({
    width: header.width,
    height: header.height,
    bitsAllocated: header.precision > 8 ? 16 : 8,
    bitsStored: header.precision,
    samplesPerPixel: header.components,
    pixelRepresentation: signed ? 1 : 0,
    planarConfiguration: 0,
    photometricInterpretation: header.components === 3 ? 'RGB' : 'MONOCHROME2',
    encodedBuffer: bytes,
  });
  try {
    return DECODERS[codec](context).getDecodedBuffer() ?? new Uint8Array();
  } catch (error) {
    throw faultOf(error);
  }
}

/**
 * @param cells little-endian cells of `bitsAllocated` bits, colour by pixel
 * @param parameters of the codec
 * @throws {Error} what the codec says
 */
export async function encodeNative(
  codec: NativeEncoding['codec'],
  cells: Uint8Array,
  image: NativeEncoding['image'],
  parameters: Record<string, unknown>,
): Promise<Uint8Array> {
  await nativeCodecs();
  const context = new Context({
    width: image.columns,
    height: image.rows,
    bitsAllocated: image.bitsAllocated,
    bitsStored: image.bitsStored,
    samplesPerPixel: image.samplesPerPixel,
    pixelRepresentation: image.signed ? 1 : 0,
    planarConfiguration: 0,
    photometricInterpretation: image.photometric,
    decodedBuffer: cells,
  });
  try {
    const encoded = ENCODERS[codec](context, parameters).getEncodedBuffer();
    if (!encoded?.length) throw new Error('the codec gave nothing');
    return encoded;
  } catch (error) {
    throw faultOf(error);
  }
}

function faultOf(error: unknown): Error {
  NativeCodecs.release();
  const said =
    error instanceof WebAssembly.RuntimeError
      ? 'the codec failed on it'
      : String((error as Error).message).replace(/^.*::/, '');
  return new Error(said, { cause: error });
}
