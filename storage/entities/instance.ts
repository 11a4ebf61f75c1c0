// Every version of every instance that we acknowledged: whence it came, and its full header.
import { EntitySchema } from 'typeorm';
import type { Dataset } from '../dicom/dataset.ts';

export type InstanceOrigin = 'source' | 'own-result' | 'other-ai';

export interface LeftOutModel {
  model: { name: string; version: string };
  /** In words. */
  reason: string;
}

export interface Instance {
  /** Also the name of its blob. */
  id: string;
  sopInstanceUid: string;
  /** From 1; another dataset under the same SOP Instance UID is the next version. */
  version: number;
  current: boolean;
  studyInstanceUid: string;
  seriesInstanceUid: string;
  sopClassUid: string;
  transferSyntaxUid: string;
  /** SHA-256 of the dataset without file meta, hex. */
  digest: string;
  bytes: string;
  /** DICOM JSON without bulk data. */
  header: Dataset;
  origin: InstanceOrigin;
  /** 0 where there is no pixel data. */
  frames: number;
  /** The route that took it; null: none. */
  route: string | null;
  /** Settings digests of the models in use that judge it; null until they were asked. */
  judgedBy: string[] | null;
  /** The models of its route that do not, because another stands in for the patient's age. */
  leftOut: LeftOutModel[] | null;
  callingAe: string | null;
  calledAe: string | null;
  address: string;
  transport: 'dimse' | 'stow' | 'wado';
  associationId: string;
  receivedAt: Date;
  /** Offset of the source's clock, from Timezone Offset From UTC or the settings' zone. */
  sourceTimezone: string;
  /** Instance Number (0020,0013), where it is one. */
  instanceNumber: string | null;
  /** When it went to the recycle bin; what is there is found by no search and no retrieve. */
  deletedAt: Date | null;
}

export const InstanceEntity = new EntitySchema<Instance>({
  name: 'Instance',
  tableName: 'instances',
  columns: {
    id: { type: 'uuid', primary: true },
    sopInstanceUid: { type: 'text' },
    version: { type: 'integer' },
    current: { type: 'boolean' },
    studyInstanceUid: { type: 'text' },
    seriesInstanceUid: { type: 'text' },
    sopClassUid: { type: 'text' },
    transferSyntaxUid: { type: 'text' },
    digest: { type: 'text' },
    bytes: { type: 'bigint' },
    header: { type: 'jsonb' },
    origin: { type: 'text' },
    frames: { type: 'integer' },
    route: { type: 'text', nullable: true },
    judgedBy: { type: 'text', array: true, nullable: true },
    leftOut: { type: 'jsonb', nullable: true },
    callingAe: { type: 'text', nullable: true },
    calledAe: { type: 'text', nullable: true },
    address: { type: 'text' },
    transport: { type: 'text' },
    associationId: { type: 'text' },
    receivedAt: { type: 'timestamptz' },
    sourceTimezone: { type: 'text' },
    instanceNumber: { type: 'bigint', nullable: true },
    deletedAt: { type: 'timestamptz', nullable: true },
  },
});
