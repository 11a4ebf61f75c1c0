// What peers tell of studies and want to be told: storage commitment in both directions, performed procedure steps, notifications of
// available instances. Their DIMSE services, and the jobs behind them.
import type { Logger } from 'pino';
import type { DataSource, EntityManager } from 'typeorm';
import type { Settings } from '../../config/settings.ts';
import type { BlobStore } from '../../storage/blobs.ts';
import { CommitmentsRepository } from '../../storage/commitments.repository.ts';
import { CompletionRepository } from '../../storage/completion.repository.ts';
import { keepAnswer, requestCommitments } from '../delivery/commitment.ts';
import { instanceAvailabilityService } from '../dimse/instance-availability-scp.ts';
import { procedureStepService } from '../dimse/procedure-step-scp.ts';
import type { DimseService } from '../dimse/service.ts';
import { storageCommitmentService } from '../dimse/storage-commitment-scp.ts';
import { reportCommitment, reportWhereWanted } from './commitment-report.ts';
import type { JobQueue } from './queue.ts';

/** A peer that does not answer holds one of them for half a minute. */
const CALLS = { concurrency: 4 };

export interface NotificationOptions {
  settings: () => Settings;
  dataSource: DataSource;
  queue: JobQueue;
  blobs: BlobStore;
  /** Whether instances that were acknowledged wait for the index. */
  isIndexing(): boolean;
  log: Logger;
}

/** For the DIMSE server. */
export function notificationServices(options: NotificationOptions): DimseService[] {
  const { dataSource, queue, log } = options;
  const commitments = new CommitmentsRepository(dataSource);
  const repository = new CompletionRepository(dataSource);
  const close = (studyInstanceUid: string, transaction: EntityManager): Promise<void> => queue.send('close', { studyInstanceUid }, { transaction });
  return [
    storageCommitmentService({
      repository: commitments,
      accepted: (id, call) => reportWhereWanted(id, call, { ...options, repository: commitments }),
      answered: (answer) => keepAnswer(answer, { repository: commitments, queue, log }),
    }),
    procedureStepService({ repository, close }),
    instanceAvailabilityService({ repository, close }),
  ];
}

/** Answers what was asked of us. */
export async function answerCommitments(options: NotificationOptions): Promise<void> {
  const repository = new CommitmentsRepository(options.dataSource);
  await options.queue.work('commitment', CALLS, async (jobs, { log }) => {
    for (const { id } of jobs) await reportCommitment(id, { ...options, repository, log });
  });
}

/** Asks destinations to answer for what they have taken. */
export async function askForCommitments(options: Pick<NotificationOptions, 'settings' | 'dataSource' | 'queue'>): Promise<void> {
  const repository = new CommitmentsRepository(options.dataSource);
  await options.queue.work('commit', CALLS, async (jobs, { signal, log }) => {
    for (const { destination } of jobs) await requestCommitments(destination, { ...options, repository, log }, signal);
  });
}
