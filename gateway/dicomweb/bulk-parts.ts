// Bulk data of a store request, kept on disk until the instances that refer to it are whole (PS3.18 10.5.1.4).
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import { IntakeRefusal } from '../../storage/errors.ts';
import type { Spool, SpooledFile } from '../../storage/spool.ts';
import type { MediaType } from '../http/header-parameters.ts';
import type { BulkValue } from './assemble-instance.ts';
import { syntaxOfBulk } from './bulk-media-types.ts';

/** What is left of a value beyond the size limit is read up to here, so that what follows still arrives. */
const MAX_SKIPPED_BYTES = 256 * 1024 * 1024;

/** How much of its pixel data an image needs. */
export interface PixelNeed {
  location: string;
  frames: number;
  nativeBytes: number | undefined;
}

/** A value, or why it could not be kept: what refers to it is refused with that. */
type BulkPart = Omit<BulkValue, 'source'> & { kept: SpooledFile | IntakeRefusal };

/** Counted as they come: an image may have thousands of frames. */
interface Located {
  parts: BulkPart[];
  bytes: number;
  isRefused: boolean;
}

export class BulkParts {
  readonly #spool: Spool;
  /** Relative locations are meant from here: the address of the request. */
  readonly #base: string;
  readonly #located = new Map<string, Located>();

  constructor(spool: Spool, base: string) {
    this.#spool = spool;
    this.#base = base;
  }

  locations(): string[] {
    return [...this.#located.keys()];
  }

  /** A UUID is one in any of its spellings: the Native DICOM Model has it bare (PS3.19 A.1.5), clients write uuid: and urn:uuid:. */
  resolve(uri: string): string {
    const [, uuid] = /^(?:(?:urn:)?uuid:)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i.exec(uri) ?? [];
    if (uuid !== undefined) return `urn:uuid:${uuid.toLowerCase()}`;
    return URL.canParse(uri, this.#base) ? new URL(uri, this.#base).href : uri;
  }

  /**
   * Keeps one value. @param frame from 1, where its location says so
   * @returns why the rest of the body is not worth reading @throws what stopped the body itself
   */
  async keep(location: string, frame: number | undefined, body: AsyncIterable<Uint8Array>, type: MediaType | undefined): Promise<IntakeRefusal | undefined> {
    const syntax = type ? syntaxOfBulk(type) : { transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN, isVideo: false };
    const kept = 'refused' in syntax ? new IntakeRefusal('not-understood', syntax.refused) : await this.#spooled(body);
    const coding = 'refused' in syntax ? { transferSyntaxUid: '', isVideo: false } : syntax;
    const located = this.#located.get(location) ?? { parts: [], bytes: 0, isRefused: false };
    this.#located.set(location, located);
    located.parts.push({ ...coding, frame, kept });
    if (!(kept instanceof IntakeRefusal)) {
      located.bytes += kept.length;
      return undefined;
    }
    located.isRefused = true;
    const isOver = kept.kind === 'out-of-room' || (kept.kind === 'too-large' && !(await skip(body, MAX_SKIPPED_BYTES)));
    return isOver ? kept : undefined;
  }

  /** In the order in which they came. @throws {IntakeRefusal} */
  valuesOf(location: string): BulkValue[] {
    return (this.#located.get(location)?.parts ?? []).map(({ kept, ...coding }) => {
      if (kept instanceof IntakeRefusal) throw kept;
      return { ...coding, source: kept };
    });
  }

  /** Whether there is all of it, or something that says that there never will be. */
  isComplete(location: string, pixels: PixelNeed | undefined): boolean {
    const located = this.#located.get(location);
    const first = located?.parts[0];
    if (!located || !first) return false;
    if (location !== pixels?.location || first.isVideo || located.isRefused) return true;
    return first.transferSyntaxUid === EXPLICIT_VR_LITTLE_ENDIAN ? located.bytes >= (pixels.nativeBytes ?? 0) : located.parts.length >= pixels.frames;
  }

  async forget(location: string): Promise<void> {
    for (const { kept } of this.#located.get(location)?.parts ?? []) if (!(kept instanceof IntakeRefusal)) await kept.remove();
    this.#located.delete(location);
  }

  async #spooled(body: AsyncIterable<Uint8Array>): Promise<SpooledFile | IntakeRefusal> {
    try {
      return await this.#spool.keep(body);
    } catch (error) {
      if (error instanceof IntakeRefusal) return error;
      throw error;
    }
  }
}

/** @returns false when the rest of the part is longer */
async function skip(body: AsyncIterable<Uint8Array>, limit: number): Promise<boolean> {
  let skipped = 0;
  for await (const chunk of body) {
    skipped += chunk.length;
    if (skipped > limit) return false;
  }
  return true;
}
