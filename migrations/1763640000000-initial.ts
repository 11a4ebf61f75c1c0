// The first schema. A migration is never edited once landed: a change is a new file.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Initial1763640000000 implements MigrationInterface {
  readonly name = 'Initial1763640000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table patients (
        id bigint generated always as identity primary key,
        patient_id text not null,
        issuer text not null,
        constraint patients_identity unique (patient_id, issuer)
      )`);
    await runner.query(`
      create table studies (
        study_instance_uid text primary key,
        patient bigint references patients (id),
        patient_name jsonb,
        patient_birth_date text,
        patient_sex text,
        accession_number text,
        study_date text,
        study_time text,
        description text,
        first_received_at timestamptz not null,
        last_source_at timestamptz,
        due_at timestamptz,
        intake text not null,
        route text,
        conflict text,
        flagged text,
        reading text not null default 'unread',
        analysis text not null,
        reason text,
        probability double precision,
        threshold double precision,
        positive boolean,
        regions integer not null default 0,
        constraint studies_intake check (intake in ('receiving', 'complete')),
        constraint studies_reading check (reading in ('unread', 'claimed', 'read')),
        constraint studies_analysis check (analysis in ('waiting', 'running', 'analyzed', 'not-analyzable', 'failed', 'not-routed'))
      )`);
    await runner.query(`create index studies_patient on studies (patient)`);
    await runner.query(`
      create table series (
        series_instance_uid text not null,
        study_instance_uid text not null references studies (study_instance_uid),
        modality text,
        body_part text,
        description text,
        number integer,
        primary key (study_instance_uid, series_instance_uid)
      )`);
    await runner.query(`
      create table instances (
        id uuid primary key,
        sop_instance_uid text not null,
        version integer not null,
        current boolean not null,
        study_instance_uid text not null references studies (study_instance_uid),
        series_instance_uid text not null,
        sop_class_uid text not null,
        transfer_syntax_uid text not null,
        digest text not null,
        bytes bigint not null,
        header jsonb not null,
        origin text not null,
        frames integer not null,
        route text,
        calling_ae text,
        called_ae text,
        address text not null,
        transport text not null,
        association_id text not null,
        received_at timestamptz not null,
        source_timezone text not null,
        constraint instances_versions unique (sop_instance_uid, version),
        constraint instances_digests unique (sop_instance_uid, digest),
        constraint instances_series foreign key (study_instance_uid, series_instance_uid) references series (study_instance_uid, series_instance_uid),
        constraint instances_origin check (origin in ('source', 'own-result', 'other-ai')),
        constraint instances_transport check (transport in ('dimse', 'stow'))
      )`);
    await runner.query(`create unique index instances_current on instances (sop_instance_uid) where current`);
    await runner.query(`create index instances_study on instances (study_instance_uid)`);
    await runner.query(`
      create table workitems (
        id uuid primary key default gen_random_uuid(),
        study_instance_uid text not null references studies (study_instance_uid),
        version integer not null,
        route text not null,
        state text not null,
        reason text,
        instances uuid[] not null default '{}',
        created_at timestamptz not null,
        closed_at timestamptz,
        completed_at timestamptz,
        constraint workitems_versions unique (study_instance_uid, version),
        constraint workitems_state check (state in ('waiting', 'running', 'completed'))
      )`);
    await runner.query(`create unique index workitems_waiting on workitems (study_instance_uid) where state = 'waiting'`);
    await runner.query(`
      create table analyses (
        id bigint generated always as identity primary key,
        instance uuid not null references instances (id),
        frame integer not null,
        model_name text not null,
        model_version text not null,
        model_sha256 text not null,
        settings_digest text not null,
        status text not null,
        reason text,
        label text,
        probability double precision,
        threshold double precision,
        positive boolean,
        scores jsonb,
        provider text,
        milliseconds double precision,
        analyzed_at timestamptz not null,
        constraint analyses_once unique (instance, frame, model_sha256, settings_digest),
        constraint analyses_status check (status in ('analyzed', 'not-analyzable', 'failed'))
      )`);
    await runner.query(`
      create table regions (
        id bigint generated always as identity primary key,
        analysis bigint not null references analyses (id),
        ordinal integer not null,
        x double precision not null,
        y double precision not null,
        width double precision not null,
        height double precision not null,
        label text not null,
        score double precision not null,
        tracking_uid text not null,
        constraint regions_order unique (analysis, ordinal)
      )`);
    await runner.query(`
      create table results (
        sop_instance_uid text primary key,
        study_instance_uid text not null references studies (study_instance_uid),
        series_instance_uid text not null,
        sop_class_uid text not null,
        kind text not null,
        source_sop_instance_uid text,
        alternative_to text references results (sop_instance_uid),
        predecessor text references results (sop_instance_uid),
        blob uuid not null,
        digest text not null,
        bytes bigint not null,
        model_name text not null,
        model_version text not null,
        model_sha256 text not null,
        current boolean not null,
        created_at timestamptz not null,
        constraint results_kind check (kind in ('structured-report', 'overlay'))
      )`);
    await runner.query(`create index results_study on results (study_instance_uid)`);
    await runner.query(`
      create table workitem_results (
        workitem uuid not null references workitems (id),
        sop_instance_uid text not null references results (sop_instance_uid),
        primary key (workitem, sop_instance_uid)
      )`);
    await runner.query(`
      create table deliveries (
        id bigint generated always as identity primary key,
        sop_instance_uid text not null references results (sop_instance_uid),
        destination text not null,
        state text not null,
        attempts integer not null default 0,
        last_error text,
        created_at timestamptz not null,
        next_attempt_at timestamptz not null,
        deadline_at timestamptz not null,
        delivered_at timestamptz,
        delivered_sop_instance_uid text,
        constraint deliveries_once unique (sop_instance_uid, destination),
        constraint deliveries_state check (state in ('pending', 'delivered', 'failed'))
      )`);
    await runner.query(`create index deliveries_due on deliveries (destination, next_attempt_at) where state = 'pending'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['deliveries', 'workitem_results', 'results', 'regions', 'analyses', 'workitems', 'instances', 'series', 'studies', 'patients'])
      await runner.query(`drop table ${table}`);
  }
}
