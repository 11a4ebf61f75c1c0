// Results that were made before their headers were kept: each header is read once, from its file.
import type { Logger } from 'pino';
import type { DataSource } from 'typeorm';
import { archiveResult, refreshCounts } from './archive-index.ts';
import type { BlobStore } from './blobs.ts';
import { num } from './dicom/dataset.ts';
import { readPart10 } from './dicom/part10.ts';
import { lockStudy } from './workitems.repository.ts';

const PAGE = 100;

/**
 * A result whose file cannot be read stays as it is, found by nobody, and is told in the log.
 * @returns how many have their headers now
 */
export async function keepResultHeaders(dataSource: DataSource, blobs: Pick<BlobStore, 'path'>, log: Pick<Logger, 'error' | 'info'>, signal: AbortSignal): Promise<number> {
  let kept = 0;
  for (let after = ''; !signal.aborted; ) {
    const rows: { uid: string; study: string; blob: string }[] = await dataSource.query(
      `select sop_instance_uid as uid, study_instance_uid as study, blob from results where header is null and sop_instance_uid > $1 order by sop_instance_uid limit ${PAGE}`,
      [after],
    );
    for (const { uid, study, blob } of rows) {
      if (signal.aborted) break;
      try {
        const { dataset, pixelData } = await readPart10(blobs.path(blob));
        await dataSource.transaction(async (transaction) => {
          await lockStudy(transaction, study);
          await transaction.query(
            `update results set header = $2::jsonb, frames = $3, instance_number = dicom_integer($2::jsonb #>> '{00200013,Value,0}') where sop_instance_uid = $1`,
            [uid, JSON.stringify(dataset), pixelData ? Math.max(1, num(dataset, 'NumberOfFrames') ?? 1) : 0],
          );
          await archiveResult(transaction, uid);
          await refreshCounts(transaction, study);
        });
        kept += 1;
      } catch (error) {
        log.error({ err: error, result: uid, blob }, 'the header of a result cannot be kept');
      }
    }
    if (rows.length < PAGE) break;
    after = rows.at(-1)!.uid;
  }
  if (kept > 0) log.info({ results: kept }, 'kept the headers of results that were made earlier');
  return kept;
}
