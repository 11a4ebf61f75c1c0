// Changes of studies, told to every process of the gateway.
import type { Logger } from 'pino';
import type { EntityManager } from 'typeorm';
import { PostgresListener } from './listener.ts';

const CHANNEL = 'hilum_study';

/** To be called in the transaction that changes the study: listeners hear of it once it is committed. */
export async function notifyStudy(transaction: EntityManager, studyInstanceUid: string): Promise<void> {
  await transaction.query('select pg_notify($1, $2)', [CHANNEL, studyInstanceUid]);
}

/** Listeners get the Study Instance UID. */
export class StudyEvents extends PostgresListener {
  constructor(url: string, log: Logger) {
    super(url, CHANNEL, log);
  }
}
