// The job `close`: a study whose quiet period is over is complete; its workitem goes on to the results.
import type { Logger } from 'pino';
import type { Settings } from '../../config/settings.ts';
import type { WorkitemsRepository } from '../../storage/workitems.repository.ts';
import { modelsOf } from './analysis.ts';
import type { JobQueue } from './queue.ts';

export interface CompletionOptions {
  settings: () => Settings;
  settingsDigest: (model: string) => string;
  workitems: WorkitemsRepository;
  queue: JobQueue;
  log: Logger;
}

export async function closeStudy(studyInstanceUid: string, { settings, settingsDigest, workitems, queue, log }: CompletionOptions): Promise<void> {
  const { notBefore, workitem } = await workitems.closeStudy(studyInstanceUid, modelsOf({ settings, settingsDigest }), {
    whenReady: (workitemId, transaction) => queue.send('report', { workitemId }, { transaction }),
    analyze: async (images, transaction) => {
      for (const instanceId of images) await queue.send('analyze', { instanceId }, { transaction });
    },
  });
  // A later instance moved the end of the quiet period, and its own job will close the study.
  if (notBefore) log.debug({ study: studyInstanceUid, notBefore }, 'study still receiving');
  else log.info({ study: studyInstanceUid, workitem }, 'study complete');
}
