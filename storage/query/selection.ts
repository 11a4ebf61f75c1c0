// Which instances a retrieve is about (PS3.4 C.4.2.1.4, PS3.18 10.4), in the order of series and instance numbers.
import type { Selection } from '../archive.ts';
import type { Dataset } from '../dicom/dataset.ts';
import { Parameters, type Statement } from './statement.ts';

export interface ObjectRow {
  id: string;
  study: string;
  series: string;
  sop: string;
  sop_class_uid: string;
  transfer_syntax_uid: string;
  digest: string;
  bytes: string;
  frames: number;
  /** Where the series, and the instance in it, stand. */
  series_ordinal: string;
  ordinal: string;
  header?: Dataset;
}

/** @returns the statement of each page, after the last row of the one before; undefined where nothing is selected */
export function planSelection(selection: Selection, withHeaders: boolean): ((after: ObjectRow | undefined, size: number) => Statement) | undefined {
  const { patientId, studyInstanceUids, seriesInstanceUids, sopInstanceUids } = selection;
  if (patientId === undefined && !studyInstanceUids && !seriesInstanceUids && !sopInstanceUids) return undefined;
  return (after, size) => {
    const parameters = new Parameters();
    const conditions = [
      // Whoever knows the UID of a report that was replaced, or of a result's other form, may still have it.
      ...(sopInstanceUids ? [`known and ${parameters.oneOf('objects.sop_instance_uid', sopInstanceUids)}`] : ['shown']),
      ...(seriesInstanceUids ? [parameters.oneOf('objects.series_instance_uid', seriesInstanceUids)] : []),
      ...(studyInstanceUids ? [parameters.oneOf('objects.study_instance_uid', studyInstanceUids)] : []),
      ...(patientId === undefined ? [] : [`objects.study_instance_uid in (select study_instance_uid from archive_studies where patient_id = ${parameters.add(patientId)})`]),
    ];
    const order = ['objects.study_instance_uid', 'coalesce(archive_series.ordinal, 9999999999999)', 'objects.series_instance_uid', 'objects.ordinal', 'objects.sop_instance_uid'];
    if (after) {
      const position = [after.study, after.series_ordinal, after.series, after.ordinal, after.sop];
      conditions.push(`(${order.join(', ')}) > (${position.map((value) => parameters.add(value)).join(', ')})`);
    }
    return {
      sql: `select objects.id, objects.study_instance_uid as study, objects.series_instance_uid as series, objects.sop_instance_uid as sop,
          objects.sop_class_uid, objects.transfer_syntax_uid, objects.digest, objects.bytes, objects.frames,
          coalesce(archive_series.ordinal, 9999999999999) as series_ordinal, objects.ordinal${withHeaders ? ', objects.header' : ''}
        from archive_objects as objects
        left join archive_series on archive_series.study_instance_uid = objects.study_instance_uid and archive_series.series_instance_uid = objects.series_instance_uid
        where ${conditions.join(' and ')}
        order by ${order.join(', ')} limit ${parameters.add(size)}`,
      parameters: parameters.values,
    };
  };
}
