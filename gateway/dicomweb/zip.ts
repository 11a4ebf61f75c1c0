// A study, series or instance as a zip file (PS3.18 8.7.3, PS3.12 annex V): STUDY/SERIES/INSTANCE.dcm, written while it is sent.
import { Readable } from 'node:stream';
import { ZipFile, type ReadStreamOptions } from 'yazl';
import { bytesOf } from '../../storage/file-bytes.ts';
import { openInstance, type RetrieveOptions } from './instance-file.ts';
import type { ChosenInstance } from './instance-negotiation.ts';
import { isUncompressed } from './media-types.ts';

/** The fastest: pixels that compress well do so at once, and two cores have other work. */
const DEFLATE_LEVEL = 1;
const COPY_BYTES = 64 * 1024;
/** Files hold no date that would be the patient's; this is the oldest that a zip file can hold. */
const NO_DATE = new Date(1980, 0, 1);

export interface ZipStream {
  /** Known where nothing is deflated or transcoded. */
  length: number | undefined;
  body: AsyncIterable<Uint8Array>;
}

/** Files are opened one after the other as they are taken. What is wrong with one ends the body with that error. */
export function zipOf(chosen: readonly ChosenInstance[], options: RetrieveOptions, caller: AbortSignal): ZipStream {
  const zip = new ZipFile();
  const output = zip.outputStream as Readable;
  const fail = (error: Error): void => void output.destroy(error);
  zip.once('error', fail);
  let open: Readable | undefined;
  for (const one of chosen) {
    const { instance } = one;
    const asKept = one.syntaxes[0] === instance.transferSyntaxUid;
    // A codestream cannot be made shorter.
    const compressionLevel = isUncompressed(one.syntaxes[0] ?? '') ? DEFLATE_LEVEL : 0;
    const entry: Partial<ReadStreamOptions> = { mtime: NO_DATE, forceDosTimestamp: true, compressionLevel, ...(asKept && { size: instance.bytes }) };
    zip.addReadStreamLazy(nameOf(one), entry, (ready) => {
      open = Readable.from(instanceBytes(one, options, caller), { objectMode: false });
      open.once('error', fail);
      ready(null, open);
    });
  }
  let length: number | undefined;
  // Told at once, and -1 where it is not known; its declaration lacks the argument.
  const tell = (total?: number): void => void (length = total === -1 ? undefined : total);
  zip.end({ forceZip64Format: false, comment: '' }, tell);
  return { length, body: takenFrom(output, () => open?.destroy()) };
}

/** Digits and dots, whatever the instance claims to be. */
function nameOf({ instance }: ChosenInstance): string {
  const safe = (uid: string): string => uid.replaceAll(/[^0-9.]/g, '_').replace(/^\.+/, '_') || '_';
  return `${safe(instance.studyInstanceUid)}/${safe(instance.seriesInstanceUid)}/${safe(instance.sopInstanceUid)}.dcm`;
}

/** Small copies: what makes the zip file holds several chunks for as long as it likes. */
async function* instanceBytes(chosen: ChosenInstance, options: RetrieveOptions, caller: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  await using file = await openInstance(chosen, options, caller);
  for await (const chunk of bytesOf(file.body))
    for (let at = 0; at < chunk.length; at += COPY_BYTES) yield Buffer.from(chunk.subarray(at, at + COPY_BYTES));
}

async function* takenFrom(output: Readable, stop: () => void): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of output) yield chunk as Uint8Array;
  } finally {
    stop();
  }
}
