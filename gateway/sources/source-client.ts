// What every kind of source offers: questions, and instances.
import type { QueryLevel } from '../../storage/archive.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import type { ReceiveContext } from '../../storage/receive.ts';
import type { Keys } from './keys.ts';

/** An instance that the source has. */
export interface ListedInstance {
  seriesInstanceUid: string;
  sopInstanceUid: string;
  /** Where the source says it. */
  sopClassUid?: string;
}

/** What is to be fetched of a study: all of it, a series, or some instances of a series. */
export interface FetchPart {
  seriesInstanceUid?: string;
  sopInstanceUids?: string[];
}

export interface FetchRequest {
  studyInstanceUid: string;
  parts: FetchPart[];
  /** Of all that is to come. */
  listed: ListedInstance[];
}

/** Where fetched instances go: intake, or a folder. */
export interface FetchIntake {
  /** Durable before it resolves. @throws {IntakeRefusal} */
  receive(source: AsyncIterable<Uint8Array>, context: ReceiveContext): Promise<unknown>;
  /** Aborted when it cannot take any more for now. */
  readonly full: AbortSignal;
}

export interface SourceClient {
  /** What instances arrive by: our own association or request, or one that the source opens to the gateway. */
  readonly arrival: 'here' | 'gateway';
  /**
   * Matches as the source gives them; leaving the loop cancels the query.
   * @throws {SourceUnavailable} {KeyError}
   */
  find(level: QueryLevel, keys: Keys, signal: AbortSignal, limit?: number): AsyncIterable<Dataset>;
  /** All instances of a study, as the source lists them; none where it has no such study. @throws {SourceUnavailable} */
  list(studyInstanceUid: string, signal: AbortSignal): Promise<ListedInstance[]>;
  /**
   * @returns how many instances the source says that it sent
   * @throws {SourceUnavailable} for a source that breaks off; what has come until then stays
   */
  fetch(request: FetchRequest, intake: FetchIntake, signal: AbortSignal): Promise<number>;
  /** Whether it is there and knows us. @throws {SourceUnavailable} */
  probe(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
