// Several models on one study: which of them judge an image and which are left out, what each finding is called, and what
// candidates say beside the models in use. Their outcomes have a table of their own, so that none can be taken for one that counts.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Shadow1790000000001 implements MigrationInterface {
  readonly name = 'Shadow1790000000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table instances add column judged_by text[], add column left_out jsonb');
    await runner.query('alter table analyses add column finding text, add column sought text');
    await runner.query('alter table studies add column finding text, add column sought text');
    await runner.query('update analyses set finding = label, sought = label where label is not null');
    await runner.query(`
      update studies set finding = best.label, sought = best.label
      from (select distinct on (study_instance_uid) study_instance_uid, label
        from analyses join instances on instances.id = analyses.instance
        where current and status = 'analyzed'
        order by study_instance_uid, positive desc, probability desc) as best
      where best.study_instance_uid = studies.study_instance_uid and studies.probability is not null`);
    await runner.query(`
      create table shadow_analyses (
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
        regions jsonb not null default '[]',
        provider text,
        milliseconds double precision,
        analyzed_at timestamptz not null,
        constraint shadow_analyses_once unique (instance, frame, model_sha256, settings_digest),
        constraint shadow_analyses_status check (status in ('analyzed', 'not-analyzable', 'failed'))
      )`);
    await runner.query('create index shadow_analyses_model on shadow_analyses (model_name, id)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table shadow_analyses');
    await runner.query('alter table studies drop column finding, drop column sought');
    await runner.query('alter table analyses drop column finding, drop column sought');
    await runner.query('alter table instances drop column judged_by, drop column left_out');
  }
}
