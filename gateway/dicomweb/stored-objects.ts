// What DICOMweb can retrieve: the current version of every instance, and our own results.
import type { DataSource } from 'typeorm';
import type { BlobStore } from '../../storage/blobs.ts';
import type { Dataset } from '../../storage/dicom/dataset.ts';
import { readPart10 } from '../../storage/dicom/part10.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../storage/dicom/uids.ts';
import type { DicomwebSource, RetrievableInstance } from './source.ts';

/** Headers in memory at a time. */
const PAGE = 100;

export class StoredObjects implements DicomwebSource {
  readonly #dataSource: DataSource;
  readonly #blobs: BlobStore;

  constructor(dataSource: DataSource, blobs: BlobStore) {
    this.#dataSource = dataSource;
    this.#blobs = blobs;
  }

  async *studyMetadata(studyInstanceUid: string): AsyncIterable<Dataset> {
    for (let after: string | null = null; ; ) {
      const rows: { id: string; header: Dataset }[] = await this.#dataSource.query(
        `select id, header from instances where study_instance_uid = $1 and current and ($2::uuid is null or id > $2) order by id limit ${PAGE}`,
        [studyInstanceUid, after],
      );
      for (const row of rows) yield row.header;
      if (rows.length < PAGE) break;
      after = rows.at(-1)?.id ?? null;
    }
    // A result that came back from a PACS is there as an instance already.
    const results: { blob: string }[] = await this.#dataSource.query(
      `select blob from results where study_instance_uid = $1
       and not exists (select from instances where instances.sop_instance_uid = results.sop_instance_uid) order by created_at, blob`,
      [studyInstanceUid],
    );
    for (const { blob } of results) yield (await readPart10(this.#blobs.path(blob))).dataset;
  }

  async instance(studyInstanceUid: string, seriesInstanceUid: string, sopInstanceUid: string): Promise<RetrievableInstance | undefined> {
    const [row]: { id: string; transferSyntaxUid: string; bytes: string }[] = await this.#dataSource.query(
      `select id, transfer_syntax_uid as "transferSyntaxUid", bytes from instances
       where study_instance_uid = $1 and series_instance_uid = $2 and sop_instance_uid = $3 and current
       union all
       select blob, '${EXPLICIT_VR_LITTLE_ENDIAN}', bytes from results
       where study_instance_uid = $1 and series_instance_uid = $2 and sop_instance_uid = $3
       limit 1`,
      [studyInstanceUid, seriesInstanceUid, sopInstanceUid],
    );
    return row && { path: this.#blobs.path(row.id), transferSyntaxUid: row.transferSyntaxUid, bytes: Number(row.bytes) };
  }
}
