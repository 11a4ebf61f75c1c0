// The unit of AI work on a study, and what each run of a model on a frame came to.
import { EntitySchema } from 'typeorm';
import type { Severity } from './severity.ts';

/** waiting: the study is still coming in; running: closed, analyses and results under way; completed: its results are stored. */
export type WorkitemState = 'waiting' | 'running' | 'completed';

export interface Workitem {
  id: string;
  studyInstanceUid: string;
  /** Of the study's outcome, from 1: a late source instance makes the next one. */
  version: number;
  route: string;
  state: WorkitemState;
  reason: string | null;
  /** The instance versions that it speaks of, fixed when it was closed. */
  instances: string[];
  /** outside: published for a worker from outside; hilum: taken back from there; nobody: no worker took it; null: ours from the beginning. */
  worker: 'outside' | 'hilum' | 'nobody' | null;
  createdAt: Date;
  closedAt: Date | null;
  completedAt: Date | null;
}

export const WorkitemEntity = new EntitySchema<Workitem>({
  name: 'Workitem',
  tableName: 'workitems',
  columns: {
    id: { type: 'uuid', primary: true, generated: 'uuid' },
    studyInstanceUid: { type: 'text' },
    version: { type: 'integer' },
    route: { type: 'text' },
    state: { type: 'text' },
    reason: { type: 'text', nullable: true },
    instances: { type: 'uuid', array: true, default: '{}' },
    worker: { type: 'text', nullable: true },
    createdAt: { type: 'timestamptz' },
    closedAt: { type: 'timestamptz', nullable: true },
    completedAt: { type: 'timestamptz', nullable: true },
  },
});

export interface Analysis {
  id: string;
  instance: string;
  /** From 1. */
  frame: number;
  modelName: string;
  modelVersion: string;
  modelSha256: string;
  settingsDigest: string;
  status: 'analyzed' | 'not-analyzable' | 'failed';
  reason: string | null;
  label: string | null;
  /** The label as its code says it; where nothing was found, all that was looked for. */
  finding: string | null;
  /** What the probability is of: all positive labels of the model. */
  sought: string | null;
  probability: number | null;
  threshold: number | null;
  positive: boolean | null;
  scores: Record<string, number> | null;
  provider: string | null;
  milliseconds: number | null;
  /** Of a positive image, where a model of the lungs serves the route. */
  severity: Severity | null;
  analyzedAt: Date;
}

export const AnalysisEntity = new EntitySchema<Analysis>({
  name: 'Analysis',
  tableName: 'analyses',
  columns: {
    id: { type: 'bigint', primary: true, generated: 'increment' },
    instance: { type: 'uuid' },
    frame: { type: 'integer' },
    modelName: { type: 'text' },
    modelVersion: { type: 'text' },
    modelSha256: { type: 'text', name: 'model_sha256' },
    settingsDigest: { type: 'text' },
    status: { type: 'text' },
    reason: { type: 'text', nullable: true },
    label: { type: 'text', nullable: true },
    finding: { type: 'text', nullable: true },
    sought: { type: 'text', nullable: true },
    probability: { type: 'double precision', nullable: true },
    threshold: { type: 'double precision', nullable: true },
    positive: { type: 'boolean', nullable: true },
    scores: { type: 'jsonb', nullable: true },
    provider: { type: 'text', nullable: true },
    milliseconds: { type: 'double precision', nullable: true },
    severity: { type: 'jsonb', nullable: true },
    analyzedAt: { type: 'timestamptz' },
  },
});

export interface RegionRow {
  id: string;
  analysis: string;
  ordinal: number;
  x: number;
  y: number;
  width: number;
  height: number;
  label: string;
  score: number;
  trackingUid: string;
}

export const RegionEntity = new EntitySchema<RegionRow>({
  name: 'Region',
  tableName: 'regions',
  columns: {
    id: { type: 'bigint', primary: true, generated: 'increment' },
    analysis: { type: 'bigint' },
    ordinal: { type: 'integer' },
    x: { type: 'double precision' },
    y: { type: 'double precision' },
    width: { type: 'double precision' },
    height: { type: 'double precision' },
    label: { type: 'text' },
    score: { type: 'double precision' },
    trackingUid: { type: 'text' },
  },
});
