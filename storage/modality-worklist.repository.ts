// What a modality worklist said of studies whose images leave something out. The images stay as they were sent: what is completed
// is known of the study beside them, with where it came from.
import type { DataSource } from 'typeorm';
import type { Dataset } from './dicom/dataset.ts';

export type CompletionOutcome = 'completed' | 'no-match' | 'ambiguous' | 'contradiction' | 'unavailable';

export interface StudyCompletion {
  studyInstanceUid: string;
  outcome: CompletionOutcome;
  /** Name of the peer in the settings. */
  peer: string;
  matchedBy: string;
  matchedValue: string | null;
  /** What the worklist says of what images leave out; empty but for `completed`. */
  attributes: Dataset;
  /** In words, where nothing was completed. */
  detail: string | null;
}

/**
 * SQL: the header of a row of `instances`, with what the worklist said of attributes that it leaves out or has empty. For the choice
 * of models and the results, whose attributes describe the patient; never for what is given out as the image's own.
 */
export const COMPLETED_HEADER = `instances.header || coalesce((
  select jsonb_object_agg(said.key, said.value) from study_completions, jsonb_each(attributes) as said
  where study_completions.study_instance_uid = instances.study_instance_uid and outcome = 'completed' and instances.header->said.key->'Value' is null), '{}')`;

export class ModalityWorklistRepository {
  readonly #dataSource: DataSource;

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource;
  }

  /** The image as it was sent; undefined where there is none any more. */
  async image(instanceId: string): Promise<{ studyInstanceUid: string; header: Dataset } | undefined> {
    const [row]: { studyInstanceUid: string; header: Dataset }[] = await this.#dataSource.query(
      `select study_instance_uid as "studyInstanceUid", header from instances where id = $1 and current`,
      [instanceId],
    );
    return row;
  }

  /** What was said of a study, and how often it was asked. */
  async of(studyInstanceUid: string): Promise<{ outcome: CompletionOutcome; attempts: number } | undefined> {
    const [row]: { outcome: CompletionOutcome; attempts: number }[] = await this.#dataSource.query(
      'select outcome, attempts from study_completions where study_instance_uid = $1',
      [studyInstanceUid],
    );
    return row;
  }

  /** Said once, it stays: results were made with it. Only where the worklist was away, a later answer counts. */
  async keep(completion: StudyCompletion): Promise<void> {
    const { studyInstanceUid, outcome, peer, matchedBy, matchedValue, attributes, detail } = completion;
    await this.#dataSource.query(
      `insert into study_completions (study_instance_uid, outcome, peer, matched_by, matched_value, attributes, detail, asked_at)
       values ($1, $2, $3, $4, $5, $6, $7, now())
       on conflict (study_instance_uid) do update set outcome = excluded.outcome, peer = excluded.peer, matched_by = excluded.matched_by,
         matched_value = excluded.matched_value, attributes = excluded.attributes, detail = excluded.detail, asked_at = now(),
         attempts = study_completions.attempts + 1
       where study_completions.outcome = 'unavailable'`,
      [studyInstanceUid, outcome, peer, matchedBy, matchedValue, JSON.stringify(attributes), detail],
    );
  }
}
