// A study that was fetched as a prior comes to be wanted for itself: a modality sends it, or somebody asks for it.
import type { Logger } from 'pino';
import type { Settings } from '../../config/settings.ts';
import type { IntakeRepository } from '../../storage/intake.repository.ts';
import type { JobQueue } from './queue.ts';
import { explainNoRoute, matchRoute } from './routes.ts';

export interface PromoteOptions {
  settings: () => Settings;
  repository: IntakeRepository;
  queue: JobQueue;
  log: Logger;
}

/** Nothing happens where it is no prior. */
export async function promoteStudy(studyInstanceUid: string, { settings, repository, queue, log }: PromoteOptions): Promise<void> {
  const { routes } = settings();
  const promoted = await repository.promote(
    studyInstanceUid,
    (header) => matchRoute(routes, header),
    (header) => explainNoRoute(routes, header),
    async (transaction, images, dueAt) => {
      for (const instanceId of images) await queue.send('analyze', { instanceId }, { transaction });
      await queue.send('close', { studyInstanceUid }, { transaction, startAfter: dueAt });
    },
  );
  if (promoted) log.info({ study: studyInstanceUid }, 'a study that was here as a prior takes its route');
}
