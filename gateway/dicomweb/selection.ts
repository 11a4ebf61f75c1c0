// Which instances a retrieve address names (PS3.18 table 10.4.1-1), and their addresses.
import type { Request } from 'express';
import type { Archive, ArchivedInstance, Selection } from '../../storage/archive.ts';
import { HttpError } from '../http/errors.ts';
import { requireUid } from './uid-path.ts';

/** @throws {HttpError} 400 for what is no UID */
export function selectionOf(request: Request): Selection {
  const { series, instance } = request.params;
  return {
    studyInstanceUids: [requireUid(request, 'study')],
    ...(series !== undefined && { seriesInstanceUids: [requireUid(request, 'series')] }),
    ...(instance !== undefined && { sopInstanceUids: [requireUid(request, 'instance')] }),
  };
}

/** Their names and places; headers are read when they are needed. @throws {HttpError} 404 */
export async function selectInstances(request: Request, archive: Archive): Promise<[ArchivedInstance, ...ArchivedInstance[]]> {
  const instances: ArchivedInstance[] = [];
  const selection = selectionOf(request);
  for await (const instance of archive.select(selection)) instances.push(instance);
  const [first, ...others] = instances;
  if (!first) throw new HttpError(404, `There is no such ${levelOf(selection)}.`);
  return [first, ...others];
}

function levelOf({ seriesInstanceUids, sopInstanceUids }: Selection): string {
  if (sopInstanceUids) return 'instance';
  return seriesInstanceUids ? 'series' : 'study';
}

export interface InstanceUids {
  studyInstanceUid: string;
  seriesInstanceUid: string;
  sopInstanceUid: string;
}

/** Address of an instance below the service's. */
export function instanceAddress(root: string, { studyInstanceUid, seriesInstanceUid, sopInstanceUid }: InstanceUids): string {
  return `${root}/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`;
}
