// How much of the lung is opaque: what each analysis measured, and what the study's outcome says, by which the worklist may order.
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Severity1790000000002 implements MigrationInterface {
  readonly name = 'Severity1790000000002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table analyses add column severity jsonb');
    await runner.query('alter table studies add column severity jsonb');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table studies drop column severity');
    await runner.query('alter table analyses drop column severity');
  }
}
