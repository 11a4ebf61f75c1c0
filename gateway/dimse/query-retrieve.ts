// Query/Retrieve as services of the DIMSE server (PS3.4 annex C).
import type { Settings } from '../../config/settings.ts';
import type { Archive } from '../../storage/archive.ts';
import type { Transcoder } from '../transcode/transcoder.ts';
import { getService } from './get-scp.ts';
import { moveService } from './move-scp.ts';
import { queryService } from './query-scp.ts';
import type { DimseService } from './service.ts';

export interface QueryRetrieveOptions {
  archive: Pick<Archive, 'search' | 'select'>;
  transcoder: Pick<Transcoder, 'canTranscode' | 'dataset'>;
  /** As they are now. */
  settings(): Pick<Settings, 'dimse' | 'peers' | 'limits'>;
}

export function queryRetrieveServices(options: QueryRetrieveOptions): DimseService[] {
  return [queryService({ archive: options.archive, aeTitle: () => options.settings().dimse.aeTitle }), moveService(options), getService(options)];
}
