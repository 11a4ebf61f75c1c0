// Pixel data and frames as parts (PS3.18 10.4.1.1.4, 10.4.1.1.6): raw pixels and single codestreams are streamed from the file; frames
// that are transcoded, or stand among others in fragments, are made one at a time as they are taken.
import type { ArchivedInstance } from '../../storage/archive.ts';
import { listFragments, nativeFrame } from '../../storage/dicom/frames.ts';
import { readPart10, type Part10 } from '../../storage/dicom/part10.ts';
import { transferSyntax } from '../../storage/dicom/uids.ts';
import { DicomFormatError } from '../../storage/errors.ts';
import type { Chunk } from '../../storage/file-bytes.ts';
import { HttpError } from '../http/errors.ts';
import { NotTranscodableError } from '../transcode/transcoder.ts';
import { keptContent, readableContent, type BulkContent } from './bulk-content.ts';
import { isGone, openKept, type RetrieveOptions } from './instance-file.ts';
import { OCTET_STREAM, isUncompressed, isVideo } from './media-types.ts';
import type { PixelRepresentation } from './pixel-negotiation.ts';

export interface PixelPart extends BulkContent {
  type: string;
  /** Address below the instance's. */
  path: string;
}

/** Frames each by itself. @throws {HttpError} 404, 406, or as openKept, when the parts are taken */
export async function* frameParts(instance: ArchivedInstance, frames: readonly number[], { mediaType, transferSyntaxUid }: PixelRepresentation, options: RetrieveOptions, caller: AbortSignal): AsyncGenerator<PixelPart, void, undefined> {
  const part = { type: partType(mediaType, transferSyntaxUid) };
  try {
    const { deflated, encapsulated, bigEndian } = transferSyntax(instance.transferSyntaxUid);
    if (!encapsulated && !deflated && !bigEndian && isUncompressed(transferSyntaxUid)) {
      const file = await readKept(instance, options);
      for (const frame of frames) {
        const { start, length } = nativeFrame(file, frame);
        yield { ...part, path: `frames/${frame}`, ...keptContent(instance, [{ start: file.pixelData!.offset + start, length }], 'OB', options.archive) };
      }
      return;
    }
    const to = transferSyntaxUid === instance.transferSyntaxUid ? undefined : transferSyntaxUid;
    for await (const { frame, content } of options.transcoder.frames(instance, frames, to, caller)) yield { ...part, path: `frames/${frame}`, ...readableContent(content) };
  } catch (error) {
    throw await frameError(error, instance, options);
  }
}

/** Whether all pixel data of an instance, so sent, is one part. */
export function isOnePart({ frames, transferSyntaxUid: kept }: ArchivedInstance, { transferSyntaxUid }: PixelRepresentation): boolean {
  return frames === 1 || isUncompressed(transferSyntaxUid) || (transferSyntaxUid === kept && isVideo(kept));
}

/** All pixel data of an instance: one part where it is raw, one image, or a video, else its frames. */
export async function* pixelDataParts(instance: ArchivedInstance, representation: PixelRepresentation, options: RetrieveOptions, caller: AbortSignal): AsyncGenerator<PixelPart, void, undefined> {
  const { mediaType, transferSyntaxUid } = representation;
  const type = partType(mediaType, transferSyntaxUid);
  const all = Array.from({ length: instance.frames }, (_, index) => index + 1);
  if (isUncompressed(transferSyntaxUid)) {
    const { encapsulated, bigEndian, deflated } = transferSyntax(instance.transferSyntaxUid);
    if (encapsulated || bigEndian || deflated) {
      const parts = frameParts(instance, all, representation, options, caller);
      yield { type, path: 'bulkdata/7FE00010', length: undefined, open: () => joined(parts) };
      return;
    }
    const { pixelData } = await readKept(instance, options);
    if (pixelData) yield { type, path: `bulkdata/${pixelData.tag}`, ...keptContent(instance, [{ start: pixelData.offset, length: pixelData.length }], 'OB', options.archive) };
    return;
  }
  if (transferSyntaxUid === instance.transferSyntaxUid && (instance.frames === 1 || isVideo(transferSyntaxUid))) {
    const file = await readKept(instance, options);
    if (!file.pixelData) return;
    const [, ...fragments] = await listFragments(file, file.pixelData);
    yield { type, path: `bulkdata/${file.pixelData.tag}`, ...keptContent(instance, fragments, 'OB', options.archive) };
    return;
  }
  yield* frameParts(instance, all, representation, options, caller);
}

async function* joined(parts: AsyncIterable<PixelPart>): AsyncGenerator<Chunk, void, undefined> {
  for await (const part of parts) yield* part.open();
}

/** Its transfer syntax is said even where the type has a default: a reader need not know the table. */
function partType(mediaType: string, transferSyntaxUid: string): string {
  return isUncompressed(transferSyntaxUid) && mediaType === OCTET_STREAM ? OCTET_STREAM : `${mediaType}; transfer-syntax=${transferSyntaxUid}`;
}

/** @throws {HttpError} as openKept; 500 when it is not DICOM any more */
export async function readKept(instance: ArchivedInstance, { archive }: Pick<RetrieveOptions, 'archive'>): Promise<Part10> {
  await (await openKept(instance, archive)).close();
  return readPart10(instance.path);
}

async function frameError(error: unknown, instance: ArchivedInstance, { archive }: RetrieveOptions): Promise<unknown> {
  if (isGone(error)) await (await openKept(instance, archive)).close(); // says what has happened to it
  if (error instanceof NotTranscodableError) return new HttpError(406, `The frames of instance ${instance.sopInstanceUid} cannot be sent so: ${error.message}.`, {}, { cause: error });
  if (error instanceof DicomFormatError) return new HttpError(404, `The frames of instance ${instance.sopInstanceUid} cannot be found in its pixel data: ${error.message}.`, {}, { cause: error });
  return error;
}
