// The input of an ordered analysis that is not here: fetched from the source that its references name (PS3.3 table 10-3b).
import type { Settings, Source } from '../../config/settings.ts';
import { items, text, type Dataset } from '../../storage/dicom/dataset.ts';
import type { Sources } from './sources.ts';

/** Instances are durable when a retrieval ends, and indexed a moment later: all of them should be seen, or else some. */
const SETTLE_MILLISECONDS = 2000;
const INDEX_MILLISECONDS = 60_000;

/** none: no source of ours is named; waiting: to be asked again with this id; here: as far as it goes; failed: given up. */
export type FetchedInput = { kind: 'none' } | { kind: 'waiting'; retrieval: string } | { kind: 'here'; isLate: boolean } | { kind: 'failed'; reason: string };

export interface InputFetcher {
  /** @param input items of Input Information Sequence */
  fetch(studyInstanceUid: string, input: readonly Dataset[]): Promise<FetchedInput>;
  /** What became of it. */
  look(retrieval: string): Promise<FetchedInput>;
}

export function inputFetcher(sources: Sources, settings: () => Settings): InputFetcher {
  return {
    async fetch(studyInstanceUid, input) {
      const source = settings().sources.find((candidate) => input.some((item) => isNamed(candidate, item, settings())));
      if (!source) return { kind: 'none' };
      const { id } = await sources.request({ source: source.name, studyInstanceUid, purpose: 'study', requestedBy: 'order', hours: source.retry.hours });
      return { kind: 'waiting', retrieval: id };
    },
    async look(retrieval) {
      const row = await sources.get(retrieval);
      if (row?.state === 'failed') return { kind: 'failed', reason: `the study could not be fetched from ${row.source}: ${row.lastError ?? 'for no reason given'}` };
      if (row?.state !== 'completed') return { kind: 'waiting', retrieval };
      const since = Date.now() - (row.finishedAt?.getTime() ?? 0);
      return since < SETTLE_MILLISECONDS ? { kind: 'waiting', retrieval } : { kind: 'here', isLate: since > INDEX_MILLISECONDS };
    },
  };
}

/** By Retrieve AE Title or by the address of its DICOMweb services. */
function isNamed(source: Source, item: Dataset, { peers }: Settings): boolean {
  if (source.type === 'dimse') {
    const aeTitle = peers.find(({ name }) => name === source.peer)?.aeTitle;
    return items(item, 'DICOMRetrievalSequence').some((way) => text(way, 'RetrieveAETitle') === aeTitle);
  }
  const root = source.url.replace(/\/*$/, '/');
  return items(item, 'WADORSRetrievalSequence').some((way) => (text(way, 'RetrieveURL') ?? '').startsWith(root));
}
