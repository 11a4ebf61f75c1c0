// Drift: what each analysis adds to the distributions of its model, day and station; the distributions that a site has accepted;
// and how the last days compare with them.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Drift1790000000003 implements MigrationInterface {
  readonly name = 'Drift1790000000003';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table drift_samples (
        id bigint generated always as identity primary key,
        model_name text not null,
        model_version text not null,
        day date not null,
        station text not null,
        bins jsonb not null
      )`);
    await runner.query(`
      create table drift_histograms (
        model_name text not null,
        model_version text not null,
        day date not null,
        station text not null,
        quantity text not null,
        counts integer[] not null,
        primary key (model_name, model_version, day, station, quantity)
      )`);
    await runner.query(`create index drift_histograms_days on drift_histograms (day)`);
    await runner.query(`
      create table drift_accepted (
        model_name text not null,
        model_version text not null,
        station text not null,
        quantity text not null,
        counts bigint[] not null,
        from_day date not null,
        to_day date not null,
        accepted_at timestamptz not null,
        primary key (model_name, model_version, station, quantity)
      )`);
    await runner.query(`
      create table drift_comparisons (
        model_name text not null,
        model_version text not null,
        station text not null,
        quantity text not null,
        images integer not null,
        psi double precision not null,
        ks double precision not null,
        p double precision not null,
        level double precision not null,
        accepted_level double precision not null,
        drifted boolean not null,
        since timestamptz not null,
        checked_at timestamptz not null,
        primary key (model_name, model_version, station, quantity)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['drift_comparisons', 'drift_accepted', 'drift_histograms', 'drift_samples']) await runner.query(`drop table ${table}`);
  }
}
