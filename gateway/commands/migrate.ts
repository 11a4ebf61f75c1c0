// hilum migrate: the schema, for installations where the gateway's own account may not change it.
import type { LoadedSettings } from '../../config/load.ts';
import { migrate } from '../../storage/database.ts';
import { withDatabase } from './database.ts';

export async function migrateCommand(_args: string[], settings: LoadedSettings): Promise<number> {
  const done = await withDatabase(settings, (dataSource) => migrate(dataSource));
  console.log(done.length === 0 ? 'the schema is up to date' : done.join('\n'));
  return 0;
}
