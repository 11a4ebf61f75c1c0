// What is told about studies beside their images: that they are complete (MPPS, Instance Availability), and that they are kept
// (Storage Commitment), in both directions.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Completion1790000000008 implements MigrationInterface {
  readonly name = 'Completion1790000000008';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table procedure_steps (
        sop_instance_uid text primary key,
        status text not null,
        attributes jsonb not null,
        calling_ae text not null,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        constraint procedure_steps_status check (status in ('IN PROGRESS', 'COMPLETED', 'DISCONTINUED'))
      )`);
    await runner.query(`
      create table procedure_step_studies (
        sop_instance_uid text not null references procedure_steps (sop_instance_uid),
        study_instance_uid text not null,
        primary key (study_instance_uid, sop_instance_uid)
      )`);
    await runner.query(`
      create table announcements (
        id bigint generated always as identity primary key,
        study_instance_uid text not null,
        source text not null,
        instances text[] not null,
        announced_at timestamptz not null default now()
      )`);
    await runner.query(`create index announcements_study on announcements (study_instance_uid)`);
    await runner.query(`
      create table commitment_requests (
        id uuid primary key default gen_random_uuid(),
        transaction_uid text not null,
        calling_ae text not null,
        called_ae text not null,
        instances jsonb not null,
        state text not null default 'pending',
        attempts integer not null default 0,
        last_error text,
        received_at timestamptz not null default now(),
        reported_at timestamptz,
        constraint commitment_requests_once unique (calling_ae, transaction_uid),
        constraint commitment_requests_state check (state in ('pending', 'reported', 'failed'))
      )`);
    await runner.query(`alter table deliveries add column commitment text, add column commitment_transaction text, add column commitment_at timestamptz`);
    await runner.query(`alter table deliveries add constraint deliveries_commitment check (commitment in ('wanted', 'requested', 'committed', 'failed'))`);
    await runner.query(`create index deliveries_commitment_open on deliveries (destination, commitment_at) where commitment in ('wanted', 'requested')`);
    await runner.query(`create index deliveries_commitment_transaction on deliveries (commitment_transaction) where commitment = 'requested'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table deliveries drop column commitment, drop column commitment_transaction, drop column commitment_at');
    for (const table of ['commitment_requests', 'announcements', 'procedure_step_studies', 'procedure_steps']) await runner.query(`drop table ${table}`);
  }
}
