// The recycle bin: what was deleted is out of sight until it is restored or purged, who did it stays on record, and files that a
// purge has yet to remove are remembered. A study that was purged may come again: its results then get other UIDs.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class RecycleBin1790000000005 implements MigrationInterface {
  readonly name = 'RecycleBin1790000000005';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table studies add column deleted_at timestamptz');
    await runner.query(`create index instances_deleted on instances (deleted_at) where deleted_at is not null`);
    await runner.query(`
      create table deletions (
        id bigint generated always as identity primary key,
        action text not null,
        study_instance_uid text not null,
        series_instance_uid text,
        sop_instance_uid text,
        instances integer not null,
        results integer not null,
        requested_by text not null,
        request_id text,
        done_at timestamptz not null default now(),
        constraint deletions_action check (action in ('delete', 'restore', 'purge'))
      )`);
    await runner.query('create index deletions_study on deletions (study_instance_uid)');
    await runner.query('create table purged_blobs (id uuid primary key)');
    await runner.query('create table purged_studies (study_instance_uid text primary key, times integer not null)');
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['purged_studies', 'purged_blobs', 'deletions']) await runner.query(`drop table ${table}`);
    await runner.query('drop index instances_deleted');
    await runner.query('alter table studies drop column deleted_at');
  }
}
