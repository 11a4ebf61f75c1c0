// What every kind of destination offers to delivery: results in, one outcome each out.
import { DicomFormatError } from '../../../storage/errors.ts';

/** A stored result on its way out; `path` is its Part 10 file. */
export interface OutgoingResult {
  sopClassUid: string;
  sopInstanceUid: string;
  transferSyntaxUid: string;
  path: string;
  /** The same content in a SOP class that older systems take, e.g. Comprehensive SR for Comprehensive 3D SR. */
  alternative?: Omit<OutgoingResult, 'alternative'>;
}

export type SendOutcome =
  | {
      status: 'delivered';
      /** Of the preferred form, whichever was delivered. */
      sopInstanceUid: string;
      deliveredSopInstanceUid: string;
      /** The peer's warning, or why the alternative went. */
      detail?: string;
    }
  | {
      status: 'refused';
      sopInstanceUid: string;
      /** The peer's own reason. */
      detail: string;
      /** Whether the reason lies in the bytes, which never change, so that trying again is of no use. */
      permanent: boolean;
    };

export interface DestinationClient {
  /**
   * Sends in order; one outcome for each result, as it is known. Each call may repeat what an earlier one already delivered.
   * @throws {DestinationUnavailable} where the destination as a whole does not answer: what has no outcome yet is tried later
   */
  send(results: OutgoingResult[], signal: AbortSignal): AsyncIterable<SendOutcome>;
  close(): Promise<void>;
}

/** What becomes of a result whose file cannot be read: it must not hold back the others. */
export function unreadable(sopInstanceUid: string, error: unknown): SendOutcome & { status: 'refused' } {
  const detail = `the stored result cannot be read: ${(error as Error).message}`;
  return { status: 'refused', sopInstanceUid, detail, permanent: error instanceof DicomFormatError };
}
