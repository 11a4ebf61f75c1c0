// The parts of UPS-RS, and the jobs behind it, put together.
import type { Logger } from 'pino';
import type { DataSource } from 'typeorm';
import type { Settings } from '../../config/settings.ts';
import { dataset, items, text } from '../../storage/dicom/dataset.ts';
import { PostgresListener } from '../../storage/listener.ts';
import { OrdersRepository } from '../../storage/orders.repository.ts';
import { OutsideRepository } from '../../storage/outside.repository.ts';
import { EVENT_TYPE, UPS_CHANNEL } from '../../storage/ups/events.ts';
import { UpsRepository } from '../../storage/ups.repository.ts';
import type { ModelsInUse } from '../pipeline/models-in-use.ts';
import { takeOrder, type OrderOptions } from '../pipeline/orders.ts';
import { followOutside } from '../pipeline/outside.ts';
import type { JobQueue } from '../pipeline/queue.ts';
import { StepNotifications } from './notifications.ts';
import type { UpsService } from './service.ts';

export interface Ups {
  service: UpsService;
  notifications: StepNotifications;
}

export interface UpsParts {
  settings: () => Settings;
  dataSource: DataSource;
  databaseUrl: string;
  queue: JobQueue;
  log: Logger;
  /** Whether subscribers are to hear that the service is back: one process does for all. */
  announce: boolean;
}

export async function startUps({ settings, dataSource, databaseUrl, queue, log, announce }: UpsParts): Promise<Ups & { stop(): Promise<void> }> {
  const steps = new UpsRepository(dataSource);
  const listener = new PostgresListener(databaseUrl, UPS_CHANNEL, log);
  await listener.start();
  const service: UpsService = {
    steps,
    claims: (step) => {
      const codes = items(step, 'ScheduledWorkitemCodeSequence');
      return settings().ups.claim.some(({ value, scheme }) => codes.some((code) => text(code, 'CodeValue') === value && text(code, 'CodingSchemeDesignator') === scheme));
    },
    order: (stepUid, transaction) => queue.send('order', { stepUid }, { transaction }),
    follow: (workitemId, transaction) => queue.send('outside', { workitemId }, { transaction }),
    aeTitle: settings().dimse.aeTitle,
  };
  const attributes = dataset({ SCPStatus: 'RESTARTED', SubscriptionListStatus: 'WARM START', UnifiedProcedureStepListStatus: 'WARM START' });
  if (announce) await steps.tellAll({ type: EVENT_TYPE.scpStatus, attributes });
  return { service, notifications: new StepNotifications(listener, steps, log), stop: () => listener.stop() };
}

/** What a process with analysis works on. */
export async function serveOrders({ dataSource, queue, ...inUse }: ModelsInUse & Pick<UpsParts, 'dataSource' | 'queue'> & Pick<OrderOptions, 'input'>): Promise<void> {
  const steps = new UpsRepository(dataSource);
  const orders = new OrdersRepository(dataSource);
  const outside = new OutsideRepository(dataSource);
  await queue.work('order', {}, async (jobs, { log }) => {
    for (const job of jobs) await takeOrder(job, { ...inUse, queue, steps, orders, log });
  });
  await queue.work('outside', {}, async (jobs, { log }) => {
    for (const { workitemId } of jobs) await followOutside(workitemId, { ...inUse, queue, outside, log });
  });
}
