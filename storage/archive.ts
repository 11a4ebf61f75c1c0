// What is kept, as queries and retrieves see it (PS3.4 annex C, PS3.18 10.4 and 10.6): the current version of every instance, and
// our own current results, in one view. QIDO-RS, WADO-RS, C-FIND, C-MOVE and C-GET all ask here.
import type { Dataset } from './dicom/dataset.ts';

export type QueryLevel = 'patient' | 'study' | 'series' | 'instance';

/**
 * How a key is matched (PS3.4 C.2.2.2), already parsed: values are text as a person would write it, not padded, in Unicode.
 * `values`: any of them matches; of VRs that have wildcards (PS3.4 C.2.2.2.4), `*` and `?` are such.
 * `range`: DA, TM or DT as the standard writes them, both ends included; one may be missing.
 */
export type Matching =
  | { kind: 'universal' }
  | { kind: 'values'; values: string[] }
  | { kind: 'range'; from?: string; to?: string }
  | { kind: 'empty' }
  | { kind: 'sequence'; keys: QueryKey[] };

export interface QueryKey {
  /** Eight upper-case hexadecimal digits; an attribute of any level, the query's own or one above or below it. */
  tag: string;
  matching: Matching;
}

export interface ArchiveQuery {
  level: QueryLevel;
  /** All must match. Study Date and Study Time ranges together are one range of date and time where `combinedDateTime` says so. */
  keys: QueryKey[];
  combinedDateTime?: boolean;
  /** Attributes to return beyond those that are always (PS3.18 tables 10.6.3-3 to -5): tags, or everything that is known. */
  include: 'all' | readonly string[];
  /** Names match by their beginnings and sounds (PS3.4 C.2.2.2.1.1); without it, case and accents are still ignored. */
  fuzzy?: boolean;
  limit?: number;
  offset?: number;
}

/** Which instances: all conditions that are given; none given selects nothing. */
export interface Selection {
  patientId?: string;
  studyInstanceUids?: readonly string[];
  seriesInstanceUids?: readonly string[];
  sopInstanceUids?: readonly string[];
}

export interface ArchivedInstance {
  studyInstanceUid: string;
  seriesInstanceUid: string;
  sopInstanceUid: string;
  sopClassUid: string;
  /** Of the Part 10 file at `path`. */
  transferSyntaxUid: string;
  path: string;
  /** Of the file. */
  bytes: number;
  /** 0 where there is no pixel data. */
  frames: number;
  /** Hex; another one, another content: what an ETag is made of. */
  digest: string;
}

export interface Archive {
  /**
   * Matches in an order that stays the same (newest study first, then by number and UID), read from the database as they are taken.
   * Each holds at least what is always returned at its level and what `include` names, where it is known.
   */
  search(query: ArchiveQuery): AsyncIterable<Dataset>;
  /** By series number, instance number, UID. */
  select(selection: Selection): AsyncIterable<ArchivedInstance>;
  /** The same with their headers: DICOM JSON, pixel data left out, large values as BulkDataURI '?offset=…&length=…'. */
  headers(selection: Selection): AsyncIterable<{ instance: ArchivedInstance; header: Dataset }>;
}
