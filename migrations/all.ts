// Every migration, oldest first.
import type { MigrationClass } from '../storage/database.ts';
import { Initial1763640000000 } from './1763640000000-initial.ts';

export const MIGRATIONS: MigrationClass[] = [Initial1763640000000];
