// Unified Procedure Steps: the steps themselves, who wants to hear of which, what they have still to be told; and who does the work
// of a workitem, which may be one from outside, whose objects are then results as well.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Ups1790000000006 implements MigrationInterface {
  readonly name = 'Ups1790000000006';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table ups (
        sop_instance_uid text primary key,
        ordinal bigint generated always as identity unique,
        dataset jsonb not null,
        state text not null generated always as (dataset->'00741000'->'Value'->>0) stored,
        worklist_label text generated always as (dataset->'00741202'->'Value'->>0) stored,
        priority text generated always as (dataset->'00741200'->'Value'->>0) stored,
        patient_id text generated always as (dataset->'00100020'->'Value'->>0) stored,
        study_instance_uid text,
        origin text not null,
        workitem uuid references workitems (id),
        transaction_uid text,
        performer text,
        claimed_at timestamptz,
        created_at timestamptz not null,
        changed_at timestamptz not null,
        constraint ups_state check (state in ('SCHEDULED', 'IN PROGRESS', 'COMPLETED', 'CANCELED')),
        constraint ups_origin check (origin in ('workitem', 'order', 'other')),
        constraint ups_performer check (performer in ('hilum', 'outside'))
      )`);
    await runner.query(`create index ups_open on ups (ordinal) where state in ('SCHEDULED', 'IN PROGRESS')`);
    await runner.query('create index ups_study on ups (study_instance_uid)');
    await runner.query('create index ups_patient on ups (patient_id)');
    await runner.query('create index ups_workitem on ups (workitem)');
    await runner.query(`
      create table ups_subscribers (
        ae_title text primary key,
        deletion_lock boolean not null,
        filter jsonb,
        suspended boolean not null default false
      )`);
    await runner.query(`
      create table ups_subscriptions (
        ups text not null references ups (sop_instance_uid) on delete cascade,
        ae_title text not null,
        deletion_lock boolean not null,
        primary key (ups, ae_title)
      )`);
    await runner.query('create index ups_subscriptions_ae on ups_subscriptions (ae_title)');
    await runner.query(`
      create table ups_events (
        id bigint generated always as identity primary key,
        ae_title text not null,
        event jsonb not null,
        created_at timestamptz not null default now()
      )`);
    await runner.query('create index ups_events_ae on ups_events (ae_title, id)');
    await runner.query('alter table workitems add column worker text');
    await runner.query(`alter table workitems add constraint workitems_worker check (worker in ('outside', 'hilum', 'nobody'))`);
    await runner.query('alter table results drop constraint results_kind');
    await runner.query(`alter table results add constraint results_kind check (kind in ('structured-report', 'overlay', 'outside'))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`delete from workitem_results where sop_instance_uid in (select sop_instance_uid from results where kind = 'outside')`);
    await runner.query(`delete from deliveries where sop_instance_uid in (select sop_instance_uid from results where kind = 'outside')`);
    await runner.query(`delete from results where kind = 'outside'`);
    await runner.query('alter table results drop constraint results_kind');
    await runner.query(`alter table results add constraint results_kind check (kind in ('structured-report', 'overlay'))`);
    await runner.query('alter table workitems drop column worker');
    for (const table of ['ups_events', 'ups_subscriptions', 'ups_subscribers', 'ups']) await runner.query(`drop table ${table}`);
  }
}
