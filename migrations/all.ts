// Every migration, oldest first.
import type { MigrationClass } from '../storage/database.ts';
import { Initial1763640000000 } from './1763640000000-initial.ts';
import { Shadow1790000000001 } from './1790000000001-shadow.ts';
import { Severity1790000000002 } from './1790000000002-severity.ts';
import { Drift1790000000003 } from './1790000000003-drift.ts';
import { Archive1790000000004 } from './1790000000004-archive.ts';
import { RecycleBin1790000000005 } from './1790000000005-recycle-bin.ts';
import { Ups1790000000006 } from './1790000000006-ups.ts';
import { Sources1790000000007 } from './1790000000007-sources.ts';
import { Completion1790000000008 } from './1790000000008-completion.ts';

export const MIGRATIONS: MigrationClass[] = [Initial1763640000000, Shadow1790000000001, Severity1790000000002, Drift1790000000003, Archive1790000000004, RecycleBin1790000000005, Ups1790000000006, Sources1790000000007, Completion1790000000008];
