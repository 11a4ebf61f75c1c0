// What a modality worklist completed of a study, as the worklist shows it: never without saying so.
import { keywordOf, personName, text, type Dataset, type PersonName } from '../../storage/dicom/dataset.ts';
import type { CompletionOutcome } from '../../storage/modality-worklist.repository.ts';

/** A row of `study_completions`. */
export interface CompletionRow {
  outcome: CompletionOutcome;
  peer: string;
  matched_by: string;
  attributes: Dataset;
  detail: string | null;
}

/** SQL: of the study in `studies`, or null. */
export const COMPLETION = '(select to_jsonb(said) from study_completions as said where said.study_instance_uid = studies.study_instance_uid)';

/** What takes the place of a value that the images leave out. */
export function completedText(completion: CompletionRow | null, keyword: string): string | null {
  return completion?.outcome === 'completed' ? (text(completion.attributes, keyword) ?? null) : null;
}

export function completedName(completion: CompletionRow | null): PersonName | null {
  return completion?.outcome === 'completed' ? (personName(completion.attributes, 'PatientName') ?? null) : null;
}

/** @returns null where the worklist was not asked, or had nothing to say that concerns a reader */
export function completionInWords(completion: CompletionRow | null): string | null {
  if (!completion) return null;
  const { outcome, peer, matched_by: matchedBy, attributes, detail } = completion;
  const found = `the modality worklist of ${peer} (by ${matchedBy})`;
  if (outcome === 'completed') return `completed from ${found}, not in the images: ${Object.keys(attributes).map((tag) => keywordOf(tag) ?? tag).join(', ')}`;
  if (outcome === 'contradiction') return `${found} speaks of another patient: ${detail}`;
  return outcome === 'ambiguous' ? `${found}: ${detail}` : null;
}
