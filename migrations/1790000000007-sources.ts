// Fetching from other archives: which studies are to be fetched and how far that is, what a watch has seen, and what a modality
// worklist completed. A study that was fetched as a prior alone is marked, so that it waits for nobody.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Sources1790000000007 implements MigrationInterface {
  readonly name = 'Sources1790000000007';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table retrievals (
        id uuid primary key default gen_random_uuid(),
        source text not null,
        study_instance_uid text not null,
        purpose text not null,
        prior_to text,
        requested_by text not null,
        state text not null,
        attempts integer not null default 0,
        last_error text,
        instances integer,
        fetched integer not null default 0,
        refused integer not null default 0,
        requested_at timestamptz not null,
        started_at timestamptz,
        next_attempt_at timestamptz not null,
        deadline_at timestamptz not null,
        finished_at timestamptz,
        constraint retrievals_state check (state in ('waiting', 'running', 'completed', 'failed')),
        constraint retrievals_purpose check (purpose in ('study', 'prior', 'find-priors'))
      )`);
    await runner.query(`create unique index retrievals_open on retrievals (source, study_instance_uid, purpose) where state in ('waiting', 'running')`);
    await runner.query(`create index retrievals_due on retrievals (source, next_attempt_at) where state in ('waiting', 'running')`);
    await runner.query(`create index retrievals_study on retrievals (study_instance_uid)`);
    await runner.query(`
      create table watched_studies (
        source text not null,
        study_instance_uid text not null,
        instances integer not null,
        first_seen_at timestamptz not null,
        last_seen_at timestamptz not null,
        changed_at timestamptz not null,
        primary key (source, study_instance_uid)
      )`);
    await runner.query(`create index watched_studies_seen on watched_studies (last_seen_at)`);
    await runner.query(`
      create table watches (
        source text primary key,
        next_at timestamptz not null,
        last_answer_at timestamptz,
        failures integer not null default 0,
        last_error text
      )`);
    await runner.query(`
      create table study_completions (
        study_instance_uid text primary key references studies (study_instance_uid),
        outcome text not null,
        peer text not null,
        matched_by text not null,
        matched_value text,
        attributes jsonb not null default '{}',
        detail text,
        attempts integer not null default 1,
        asked_at timestamptz not null,
        constraint study_completions_outcome check (outcome in ('completed', 'no-match', 'ambiguous', 'contradiction', 'unavailable'))
      )`);
    await runner.query('alter table studies add column purpose text');
    await runner.query(`alter table instances drop constraint instances_transport, add constraint instances_transport check (transport in ('dimse', 'stow', 'wado'))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`update instances set transport = 'stow' where transport = 'wado'`);
    await runner.query(`alter table instances drop constraint instances_transport, add constraint instances_transport check (transport in ('dimse', 'stow'))`);
    await runner.query('alter table studies drop column purpose');
    for (const table of ['study_completions', 'watches', 'watched_studies', 'retrievals']) await runner.query(`drop table ${table}`);
  }
}
