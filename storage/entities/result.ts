// The DICOM objects that we made, and one row for each destination that each goes to.
import { EntitySchema } from 'typeorm';
import type { Dataset } from '../dicom/dataset.ts';

/** outside: what a worker from outside stored for a workitem of ours. */
export type ResultKind = 'structured-report' | 'overlay' | 'outside';

export interface Result {
  sopInstanceUid: string;
  studyInstanceUid: string;
  seriesInstanceUid: string;
  sopClassUid: string;
  kind: ResultKind;
  sourceSopInstanceUid: string | null;
  /** The preferred form of the same content; delivered only where that is refused. */
  alternativeTo: string | null;
  /** The report that this one replaces. */
  predecessor: string | null;
  blob: string;
  /** SHA-256 of the file, hex. */
  digest: string;
  bytes: string;
  modelName: string;
  modelVersion: string;
  modelSha256: string;
  current: boolean;
  createdAt: Date;
  /** As of an instance; null of one made before headers were kept, until the gateway's next start. Read only where it is asked for. */
  header?: Dataset | null;
  transferSyntaxUid: string;
  /** 0 where there is no pixel data. */
  frames: number;
  instanceNumber: string | null;
  /** It came back from a PACS, and is there as an instance. */
  returned: boolean;
  deletedAt: Date | null;
}

export const ResultEntity = new EntitySchema<Result>({
  name: 'Result',
  tableName: 'results',
  columns: {
    sopInstanceUid: { type: 'text', primary: true },
    studyInstanceUid: { type: 'text' },
    seriesInstanceUid: { type: 'text' },
    sopClassUid: { type: 'text' },
    kind: { type: 'text' },
    sourceSopInstanceUid: { type: 'text', nullable: true },
    alternativeTo: { type: 'text', nullable: true },
    predecessor: { type: 'text', nullable: true },
    blob: { type: 'uuid' },
    digest: { type: 'text' },
    bytes: { type: 'bigint' },
    modelName: { type: 'text' },
    modelVersion: { type: 'text' },
    modelSha256: { type: 'text', name: 'model_sha256' },
    current: { type: 'boolean' },
    createdAt: { type: 'timestamptz' },
    header: { type: 'jsonb', nullable: true, select: false },
    transferSyntaxUid: { type: 'text', default: '1.2.840.10008.1.2.1' },
    frames: { type: 'integer', default: 0 },
    instanceNumber: { type: 'bigint', nullable: true },
    returned: { type: 'boolean', default: false },
    deletedAt: { type: 'timestamptz', nullable: true },
  },
});

/** pending: not there yet; delivered: the destination said so; failed: a dead letter, sent again only by command. */
export type DeliveryState = 'pending' | 'delivered' | 'failed';

export interface Delivery {
  id: string;
  sopInstanceUid: string;
  destination: string;
  state: DeliveryState;
  attempts: number;
  lastError: string | null;
  createdAt: Date;
  nextAttemptAt: Date;
  deadlineAt: Date;
  deliveredAt: Date | null;
  /** The form that was accepted: the result itself or its alternative. */
  deliveredSopInstanceUid: string | null;
  /** Storage commitment of the destination; null where it is not asked for. */
  commitment: 'wanted' | 'requested' | 'committed' | 'failed' | null;
  /** Of the N-ACTION that is under way. */
  commitmentTransaction: string | null;
  commitmentAt: Date | null;
}

export const DeliveryEntity = new EntitySchema<Delivery>({
  name: 'Delivery',
  tableName: 'deliveries',
  columns: {
    id: { type: 'bigint', primary: true, generated: 'increment' },
    sopInstanceUid: { type: 'text' },
    destination: { type: 'text' },
    state: { type: 'text' },
    attempts: { type: 'integer', default: 0 },
    lastError: { type: 'text', nullable: true },
    createdAt: { type: 'timestamptz' },
    nextAttemptAt: { type: 'timestamptz' },
    deadlineAt: { type: 'timestamptz' },
    deliveredAt: { type: 'timestamptz', nullable: true },
    deliveredSopInstanceUid: { type: 'text', nullable: true },
    commitment: { type: 'text', nullable: true },
    commitmentTransaction: { type: 'text', nullable: true },
    commitmentAt: { type: 'timestamptz', nullable: true },
  },
});
